// Attention as a group of its own: what is between two products, and both of them, in one kernel.
#pragma once
#include <unordered_map>

#include "graph/node.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// The nodes that are computed inside an attention's second product, each with that product.
///   scores = maps of (q @ k)                       also masks of the scores' shape
///   e      = exp(scores - maps of max(scores))
///   result = (e / maps of sum(e)) @ v              or times; q, k and v widened, their heads repeated
std::unordered_map<const node*, const node*> attention_groups(const graph&);

}  // namespace tenon::ir
