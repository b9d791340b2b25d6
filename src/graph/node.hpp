// Nodes of the graph IR: immutable, reference-counted, hash-consed when a graph is made of them.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/operand_list.hpp"
#include "tenon/core/hash.hpp"
#include "tenon/dsl/handle.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon::ir {

/// Element type and extents of a value.
struct value_type {
  dtype element = any_dtype;
  dims shape{};
  friend bool operator==(const value_type&, const value_type&) = default;
};
std::string to_string(const value_type&);  // "f32[n,784]"

/// Attributes of a node: one object of the operator's attribute type, shared and immutable.
using attrs_ref = std::shared_ptr<const void>;

struct node {
  // What walks over graphs look at comes first, side by side.
  const op_def* op = nullptr;
  operand_list operands;
  const std::uint64_t serial;  ///< counts the nodes that were ever made: see node_map.hpp
  mutable std::atomic<std::uint32_t> references{0};
  bool controls = false;   ///< it, or what it is made of, has bodies
  std::uint64_t hash = 0;  ///< structural: operator, attributes, operands' hashes, types
  attrs_ref attrs;
  value_type type;               ///< of the first result
  std::vector<value_type> more;  ///< of the results after the first; only `result` nodes may use such a node
  loc where;                     ///< for errors and profiles; never in the hash

  explicit node(loc w);
  const node& operand(int i) const { return *operands[static_cast<std::size_t>(i)]; }
  int results() const { return 1 + static_cast<int>(more.size()); }
  template <class A>
  const A& attributes() const {
    return *static_cast<const A*>(attrs.get());
  }
};

/// What a node's operator, attributes and operands say of it: checks the number of operands, infers the types by the
/// operator's rules and hashes all of it. Throws shape_error or type_error as emit does.
void infer(node&);
/// Makes such a node.
node_ref make_node(const op_def&, attrs_ref, operand_list, const loc&);
/// Whether two nodes have the same operator, attributes, types and (by identity) operands.
bool same_structure(const node&, const node&);

/// Every distinct node, operands before users; iterative.
std::vector<const node*> post_order(std::span<const node_ref> roots);

/// The nodes of a graph, operands before users, its inputs first.
struct graph_order {
  std::vector<const node*> nodes;
  /// Whether no two nodes have the same structure.
  bool distinct = false;
  /// Whose order it is: the serial numbers of inputs and outputs.
  std::vector<std::uint64_t> roots;
};
/// Known already of a graph that a pass made, or found by a walk.
std::shared_ptr<const graph_order> node_order(const graph&);

/// Hash-conses: of nodes with the same structure it keeps the first. Iterative rewriting is built on it.
class node_table {
 public:
  node_table();
  ~node_table();
  node_ref unique(node_ref);
  /// A node that equals no other one that the table was given or will be given so.
  void keep(const node* n);
  bool contains(const node*);
  node_ref make(const op_def&, attrs_ref, operand_list, const loc&);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace tenon::ir
