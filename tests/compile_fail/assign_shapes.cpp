// The first error says:
//   assignment
//   the types differ
//   [32,784]
//   to
//   [3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  tensor<f32, shape<3, 4>> y = input<f32, 32, 784>("x");
#else
  tensor<f32, shape<dyn, 784>> y = input<f32, 32, 784>("x");
#endif
  (void)y;
}
