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
bool is_zero(const any_tensor& v) {
  if (!v.node()) return true;
  if (v.node()->op != &ir::constant_definition()) return false;
  const ir::constant_value& c = ir::constant_of(*v.node());
  const auto* bytes = static_cast<const std::byte*>(c.data());
  return std::all_of(bytes, bytes + c.bytes(), [](std::byte b) { return b == std::byte{0}; });
}
/// Bytes over their zero point as i8 + over (i32; null: 0), so that products are of i8.
struct over_signed {
  any_tensor bytes, over;
};
over_signed signed_bytes(const any_tensor& q, const any_tensor& zero, int axis) {
  over_signed r{q, {}};
  const bool is_unsigned = detail::type_of(q.node()) == u8;
  constexpr int middle = 128;
  if (is_unsigned) r.bytes = bitcast<i8>(any_tensor(bit_xor(q, middle)));
  if (!is_zero(zero)) {
    r.over = -cast(along(zero, axis, shape_of(q).rank), i32);
    if (is_unsigned) r.over = r.over + middle;
  } else if (is_unsigned) {
    r.over = any_tensor(ir::make_scalar(i32, middle, std::source_location::current()));
  }
  return r;
}
any_tensor quantized(const any_tensor& x, const any_tensor& scale, const any_tensor& zero) {
  const any_tensor y = round(x / scale) + cast(zero, detail::type_of(x.node()));
  return cast(y, detail::type_of(zero.node()));  // to integers: saturated
}

detail::node_ref expand_quantize(const quantize_attrs& at, const detail::node_ref& x, const detail::node_ref& scale,
                                 const detail::node_ref& zero) {
  const int rank = detail::shape_of(x).rank;
  return quantized(widened(any_tensor(x)), widened(along(any_tensor(scale), at.axis, rank)),
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
  return (i == 0 ? quantized(x, scale, zero) : i == 1 ? scale : zero).node();
}
detail::node_ref expand_matmul_integer(const detail::node_ref& a, const detail::node_ref& b,
                                       const detail::node_ref& a_zero, const detail::node_ref& b_zero) {
  const dims &da = detail::shape_of(a), &db = detail::shape_of(b);
  if (da.rank < 2 || db.rank < 2) {
    const any_tensor x = over_zero(any_tensor(a), any_tensor(a_zero), -2),
                     y = over_zero(any_tensor(b), any_tensor(b_zero), -1);
    return any_tensor(matmul(x, y)).node();
  }
  const extent_t depth = da[da.rank - 1];
  if (depth < 0) return {};
  // With x + p and y + q for what is over the zero points, the sum of their products is that of x y, which are i8, plus
  // p times y's sums, q times x's, and depth p q.
  const over_signed left = signed_bytes(any_tensor(a), any_tensor(a_zero), -2),
                    right = signed_bytes(any_tensor(b), any_tensor(b_zero), -1);
  any_tensor sums = matmul(left.bytes, right.bytes);
  const any_tensor &p = left.over, &q = right.over;
  if (p.node()) sums = sums + p * sum(cast(right.bytes, i32), {.axes = {-2}, .keep = true});
  if (q.node()) sums = sums + sum(cast(left.bytes, i32), {.axes = {-1}, .keep = true}) * q;
  if (p.node() && q.node()) sums = sums + p * q * static_cast<std::int64_t>(depth);
  return sums.node();
}
detail::node_ref expand_conv_integer(const conv_attrs& at, const detail::node_ref& x, const detail::node_ref& w,
                                     const detail::node_ref& x_zero, const detail::node_ref& w_zero) {
  const any_tensor a = over_zero(any_tensor(x), any_tensor(x_zero), 0),
                   b = over_zero(any_tensor(w), any_tensor(w_zero), 0);
  switch (detail::shape_of(x).rank) {
    case 3:
      return any_tensor(conv1d(a, b, at)).node();
    case 5:
      return any_tensor(conv3d(a, b, at)).node();
    default:
      return any_tensor(conv2d(a, b, at)).node();
  }
}

/// Sums in units of both scales as the result's integers; the second scale may lie along an axis.
detail::node_ref requantized(const any_tensor& sums, const detail::node_ref* in, int axis) {
  const int rank = shape_of(sums).rank;
  const any_tensor scale = along(any_tensor(in[1]), axis, rank) * along(any_tensor(in[4]), axis, rank);
  return quantized(cast(sums, f32) * scale, along(any_tensor(in[6]), axis, rank), along(any_tensor(in[7]), axis, rank))
      .node();
}

detail::node_ref expand_qlinear_matmul(const detail::node_ref* in) {
  const any_tensor sums(expand_matmul_integer(in[0], in[3], in[2], in[5]));
  return sums.node() ? requantized(sums, in, -1) : detail::node_ref();
}
detail::node_ref expand_qlinear_conv(const conv_attrs& at, const detail::node_ref* in, int n) {
  any_tensor sums(expand_conv_integer(at, in[0], in[3], in[2], in[5]));
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
