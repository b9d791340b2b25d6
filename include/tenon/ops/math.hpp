// Functions of one float: roots, exponentials, logarithms, trigonometry, rounding. The shape and type stay.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {
namespace ops {

/// The largest integer not above x. ONNX Floor.
struct floor_op : map_over<domain::floats> {
  static constexpr const char* name = "floor";
  template <class V>
  static V scalar(V x) {
    return floor(x);
  }
};
/// The smallest integer not below x. ONNX Ceil.
struct ceil_op : map_over<domain::floats> {
  static constexpr const char* name = "ceil";
  template <class V>
  static V scalar(V x) {
    return ceil(x);
  }
};
/// The nearest integer, halves to even. ONNX Round.
struct round_op : map_over<domain::floats> {
  static constexpr const char* name = "round";
  template <class V>
  static V scalar(V x) {
    return round(x);
  }
};
/// The integer part. NumPy trunc.
struct trunc_op : map_over<domain::floats> {
  static constexpr const char* name = "trunc";
  template <class V>
  static V scalar(V x) {
    return trunc(x);
  }
};
/// The square root; NaN below 0. ONNX Sqrt.
struct sqrt_op : map_over<domain::floats> {
  static constexpr const char* name = "sqrt";
  template <class V>
  static V scalar(V x) {
    return sqrt(x);
  }
};
/// 1 / sqrt(x).
struct rsqrt_op : map_over<domain::floats> {
  static constexpr const char* name = "rsqrt";
  template <class V>
  static V scalar(V x) {
    return rsqrt(x);
  }
};
/// 1 / x. ONNX Reciprocal.
struct reciprocal_op : map_over<domain::floats> {
  static constexpr const char* name = "reciprocal";
  template <class V>
  static V scalar(V x) {
    return reciprocal(x);
  }
};
/// e^x. ONNX Exp.
struct exp_op : map_over<domain::floats> {
  static constexpr const char* name = "exp";
  template <class V>
  static V scalar(V x) {
    return exp(x);
  }
};
/// 2^x. NumPy exp2.
struct exp2_op : map_over<domain::floats> {
  static constexpr const char* name = "exp2";
  template <class V>
  static V scalar(V x) {
    return exp2(x);
  }
};
/// e^x - 1, exact near 0. NumPy expm1.
struct expm1_op : map_over<domain::floats> {
  static constexpr const char* name = "expm1";
  template <class V>
  static V scalar(V x) {
    return expm1(x);
  }
};
/// The natural logarithm; -inf at 0, NaN below. ONNX Log.
struct log_op : map_over<domain::floats> {
  static constexpr const char* name = "log";
  template <class V>
  static V scalar(V x) {
    return log(x);
  }
};
/// The logarithm to base 2. NumPy log2.
struct log2_op : map_over<domain::floats> {
  static constexpr const char* name = "log2";
  template <class V>
  static V scalar(V x) {
    return log2(x);
  }
};
/// log(1 + x), exact near 0. NumPy log1p.
struct log1p_op : map_over<domain::floats> {
  static constexpr const char* name = "log1p";
  template <class V>
  static V scalar(V x) {
    return log1p(x);
  }
};
/// ONNX Sin; radians.
struct sin_op : map_over<domain::floats> {
  static constexpr const char* name = "sin";
  template <class V>
  static V scalar(V x) {
    return sin(x);
  }
};
/// ONNX Cos; radians.
struct cos_op : map_over<domain::floats> {
  static constexpr const char* name = "cos";
  template <class V>
  static V scalar(V x) {
    return cos(x);
  }
};
/// ONNX Tan; radians.
struct tan_op : map_over<domain::floats> {
  static constexpr const char* name = "tan";
  template <class V>
  static V scalar(V x) {
    return tan(x);
  }
};
/// ONNX Asin.
struct asin_op : map_over<domain::floats> {
  static constexpr const char* name = "asin";
  template <class V>
  static V scalar(V x) {
    return asin(x);
  }
};
/// ONNX Acos.
struct acos_op : map_over<domain::floats> {
  static constexpr const char* name = "acos";
  template <class V>
  static V scalar(V x) {
    return acos(x);
  }
};
/// ONNX Atan.
struct atan_op : map_over<domain::floats> {
  static constexpr const char* name = "atan";
  template <class V>
  static V scalar(V x) {
    return atan(x);
  }
};
/// ONNX Sinh.
struct sinh_op : map_over<domain::floats> {
  static constexpr const char* name = "sinh";
  template <class V>
  static V scalar(V x) {
    return sinh(x);
  }
};
/// ONNX Cosh.
struct cosh_op : map_over<domain::floats> {
  static constexpr const char* name = "cosh";
  template <class V>
  static V scalar(V x) {
    return cosh(x);
  }
};
/// ONNX Tanh.
struct tanh_op : map_over<domain::floats> {
  static constexpr const char* name = "tanh";
  template <class V>
  static V scalar(V x) {
    return tanh(x);
  }
};
/// ONNX Asinh.
struct asinh_op : map_over<domain::floats> {
  static constexpr const char* name = "asinh";
  template <class V>
  static V scalar(V x) {
    return asinh(x);
  }
};
/// ONNX Acosh.
struct acosh_op : map_over<domain::floats> {
  static constexpr const char* name = "acosh";
  template <class V>
  static V scalar(V x) {
    return acosh(x);
  }
};
/// ONNX Atanh.
struct atanh_op : map_over<domain::floats> {
  static constexpr const char* name = "atanh";
  template <class V>
  static V scalar(V x) {
    return atanh(x);
  }
};
/// The error function. ONNX Erf.
struct erf_op : map_over<domain::floats> {
  static constexpr const char* name = "erf";
  template <class V>
  static V scalar(V x) {
    return erf(x);
  }
};
/// Whether x is NaN; b8. ONNX IsNaN.
struct isnan_op : map_over<domain::floats> {
  static constexpr const char* name = "isnan";
  template <class V>
  static auto scalar(V x) {
    return isnan(x);
  }
  static constexpr type_outcome types(const auto&, dtypes t) { return as_b8(one_type(domain::floats, t)); }
};
/// Whether x is an infinity; b8. ONNX IsInf.
struct isinf_op : map_over<domain::floats> {
  static constexpr const char* name = "isinf";
  template <class V>
  static auto scalar(V x) {
    return isinf(x);
  }
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
