// The first error says:
//   shape: the rank is at most 8
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  using s = shape<1, 1, 1, 1, 1, 1, 1, 1, 1>;
  auto y = s::value;
#else
  using s = shape<1, 1, 1, 1, 1, 1, 1, 1>;
  auto y = s::value;
#endif
  (void)y;
}
