#include "tenon/ops/quantize.hpp"

#include <algorithm>

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {
namespace {
using ir::any_tensor;

const dims& shape_of(const any_tensor& t) { return detail::shape_of(t.node()); }

/// A scale or zero point as it broadcasts with a value of the rank: a scalar, or a vector along `axis`.
any_tensor along(const any_tensor& v, int axis, int rank) {
  const dims& d = shape_of(v);
  if (d.rank == 0) return v;
  if (d[0] == 1) return squeeze(v, {0});
  ints axes;
  const int from = axis < 0 ? axis + rank : axis;
  for (int i = from + 1; i < rank; ++i) axes.v[axes.size++] = i - from;
  return axes.size ? any_tensor(unsqueeze(v, axes)) : v;
}
/// The integers in i32, over their zero point.
any_tensor over_zero(const any_tensor& q, const any_tensor& zero, int axis) {
  const any_tensor wide = cast(q, i32);
  return zero.node() ? any_tensor(wide - cast(along(zero, axis, shape_of(q).rank), i32)) : wide;
}
/// Whether a zero point is known to be the byte, in all of its elements.
bool is_all(const any_tensor& zero, int byte) {
  if (!zero.node()) return byte == 0;
  if (zero.node()->op != &ir::constant_definition()) return false;
  const ir::constant_value& c = ir::constant_of(*zero.node());
  const auto* bytes = static_cast<const std::byte*>(c.data());
  return std::all_of(bytes, bytes + c.bytes(), [&](std::byte b) { return b == static_cast<std::byte>(byte); });
}
constexpr int middle = 128;  // of u8
/// What is over a zero point as bytes - zero (i32; null: 0). Of two bytes that are multiplied at most one is u8, the
/// left one: there is an instruction for that.
struct bytes_over {
  any_tensor bytes, zero;
};
bytes_over left_bytes(const any_tensor& q, const any_tensor& zero, int axis) {
  if (is_all(zero, 0)) return {q, {}};
  return {q, cast(along(zero, axis, shape_of(q).rank), i32)};
}
bytes_over right_bytes(const any_tensor& q, const any_tensor& zero, int axis) {
  if (detail::type_of(q.node()) != u8) return left_bytes(q, zero, axis);
  bytes_over r{cast(any_tensor(cast(q, i32) - middle), i8), {}};
  if (is_all(zero, middle)) return r;
  r.zero = zero.node() ? any_tensor(cast(along(zero, axis, shape_of(q).rank), i32) - middle)
                       : any_tensor(ir::make_scalar(i32, -middle, std::source_location::current()));
  return r;
}
/// x in units of the result's scale.
any_tensor quantized(const any_tensor& x, const any_tensor& zero) {
  const any_tensor y = round(x) + cast(zero, detail::type_of(x.node()));
  return cast(y, detail::type_of(zero.node()));  // to integers: saturated
}

detail::node_ref expand_quantize(const quantize_attrs& at, const detail::node_ref& x, const detail::node_ref& scale,
                                 const detail::node_ref& zero) {
  const int rank = detail::shape_of(x).rank;
  return quantized(widened(any_tensor(x)) / widened(along(any_tensor(scale), at.axis, rank)),
                   along(any_tensor(zero), at.axis, rank))
      .node();
}
detail::node_ref expand_dequantize(const quantize_attrs& at, const detail::node_ref& q, const detail::node_ref& scale,
                                   const detail::node_ref& zero) {
  const any_tensor s = along(any_tensor(scale), at.axis, detail::shape_of(q).rank);
  const any_tensor wide = widened(s),
                   x = cast(over_zero(any_tensor(q), any_tensor(zero), at.axis), detail::type_of(wide.node()));
  return narrowed(any_tensor(x * wide), s).node();
}
detail::node_ref expand_dynamic_quantize(const detail::node_ref& node, int i) {
  constexpr int levels = 255;
  const any_tensor x(node);
  const any_tensor high = maximum(tenon::max(x), 0), low = minimum(tenon::min(x), 0);
  const any_tensor scale = (high - low) / levels;
  const any_tensor zero = cast(round(clip(-low / scale, {.low = 0, .high = levels})), u8);
  return (i == 0 ? quantized(x / scale, zero) : i == 1 ? scale : zero).node();
}
detail::node_ref expand_matmul_integer(const detail::node_ref& a, const detail::node_ref& b,
                                       const detail::node_ref& a_zero, const detail::node_ref& b_zero) {
  const dims &da = detail::shape_of(a), &db = detail::shape_of(b);
  if (da.rank < 2 || db.rank < 2) {
    const any_tensor x = over_zero(any_tensor(a), any_tensor(a_zero), -2),
                     y = over_zero(any_tensor(b), any_tensor(b_zero), -1);
    return any_tensor(matmul(x, y)).node();
  }
  // The sum of (x - p) (y - q) is that of x y, which are bytes, less q times x's sum and p times that of y - q.
  const bytes_over x = left_bytes(any_tensor(a), any_tensor(a_zero), -2),
                   y = right_bytes(any_tensor(b), any_tensor(b_zero), -1);
  any_tensor sums = matmul(x.bytes, y.bytes);
  if (y.zero.node()) sums = sums - sum(cast(x.bytes, i32), {.axes = {-1}, .keep = true}) * y.zero;
  if (x.zero.node())
    sums = sums - x.zero * sum(over_zero(any_tensor(b), any_tensor(b_zero), -1), {.axes = {-2}, .keep = true});
  return sums.node();
}

any_tensor convolution(const any_tensor& x, const any_tensor& w, const conv_attrs& at) {
  switch (shape_of(x).rank) {
    case 3:
      return conv1d(x, w, at);
    case 5:
      return conv3d(x, w, at);
    default:
      return conv2d(x, w, at);
  }
}
any_tensor ones(dtype d, const dims& shape) {
  return broadcast_to(any_tensor(ir::make_scalar(d, 1, std::source_location::current())), extents(shape));
}
/// What a convolution with `w` gives for an x of ones; without padding the same everywhere.
any_tensor sums_of_taps(const any_tensor& w, const dims& x, conv_attrs at) {
  const any_tensor taps = sum(w, {.axes = {1}, .keep = true});
  if (!has_padding(at.padding)) {
    const int rank = shape_of(w).rank;
    reduce_attrs all{.axes = {}, .keep = false};
    for (int d = 1; d < rank; ++d) all.axes.v[all.axes.size++] = d;
    return per_channel(any_tensor(sum(taps, all)), rank);
  }
  at.groups = 1;
  dims shape = x;
  shape[0] = shape[1] = 1;
  return convolution(ones(i32, shape), taps, at);
}
/// Makes padding part of x, where the zero point that stands for nothing is known: what is in no window's padding has
/// the same sums everywhere.
void pad_with(any_tensor& x, const any_tensor& zero, conv_attrs& at) {
  if (!has_padding(at.padding) || !zero.node() || zero.node()->op != &ir::constant_definition()) return;
  const ir::constant_value& c = ir::constant_of(*zero.node());
  if (!is_all(zero, std::to_integer<int>(*static_cast<const std::byte*>(c.data())))) return;
  const int spatial = shape_of(x).rank - 2;
  pad_attrs around{.before = {0, 0}, .after = {0, 0}};
  for (int d = 0; d < spatial; ++d) {
    around.before.v[around.before.size++] = padding_before(at.padding, d);
    around.after.v[around.after.size++] = padding_after(at.padding, spatial, d);
  }
  around.value =
      c.type() == u8 ? *static_cast<const std::uint8_t*>(c.data()) : *static_cast<const std::int8_t*>(c.data());
  x = pad(x, around);
  at.padding = {};
}
detail::node_ref expand_conv_integer(conv_attrs at, const detail::node_ref& x, const detail::node_ref& w,
                                     const detail::node_ref& x_zero, const detail::node_ref& w_zero) {
  const dims &dx = detail::shape_of(x), &dw = detail::shape_of(w);
  if (!dx.is_static() || !dw.is_static()) return {};
  // As products are: x's sums are those with weights of ones, those of w - q leave out what is in the padding.
  bytes_over a = left_bytes(any_tensor(x), any_tensor(x_zero), 0);
  const bytes_over b = right_bytes(any_tensor(w), any_tensor(w_zero), 0);
  if (a.zero.node()) pad_with(a.bytes, any_tensor(x_zero), at);
  any_tensor sums = convolution(a.bytes, b.bytes, at);
  if (b.zero.node()) {
    dims all = dw;
    if (at.groups == 1) all[0] = 1;
    const any_tensor zero = shape_of(b.zero).rank ? any_tensor(reshape(b.zero, extents(dims{dw[0]}))) : b.zero;
    sums = sums - convolution(a.bytes, ones(i8, all), at) *
                      (shape_of(zero).rank ? any_tensor(per_channel(zero, dx.rank)) : zero);
  }
  if (a.zero.node()) sums = sums - a.zero * sums_of_taps(over_zero(any_tensor(w), any_tensor(w_zero), 0), dx, at);
  return sums.node();
}

/// Sums in units of both scales as the result's integers; the second scale may lie along an axis.
detail::node_ref requantized(const any_tensor& sums, const detail::node_ref* in, int axis) {
  const int rank = shape_of(sums).rank;
  const any_tensor scale = along(any_tensor(in[1]), axis, rank) * along(any_tensor(in[4]), axis, rank) /
                           along(any_tensor(in[6]), axis, rank);
  return quantized(cast(sums, f32) * scale, along(any_tensor(in[7]), axis, rank)).node();
}

detail::node_ref expand_qlinear_matmul(const detail::node_ref* in) {
  const any_tensor sums(expand_matmul_integer(in[0], in[3], in[2], in[5]));
  return sums.node() ? requantized(sums, in, -1) : detail::node_ref();
}
detail::node_ref expand_qlinear_conv(const conv_attrs& at, const detail::node_ref* in, int n) {
  any_tensor sums(expand_conv_integer(at, in[0], in[3], in[2], in[5]));
  if (!sums.node()) return {};
  if (n > 8) sums = sums + per_channel(any_tensor(in[8]), shape_of(sums).rank);
  return requantized(sums, in, 1);
}

}  // namespace

template <>
struct meaning<quantize_linear_op> : quantize_linear_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& scale, const X& zero) {
    return X(expand_quantize(at, x.node(), scale.node(), zero.node()));
  }
};
template <>
struct meaning<dequantize_linear_op> : dequantize_linear_op {
  template <class X, class... Zero>
  static X expand(const attrs& at, const X& q, const X& scale, const Zero&... zero) {
    const detail::node_ref z[] = {zero.node()..., {}};
    return X(expand_dequantize(at, q.node(), scale.node(), z[0]));
  }
};
template <>
struct meaning<dynamic_quantize_linear_op> : dynamic_quantize_linear_op {
  template <class X>
  static std::tuple<X, X, X> expand(const attrs&, const X& x) {
    return {X(expand_dynamic_quantize(x.node(), 0)), X(expand_dynamic_quantize(x.node(), 1)),
            X(expand_dynamic_quantize(x.node(), 2))};
  }
};
template <>
struct meaning<matmul_integer_op> : matmul_integer_op {
  template <class X, class... Zero>
  static X expand(const attrs&, const X& a, const X& b, const Zero&... zero) {
    const detail::node_ref z[] = {zero.node()..., {}, {}};
    return X(expand_matmul_integer(a.node(), b.node(), z[0], z[1]));
  }
};
template <>
struct meaning<conv_integer_op> : conv_integer_op {
  template <class X, class... Zero>
  static X expand(const attrs& at, const X& x, const X& w, const Zero&... zero) {
    const detail::node_ref z[] = {zero.node()..., {}, {}};
    return X(expand_conv_integer(at, x.node(), w.node(), z[0], z[1]));
  }
};
template <>
struct meaning<qlinear_matmul_op> : qlinear_matmul_op {
  template <class X, class... More>
  static X expand(const attrs&, const X& a, const More&... more) {
    const detail::node_ref in[] = {a.node(), more.node()...};
    return X(expand_qlinear_matmul(in));
  }
};
template <>
struct meaning<qlinear_conv_op> : qlinear_conv_op {
  template <class X, class... More>
  static X expand(const attrs& at, const X& x, const More&... more) {
    const detail::node_ref in[] = {x.node(), more.node()...};
    return X(expand_qlinear_conv(at, in, static_cast<int>(std::size(in))));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(quantize_linear_op)
TENON_DEFINE(dequantize_linear_op)
TENON_DEFINE(dynamic_quantize_linear_op)
TENON_DEFINE(matmul_integer_op)
TENON_DEFINE(conv_integer_op)
TENON_DEFINE(qlinear_matmul_op)
TENON_DEFINE(qlinear_conv_op)
