// The first error says:
//   reshape
//   [3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = reshape.with<{2, 7}>(input<f32, 3, 4>("x"));
#else
  auto y = reshape.with<{2, 6}>(input<f32, 3, 4>("x"));
#endif
  (void)y;
}
