// split(i, 4), of an extent of 10:
//
//   for i in [0, 10)             for i.o in [0, 3)
//     y[i] = x[i]                  for i.i in [0, min(4, 10 - i.o * 4))        tail::guard
//                                    y[i.o * 4 + i.i] = x[i.o * 4 + i.i]
//
// With tail::mask all blocks run whole, and what is outside does nothing; vectorized, the last vector is a masked one.
// With tail::shift the last block begins at 6, so that all are whole; what it does again must not matter.
#include <fmt/format.h>

#include <algorithm>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> split(nest& n, const step& s) {
  const int id = s.loops[0];
  const std::int64_t factor = s.numbers[0];
  require_serial(n, id, "split");
  const nest::loop whole = n.loops[static_cast<std::size_t>(id)];
  if (factor < 1) throw refusal{fmt::format("the factor {} is not at least 1", factor), id};
  const bool divides = whole.extent % factor == 0;
  if (s.tail == tail::exact && !divides)
    throw refusal{fmt::format("the extent {} of {} is no multiple of {}", whole.extent, whole.name, factor), id};
  const bool shifts = s.tail == tail::shift && !divides;
  if (shifts) {
    if (factor > whole.extent)
      throw refusal{
          fmt::format("a block of {} does not fit into the extent {} of {}", factor, whole.extent, whole.name), id};
    if (whole.reduction >= 0) {
      const ir::reducer r = n.reductions[static_cast<std::size_t>(whole.reduction)].combine;
      if (r == ir::reducer::sum || r == ir::reducer::prod)
        throw refusal{fmt::format("{} is a reduction by {}: what a shifted block does again would count twice",
                                  whole.name, ir::name(r)),
                      id};
    }
  }
  nest::loop outer = whole, inner = whole;
  outer.name += ".o";
  outer.extent = whole.extent / factor + !divides;
  inner.name += ".i";
  inner.extent = std::min(factor, whole.extent);
  const int o = add_loop(n, std::move(outer)), i = add_loop(n, std::move(inner));
  n.relations.push_back({.what = shifts ? nest::relation::kind::shift : nest::relation::kind::split,
                         .whole = id,
                         .outer = o,
                         .inner = i,
                         .factor = factor,
                         .masked = s.tail == tail::mask});
  replace_loop(n, id, {o, i}, fmt::format("split into {0}.o and {0}.i", whole.name));
  return {o, i};
}

}  // namespace tenon::scheduling
