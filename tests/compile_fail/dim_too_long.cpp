// The first error says:
//   dim: a name has 1 to 10 characters
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  auto y = dim("batch_size_");
#else
  auto y = dim("batch_size");
#endif
  (void)y;
}
