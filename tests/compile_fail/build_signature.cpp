// The first error says:
//   the model cannot be called with the signature's parameters
#include <tenon/tenon.hpp>
using namespace tenon;

struct twice {
  template <tensor_like X>
  auto operator()(X x) const {
    return x + x;
  }
};

int main() {
#ifdef MUST_FAIL
  auto y = build(twice{}, signature<tensor<f32, shape<3>>, tensor<f32, shape<3>>>{});
#else
  auto y = build(twice{}, signature<tensor<f32, shape<3>>>{});
#endif
  (void)y;
}
