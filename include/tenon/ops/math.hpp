// Functions of one float: roots, exponentials, logarithms, trigonometry, rounding. The shape and type stay.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {
namespace ops {

/// The largest integer not above x. ONNX Floor.
struct floor_op : map_over<domain::floats> {
  static constexpr const char* name = "floor";
};
/// The smallest integer not below x. ONNX Ceil.
struct ceil_op : map_over<domain::floats> {
  static constexpr const char* name = "ceil";
};
/// The nearest integer, halves to even. ONNX Round.
struct round_op : map_over<domain::floats> {
  static constexpr const char* name = "round";
};
/// The integer part. NumPy trunc.
struct trunc_op : map_over<domain::floats> {
  static constexpr const char* name = "trunc";
};
/// The square root; NaN below 0. ONNX Sqrt.
struct sqrt_op : map_over<domain::floats> {
  static constexpr const char* name = "sqrt";
};
/// 1 / sqrt(x).
struct rsqrt_op : map_over<domain::floats> {
  static constexpr const char* name = "rsqrt";
};
/// 1 / x. ONNX Reciprocal.
struct reciprocal_op : map_over<domain::floats> {
  static constexpr const char* name = "reciprocal";
};
/// e^x. ONNX Exp.
struct exp_op : map_over<domain::floats> {
  static constexpr const char* name = "exp";
};
/// 2^x. NumPy exp2.
struct exp2_op : map_over<domain::floats> {
  static constexpr const char* name = "exp2";
};
/// e^x - 1, exact near 0. NumPy expm1.
struct expm1_op : map_over<domain::floats> {
  static constexpr const char* name = "expm1";
};
/// The natural logarithm; -inf at 0, NaN below. ONNX Log.
struct log_op : map_over<domain::floats> {
  static constexpr const char* name = "log";
};
/// The logarithm to base 2. NumPy log2.
struct log2_op : map_over<domain::floats> {
  static constexpr const char* name = "log2";
};
/// log(1 + x), exact near 0. NumPy log1p.
struct log1p_op : map_over<domain::floats> {
  static constexpr const char* name = "log1p";
};
/// ONNX Sin; radians.
struct sin_op : map_over<domain::floats> {
  static constexpr const char* name = "sin";
};
/// ONNX Cos; radians.
struct cos_op : map_over<domain::floats> {
  static constexpr const char* name = "cos";
};
/// ONNX Tan; radians.
struct tan_op : map_over<domain::floats> {
  static constexpr const char* name = "tan";
};
/// ONNX Asin.
struct asin_op : map_over<domain::floats> {
  static constexpr const char* name = "asin";
};
/// ONNX Acos.
struct acos_op : map_over<domain::floats> {
  static constexpr const char* name = "acos";
};
/// ONNX Atan.
struct atan_op : map_over<domain::floats> {
  static constexpr const char* name = "atan";
};
/// ONNX Sinh.
struct sinh_op : map_over<domain::floats> {
  static constexpr const char* name = "sinh";
};
/// ONNX Cosh.
struct cosh_op : map_over<domain::floats> {
  static constexpr const char* name = "cosh";
};
/// ONNX Tanh.
struct tanh_op : map_over<domain::floats> {
  static constexpr const char* name = "tanh";
};
/// ONNX Asinh.
struct asinh_op : map_over<domain::floats> {
  static constexpr const char* name = "asinh";
};
/// ONNX Acosh.
struct acosh_op : map_over<domain::floats> {
  static constexpr const char* name = "acosh";
};
/// ONNX Atanh.
struct atanh_op : map_over<domain::floats> {
  static constexpr const char* name = "atanh";
};
/// The error function. ONNX Erf.
struct erf_op : map_over<domain::floats> {
  static constexpr const char* name = "erf";
};
/// Whether x is NaN; b8. ONNX IsNaN.
struct isnan_op : map_over<domain::floats> {
  static constexpr const char* name = "isnan";
  static constexpr type_outcome types(const auto&, dtypes t) { return as_b8(one_type(domain::floats, t)); }
};
/// Whether x is an infinity; b8. ONNX IsInf.
struct isinf_op : map_over<domain::floats> {
  static constexpr const char* name = "isinf";
  static constexpr type_outcome types(const auto&, dtypes t) { return as_b8(one_type(domain::floats, t)); }
};

}  // namespace ops

TENON_UNARY_FUNCTION(floor)
TENON_UNARY_FUNCTION(ceil)
TENON_UNARY_FUNCTION(round)
TENON_UNARY_FUNCTION(trunc)
TENON_UNARY_FUNCTION(sqrt)
TENON_UNARY_FUNCTION(rsqrt)
TENON_UNARY_FUNCTION(reciprocal)
TENON_UNARY_FUNCTION(exp)
TENON_UNARY_FUNCTION(exp2)
TENON_UNARY_FUNCTION(expm1)
TENON_UNARY_FUNCTION(log)
TENON_UNARY_FUNCTION(log2)
TENON_UNARY_FUNCTION(log1p)
TENON_UNARY_FUNCTION(sin)
TENON_UNARY_FUNCTION(cos)
TENON_UNARY_FUNCTION(tan)
TENON_UNARY_FUNCTION(asin)
TENON_UNARY_FUNCTION(acos)
TENON_UNARY_FUNCTION(atan)
TENON_UNARY_FUNCTION(sinh)
TENON_UNARY_FUNCTION(cosh)
TENON_UNARY_FUNCTION(tanh)
TENON_UNARY_FUNCTION(asinh)
TENON_UNARY_FUNCTION(acosh)
TENON_UNARY_FUNCTION(atanh)
TENON_UNARY_FUNCTION(erf)
TENON_UNARY_FUNCTION(isnan)
TENON_UNARY_FUNCTION(isinf)

}  // namespace tenon
