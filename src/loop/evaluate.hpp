// What the scalar operations mean: which types they take, and their exact values on bits.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "loop/expr.hpp"

namespace tenon::ir {

/// Bits in the form of expr_kind::constant: integers wrapped to their type, b8 0 or 1, floats zero-extended.
std::int64_t canonical_bits(dtype, std::int64_t bits);
/// The nearest value of the type; integers as a cast from f64 (truncates, saturates, NaN is 0).
std::int64_t bits_of(dtype, double);
/// The value as a double (rounded for large i64 and u64).
double value_of(dtype, std::int64_t bits);

/// Why the operation cannot take these operands, or an empty text. `type` is the result's.
std::string type_problem(prim, dtype type, std::span<const expr_ref> operands);
/// The same as a predicate, without text.
bool well_typed(prim, dtype type, std::span<const expr_ref> operands);

/// The value of a well-typed operation on constants; `type` is the result's, `from` the last operand's. Casts between
/// f16 or bf16 and anything but f32 go through f32. Math functions of f32 are those of f64, rounded.
std::int64_t evaluate(prim, dtype type, dtype from, std::span<const std::int64_t> operands);

/// The value of an expression of constants, and of symbols and variables, whose values the function knows.
std::int64_t evaluate(expr_ref, const std::function<std::int64_t(expr_ref)>& value_of);

/// The value that a reducer starts from: 0, 1, the lowest or highest value (infinities), true or false.
std::int64_t identity(reducer, dtype);
/// One step of a reducer that is not argmax or argmin.
std::int64_t combine(reducer, dtype, std::int64_t a, std::int64_t b);
/// Whether argmax or argmin prefers `a` at position `at` to `b` at `bt`: NaN first, then the better, then the first.
bool better(reducer, dtype, std::int64_t a, std::int64_t at, std::int64_t b, std::int64_t bt);

}  // namespace tenon::ir
