// How index expressions grow with a variable, without building new expressions.
#pragma once
#include <optional>
#include <span>
#include <unordered_map>

#include "loop/expr.hpp"

namespace tenon::codegen {

/// e(variable + 1) - e(variable) where that is a number for every value of the variable; empty otherwise.
std::optional<std::int64_t> step_of(ir::expr_ref e, ir::expr_ref variable);
/// Whether e = rest + sum of coefficient * variable, with coefficients and rest free of all the variables.
bool affine_in(ir::expr_ref e, std::span<const ir::expr_ref> variables);
/// Whether e mentions one of the variables.
bool mentions(ir::expr_ref e, std::span<const ir::expr_ref> variables);

}  // namespace tenon::codegen
