// The first error says:
//   the function returns a tensor, a std::tuple or a std::array of tensors
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = jit([](tensor<f32, shape<3>> x) { return 3; });
#else
  auto y = jit([](tensor<f32, shape<3>> x) { return x; });
#endif
  (void)y;
}
