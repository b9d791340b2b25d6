// The first error says:
//   mul
//   extents 4 != 2
//   [2,4]
//   [2]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = input<f32, 2, 4>("a") * input<f32, 2>("b");
#else
  auto y = input<f32, 2, 4>("a") * input<f32, 4>("b");
#endif
  (void)y;
}
