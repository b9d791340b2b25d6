// The first error says:
//   scan
//   there is no axis to scan
//   []
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  auto x = input<f32, 4>("x");
#ifdef MUST_FAIL
  auto y = scan([](auto s, auto v) { return s + v; }, sum(x), sum(x));
#else
  auto y = scan([](auto s, auto v) { return s + v; }, sum(x), x);
#endif
  (void)y;
}
