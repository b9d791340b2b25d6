// Softmax and normalisations, written in other operators. 16-bit floats are computed in f32 throughout.
#pragma once
#include "tenon/ops/arithmetic.hpp"
#include "tenon/ops/math.hpp"
#include "tenon/ops/reduce.hpp"
#include "tenon/ops/relabel.hpp"
#include "tenon/ops/select_cast.hpp"
#include "tenon/ops/selection.hpp"

namespace tenon {

/// Of `softmax` and `log_softmax`: the axis.
using softmax_attrs = axis_attrs;
/// Of `layer_norm` and `rms_norm`: the first of the normalised axes (all behind it are too), and what is added to the
/// variance.
struct layer_norm_attrs {
  int axis = -1;
  double epsilon = 1e-5;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
    v("epsilon", s.epsilon);
  }
  friend constexpr bool operator==(const layer_norm_attrs&, const layer_norm_attrs&) = default;
};
/// Of `batch_norm` and `instance_norm`: what is added to the variance.
struct batch_norm_attrs {
  double epsilon = 1e-5;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("epsilon", s.epsilon);
  }
  friend constexpr bool operator==(const batch_norm_attrs&, const batch_norm_attrs&) = default;
};
/// Of `group_norm`: into how many groups the channels go, and what is added to the variance.
struct group_norm_attrs {
  int groups = 1;
  double epsilon = 1e-5;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("groups", s.groups);
    v("epsilon", s.epsilon);
  }
  friend constexpr bool operator==(const group_norm_attrs&, const group_norm_attrs&) = default;
};

