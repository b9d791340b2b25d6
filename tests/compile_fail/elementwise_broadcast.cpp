// The first error says:
//   elementwise
//   extents 3 != 4
//   [3]
//   [4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto f = elementwise("f", [](auto a, auto b) { return a * b; });
  auto y = f(input<f32, 3>("x"), input<f32, 4>("z"));
#else
  auto f = elementwise("f", [](auto a, auto b) { return a * b; });
  auto y = f(input<f32, 3>("x"), input<f32, 3>("z"));
#endif
  (void)y;
}
