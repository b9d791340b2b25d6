// The first error says:
//   matmul
//   inner extents 784 != 512
//   [32,784]
//   [512,10]
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = matmul(input<f32, 32, 784>("x"), input<f32, 512, 10>("w"));
#else
  auto y = matmul(input<f32, 32, 784>("x"), input<f32, 784, 10>("w"));
#endif
  (void)y;
}
