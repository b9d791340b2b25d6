// The first error says:
//   cast
//   the new type is not stated
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = cast<any_dtype>(input<f32, 3>("x"));
#else
  auto y = cast<f16>(input<f32, 3>("x"));
#endif
  (void)y;
}
