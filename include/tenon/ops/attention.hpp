// Attention, written in other operators; what is between its two products is one kernel with them
// (src/graph/attention.hpp). 16-bit floats are computed in f32 throughout.
#pragma once
#include "tenon/ops/matmul.hpp"
#include "tenon/ops/norm.hpp"

namespace tenon {

/// Of `causal_mask`: the place of row 0 among the columns.
struct causal_mask_attrs {
  int offset = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("offset", s.offset);
  }
  friend constexpr bool operator==(const causal_mask_attrs&, const causal_mask_attrs&) = default;
};
/// Of `scaled_dot_product_attention`: whether query i sees keys 0 to i + offset only; what scores are multiplied by, 0:
/// 1 / root of the depth; a bound c that they are bent to by c tanh(score / c), 0: none.
struct attention_attrs {
  bool causal = false;
  int offset = 0;
  double scale = 0, softcap = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("causal", s.causal);
    v("offset", s.offset);
    v("scale", s.scale);
    v("softcap", s.softcap);
  }
  friend constexpr bool operator==(const attention_attrs&, const attention_attrs&) = default;
};

namespace ops {

/// x [..., rows, columns] where column <= row + offset, -infinity elsewhere. Operand 1, an integer scalar, is added to
/// the offset: what only the run time knows of it, as the position of a decoder's step.
struct causal_mask_op : unary_over<domain::floats> {
  using attrs = causal_mask_attrs;
  static constexpr const char* name = "causal_mask";
  static constexpr op_kind kind_of = op_kind::movement;
  static constexpr int max_operands = 2;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? i64 : main; }
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any() && s[0].rank < 2)
      o.refuse() << "rank " << s[0].rank << " < 2";
    else if (s.size() > 1 && !s[1].any() && s[1].rank != 0)
      o.refuse() << "the position has rank " << s[1].rank;
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::floats, {t.v, 1});
    if (o.ok && t.size() > 1 && !in_domain(domain::integers, t[1])) o.refuse() << "a position of " << tenon::name(t[1]);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};

}  // namespace ops

/// causal_mask(scores), causal_mask(scores, {.offset = n}), causal_mask(scores, position).
inline constexpr detail::attr_fn<ops::causal_mask_op> causal_mask{};

namespace ops {

/// softmax(q k^T * scale + mask) v: q [..., heads, L, E], k [..., heads, S, E], v [..., heads, S, Ev] give
/// [..., heads, L, Ev]. k and v may have fewer heads, each for a group of as many of q that follow each other; their
/// other leading axes are q's or 1. The mask broadcasts to [..., heads, L, S]: b8, where true is seen, or floats that
/// are added. An integer scalar in its place is a position p: query i sees keys 0 to i + p + offset, and the
/// kernel reads no blocks of others. A query that sees no key gives 0. PyTorch scaled_dot_product_attention, ONNX
/// Attention (opset 23).
struct scaled_dot_product_attention_op {
  using attrs = attention_attrs;
  static constexpr const char* name = "scaled_dot_product_attention";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 3, max_operands = 4, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    const dims &q = s[0], &k = s[1], &v = s[2];
    const int rank = q.rank;
    if (rank < 2 || k.rank != rank || v.rank != rank) {
      o.refuse() << "ranks " << q.rank << ", " << k.rank << ", " << v.rank << " of q, k, v";
      return o;
    }
    const auto differ = [](extent_t a, extent_t b) { return a >= 0 && b >= 0 && a != b; };
    if (differ(q[rank - 1], k[rank - 1])) {
      o.refuse() << "depths " << q[rank - 1] << " != " << k[rank - 1] << " of q and k";
      return o;
    }
    if (differ(k[rank - 2], v[rank - 2])) {
      o.refuse() << "lengths " << k[rank - 2] << " != " << v[rank - 2] << " of k and v";
      return o;
    }
    for (int d = 0; d < rank - 2; ++d) {
      if (differ(k[d], v[d])) {
        o.refuse() << "extents " << k[d] << " != " << v[d] << " of k and v";
        return o;
      }
      const bool group = d == rank - 3 && k[d] > 0 && q[d] % k[d] == 0;
      if (differ(q[d], k[d]) && k[d] != 1 && !group) {
        if (d == rank - 3)
          o.refuse() << q[d] << " heads of q for " << k[d] << " of k";
        else
          o.refuse() << "extents " << q[d] << " != " << k[d] << " of q and k";
        return o;
      }
    }
    dims scores = q;
    scores[rank - 1] = k[rank - 2];
    if (s.size() > 3) {
      const dims wide = detail::broadcast(o, scores, s[3]);
      if (o.ok && (wide.rank != rank || (wide.is_static() && scores.is_static() && !(wide == scores))))
        o.refuse() << "the mask is wider than " << scores;
      if (!o.ok) return o;
    }
    o.out = q;
    o.out[rank - 1] = v[rank - 1];
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::floats, {t.v, 3});
    if (o.ok && t.size() > 3 && t[3] != b8 && !in_domain(domain::integers, t[3]) && o.out != any_dtype && t[3] != o.out)
      o.refuse() << "the mask is " << tenon::name(t[3]) << ", neither b8 nor " << tenon::name(o.out);
    return o;
  }
};

}  // namespace ops

/// scaled_dot_product_attention(q, k, v), (q, k, v, mask), each with {.causal, .offset, .scale, .softcap}.
inline constexpr detail::attr_fn<ops::scaled_dot_product_attention_op> scaled_dot_product_attention{};

}  // namespace tenon
