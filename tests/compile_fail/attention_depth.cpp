// The first error says:
//   scaled_dot_product_attention
//   depths 64 != 32 of q and k
//   [12,128,64]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  const auto q = input<f32, 12, 128, 64>("q"), v = input<f32, 12, 128, 64>("v");
#ifdef MUST_FAIL
  auto y = scaled_dot_product_attention(q, input<f32, 12, 128, 32>("k"), v);
#else
  auto y = scaled_dot_product_attention(q, input<f32, 12, 128, 64>("k"), v);
#endif
  (void)y;
}
