// The first error says:
//   sum
//   axis 2 is outside rank 2
//   [3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = sum.with<{.axes = {2}}>(input<f32, 3, 4>("x"));
#else
  auto y = sum.with<{.axes = {1}}>(input<f32, 3, 4>("x"));
#endif
  (void)y;
}
