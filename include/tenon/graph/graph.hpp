// The graph of a callable as a value: to look at, to print, to read back.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/dsl/handle.hpp"

namespace tenon {
namespace ir {

struct graph_order;

/// An immutable graph: what its inputs are, in order, and what it gives. Copies share the nodes.
class graph {
 public:
  std::vector<detail::node_ref> inputs, outputs;

  /// Number of distinct nodes.
  int size() const;
  /// Nodes by operator name; for tests and counts.
  int count(std::string_view op) const;
  friend std::string to_string(const graph&);

  /// Of its nodes, as the pass that made it knows it: kept where inputs and outputs are still those.
  std::shared_ptr<const graph_order> order{};
};

std::string to_string(const graph&);
/// Same structure: operators, attributes, types and how they are connected.
bool equal(const graph&, const graph&);

}  // namespace ir

/// Reads what `print(graph)` writes. Large constants are printed by hash; `constants` supplies them. Throws parse_error
/// that names line, column and what was expected, and the errors of the operators.
ir::graph parse_graph(std::string_view text, const ir::graph* constants = nullptr);

}  // namespace tenon
