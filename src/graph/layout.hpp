// Layout: in which order a value's axes lie in memory. Definitions are in logical indices, so another layout is another
// order of the same loops and no operator has a rule for it.
#pragma once
#include <vector>

#include "graph/node_map.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// The axes from the outermost in memory to the innermost; empty: as they are numbered (row-major).
using axis_order = std::vector<int>;

/// Empty when the order says nothing: axes of one element lie anywhere.
axis_order normal(const axis_order&, const dims& shape);
/// Channels, the second axis, innermost.
axis_order channels_last(const dims& shape);
/// The order of `permuted`, a transpose, when it is a view of its operand in order `operand`; and the other way round.
axis_order order_of_view(const node& permuted, const axis_order& operand);
axis_order order_of_viewed(const node& permuted, const axis_order& view);

/// The values that are better off with channels innermost: what convolutions read and write, and what lies between
/// them. Convolutions whose result is a result of the graph keep the order that is asked of them.
node_set channels_last_region(const graph&);

}  // namespace tenon::ir
