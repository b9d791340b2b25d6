// compute_inline(x.c0), a loop of what cache_read, cache_write, compute_at, pack or prefetch made: it is as before.
//
//   for i                        for i
//     x.c[1]                       y[i] = x[i] + x[i]
//     for x.c0 in [0, 1)
//       x.c[x.c0] = x[i + x.c0]
//     y[i] = x.c[i] + x.c[i]
#include <fmt/format.h>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> compute_inline(nest& n, const step& s) {
  const nest::loop& l = n.at(s.loops[0]);
  if (l.stage < 0) throw refusal{fmt::format("{} is no loop of a value that is kept", l.name), s.loops[0]};
  nest::stage& gone = n.stages[static_cast<std::size_t>(l.stage)];
  gone.gone = true;
  for (int id : gone.order) n.loops[static_cast<std::size_t>(id)].replaced = "computed inline again";
  gone.order.clear();
  return {};
}

}  // namespace tenon::scheduling
