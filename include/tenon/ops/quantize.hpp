// Quantised values: integers q that stand for scale * (q - zero). Not part of tenon.hpp: include it beside. They are
// written in other operators, in src/ops/quantize.cpp.
#pragma once
#include "tenon/ops/conv.hpp"
#include "tenon/ops/many_operands.hpp"

namespace tenon {

/// Of `quantize_linear` and `dequantize_linear`: the axis along which scales and zero points that are vectors lie.
struct quantize_attrs {
  int axis = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const quantize_attrs&, const quantize_attrs&) = default;
};

namespace ops {

/// `zero` may be null.
/// i: which result.
/// The zero points may be null.
/// Operands as the operators have them; operand 8 may be missing.
constexpr bool may_be_byte(dtype d) { return is_byte(d) || d == any_dtype; }

/// A scale or zero point: of rank 0, of one element, or a vector along an axis of `x`.
constexpr void check_along(outcome& o, std::string_view what, const dims& d, const dims& x, int axis) {
  if (!o.ok || d.any() || x.any() || d.rank == 0 || (d.rank == 1 && d[0] == 1)) return;
  if (d.rank != 1) {
    o.refuse() << what << d << " is no vector";
    return;
  }
  axis = detail::normal_axis(o, axis, x.rank);
  if (o.ok && d[0] >= 0 && x[axis] >= 0 && d[0] != x[axis]) o.refuse() << what << d << " along an axis of " << x[axis];
}
constexpr outcome quantized_shape(const quantize_attrs& at, shapes s) {
  outcome o;
  o.out = s[0];
  for (int k = 1; k < s.size(); ++k) check_along(o, k == 1 ? "scale " : "zero point ", s[k], s[0], at.axis);
  return o;
}

/// Operands x, scale, zero: x / scale rounded to even, plus zero, saturated to zero's type. ONNX QuantizeLinear.
struct quantize_linear_op : unary_over<domain::floats> {
  using attrs = quantize_attrs;
  static constexpr const char* name = "quantize_linear";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 3, max_operands = 3;
  static constexpr dtype operand_type(int k, dtype main) { return k == 2 ? u8 : main; }
  static constexpr outcome shape(const auto& at, shapes s) { return quantized_shape(at, s); }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    const dtype floats[] = {t[0], t[1]};
    type_outcome o = one_type(domain::floats, {floats, 2});
    o.out = t[2];
    if (o.ok && !in_domain(domain::integers, t[2])) o.refuse() << "zero point of " << tenon::name(t[2]);
    return o;
  }
};
/// Operands q, scale[, zero]: (q - zero) * scale in the scale's type. ONNX DequantizeLinear.
struct dequantize_linear_op : unary_over<domain::integers> {
  using attrs = quantize_attrs;
  static constexpr const char* name = "dequantize_linear";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 3;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? f32 : main; }
  static constexpr outcome shape(const auto& at, shapes s) { return quantized_shape(at, s); }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    const dtype integers[] = {t[0], t.n > 2 ? t[2] : t[0]};
    type_outcome o = one_type(domain::integers, {integers, 2});
    if (o.ok && t[0] != any_dtype && size_of(t[0]) > 4)
      o.refuse() << tenon::name(t[0]) << " has no exact difference in i32";
    else if (o.ok && !in_domain(domain::floats, t[1]))
      o.refuse() << "scale of " << tenon::name(t[1]);
    o.out = t[1];
    return o;
  }
};
/// x (f32) as u8, its scale (f32) and zero point (u8), so that its values and 0 fit. ONNX DynamicQuantizeLinear.
struct dynamic_quantize_linear_op : unary_over<domain::floats> {
  static constexpr const char* name = "dynamic_quantize_linear";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int results = 3;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[0];
    for (dims& d : o.more) d = {};
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = u8;
    o.more[0] = f32;
    o.more[1] = u8;
    if (t[0] != f32 && t[0] != any_dtype) o.refuse() << tenon::name(t[0]) << " is not f32";
    return o;
  }
};

