// cache_write(i):
//
//   for i                        for i
//     for j in [0, 8)              y.c[1, 8]
//       y[i, j] = x[j, i]          for j in [0, 8)
//                                    y.c[0, j] = x[j, i]
//                                  for y.c1 in [0, 8)
//                                    y[i, y.c1] = y.c[0, y.c1]
//
// The loops inside write memory of the worker, and at their end it goes to its place. They must leave nothing out of
// the box that they write.
#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> cache_write(nest& n, const step& s) {
  return add_stage(n, {.what = nest::stage::kind::write, .name = n.result.name + ".c", .value = -1, .at = s.loops[0]});
}

}  // namespace tenon::scheduling
