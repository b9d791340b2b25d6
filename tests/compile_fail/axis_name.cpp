// The first error says:
//   axis: a name has 1 to 10 characters
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
#ifdef MUST_FAIL
  axis<"the_longest_row", 3> r;
  (void)r;
#else
  axis<"row", 3> r;
  (void)r;
#endif
}
