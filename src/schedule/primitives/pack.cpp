// pack(x, j.o, 1, 8): as cache_read, with dimension 1 in panels of 8 columns, each panel as the loops read it.
//
//   for j.o                      for j.o
//     for i                        x.p[2, K, 8]
//       for k                      for p in [0, 2), k, w in [0, 8)
//         for j.i in [0, 16)         x.p[p, k, w] = x[k, j.o * 16 + p * 8 + w]
//           ... x[k, j] ...        for i
//                                    for k
//                                      for j.i in [0, 16)
//                                        ... x.p[j.i / 8, k, j.i % 8] ...
//
// Columns outside of the operand are zeros.
#include <fmt/format.h>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> pack(nest& n, const step& s) {
  constexpr std::int64_t widest = 1024;
  const int v = find_value(n, s.value, s.loops[0]);
  const auto rank = static_cast<std::int64_t>(n.values[static_cast<std::size_t>(v)].extents.size());
  if (s.numbers[0] < 0 || s.numbers[0] >= rank)
    throw refusal{fmt::format("{} has no dimension {}; its rank is {}", s.value, s.numbers[0], rank), s.loops[0]};
  if (s.numbers[1] < 1 || s.numbers[1] > widest)
    throw refusal{fmt::format("panels of {}; 1 to {} columns are expected", s.numbers[1], widest), s.loops[0]};
  return add_stage(n, {.what = nest::stage::kind::read,
                       .name = s.value + ".p",
                       .value = v,
                       .at = s.loops[0],
                       .packed = static_cast<int>(s.numbers[0]),
                       .width = s.numbers[1]});
}

}  // namespace tenon::scheduling
