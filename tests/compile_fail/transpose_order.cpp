// The first error says:
//   transpose
//   [2,3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = transpose.with<{0, 2}>(input<f32, 2, 3, 4>("x"));
#else
  auto y = transpose.with<{0, 2, 1}>(input<f32, 2, 3, 4>("x"));
#endif
  (void)y;
}
