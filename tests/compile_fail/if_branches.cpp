// The first error says:
//   if_
//   the branches give other types
//   f32
//   i32
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  auto x = input<f32, 4>("x");
#ifdef MUST_FAIL
  auto y = if_(sum(x) > 0, [&] { return x; }, [&] { return cast<i32>(x); });
#else
  auto y = if_(sum(x) > 0, [&] { return x; }, [&] { return -x; });
#endif
  (void)y;
}
