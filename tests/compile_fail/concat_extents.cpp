// The first error says:
//   concat
//   [2,3]
//   [2,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = concat.with<{.axis = 0}>(input<f32, 2, 3>("a"), input<f32, 2, 4>("b"));
#else
  auto y = concat.with<{.axis = 1}>(input<f32, 2, 3>("a"), input<f32, 2, 4>("b"));
#endif
  (void)y;
}
