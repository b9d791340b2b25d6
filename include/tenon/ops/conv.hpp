// Convolution over 1 to 3 spatial axes, written once over their number, and its transpose. x is [n, c, spatial...],
// weights are [out, c / groups, kernel...]. Products with the zeros of padding, and with those that fill up the windows
// of a transposed convolution, may be made or skipped: it shows where the other factor is NaN or infinite alone.
#pragma once
#include "tenon/ops/matmul.hpp"
#include "tenon/ops/selection.hpp"

namespace tenon {

/// Of convolutions: a number per spatial axis, or none for 1 (padding: 0). `padding` may hold twice as many: before
/// each axis, then after each.
struct conv_attrs {
  ints stride{}, padding{}, dilation{};
  int groups = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("stride", s.stride);
    v("padding", s.padding);
    v("dilation", s.dilation);
    v("groups", s.groups);
  }
  friend constexpr bool operator==(const conv_attrs&, const conv_attrs&) = default;
};
using conv1d_attrs = conv_attrs;
using conv2d_attrs = conv_attrs;
using conv3d_attrs = conv_attrs;

/// Of transposed convolutions; `output_padding` adds elements at the end of each spatial axis.
struct conv_transpose_attrs {
  ints stride{}, padding{}, dilation{};
  int groups = 1;
  ints output_padding{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("stride", s.stride);
    v("padding", s.padding);
    v("dilation", s.dilation);
    v("groups", s.groups);
    v("output_padding", s.output_padding);
  }
  friend constexpr bool operator==(const conv_transpose_attrs&, const conv_transpose_attrs&) = default;
};

namespace ops {

/// Entry `i` of a list that may be empty.
constexpr int entry(const ints& l, int i, int otherwise) { return l.size == 0 ? otherwise : l[i]; }
constexpr int padding_before(const ints& p, int i) { return entry(p, i, 0); }
constexpr int padding_after(const ints& p, int spatial, int i) {
  return p.size > spatial ? p[spatial + i] : entry(p, i, 0);
}
constexpr bool has_padding(const ints& p) {
  for (int v : p)
    if (v != 0) return true;
  return false;
}
/// Refuses a list that does not have one entry per spatial axis (or `twice` as many), or an entry below `least`.
constexpr void check_list(outcome& o, std::string_view what, const ints& l, int spatial, int least,
                          bool twice = false) {
  if (!o.ok) return;
  if (l.size != 0 && l.size != spatial && !(twice && l.size == 2 * spatial)) {
    o.refuse() << what << " has " << l.size << " numbers for " << spatial << " axes";
    return;
  }
  for (int v : l)
    if (v < least && o.ok) o.refuse() << what << " " << v << " < " << least;
}
/// Elements from the first of `k` taps to the last.
constexpr extent_t window_reach(extent_t k, int dilation) { return detail::bounded_product(k - 1, dilation) + 1; }
/// Positions of a window over `in` elements: of `k` taps, `ceil`: also the last one that is cut.
constexpr extent_t window_count(outcome& o, extent_t in, extent_t k, int stride, int before, int after, int dilation,
                                bool ceil = false) {
  if (in < 0 || k < 0) return dyn;
  const extent_t reach = window_reach(k, dilation), room = in + before + after;
  if (k == 0 || reach > room) {
    if (o.ok) o.refuse() << "window " << reach << " > extent " << room;
    return 0;
  }
  extent_t n = (room - reach + (ceil ? stride - 1 : 0)) / stride + 1;
  // A window that would begin in the padding after the end does not count.
  if (ceil && detail::bounded_product(n - 1, stride) >= in + before) --n;
  return n;
}

template <int Spatial>
struct conv_op {
  using attrs = conv_attrs;
  static constexpr const char* name = Spatial == 1 ? "conv1d" : Spatial == 2 ? "conv2d" : "conv3d";
  static constexpr op_kind kind_of = op_kind::contraction;
  static constexpr int operands = 2, max_operands = 2, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    check_list(o, "stride", at.stride, Spatial, 1);
    check_list(o, "dilation", at.dilation, Spatial, 1);
    check_list(o, "padding", at.padding, Spatial, 0, true);
    if (at.groups < 1 && o.ok) o.refuse() << "groups " << at.groups << " < 1";
    if (!o.ok || s.any()) return o;
    const dims x = s[0], w = s[1];
    if (x.rank != Spatial + 2 || w.rank != Spatial + 2) {
      o.refuse() << "ranks " << x.rank << " and " << w.rank << ", not " << Spatial + 2;
      return o;
    }
    if (x[1] >= 0 && w[1] >= 0 && x[1] != detail::bounded_product(w[1], at.groups)) {
      o.refuse() << "channels " << x[1] << " != " << detail::bounded_product(w[1], at.groups);
      return o;
    }
    if (w[0] >= 0 && w[0] % at.groups != 0) {
      o.refuse() << w[0] << " outputs in " << at.groups << " groups";
      return o;
    }
    dims r{x[0], w[0]};
    for (int i = 0; i < Spatial; ++i)
      r.push_back(window_count(o, x[i + 2], w[i + 2], entry(at.stride, i, 1), padding_before(at.padding, i),
                               padding_after(at.padding, Spatial, i), entry(at.dilation, i, 1)));
    if (o.ok) o.out = r;
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) { return byte_product_types(t); }
  static constexpr dims unknown(shapes s) {
    if (s.any() || s[0].rank != Spatial + 2 || s[1].rank != Spatial + 2) return detail::any_dims();
    dims r = all_unknown(s[0]);
    r[0] = s[0][0];
    r[1] = s[1][0];
    return r;
  }
};
/// [n, c, length] with [out, c / groups, k]. ONNX Conv of one spatial axis.
using conv1d_op = conv_op<1>;
/// [n, c, h, w] with [out, c / groups, kh, kw]. ONNX Conv, ConvInteger.
using conv2d_op = conv_op<2>;
/// [n, c, d, h, w] with [out, c / groups, kd, kh, kw]. ONNX Conv of three spatial axes.
using conv3d_op = conv_op<3>;

