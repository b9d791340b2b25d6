// The first error says:
//   element type is not known to C++
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  param p("p", f32, {3});
  auto y = jit([&](tensor<f32, shape<3>>) { return p + p; });
#else
  param p("p", f32, {3});
  auto y = jit([&](tensor<f32, shape<3>> x) { return x * p; });
#endif
  (void)y;
}
