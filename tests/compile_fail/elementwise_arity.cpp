// The first error says:
//   elementwise: the function does not take that many operands
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto f = elementwise("f", [](auto a, auto b) { return a * b; });
  auto x = input<f32, 3>("x");
  auto y = f(x);
#else
  auto f = elementwise("f", [](auto a, auto b) { return a * b; });
  auto x = input<f32, 3>("x");
  auto y = f(x, x);
#endif
  (void)y;
}
