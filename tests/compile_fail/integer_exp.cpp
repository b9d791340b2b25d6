// The first error says:
//   exp
//   "i32"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = exp(input<i32, 3>("x"));
#else
  auto y = exp(input<f32, 3>("x"));
#endif
  (void)y;
}
