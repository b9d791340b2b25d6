// fuse(i, j), of extents 6 and 10:
//
//   for i in [0, 6)              for i_j in [0, 60)
//     for j in [0, 10)             y[i_j / 10, i_j % 10] = x[i_j / 10, i_j % 10]
//       y[i, j] = x[i, j]
#include <fmt/format.h>

#include <algorithm>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> fuse(nest& n, const step& s) {
  const int a = s.loops[0], b = s.loops[1];
  require_serial(n, a, "fused");
  require_serial(n, b, "fused");
  const nest::loop outer = n.loops[static_cast<std::size_t>(a)], inner = n.loops[static_cast<std::size_t>(b)];
  if (outer.stage != inner.stage)
    throw refusal{fmt::format("{} and {} are not loops of the same copy", outer.name, inner.name), b};
  if (outer.reduction != inner.reduction)
    throw refusal{outer.reduction >= 0 && inner.reduction >= 0
                      ? fmt::format("{} and {} are loops of two reductions", outer.name, inner.name)
                      : fmt::format("one of {} and {} is a loop of a reduction, the other one of the result",
                                    outer.name, inner.name),
                  b};
  const std::vector<int>& order = n.order_of(a);
  const auto at = std::ranges::find(order, a);
  if (at + 1 == order.end() || *(at + 1) != b)
    throw refusal{fmt::format("{} is not directly inside of {}", inner.name, outer.name), b};
  std::int64_t extent = 0;
  if (__builtin_mul_overflow(outer.extent, inner.extent, &extent))
    throw refusal{fmt::format("{} * {} trips are too many", outer.extent, inner.extent), b};
  nest::loop both = outer;
  both.name = outer.name + "_" + inner.name;
  both.extent = extent;
  for (int r : inner.roots)
    if (std::ranges::find(both.roots, r) == both.roots.end()) both.roots.push_back(r);
  const int id = add_loop(n, std::move(both));
  n.relations.push_back({.what = nest::relation::kind::fuse,
                         .whole = id,
                         .outer = a,
                         .inner = b,
                         .factor = std::max<std::int64_t>(inner.extent, 1)});
  const std::string how = fmt::format("fused into {}_{}", outer.name, inner.name);
  replace_loop(n, a, {id}, how);
  replace_loop(n, b, {}, how);
  // What was inside of both is inside of the one loop; what was between them cannot be.
  for (nest::stage& x : n.stages)
    if (x.at == b) x.at = id;
  for (nest::reduction& r : n.reductions)
    if (r.at == b) r.at = id;
  return {id};
}

}  // namespace tenon::scheduling
