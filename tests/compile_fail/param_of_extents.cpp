// The first error says:
//   param_of: the extents are numbers
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  param_of<f32, shape<dyn, 4>> y("w");
#else
  param_of<f32, shape<3, 4>> y("w");
#endif
  (void)y;
}
