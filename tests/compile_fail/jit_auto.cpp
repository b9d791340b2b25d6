// The first error says:
//   jit: the lambda's parameters need types
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = jit([](auto x) { return x; });
#else
  auto y = jit([](tensor<f32, shape<3>> x) { return x; });
#endif
  (void)y;
}
