// The first error says:
//   select
//   the condition is f32, not b8
//   "f32"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto x = input<f32, 2>("x");
  auto y = select(x, x, 0);
#else
  auto x = input<f32, 2>("x");
  auto y = select(x > 0, x, 0);
#endif
  (void)y;
}
