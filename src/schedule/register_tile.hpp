// The register tile of a contraction, by an analytic model of what a step of it costs.
#pragma once
#include "schedule/rules.hpp"
#include "tenon/core/extent.hpp"

namespace tenon::scheduling {

/// What the model looks at: rows x columns sums of `depth` products each.
struct tile_problem {
  extent_t rows = 1, columns = 1, depth = 1;
  int lanes = 1;                 ///< elements of a vector
  int parts = 1;                 ///< in which each operand is split before it is multiplied
  int more_rows = 0;             ///< that are summed beside those of the tile
  std::int64_t row_stride = 0;   ///< bytes from one row of a to the next
  std::int64_t step_stride = 0;  ///< bytes from one step of b to the next; 0: it is packed
};
struct register_tile {
  int rows = 1;
  int vectors = 1;    ///< across the columns
  double cycles = 0;  ///< that the model expects of all its copies
};

/// The tile whose copies cover all sums at the least cost. Both tails are shifted inwards, so what tiles overlap is
/// computed twice and counts; rows are balanced (13 are two tiles of 7, not 12 and 1).
register_tile choose_register_tile(const machine_model&, const tile_problem&);

/// How many steps of b, `stride` bytes apart, the second-level cache holds: rows that lie a power of two apart share
/// few of its sets.
extent_t steps_in_l2(const machine_model&, std::int64_t stride);

}  // namespace tenon::scheduling
