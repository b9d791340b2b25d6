// The first error says:
//   dim: a name has letters, digits and underscores
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  constexpr auto y = dim("batch-1");
#else
  constexpr auto y = dim("batch_1");
#endif
  (void)y;
}
