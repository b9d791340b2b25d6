// The first error says:
//   each parameter is a tensor<...> with an element type
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = jit([](tensor<f32, shape<3>> x, float a) { return x * a; });
#else
  auto y = jit([](tensor<f32, shape<3>> x, tensor<f32, shape<>> a) { return x * a; });
#endif
  (void)y;
}
