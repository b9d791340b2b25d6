// The first error says:
//   softmax
//   axis 5 is outside rank 3
//   [2,3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = softmax.with<{.axis = 5}>(input<f32, 2, 3, 4>("x"));
#else
  auto y = softmax.with<{.axis = 2}>(input<f32, 2, 3, 4>("x"));
#endif
  (void)y;
}
