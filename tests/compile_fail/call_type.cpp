// The first error says:
//   argument
//   element types differ
//   "f64"
//   "f32"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto f = jit([](tensor<f32, shape<3>> x) { return x; });
  auto y = f(array<f64>::zeros({3}));
#else
  auto f = jit([](tensor<f32, shape<3>> x) { return x; });
  auto y = f(array<f32>::zeros({3}));
#endif
  (void)y;
}
