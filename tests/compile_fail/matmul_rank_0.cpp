// The first error says:
//   matmul
//   rank 0
//   []
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = matmul(input<f32>("x"), input<f32, 4>("w"));
#else
  auto y = matmul(input<f32, 4>("x"), input<f32, 4>("w"));
#endif
  (void)y;
}