namespace ops {

template <domain Takes>
struct library_over : unary_over<Takes> {
  static constexpr op_kind kind_of = op_kind::library;
};

struct softmax_shape : library_over<domain::floats> {
  using attrs = softmax_attrs;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any()) detail::normal_axis(o, at.axis, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
/// e^x / sum of e^x along the axis, shifted by the maximum. ONNX Softmax.
struct softmax_op : softmax_shape {
  static constexpr const char* name = "softmax";
};
/// log(softmax(x)), without its rounding. ONNX LogSoftmax.
struct log_softmax_op : softmax_shape {
  static constexpr const char* name = "log_softmax";
};
/// log(sum of e^x) over axes, without overflow. ONNX ReduceLogSumExp.
struct logsumexp_op : reduction_over<domain::floats> {
  static constexpr const char* name = "logsumexp";
  static constexpr op_kind kind_of = op_kind::library;
};
/// The sum of |x| over axes. ONNX ReduceL1.
struct l1_norm_op : reduction_over<domain::numbers> {
  static constexpr const char* name = "l1_norm";
  static constexpr op_kind kind_of = op_kind::library;
};
/// The root of the sum of squares over axes. ONNX ReduceL2.
struct l2_norm_op : reduction_over<domain::floats> {
  static constexpr const char* name = "l2_norm";
  static constexpr op_kind kind_of = op_kind::library;
};

/// Normalised over the axes from `axis` on, whose mean is taken off; then times `scale` and plus `bias`, which
/// broadcast. Operands x, x scale, or x scale bias. ONNX LayerNormalization (its first result).
struct layer_norm_shape : library_over<domain::floats> {
  using attrs = layer_norm_attrs;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s.any()) return o;
    detail::normal_axis(o, at.axis, s[0].rank);
    for (int k = 1; k < s.size() && o.ok; ++k) {
      const dims r = detail::broadcast(o, s[0], s[k]);
      if (o.ok && (r.rank != s[0].rank || (s[0].is_static() && s[k].is_static() && !(r == s[0]))))
        o.refuse() << (k == 1 ? "scale " : "bias ") << s[k] << " is wider";
    }
    o.out = s[0];
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
struct layer_norm_op : layer_norm_shape {
  static constexpr const char* name = "layer_norm";
  static constexpr int max_operands = 3;
};
/// x / sqrt(mean of x^2 + epsilon) over the axes from `axis` on, times `scale`. ONNX RMSNormalization (opset 23).
struct rms_norm_op : layer_norm_shape {
  static constexpr const char* name = "rms_norm";
  static constexpr int max_operands = 2;
};

/// Refuses what is no vector over the channels (axis 1) of operand 0.
constexpr outcome channel_vectors(shapes s, int least_rank) {
  outcome o;
  o.out = s[0];
  if (s[0].any()) return o;
  if (s[0].rank < least_rank) {
    o.refuse() << "rank " << s[0].rank << " < " << least_rank;
    return o;
  }
  for (int k = 1; k < s.size(); ++k) {
    if (s[k].any()) continue;
    if (s[k].rank != 1) {
      o.refuse() << "operand " << k + 1 << " has rank " << s[k].rank << ", not 1";
      return o;
    }
    if (s[k][0] >= 0 && s[0][1] >= 0 && s[k][0] != s[0][1]) {
      o.refuse() << "channels " << s[0][1] << " != " << s[k][0];
      return o;
    }
  }
  return o;
}
/// x [n, c, ...] with the statistics given: (x - mean) / sqrt(variance + epsilon) * scale + bias, operands in the order
/// x, scale, bias, mean, variance. ONNX BatchNormalization (inference).
struct batch_norm_op : library_over<domain::floats> {
  using attrs = batch_norm_attrs;
  static constexpr const char* name = "batch_norm";
  static constexpr int operands = 5, max_operands = 5;
  static constexpr outcome shape(const auto&, shapes s) { return channel_vectors(s, 2); }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
/// x [n, c, ...] normalised over its spatial axes; operands x, scale, bias. ONNX InstanceNormalization.
struct instance_norm_op : library_over<domain::floats> {
  using attrs = batch_norm_attrs;
  static constexpr const char* name = "instance_norm";
  static constexpr int operands = 3, max_operands = 3;
  static constexpr outcome shape(const auto&, shapes s) { return channel_vectors(s, 3); }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
/// x [n, c, ...] normalised over groups of channels and its spatial axes; operands x, scale, bias. ONNX
/// GroupNormalization (opset 21: scale and bias per channel).
struct group_norm_op : library_over<domain::floats> {
  using attrs = group_norm_attrs;
  static constexpr const char* name = "group_norm";
  static constexpr int operands = 3, max_operands = 3;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o = channel_vectors(s, 2);
    if (!o.ok || s[0].any()) return o;
    if (s[0].rank == dims::max_rank)
      o.refuse() << "rank " << s[0].rank << " > " << dims::max_rank - 1;
    else if (at.groups < 1 || (s[0][1] >= 0 && s[0][1] % at.groups != 0))
      o.refuse() << s[0][1] << " channels in " << at.groups << " groups";
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};

/// x / max(root of the sum of x^2 along the axis, epsilon). PyTorch normalize.
struct l2_normalize_op : library_over<domain::floats> {
  using attrs = layer_norm_attrs;
  static constexpr const char* name = "l2_normalize";
  static constexpr outcome shape(const auto& at, shapes s) { return softmax_shape::shape(softmax_attrs{at.axis}, s); }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
/// The first half along the axis times the sigmoid of the second. PyTorch glu.
struct glu_op : library_over<domain::floats> {
  using attrs = softmax_attrs;
  static constexpr const char* name = "glu";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok || s[0][axis] < 0) {
      if (o.ok) o.out[axis] = dyn;
      return o;
    }
    if (s[0][axis] % 2) o.refuse() << "extent " << s[0][axis] << " is odd";
    o.out[axis] = s[0][axis] / 2;
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
};

}  // namespace ops

/// softmax(x), softmax(x, {.axis = 1}), softmax.with<{.axis = 1}>(x).
inline constexpr detail::attr_fn<ops::softmax_op> softmax{};
inline constexpr detail::attr_fn<ops::log_softmax_op> log_softmax{};
inline constexpr detail::reduce_fn<ops::logsumexp_op> logsumexp{};
inline constexpr detail::reduce_fn<ops::l1_norm_op> l1_norm{};
inline constexpr detail::reduce_fn<ops::l2_norm_op> l2_norm{};
/// layer_norm(x), layer_norm(x, scale), layer_norm(x, scale, bias), each with {.axis, .epsilon}.
inline constexpr detail::attr_fn<ops::layer_norm_op> layer_norm{};
inline constexpr detail::attr_fn<ops::rms_norm_op> rms_norm{};
/// batch_norm(x, scale, bias, mean, variance, {.epsilon = 1e-5}).
inline constexpr detail::attr_fn<ops::batch_norm_op> batch_norm{};
inline constexpr detail::attr_fn<ops::instance_norm_op> instance_norm{};
inline constexpr detail::attr_fn<ops::group_norm_op> group_norm{};
inline constexpr detail::attr_fn<ops::l2_normalize_op> l2_normalize{};
inline constexpr detail::attr_fn<ops::glu_op> glu{};

}  // namespace tenon
