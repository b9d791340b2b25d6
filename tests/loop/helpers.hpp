// What tests of the loop IR share.
#pragma once
#include <string>
#include <unordered_map>

#include "error_of.hpp"
#include "loop/evaluate.hpp"
#include "loop/expr.hpp"

namespace tenon::test {

/// The value of an expression without loads, given those of its variables and symbols.
inline std::int64_t value_of_expression(ir::expr_ref root,
                                        const std::unordered_map<ir::expr_ref, std::int64_t>& given) {
  std::unordered_map<ir::expr_ref, std::int64_t> v;
  for (ir::expr_ref e : ir::post_order(std::span(&root, 1))) {
    if (e->is(ir::expr_kind::constant)) {
      v[e] = e->payload;
    } else if (e->is(ir::expr_kind::apply)) {
      std::vector<std::int64_t> x;
      for (ir::expr_ref o : e->operands) x.push_back(v.at(o));
      v[e] = ir::evaluate(e->op, e->type, e->operands.back()->type, x);
    } else {
      v[e] = given.at(e);
    }
  }
  return v.at(root);
}

}  // namespace tenon::test
