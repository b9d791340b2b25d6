// What an element of a node is: its definition run on symbols. Passes find in it what holds of an operator (it moves
// nothing, it is linear in its weights along an axis), so that no operator has to say so.
#pragma once
#include <span>
#include <vector>

#include "graph/op_def.hpp"

namespace tenon::ir {

/// An element of a node of known extents, as an expression over elements of others.
class traced {
 public:
  /// `through`: operands that are movement are seen through, down to what they move.
  enum class depth : std::uint8_t { operands, through };
  /// Whether it can be: the operator says `compute`, all ranks are known, and all extents are numbers.
  static bool can(const node&);
  /// The same with extents that only a call knows, for what does not depend on them; a number stands for each.
  static bool can_with_open_extents(const node&);
  explicit traced(const node&, depth = depth::operands);
  traced(const traced&) = delete;

  expr_arena& arena() { return arena_; }
  /// The result's indices: 0 along axes of one element, else something below the extent.
  std::span<const expr_ref> indices() const { return indices_; }
  /// In the node's element type; loads of buffer b read `leaves()[b]`.
  expr_ref value() const { return value_; }
  const std::vector<node_ref>& leaves() const { return leaves_; }
  /// The leaf whose elements are the result's, each at its own place, or null.
  node_ref moved_nowhere() const;
  /// The indices at which the leaf is read, or nothing when that is not at one place.
  std::span<const expr_ref> read_at(std::size_t leaf) const;

 private:
  expr_ref element(const node&, std::span<const expr_ref> at, expr_ref mask, bool through);
  expr_ref read(const node_ref&, std::span<const expr_ref> at, expr_ref mask, bool through);

  expr_arena arena_;
  value_type type_;
  std::vector<expr_ref> indices_;
  std::vector<node_ref> leaves_;
  expr_ref value_ = nullptr;
};

}  // namespace tenon::ir
