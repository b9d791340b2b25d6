// partition(i.o), where i = i.o * 4 + i.i and i < 10: whole blocks have code of their own.
//
//   for i.o in [0, 3)            for i.o in [0, 2)
//     for i.i in [0, 4)            for i.i in [0, 4)
//       if i < 10                    y[i] = x[i]
//         y[i] = x[i]            for i.o in [2, 3)
//                                  for i.i in [0, 2)
//                                    y[i] = x[i]
//
// partition(i, 3) cuts any loop before trip 3. What holds for all trips of a part is not asked for in it. A parallel
// loop asks in each trip which part it belongs to.
#include <fmt/format.h>

#include <algorithm>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> partition(nest& n, const step& s) {
  const int id = s.loops[0];
  nest::loop& l = n.loops[static_cast<std::size_t>(id)];
  if (l.kind != ir::loop_kind::parallel || l.cut) require_serial(n, id, "partitioned");
  std::int64_t at = s.numbers[0];
  if (at == 0) {
    const auto x = std::ranges::find_if(
        n.relations, [&](const nest::relation& r) { return r.outer == id && r.has_tail(n.at(r.whole).extent); });
    if (x == n.relations.end())
      throw refusal{fmt::format("{} runs over no blocks of which the last one is cut", l.name), id};
    at = n.at(x->whole).extent / x->factor;
  }
  if (at < 1 || at >= l.extent)
    throw refusal{fmt::format("a cut at {} leaves one part of {} without trips", at, l.name), id};
  l.cut = at;
  return {};
}

}  // namespace tenon::scheduling
