// The first error says:
//   an inout parameter is taken by reference
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto f = jit([](inout<tensor<f32, shape<4>>> total) {
#else
  auto f = jit([](inout<tensor<f32, shape<4>>>& total) {
#endif
    total = total + 1;
    return sum(total);
  });
  (void)f;
}
