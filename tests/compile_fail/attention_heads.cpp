// The first error says:
//   scaled_dot_product_attention
//   12 heads of q for 5 of k
//   [12,128,64]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  const auto q = input<f32, 12, 128, 64>("q");
#ifdef MUST_FAIL
  const auto k = input<f32, 5, 128, 64>("k");
#else
  const auto k = input<f32, 4, 128, 64>("k");
#endif
  auto y = scaled_dot_product_attention(q, k, k);
  (void)y;
}
