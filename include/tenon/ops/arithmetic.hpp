// Arithmetic of broadcast operands of one number type. Shapes: NumPy's broadcasting. Integers wrap.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {
namespace ops {

/// a + b. ONNX Add.
struct add_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "add";
};
/// a - b. ONNX Sub.
struct sub_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "sub";
};
/// a * b. ONNX Mul.
struct mul_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "mul";
};
/// a / b; integers truncate towards zero and x / 0 is 0. ONNX Div.
struct div_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "div";
};
/// The remainder: with the divisor's sign for integers (x mod 0 is 0), C's fmod for floats. ONNX Mod (fmod = 1 on
/// floats).
struct mod_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "mod";
};
/// a to the power of b, both of one type; a negative integer exponent truncates 1 / a^|b|. ONNX Pow.
struct pow_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "pow";
};
/// The smaller of two; NaN when one is. ONNX Min.
struct minimum_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "minimum";
};
/// The larger of two; NaN when one is. ONNX Max.
struct maximum_op : binary_map_over<domain::numbers> {
  static constexpr const char* name = "maximum";
};
/// The angle of (x, y) = (b, a), in (-pi, pi]. NumPy arctan2.
struct atan2_op : binary_map_over<domain::floats> {
  static constexpr const char* name = "atan2";
};
/// -x. ONNX Neg.
struct neg_op : map_over<domain::numbers> {
  static constexpr const char* name = "neg";
};
/// |x|. ONNX Abs.
struct abs_op : map_over<domain::numbers> {
  static constexpr const char* name = "abs";
};
/// -1, 0 or 1; NaN stays. ONNX Sign.
struct sign_op : map_over<domain::numbers> {
  static constexpr const char* name = "sign";
};

}  // namespace ops

TENON_BINARY_FUNCTION(add)
TENON_BINARY_FUNCTION(sub)
TENON_BINARY_FUNCTION(mul)
TENON_BINARY_FUNCTION(div)
TENON_BINARY_FUNCTION(mod)
TENON_BINARY_FUNCTION(pow)
TENON_BINARY_FUNCTION(minimum)
TENON_BINARY_FUNCTION(maximum)
TENON_BINARY_FUNCTION(atan2)
TENON_UNARY_FUNCTION(neg)
TENON_UNARY_FUNCTION(abs)
TENON_UNARY_FUNCTION(sign)

}  // namespace tenon
