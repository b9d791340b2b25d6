// The first error says:
//   less
//   element types differ
//   "f32"
//   "f64"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = input<f32, 2>("a") < input<f64, 2>("b");
#else
  auto y = input<f32, 2>("a") < input<f32, 2>("b");
#endif
  (void)y;
}