/// The gradient of a convolution as an operator: [n, c, spatial...] with [c, out / groups, kernel...] gives extents
/// stride (in - 1) + dilation (k - 1) + 1 - padding + output_padding. ONNX ConvTranspose.
template <int Spatial>
struct conv_transpose_op {
  using attrs = conv_transpose_attrs;
  static constexpr const char* name = Spatial == 1   ? "conv_transpose1d"
                                      : Spatial == 2 ? "conv_transpose2d"
                                                     : "conv_transpose3d";
  static constexpr op_kind kind_of = op_kind::reduction;
  static constexpr int operands = 2, max_operands = 2, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    check_list(o, "stride", at.stride, Spatial, 1);
    check_list(o, "dilation", at.dilation, Spatial, 1);
    check_list(o, "padding", at.padding, Spatial, 0, true);
    check_list(o, "output_padding", at.output_padding, Spatial, 0);
    if (at.groups < 1 && o.ok) o.refuse() << "groups " << at.groups << " < 1";
    if (!o.ok || s.any()) return o;
    const dims x = s[0], w = s[1];
    if (x.rank != Spatial + 2 || w.rank != Spatial + 2) {
      o.refuse() << "ranks " << x.rank << " and " << w.rank << ", not " << Spatial + 2;
      return o;
    }
    if (x[1] >= 0 && w[0] >= 0 && x[1] != w[0]) {
      o.refuse() << "channels " << x[1] << " != " << w[0];
      return o;
    }
    if (w[0] >= 0 && w[0] % at.groups != 0) {
      o.refuse() << w[0] << " channels in " << at.groups << " groups";
      return o;
    }
    dims r{x[0], w[1] < 0 ? dyn : detail::bounded_product(w[1], at.groups)};
    for (int i = 0; i < Spatial; ++i) {
      if (x[i + 2] < 0 || w[i + 2] < 0) {
        r.push_back(dyn);
        continue;
      }
      const extent_t e = detail::bounded_product(x[i + 2] - 1, entry(at.stride, i, 1)) +
                         window_reach(w[i + 2], entry(at.dilation, i, 1)) + entry(at.output_padding, i, 0) -
                         padding_before(at.padding, i) - padding_after(at.padding, Spatial, i);
      if (e < 0) {
        o.refuse() << "the result would have extent " << e;
        return o;
      }
      r.push_back(e);
    }
    o.out = r;
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) { return product_types(t); }
  static constexpr dims unknown(shapes s) {
    if (s.any() || s[0].rank != Spatial + 2) return detail::any_dims();
    dims r = all_unknown(s[0]);
    r[0] = s[0][0];
    return r;
  }
};
using conv_transpose1d_op = conv_transpose_op<1>;
using conv_transpose2d_op = conv_transpose_op<2>;
using conv_transpose3d_op = conv_transpose_op<3>;

}  // namespace ops

/// conv2d(x, w), conv2d.with<{.stride = {2, 2}, .padding = {1, 1}}>(x, w); likewise for 1 and 3 spatial axes.
inline constexpr detail::attr_fn<ops::conv1d_op> conv1d{};
inline constexpr detail::attr_fn<ops::conv2d_op> conv2d{};
inline constexpr detail::attr_fn<ops::conv3d_op> conv3d{};
inline constexpr detail::attr_fn<ops::conv_transpose1d_op> conv_transpose1d{};
inline constexpr detail::attr_fn<ops::conv_transpose2d_op> conv_transpose2d{};
inline constexpr detail::attr_fn<ops::conv_transpose3d_op> conv_transpose3d{};

}  // namespace tenon
