// The first error says:
//   einsum
//   [3,64]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = einsum<"id,jd->ij">(input<f32, 3, 64>("q"));
#else
  auto y = einsum<"id->di">(input<f32, 3, 64>("q"));
#endif
  (void)y;
}
