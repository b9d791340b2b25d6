// What the contraction rule works on: a sum of products, with the strides of its operands in every axis.
#pragma once
#include <optional>
#include <vector>

#include "loop/lower.hpp"

namespace tenon::scheduling {

/// sum over the reduction of a * b: `a` is the same for all columns, `b` for all rows.
struct product {
  struct operand {
    ir::expr_ref value = nullptr;               ///< as it stands in the product: a load, or a cast of one
    ir::expr_ref load = nullptr;                ///< unmasked, or masked off exactly beyond the border of its buffer
    std::vector<ir::expr_ref> axis, reduction;  ///< strides in elements
  };
  ir::expr_ref sum = nullptr;
  operand a, b;
  int row = -1;     ///< the axis of the computation along which only `a` changes; -1: there is none
  int column = -1;  ///< the axis along which only `b` changes and the result has unit stride
  /// The reduction's loops, outermost first: the longest is the innermost, short windows are around it.
  std::vector<int> order;
  /// Whether `b` has unit stride in the columns; else it is packed, or nothing can be done with it.
  bool unit_columns = true;
};

/// Nothing when the computation is no single sum of products of two loads with affine indices, or has other results
/// that are not maps of that sum.
std::optional<product> match_product(ir::computation&);
/// The variables of the axes that have any, then those of the sum.
std::vector<ir::expr_ref> variables_of(const ir::computation&, ir::expr_ref sum);
/// `value` as an operand of the sum; nothing when it is no load with affine indices.
std::optional<product::operand> match_operand(ir::computation&, ir::expr_ref sum, ir::expr_ref value);

}  // namespace tenon::scheduling
