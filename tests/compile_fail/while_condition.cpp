// The first error says:
//   while_
//   the condition is no b8 scalar
//   [4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  auto x = input<f32, 4>("x");
#ifdef MUST_FAIL
  auto y = while_([](auto s) { return s > 0; }, [](auto s) { return s - 1; }, x);
#else
  auto y = while_([](auto s) { return any(s > 0); }, [](auto s) { return s - 1; }, x);
#endif
  (void)y;
}
