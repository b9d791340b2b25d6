// Which reduction each node of a closed body belongs to.
#pragma once
#include <unordered_map>

#include "dsl/body.hpp"

namespace tenon::ir {

/// Deepest nesting of a body; deeper ones are refused, so that what follows may recurse.
inline constexpr int max_body_depth = 2000;

/// The innermost reduction whose axes a node uses; null for what belongs to the whole body.
struct body_scopes {
  std::unordered_map<const node*, const node*> of;
};
body_scopes scopes_of(const node_ref& body);

/// The same attributes with the axes of reductions numbered, and named uniquely, in the order of the body's nodes.
compute_attrs canonical(compute_attrs);

}  // namespace tenon::ir
