// The first error says:
//   matmul
//   element types differ
//   "f32"
//   "i32"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = matmul(input<f32, 3, 4>("x"), input<i32, 4, 5>("w"));
#else
  auto y = matmul(input<f32, 3, 4>("x"), input<f32, 4, 5>("w"));
#endif
  (void)y;
}
