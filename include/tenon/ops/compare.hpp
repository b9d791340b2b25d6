// Comparisons of broadcast operands of one type: b8. With NaN only not_equal is true.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {
namespace ops {

/// Whether a and b are equal. ONNX Equal.
struct equal_op : comparison_over<domain::any> {
  static constexpr const char* name = "equal";
};
/// Whether a and b differ; true when one is NaN. NumPy not_equal.
struct not_equal_op : comparison_over<domain::any> {
  static constexpr const char* name = "not_equal";
};
/// a < b. ONNX Less.
struct less_op : comparison_over<domain::numbers> {
  static constexpr const char* name = "less";
};
/// a <= b. ONNX LessOrEqual.
struct less_equal_op : comparison_over<domain::numbers> {
  static constexpr const char* name = "less_equal";
};
/// a > b. ONNX Greater.
struct greater_op : comparison_over<domain::numbers> {
  static constexpr const char* name = "greater";
};
/// a >= b. ONNX GreaterOrEqual.
struct greater_equal_op : comparison_over<domain::numbers> {
  static constexpr const char* name = "greater_equal";
};

}  // namespace ops

TENON_BINARY_FUNCTION(equal)
TENON_BINARY_FUNCTION(not_equal)
TENON_BINARY_FUNCTION(less)
TENON_BINARY_FUNCTION(less_equal)
TENON_BINARY_FUNCTION(greater)
TENON_BINARY_FUNCTION(greater_equal)

}  // namespace tenon
