// The first error says:
//   shape: an extent is not negative
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  tensor<f32, shape<-5>> y;
#else
  tensor<f32, shape<5>> y = input<f32, 5>("x");
#endif
  (void)y;
}
