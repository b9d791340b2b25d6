// The first error says:
//   mul
//   index notation
//   extents 4 != 5 of d
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto [i, d] = axes<"i, d">();
  auto x = input<f32, 3, 4>("x");
  auto z = input<f32, 3, 5>("z");
  auto y = compute(i)[sum(d)(x(i, d) * z(i, d))];
#else
  auto [i, d] = axes<"i, d">();
  auto x = input<f32, 3, 4>("x"), z = input<f32, 3, 4>("z");
  auto y = compute(i)[sum(d)(x(i, d) * z(i, d))];
#endif
  (void)y;
}
