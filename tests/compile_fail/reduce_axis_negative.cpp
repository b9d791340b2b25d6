// The first error says:
//   mean
//   axis -3 is outside rank 2
//   [3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = mean.with<{.axes = {-3}}>(input<f32, 3, 4>("x"));
#else
  auto y = mean.with<{.axes = {-2}}>(input<f32, 3, 4>("x"));
#endif
  (void)y;
}
