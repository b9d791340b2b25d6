// The first error says:
//   result
//   element types differ
//   "i32"
//   "b8"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto f = jit([](tensor<f32, shape<3>> x) { return x > 0; });
  array<i32> y;
  f.into(y, array<f32>::zeros({3}));
#else
  auto f = jit([](tensor<f32, shape<3>> x) { return x > 0; });
  array<b8> y;
  f.into(y, array<f32>::zeros({3}));
#endif
  (void)y;
}
