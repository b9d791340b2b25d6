#include "tenon/ops/norm.hpp"

#include "ops/define.hpp"
#include "ops/expansion.hpp"

namespace tenon::ops {
namespace {

/// (x - mean) / sqrt(variance + epsilon) over axes.
template <class X>
X normalized(const X& x, const reduce_attrs& axes, double epsilon) {
  const X centered = x - tenon::mean(x, axes);
  return centered * tenon::rsqrt(tenon::mean(X(centered * centered), axes) + epsilon);
}

}  // namespace

template <>
struct meaning<softmax_op> : softmax_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    const X wide = widened(x);
    const reduce_attrs axis{.axes = {at.axis}, .keep = true};
    const X e = tenon::exp(X(wide - tenon::max(wide, axis)));
    return narrowed(X(e * tenon::reciprocal(tenon::sum(e, axis))), x);
  }
};
template <>
struct meaning<log_softmax_op> : log_softmax_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    const X wide = widened(x);
    const reduce_attrs axis{.axes = {at.axis}, .keep = true};
    const X shifted = wide - tenon::max(wide, axis);
    return narrowed(X(shifted - tenon::log(tenon::sum(X(tenon::exp(shifted)), axis))), x);
  }
};
template <>
struct meaning<logsumexp_op> : logsumexp_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    const X wide = widened(x);
    // An infinite maximum is no shift: inf - inf would be NaN.
    const auto shift = [&](bool keep) {
      const X m = tenon::max(wide, {.axes = at.axes, .keep = keep});
      return X(tenon::select(tenon::isinf(m), 0, m));
    };
    const X e = tenon::exp(X(wide - shift(true)));
    return narrowed(X(tenon::log(tenon::sum(e, at)) + shift(at.keep)), x);
  }
};
template <>
struct meaning<l1_norm_op> : l1_norm_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    return tenon::sum(X(tenon::abs(x)), at);
  }
};
template <>
struct meaning<l2_norm_op> : l2_norm_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    const X wide = widened(x);
    return narrowed(X(tenon::sqrt(tenon::sum(X(wide * wide), at))), x);
  }
};
template <>
struct meaning<layer_norm_op> : layer_norm_op {
  template <class X, class... Affine>
  static X expand(const attrs& at, const X& x, const Affine&... affine) {
    const int rank = detail::shape_of(x.node()).rank;
    X y = normalized(widened(x), kept_axes(at.axis < 0 ? at.axis + rank : at.axis, rank), at.epsilon);
    int k = 0;
    ((y = k++ == 0 ? X(y * widened(affine)) : X(y + widened(affine))), ...);
    return narrowed(y, x);
  }
};
template <>
struct meaning<rms_norm_op> : rms_norm_op {
  template <class X, class... Scale>
  static X expand(const attrs& at, const X& x, const Scale&... scale) {
    const int rank = detail::shape_of(x.node()).rank;
    const X wide = widened(x);
    const reduce_attrs axes = kept_axes(at.axis < 0 ? at.axis + rank : at.axis, rank);
    X y = wide * tenon::rsqrt(tenon::mean(X(wide * wide), axes) + at.epsilon);
    ((y = X(y * widened(scale))), ...);
    return narrowed(y, x);
  }
};
template <>
struct meaning<batch_norm_op> : batch_norm_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& scale, const X& bias, const X& mean, const X& variance) {
    const int rank = detail::shape_of(x.node()).rank;
    // One product and one sum per element: what depends on the channel alone is computed once, or folded.
    const X factor = widened(scale) * tenon::rsqrt(widened(variance) + at.epsilon);
    const X offset = widened(bias) - widened(mean) * factor;
    return narrowed(X(widened(x) * per_channel(factor, rank) + per_channel(offset, rank)), x);
  }
};
template <>
struct meaning<instance_norm_op> : instance_norm_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& scale, const X& bias) {
    const int rank = detail::shape_of(x.node()).rank;
    const X y = normalized(widened(x), kept_axes(2, rank), at.epsilon);
    return narrowed(X(y * per_channel(widened(scale), rank) + per_channel(widened(bias), rank)), x);
  }
};
template <>
struct meaning<group_norm_op> : group_norm_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& scale, const X& bias) {
    const dims d = detail::shape_of(x.node());
    dims grouped{d[0], at.groups, d[1] < 0 ? dyn : d[1] / at.groups};
    for (int i = 2; i < d.rank; ++i) grouped.push_back(d[i]);
    const X split = tenon::reshape(widened(x), extents(grouped));
    const X y = tenon::reshape(normalized(split, kept_axes(2, grouped.rank), at.epsilon), extents(d));
    return narrowed(X(y * per_channel(widened(scale), d.rank) + per_channel(widened(bias), d.rank)), x);
  }
};
template <>
struct meaning<l2_normalize_op> : l2_normalize_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    const X wide = widened(x);
    const X norm = tenon::sqrt(tenon::sum(X(wide * wide), {.axes = {at.axis}, .keep = true}));
    return narrowed(X(wide / tenon::maximum(norm, at.epsilon)), x);
  }
};
template <>
struct meaning<glu_op> : glu_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    const dims& d = detail::shape_of(x.node());
    const int half = static_cast<int>(d[at.axis < 0 ? at.axis + d.rank : at.axis] / 2);
    const X a = tenon::slice(x, {.start = {0}, .stop = {half}, .axes = {at.axis}});
    const X b = tenon::slice(x, {.start = {half}, .stop = {slice_end}, .axes = {at.axis}});
    const X wide = widened(a);
    return narrowed(X(wide / (1 + tenon::exp(-widened(b)))), x);
  }
};

}  // namespace tenon::ops

TENON_DEFINE(softmax_op)
TENON_DEFINE(log_softmax_op)
TENON_DEFINE(logsumexp_op)
TENON_DEFINE(l1_norm_op)
TENON_DEFINE(l2_norm_op)
TENON_DEFINE(layer_norm_op)
TENON_DEFINE(rms_norm_op)
TENON_DEFINE(batch_norm_op)
TENON_DEFINE(instance_norm_op)
TENON_DEFINE(group_norm_op)
TENON_DEFINE(l2_normalize_op)
TENON_DEFINE(glu_op)
