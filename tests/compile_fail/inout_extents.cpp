// The first error says:
//   assignment
//   [5]
//   [4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  auto f = jit([](inout<tensor<f32, shape<4>>>& total, tensor<f32, shape<5>> x) {
#ifdef MUST_FAIL
    total = x;
#else
    total = total + sum(x);
#endif
    return sum(x);
  });
  (void)f;
}
