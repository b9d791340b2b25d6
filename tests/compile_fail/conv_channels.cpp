// The first error says:
//   conv2d
//   channels 5 != 4
//   [2,5,19,23]
//   [7,4,3,3]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = conv2d(input<f32, 2, 5, 19, 23>("x"), input<f32, 7, 4, 3, 3>("k"));
#else
  auto y = conv2d(input<f32, 2, 5, 19, 23>("x"), input<f32, 7, 5, 3, 3>("k"));
#endif
  (void)y;
}
