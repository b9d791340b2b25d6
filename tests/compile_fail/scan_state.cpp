// The first error says:
//   scan
//   the body changes the state
//   [4]
//   [3]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  auto x = input<f32, 5, 4>("x");
  auto s0 = input<f32, 4>("s0");
#ifdef MUST_FAIL
  auto y = scan([](auto, auto) { return input<f32, 3>("short"); }, s0, x);
#else
  auto y = scan([](auto s, auto v) { return s + v; }, s0, x);
#endif
  (void)y;
}
