// What the attention rule works on: two products with a softmax between them, in one expression.
#pragma once
#include <optional>
#include <vector>

#include "loop/lower.hpp"

namespace tenon::scheduling {

///   result = sum over keys of exp(score - shift) * normal * value
///   score  = an expression over `dot` = sum over the depth of query * key
///   shift  = largest score of the row, or not less than a number; normal = an expression over total
///   total  = sum over keys of exp(score - shift)
struct attention {
  struct operand {
    ir::expr_ref value = nullptr;  ///< as it stands in the product: a load, or a cast of one
    ir::expr_ref load = nullptr;
  };
  ir::expr_ref result = nullptr;  ///< the sum over keys
  ir::expr_ref dot = nullptr;     ///< the sum over the depth, inside of `score`
  ir::expr_ref score = nullptr, largest = nullptr, shift = nullptr, total = nullptr;
  ir::expr_ref normal = nullptr;  ///< free of keys; what divides is here as its reciprocal
  operand query, key, value;
  int row = -1;                   ///< the axis of queries; -1: there is one
  int column = -1;                ///< the axis of the values' depth
  bool unit_value = true;         ///< whether `value` has unit stride in the columns
  ir::expr_ref causal = nullptr;  ///< row i sees no key after i + causal, or all rows none after causal; or null
  bool rows_see_more = true;      ///< the former

  ir::expr_ref keys() const { return result->loop_extent(0); }
  ir::expr_ref key_variable() const { return result->loop_variable(0); }
};

/// Nothing when the computation is of another form.
std::optional<attention> match_attention(ir::computation&);

}  // namespace tenon::scheduling
