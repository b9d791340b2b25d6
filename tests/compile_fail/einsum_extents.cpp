// The first error says:
//   einsum
//   64 != 63
//   [3,64]
//   [5,63]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = einsum<"id,jd->ij">(input<f32, 3, 64>("q"), input<f32, 5, 63>("k"));
#else
  auto y = einsum<"id,jd->ij">(input<f32, 3, 64>("q"), input<f32, 5, 64>("k"));
#endif
  (void)y;
}
