// The first error says:
//   transpose
//   takes no element
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto [i, j] = axes<"i, j">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i, j)[transpose(x(i, j))];
#else
  auto [i, j] = axes<"i, j">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i, j)[exp(x(i, j))];
#endif
  (void)y;
}
