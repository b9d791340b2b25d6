// unroll(i), of an extent of 3:
//
//   for i in [0, 3)              y[0] = x[0]
//     y[i] = x[i]                y[1] = x[1]
//                                y[2] = x[2]
//
// The copies of the innermost statement are bounded (object_to).
#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> unroll(nest& n, const step& s) {
  require_serial(n, s.loops[0], "unrolled");
  n.loops[static_cast<std::size_t>(s.loops[0])].kind = ir::loop_kind::unrolled;
  return {};
}

}  // namespace tenon::scheduling