/// Operands a, b[, a's zero point[, b's]] of i8 or u8: the product in i32 of what is over the zero points, which are
/// scalars, or vectors along a's rows and b's columns. ONNX MatMulInteger.
struct matmul_integer_op : unary_over<domain::integers> {
  static constexpr const char* name = "matmul_integer";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 4;
  static constexpr outcome shape(const auto&, shapes s) {
    const dims both[] = {s[0], s[1]};
    outcome o = matmul_op::shape(no_attrs{}, {both, 2});
    constexpr int axes[] = {-2, -1};  // a's rows, b's columns; a vector has neither
    for (int k = 2; k < s.size(); ++k)
      check_along(o, "zero point ", s[k], s[k - 2].rank == 1 ? dims{1} : s[k - 2],
                  s[k - 2].rank == 1 ? 0 : axes[k - 2]);
    return o;
  }
  static constexpr dims unknown(shapes s) { return shape(no_attrs{}, s).out; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = i32;
    for (int k = 0; k < t.n && o.ok; ++k)
      if (!may_be_byte(t[k])) o.refuse() << tenon::name(t[k]) << " is neither i8 nor u8";
    return o;
  }
};
/// Operands x, w[, x's zero point[, w's]] of i8 or u8: the convolution in i32 over 1 to 3 spatial axes of what is over
/// the zero points, which are scalars, w's also a vector along its first axis. ONNX ConvInteger.
struct conv_integer_op : matmul_integer_op {
  using attrs = conv_attrs;
  static constexpr const char* name = "conv_integer";
  static constexpr outcome shape(const auto& at, shapes s) {
    const dims both[] = {s[0], s[1]};
    outcome o = s[0].rank == 3   ? conv1d_op::shape(at, {both, 2})
                : s[0].rank == 5 ? conv3d_op::shape(at, {both, 2})
                                 : conv2d_op::shape(at, {both, 2});
    if (s.size() > 2) check_along(o, "zero point ", s[2], dims{1}, 0);
    if (s.size() > 3) check_along(o, "zero point ", s[3], s[1], 0);
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
};

/// Operands a, its scale and zero point, b, its scale and zero point, the result's scale and zero point: the product of
/// quantised matrices, quantised. b's scale and zero point may be vectors along its columns. ONNX QLinearMatMul.
struct qlinear_matmul_op : unary_over<domain::integers> {
  static constexpr const char* name = "qlinear_matmul";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 8, max_operands = 8;
  static constexpr bool is_scale(int k) { return k == 1 || k == 4 || k == 6; }
  static constexpr dtype operand_type(int k, dtype main) { return is_scale(k) ? f32 : main; }
  static constexpr outcome shape(const auto&, shapes s) {
    const dims both[] = {s[0], s[3], s[2], s[5]};
    outcome o = matmul_integer_op::shape(no_attrs{}, {both, 4});
    if (s[0].any() || s[3].any()) return o;
    check_along(o, "scale ", s[1], dims{1}, 0);
    check_along(o, "scale ", s[4], s[3].rank == 1 ? dims{1} : s[3], s[3].rank == 1 ? 0 : -1);
    for (int k = 6; k < 8; ++k) check_along(o, "the result's scale or zero point ", s[k], dims{1}, 0);
    return o;
  }
  static constexpr dims unknown(shapes s) { return shape(no_attrs{}, s).out; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = t[7];
    for (int k = 0; k < 8 && o.ok; ++k) {
      if (is_scale(k) ? t[k] != f32 && t[k] != any_dtype : !may_be_byte(t[k]))
        o.refuse() << tenon::name(t[k]) << (is_scale(k) ? " is not f32" : " is neither i8 nor u8");
    }
    return o;
  }
};
/// Operands x, its scale and zero point, w, its scale and zero point, the result's scale and zero point[, a bias of i32
/// in units of both scales]: the convolution of quantised values, quantised. w's scale and zero point may be vectors
/// along its first axis. ONNX QLinearConv.
struct qlinear_conv_op : qlinear_matmul_op {
  using attrs = conv_attrs;
  static constexpr const char* name = "qlinear_conv";
  static constexpr int max_operands = 9;
  static constexpr outcome shape(const auto& at, shapes s) {
    const dims both[] = {s[0], s[3], s[2], s[5]};
    outcome o = conv_integer_op::shape(at, {both, 4});
    if (s[0].any() || s[3].any()) return o;
    check_along(o, "scale ", s[1], dims{1}, 0);
    check_along(o, "scale ", s[4], s[3], 0);
    for (int k = 6; k < 8; ++k) check_along(o, "the result's scale or zero point ", s[k], dims{1}, 0);
    if (o.ok && s.size() > 8 && (s[8].rank != 1 || (s[8][0] >= 0 && s[3][0] >= 0 && s[8][0] != s[3][0])))
      o.refuse() << "bias " << s[8] << " of " << s[3][0] << " channels";
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome types(const auto& at, dtypes t) {
    type_outcome o = qlinear_matmul_op::types(at, t);
    if (o.ok && t.size() > 8 && t[8] != i32 && t[8] != any_dtype) o.refuse() << "a bias of " << tenon::name(t[8]);
    return o;
  }
};

}  // namespace ops

/// quantize_linear(x, scale, zero), quantize_linear(x, scales, zeros, {.axis = 0}).
inline constexpr detail::attr_fn<ops::quantize_linear_op> quantize_linear{};
inline constexpr detail::attr_fn<ops::dequantize_linear_op> dequantize_linear{};
/// auto [q, scale, zero] = dynamic_quantize_linear(x).
inline constexpr detail::attr_fn<ops::dynamic_quantize_linear_op> dynamic_quantize_linear{};
inline constexpr detail::attr_fn<ops::matmul_integer_op> matmul_integer{};
inline constexpr detail::attr_fn<ops::conv_integer_op> conv_integer{};
/// qlinear_matmul(a, a_scale, a_zero, b, b_scale, b_zero, scale, zero).
inline constexpr detail::attr_fn<ops::qlinear_matmul_op> qlinear_matmul{};
/// qlinear_conv(x, x_scale, x_zero, w, w_scale, w_zero, scale, zero[, bias], {.padding = {1, 1}}).
inline constexpr detail::attr_fn<ops::qlinear_conv_op> qlinear_conv{};

}  // namespace tenon
