// The first error says:
//   assignment
//   as<>() checks
//   [...]
//   [3,4]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  tensor<f32, any_shape> h = input<f32, 3, 4>("x");
  tensor<f32, shape<3, 4>> y = h;
#else
  tensor<f32, any_shape> h = input<f32, 3, 4>("x");
  tensor<f32, shape<3, 4>> y = as<shape<3, 4>>(h);
#endif
  (void)y;
}
