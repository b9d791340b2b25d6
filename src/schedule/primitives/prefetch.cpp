// prefetch(x, k, 4): in each trip of k, the lines are asked for that trip k + 4 reads of x.
//
//   for k                        for k
//     for j in [0, 32)             for l in [0, 2)
//       ... x[k, j] ...              ask for x[k + 4, l * 16]
//                                  for j in [0, 32)
//                                    ... x[k, j] ...
//
// Nothing depends on it: an address may lie behind the operand's end.
#include <fmt/format.h>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> prefetch(nest& n, const step& s) {
  constexpr std::int64_t farthest = 1024;
  const int v = find_value(n, s.value, s.loops[0]);
  const nest::value& value = n.values[static_cast<std::size_t>(v)];
  if (value.strides.size() != value.extents.size() || value.extents.empty())
    throw refusal{fmt::format("{} is no operand with elements in memory", s.value), s.loops[0]};
  if (s.numbers[0] < 1 || s.numbers[0] > farthest)
    throw refusal{fmt::format("{} trips ahead; 1 to {} are expected", s.numbers[0], farthest), s.loops[0]};
  return add_stage(n, {.what = nest::stage::kind::prefetch,
                       .name = s.value + ".l",
                       .value = v,
                       .at = s.loops[0],
                       .ahead = s.numbers[0]});
}

}  // namespace tenon::scheduling
