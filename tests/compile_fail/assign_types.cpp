// The first error says:
//   assignment
//   the types differ
//   "f64"
//   to
//   "f32"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  tensor<f32, any_shape> y = input<f64, 3>("x");
#else
  tensor<f32, any_shape> y = input<f32, 3>("x");
#endif
  (void)y;
}
