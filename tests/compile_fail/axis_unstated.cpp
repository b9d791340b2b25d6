// The first error says:
//   sum
//   index notation
//   axis r: state its extent
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto [i] = axes<"i">();
  axis<"r"> r;
  auto x = input<f32, 9>("x");
  auto y = compute(i)[sum(r)(x(i + r))];
#else
  auto [i] = axes<"i">();
  axis<"r", 3> r;
  auto x = input<f32, 9>("x");
  auto y = compute(i)[sum(r)(x(i + r))];
#endif
  (void)y;
}
