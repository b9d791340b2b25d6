// What the primitives share that keep a value in memory of its own.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "schedule/primitives/primitives.hpp"
#include "schedule/region.hpp"

namespace tenon::scheduling {

int find_value(const nest& n, const std::string& name, int loop) {
  const auto v = std::ranges::find(n.values, name, &nest::value::name);
  if (v != n.values.end()) return static_cast<int>(v - n.values.begin());
  std::vector<std::string> all;
  for (const nest::value& x : n.values) all.push_back(x.name);
  throw refusal{fmt::format("{} reads no {}; it reads {}", n.kernel, name, fmt::join(all, ", ")), loop};
}

std::vector<int> add_stage(nest& n, nest::stage s) {
  const nest::loop& at = n.at(s.at);
  if (at.stage >= 0)
    throw refusal{fmt::format("{} is a loop of {} itself", at.name, n.stages[static_cast<std::size_t>(at.stage)].name),
                  s.at};
  for (const nest::stage& other : n.stages)
    if (!other.gone && other.what == s.what && other.value == s.value)
      throw refusal{fmt::format("there is {} already, inside of {}", other.name, n.at(other.at).name), s.at};
  const int id = static_cast<int>(n.stages.size());
  const int row = s.packed;
  const std::string name = s.value < 0 ? n.result.name : n.values[static_cast<std::size_t>(s.value)].name;
  const bool lines = s.what == nest::stage::kind::prefetch;
  n.stages.push_back(std::move(s));
  // A stage whose loops do not stand yet has no place, and what it would hold is asked first.
  std::vector<std::int64_t> extents = stage_extents(n, n.stages.back());
  nest::stage& made = n.stages.back();
  made.extents = extents;
  const auto loop_over = [&](std::int64_t extent, const char* kind, std::size_t d) {
    const int l = add_loop(n, {.name = fmt::format("{}.{}{}", name, kind, d),
                               .extent = extent,
                               .stage = id,
                               .roots = {static_cast<int>(n.loops.size())},
                               .replaced = {}});
    made.order.push_back(l);
    return l;
  };
  for (std::size_t d = 0; d < extents.size(); ++d) {
    std::int64_t trips = extents[d];
    if (static_cast<int>(d) == row) trips /= made.width;
    // One element of a line asks for all of it.
    if (lines && d + 1 == extents.size()) {
      const std::int64_t elements = elements_of_line(n, made);
      trips = (trips + elements - 1) / elements;
    }
    made.roots.push_back(loop_over(trips, lines ? "l" : static_cast<int>(d) == row ? "p" : "c", d));
  }
  if (row >= 0) {
    // Panel by panel, and the columns of a panel last.
    std::ranges::rotate(made.order.begin(), made.order.begin() + row, made.order.begin() + row + 1);
    made.column = loop_over(made.width, "w", static_cast<std::size_t>(row));
  }
  return made.order;
}

}  // namespace tenon::scheduling
