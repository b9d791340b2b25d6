// Movement in front of contractions that their kernels do as they read: parts and permuted axes of a buffer.
#pragma once
#include <unordered_map>

#include "graph/node_map.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// The movement (a slice, with what views and transposes stand around it) that is nothing but other strides over a
/// buffer, by the contraction that reads it. What views alone can do is left to them.
/// `reordered`: values that may lie in another order than row-major; nothing is read in them so.
std::unordered_map<const node*, const node*> contraction_prologues(const graph&, const node_set& reordered);

}  // namespace tenon::ir
