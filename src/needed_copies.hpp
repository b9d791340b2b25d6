// Copies that the memory of a call asks for.
#pragma once
#include <functional>
#include <vector>

#include "tenon/core/extent.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon {

/// An output that is no buffer of its own (an argument, a constant, another output again) becomes a copy; not so what
/// `stays` where its argument is.
ir::graph separate_outputs(const ir::graph&, const std::function<bool(std::size_t output)>& stays);
/// What bodies read, and what is updated, lies in memory without gaps. `strides` of each input; null: it has none.
ir::graph contiguous_for_bodies(const ir::graph&, const std::vector<const extent_t*>& strides);

}  // namespace tenon
