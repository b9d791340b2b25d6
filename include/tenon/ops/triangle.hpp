// Matrices by their diagonals: tril, triu, diag, eye. Not part of tenon.hpp: include it beside.
#pragma once
#include "tenon/ops/indexing.hpp"

namespace tenon {

/// Of `tril`, `triu` and `diag`: the diagonal that is still part of the triangle, or that is meant; 0 is the main one,
/// above it they are positive.
struct triangle_attrs {
  int diagonal = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("diagonal", s.diagonal);
  }
  friend constexpr bool operator==(const triangle_attrs&, const triangle_attrs&) = default;
};
/// Of `eye`: element type, extents, and the diagonal that holds ones.
struct eye_attrs {
  dtype type = f32;
  dims to{};
  int diagonal = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("type", s.type);
    v("to", s.to);
    v("diagonal", s.diagonal);
  }
  friend constexpr bool operator==(const eye_attrs&, const eye_attrs&) = default;
};

namespace ops {

/// Of the last two axes; what is not in the triangle is 0.
struct triangle_op : movement_op {
  using attrs = triangle_attrs;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any() && s[0].rank < 2) o.refuse() << "rank " << s[0].rank << " < 2";
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};
/// The elements on and below a diagonal. NumPy tril, ONNX Trilu.
struct tril_op : triangle_op {
  static constexpr const char* name = "tril";
};
/// The elements on and above a diagonal. NumPy triu, ONNX Trilu.
struct triu_op : triangle_op {
  static constexpr const char* name = "triu";
};

/// Of a vector the matrix with it on a diagonal, zeros elsewhere; of a matrix the diagonal. NumPy diag.
struct diag_op : movement_op {
  using attrs = triangle_attrs;
  static constexpr const char* name = "diag";
  static constexpr extent_t below(const auto& at) { return at.diagonal < 0 ? -extent_t{at.diagonal} : 0; }
  static constexpr extent_t right(const auto& at) { return at.diagonal > 0 ? at.diagonal : 0; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    if (s[0].rank == 1) {
      const extent_t n = s[0][0] < 0 ? (at.diagonal ? dyn : s[0][0]) : s[0][0] + below(at) + right(at);
      o.out = dims{n, n};
    } else if (s[0].rank == 2) {
      const extent_t rows = s[0][0] - below(at), columns = s[0][1] - right(at), n = rows < columns ? rows : columns;
      o.out = dims{s[0].is_static() ? (n < 0 ? 0 : n) : dyn};
    } else {
      o.refuse() << "rank " << s[0].rank << ", neither 1 nor 2";
    }
    return o;
  }
  static constexpr dims unknown(shapes s) {
    return s[0].rank == 1 ? dims{dyn, dyn} : s[0].rank == 2 ? dims{dyn} : detail::any_dims();
  }
};

/// Ones on a diagonal, zeros elsewhere. A leaf: it has no operands. NumPy eye, ONNX EyeLike.
struct eye_op {
  using attrs = eye_attrs;
  static constexpr const char* name = "eye";
  static constexpr op_kind kind_of = op_kind::movement;
  static constexpr int operands = 0, max_operands = 0, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto& at, shapes) {
    outcome o;
    o.out = at.to;
    if (at.to.any() || at.to.rank < 2) o.refuse() << "rank " << at.to.rank << " < 2";
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome types(const auto& at, dtypes) {
    type_outcome o;
    o.out = at.type;
    if (at.type == any_dtype) o.refuse() << "the element type is not stated";
    return o;
  }
  static constexpr type_outcome unknown_types(dtypes) { return {}; }
};

}  // namespace ops

/// tril(x), tril(x, {.diagonal = -1}).
inline constexpr detail::attr_fn<ops::tril_op> tril{};
inline constexpr detail::attr_fn<ops::triu_op> triu{};
/// diag(x), diag(x, {.diagonal = 1}).
inline constexpr detail::attr_fn<ops::diag_op> diag{};
/// eye<f32, 4, 4>(), eye<i64, 2, 3>(1): extents as template arguments.
template <dtype D, extent_t... E>
  requires(sizeof...(E) >= 2)
tensor<D, shape<E...>> eye(int diagonal = 0, loc where = std::source_location::current()) {
  const eye_attrs at{.type = D, .to = shape<E...>::value, .diagonal = diagonal};
  return tensor<D, shape<E...>>(detail::emit(detail::definition<ops::eye_op>(), &at, nullptr, 0, where));
}

}  // namespace tenon
