// The first error says:
//   compute
//   axis d is bound by nothing
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto [i, d] = axes<"i, d">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i)[x(i, d)];
#else
  auto [i, d] = axes<"i, d">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i)[sum(d)(x(i, d))];
#endif
  (void)y;
}
