// The first error says:
//   update_slice
//   extents 5 != 4 of axis 1
//   [8,4]
//   [1,5]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  auto x = input<f32, 8, 4>("x");
  auto at = input<i64, shape<>>("at");
#ifdef MUST_FAIL
  auto y = update_slice(x, input<f32, 1, 5>("y"), at);
#else
  auto y = update_slice(x, input<f32, 1, 4>("y"), at);
#endif
  (void)y;
}
