// Logic of b8 operands, broadcast. Elementwise: both sides are always evaluated.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {
namespace ops {

/// ONNX And.
struct logical_and_op : binary_map_over<domain::booleans> {
  static constexpr const char* name = "logical_and";
};
/// ONNX Or.
struct logical_or_op : binary_map_over<domain::booleans> {
  static constexpr const char* name = "logical_or";
};
/// ONNX Xor.
struct logical_xor_op : binary_map_over<domain::booleans> {
  static constexpr const char* name = "logical_xor";
};
/// ONNX Not.
struct logical_not_op : map_over<domain::booleans> {
  static constexpr const char* name = "logical_not";
};

}  // namespace ops

TENON_BINARY_FUNCTION(logical_and)
TENON_BINARY_FUNCTION(logical_or)
TENON_BINARY_FUNCTION(logical_xor)
TENON_UNARY_FUNCTION(logical_not)

}  // namespace tenon
