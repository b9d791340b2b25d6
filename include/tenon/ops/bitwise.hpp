// Bitwise operations of broadcast operands of one integer type; &, | and ^ of b8 too.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {
namespace ops {

/// a & b, also of b8. ONNX BitwiseAnd.
struct bit_and_op : binary_map_over<domain::bits> {
  static constexpr const char* name = "bit_and";
};
/// a | b, also of b8. ONNX BitwiseOr.
struct bit_or_op : binary_map_over<domain::bits> {
  static constexpr const char* name = "bit_or";
};
/// a ^ b, also of b8. ONNX BitwiseXor.
struct bit_xor_op : binary_map_over<domain::bits> {
  static constexpr const char* name = "bit_xor";
};
/// a << b; 0 when b is the width or more, or negative. ONNX BitShift.
struct shift_left_op : binary_map_over<domain::integers> {
  static constexpr const char* name = "shift_left";
};
/// a >> b with the sign; 0 or -1 when b is the width or more, or negative. ONNX BitShift.
struct shift_right_op : binary_map_over<domain::integers> {
  static constexpr const char* name = "shift_right";
};
/// ~x. ONNX BitwiseNot.
struct bit_not_op : map_over<domain::integers> {
  static constexpr const char* name = "bit_not";
};

}  // namespace ops

TENON_BINARY_FUNCTION(bit_and)
TENON_BINARY_FUNCTION(bit_or)
TENON_BINARY_FUNCTION(bit_xor)
TENON_BINARY_FUNCTION(shift_left)
TENON_BINARY_FUNCTION(shift_right)
TENON_UNARY_FUNCTION(bit_not)

}  // namespace tenon
