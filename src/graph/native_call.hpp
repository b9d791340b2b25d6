// Running a node as the C++ compiler compiled it: the `native` target, constant folding, the reference of tests.
#pragma once
#include <vector>

#include "graph/op_def.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

/// One node with what a native run needs besides the data: immutable, so many threads may run it.
struct native_plan {
  node_ref keep;  ///< holds the attributes
  native_fn run = nullptr;
  std::vector<native_operand> in, out;  ///< data is filled in by each call

  /// `buffers`: operands, then results.
  void operator()(void* const* buffers) const;
};

/// Whether the node has a native function for its operands' types.
bool has_native(const node&);
/// `strides_of` gives an operand's strides where it is not contiguous, null else. Throws type_error naming operator and
/// types when there is no native function.
native_plan plan_native(const node&, const std::function<const extent_t*(const node& operand)>& strides_of = {});
/// The results of a node whose operands are all constants.
std::vector<constant_value> evaluate_native(const node&);

}  // namespace tenon::ir
