// Products with names of their own: dense, bias_add, outer, bilinear; rotary_embedding. Not part of tenon.hpp: include
// it beside. They are written in other operators, in src/ops/linear.cpp.
#pragma once
#include "tenon/ops/matmul.hpp"

namespace tenon {

/// Of `bias_add`: the axis that the bias lies along.
struct bias_add_attrs {
  int axis = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const bias_add_attrs&, const bias_add_attrs&) = default;
};
/// Of `rotary_embedding`: how many elements of the last axis are rotated (0: all), and whether pairs are neighbours
/// (else the first and the second half).
struct rotary_attrs {
  int width = 0;
  bool interleaved = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("width", s.width);
    v("interleaved", s.interleaved);
  }
  friend constexpr bool operator==(const rotary_attrs&, const rotary_attrs&) = default;
};

namespace ops {

constexpr bool extents_differ(extent_t a, extent_t b) { return a >= 0 && b >= 0 && a != b; }

template <domain Takes>
struct product_over : unary_over<Takes> {
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2;
};

/// x plus the vector `bias` along an axis.
struct bias_add_op : product_over<domain::numbers> {
  using attrs = bias_add_attrs;
  static constexpr const char* name = "bias_add";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s.any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (s[1].rank != 1)
      o.refuse() << "a bias of rank " << s[1].rank;
    else if (extents_differ(s[0][axis], s[1][0]))
      o.refuse() << "bias " << s[1] << " along an axis of " << s[0][axis];
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
/// [..., in] with weights [in, out] and a bias [out] if there is one: [..., out].
struct dense_op : product_over<domain::numbers> {
  static constexpr const char* name = "dense";
  static constexpr int max_operands = 3;
  static constexpr outcome shape(const auto&, shapes s) {
    const dims product[] = {s[0], s[1]};
    outcome o = matmul_op::shape(no_attrs{}, {product, 2});
    if (!o.ok || s.any()) return o;
    if (s[1].rank != 2)
      o.refuse() << "weights of rank " << s[1].rank;
    else if (s.size() > 2 && (s[2].rank != 1 || extents_differ(s[2][0], s[1][1])))
      o.refuse() << "bias " << s[2] << " of " << s[1][1] << " outputs";
    return o;
  }
  static constexpr dims unknown(shapes s) { return shape(no_attrs{}, s).out; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    const dtype product[] = {t[0], t[1]};
    type_outcome o = matmul_op::types(no_attrs{}, {product, 2});
    if (o.ok && t.size() > 2 && t[2] != any_dtype && o.out != any_dtype && t[2] != o.out)
      o.refuse() << "a bias of " << tenon::name(t[2]) << " for sums of " << tenon::name(o.out);
    return o;
  }
};
/// Every product of an element of the vector a and one of b: [n], [m] give [n, m]. NumPy outer.
struct outer_op : product_over<domain::numbers> {
  static constexpr const char* name = "outer";
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = dims{dyn, dyn};
    if (s.any()) return o;
    if (s[0].rank != 1 || s[1].rank != 1)
      o.refuse() << "ranks " << s[0].rank << " and " << s[1].rank << ", not 1";
    else
      o.out = dims{s[0][0], s[1][0]};
    return o;
  }
  static constexpr dims unknown(shapes s) { return shape(no_attrs{}, s).out; }
};
/// The sum over i and j of x[..., i] w[o, i, j] y[..., j], plus bias[o] if there is one: [..., o]. PyTorch bilinear.
struct bilinear_op : product_over<domain::floats> {
  static constexpr const char* name = "bilinear";
  static constexpr int operands = 3, max_operands = 4;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    const int rank = s[0].rank;
    if (rank < 1 || s[1].rank != rank || s[2].rank != 3 || rank > 6) {
      o.refuse() << "ranks " << s[0].rank << ", " << s[1].rank << " and " << s[2].rank;
      return o;
    }
    for (int d = 0; d < rank - 1 && o.ok; ++d)
      if (extents_differ(s[0][d], s[1][d])) o.refuse() << "extents " << s[0][d] << " != " << s[1][d];
    if (o.ok && (extents_differ(s[0][rank - 1], s[2][1]) || extents_differ(s[1][rank - 1], s[2][2])))
      o.refuse() << "weights " << s[2] << " for " << s[0][rank - 1] << " and " << s[1][rank - 1] << " elements";
    if (o.ok && s.size() > 3 && (s[3].rank != 1 || extents_differ(s[3][0], s[2][0])))
      o.refuse() << "bias " << s[3] << " of " << s[2][0] << " outputs";
    if (!o.ok) return o;
    o.out = s[0];
    o.out[rank - 1] = s[2][0];
    return o;
  }
  static constexpr dims unknown(shapes s) { return shape(no_attrs{}, s).out; }
};
/// Pairs of the last axis turned by angles, whose cosines and sines [..., width / 2] broadcast with the pairs. The
/// elements behind `width` stay. ONNX RotaryEmbedding (opset 23) with the caches already gathered.
struct rotary_embedding_op : product_over<domain::floats> {
  using attrs = rotary_attrs;
  static constexpr const char* name = "rotary_embedding";
  static constexpr int operands = 3, max_operands = 3;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.width < 0 || at.width % 2 != 0) {
      o.refuse() << "width " << at.width << " holds no pairs";
      return o;
    }
    if (s.any()) return o;
    if (s[0].rank < 1) {
      o.refuse() << "rank 0";
      return o;
    }
    dims pairs = s[0];
    extent_t& last = pairs[pairs.rank - 1];
    const extent_t width = at.width ? at.width : last;
    if (last >= 0 && (width > last || width % 2 != 0)) {
      o.refuse() << "width " << width << " of an axis of " << last;
      return o;
    }
    last = width < 0 ? dyn : width / 2;
    for (int k = 1; k < 3 && o.ok; ++k) {
      const dims wide = detail::broadcast(o, pairs, s[k]);
      if (o.ok && (wide.rank != pairs.rank || (wide.is_static() && pairs.is_static() && !(wide == pairs))))
        o.refuse() << (k == 1 ? "cosines " : "sines ") << s[k] << " of pairs " << pairs;
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};

}  // namespace ops

/// dense(x, w), dense(x, w, bias).
inline constexpr detail::attr_fn<ops::dense_op> dense{};
/// bias_add(x, bias), bias_add(x, bias, {.axis = -1}).
inline constexpr detail::attr_fn<ops::bias_add_op> bias_add{};
inline constexpr detail::attr_fn<ops::outer_op> outer{};
/// bilinear(x, y, w), bilinear(x, y, w, bias).
inline constexpr detail::attr_fn<ops::bilinear_op> bilinear{};
/// rotary_embedding(x, cosines, sines).
inline constexpr detail::attr_fn<ops::rotary_embedding_op> rotary_embedding{};

}  // namespace tenon
