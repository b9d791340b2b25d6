// compute_at(k, i), of a reduction that k is a loop of: for all that is inside of i, at its beginning.
//
//   for i                        for i
//     for j                        acc[J]
//       acc = 0                    for j
//       for k                        acc[j] = 0
//         acc += x[i, j, k]        for j
//       y[i, j] = acc                for k
//                                      acc[j] += x[i, j, k]
//                                  for j
//                                    y[i, j] = acc[j]
//
// compute_at(exp, i), of an intermediate that is named by the function that makes it: once, and kept for those that
// read it inside of i.
//
//   for i                        for i
//     acc = 0                      exp.c[K]
//     for k                        for exp.c1 in [0, K)
//       acc += exp(x[i, k])          exp.c[exp.c1] = exp(x[i, exp.c1])
//     for j                        acc = 0
//       y[i, j] =                  for k
//         exp(x[i, j]) / acc         acc += exp.c[k]
//                                  for j
//                                    y[i, j] = exp.c[j] / acc
#include <fmt/format.h>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> compute_at(nest& n, const step& s) {
  if (!s.value.empty()) {
    const int v = find_value(n, s.value, s.loops[0]);
    const nest::value& value = n.values[static_cast<std::size_t>(v)];
    if (s.loops.size() != 1) throw refusal{"one loop is expected with a value", s.loops[1]};
    if (value.strides.size() == value.extents.size())
      throw refusal{fmt::format("{} is an operand; cache_read keeps it", s.value), s.loops[0]};
    return add_stage(n, {.what = nest::stage::kind::read, .name = s.value + ".c", .value = v, .at = s.loops[0]});
  }
  if (s.loops.size() != 2) throw refusal{"a loop of a reduction and one of the result are expected", s.loops[0]};
  const nest::loop &own = n.at(s.loops[0]), &at = n.at(s.loops[1]);
  if (own.reduction < 0) throw refusal{fmt::format("{} is no loop of a reduction", own.name), s.loops[0]};
  if (!at.of_result()) throw refusal{fmt::format("{} is no loop of the result", at.name), s.loops[1]};
  nest::reduction& r = n.reductions[static_cast<std::size_t>(own.reduction)];
  if (r.inside >= 0)
    throw refusal{fmt::format("acc{} is made in the loops of acc{}", own.reduction, r.inside), s.loops[0]};
  r.at = s.loops[1];
  return {};
}

}  // namespace tenon::scheduling
