// The first error says:
//   compute
//   k indexes nothing
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto [i, j, k] = axes<"i, j, k">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i, j, k)[x(i, j)];
#else
  auto [i, j] = axes<"i, j">();
  auto x = input<f32, 3, 4>("x");
  auto y = compute(i, j)[x(i, j)];
#endif
  (void)y;
}
