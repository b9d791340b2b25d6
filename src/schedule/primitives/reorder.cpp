// reorder(k, j): the loops take the places that they have together, in this order.
//
//   for i                        for i
//     for j                        acc[J]
//       acc = 0                    for j
//       for k                        acc[j] = 0
//         acc += x[i, k, j]        for k
//       y[i, j] = acc                for j
//                                      acc[j] += x[i, k, j]
//                                  for j
//                                    y[i, j] = acc[j]
//
// A nest with several reductions keeps the loops of each inside of the loops that they share: else one would begin
// before another, that it reads, is complete.
#include <fmt/format.h>

#include <algorithm>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> reorder(nest& n, const step& s) {
  std::vector<std::size_t> places;
  std::vector<int>& order = n.order_of(s.loops[0]);
  for (std::size_t k = 0; k < s.loops.size(); ++k) {
    const int id = s.loops[k];
    if (std::ranges::find(s.loops.begin(), s.loops.begin() + static_cast<std::ptrdiff_t>(k), id) !=
        s.loops.begin() + static_cast<std::ptrdiff_t>(k))
      throw refusal{fmt::format("{} is given twice", n.loops[static_cast<std::size_t>(id)].name), id};
    if (n.at(id).stage != n.at(s.loops[0]).stage)
      throw refusal{fmt::format("{} and {} are not loops of the same copy", n.at(s.loops[0]).name, n.at(id).name), id};
    places.push_back(static_cast<std::size_t>(std::ranges::find(order, id) - order.begin()));
  }
  std::ranges::sort(places);
  for (std::size_t k = 0; k < places.size(); ++k) order[places[k]] = s.loops[k];
  return {};
}

}  // namespace tenon::scheduling
