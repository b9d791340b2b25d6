// The first error says:
//   concat
//   element types differ
//   "f32"
//   "i64"
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = concat(input<f32, 2, 3>("a"), input<i64, 2, 3>("b"));
#else
  auto y = concat(input<f32, 2, 3>("a"), input<f32, 2, 3>("b"));
#endif
  (void)y;
}
