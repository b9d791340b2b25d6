// The first error says:
//   add
//   extents 4 != 3
//   [2,4]
//   [2,3]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = input<f32, 2, 4>("a") + input<f32, 2, 3>("b");
#else
  auto y = input<f32, 2, 4>("a") + input<f32, 2, 1>("b");
#endif
  (void)y;
}
