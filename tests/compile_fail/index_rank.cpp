// The first error says:
//   index notation
//   1 indices for rank 2
//   [3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto [i, j] = axes<"i, j">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i)[x(i)];
#else
  auto [i, j] = axes<"i, j">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i, j)[x(i, j)];
#endif
  (void)y;
}
