// The first error says:
//   matmul
//   rank 0
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = elementwise("twice", [](auto x) { return matmul(x, x); });
#else
  auto y = elementwise("twice", [](auto x) { return x + x; });
#endif
  (void)y;
}
