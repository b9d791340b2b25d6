// cache_read(x, i.o), where x[i] is read inside of it:
//
//   for i.o in [0, 4)            for i.o in [0, 4)
//     for i.i in [0, 8)            x.c[8]
//       y[i] = x[i] + x[i]         for x.c0 in [0, 8)
//                                    x.c[x.c0] = x[i.o * 8 + x.c0]
//                                  for i.i in [0, 8)
//                                    y[i] = x.c[i] + x.c[i]
//
// What the loops inside read of the operand is copied before them, in memory of the worker. The least box is copied
// that holds it, cut at the operand's edges. The new loops are scheduled as others are.
#include <fmt/format.h>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> cache_read(nest& n, const step& s) {
  const int v = find_value(n, s.value, s.loops[0]);
  if (n.values[static_cast<std::size_t>(v)].strides.size() != n.values[static_cast<std::size_t>(v)].extents.size())
    throw refusal{fmt::format("{} is no operand; compute_at keeps an intermediate", s.value), s.loops[0]};
  return add_stage(n, {.what = nest::stage::kind::read, .name = s.value + ".c", .value = v, .at = s.loops[0]});
}

}  // namespace tenon::scheduling
