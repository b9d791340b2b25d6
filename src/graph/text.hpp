// Graphs as text, in an order of the caller's.
#pragma once
#include <string>
#include <vector>

#include "graph/node_map.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// The nodes in this order, operands before users, some with a comment in the line above.
std::string to_string(const graph&, const std::vector<const node*>& order, const node_map<std::string>& comments);

}  // namespace tenon::ir
