// The first error says:
//   while_
//   the body changes the state
//   [4]
//   [5]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  auto x = input<f32, 4>("x");
  auto wide = input<f32, 5>("wide");
#ifdef MUST_FAIL
  auto y = while_([](auto s) { return sum(s) > 0; }, [&](auto) { return wide; }, x);
#else
  auto y = while_([](auto s) { return sum(s) > 0; }, [&](auto s) { return s - sum(wide); }, x);
#endif
  (void)y;
}
