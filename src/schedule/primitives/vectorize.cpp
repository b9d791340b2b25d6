// vectorize(i, 8): eight trips at a time, each lane one of them.
//
//   for i in [0, 20)             vectorized(8) for i in [0, 20)       // 0..7, 8..15, 16..19 masked
//     y[i] = x[i]                  y[i] = x[i]
//
// A reduction's loop keeps one partial result a lane and combines them at its end. One vectorized loop is not inside of
// another.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

namespace {
constexpr std::int64_t most_lanes = 64;
constexpr std::int64_t usual_lanes = 16;
}  // namespace

std::vector<int> vectorize(nest& n, const step& s) {
  const int id = s.loops[0];
  require_serial(n, id, "vectorized");
  nest::loop& l = n.loops[static_cast<std::size_t>(id)];
  std::int64_t lanes = s.numbers[0];
  if (lanes == 0)
    lanes = static_cast<std::int64_t>(
        std::bit_floor(static_cast<std::uint64_t>(std::clamp<std::int64_t>(l.extent, 1, usual_lanes))));
  if (lanes < 1 || lanes > most_lanes || (lanes & (lanes - 1)) != 0)
    throw refusal{fmt::format("{} lanes; a power of two up to {} is expected", lanes, most_lanes), id};
  l.kind = ir::loop_kind::vectorized;
  l.width = static_cast<int>(lanes);
  return {};
}

}  // namespace tenon::scheduling
