// Indexing: elements chosen by the values of another operand.
#pragma once
#include "tenon/ops/compare.hpp"
#include "tenon/ops/relabel.hpp"
#include "tenon/ops/select_cast.hpp"

namespace tenon {

/// Of `one_hot`: how many classes, the new axis (counted in the result), the element type of the result.
struct one_hot_attrs {
  int depth = 1, axis = -1;
  dtype type = f32;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("depth", s.depth);
    v("axis", s.axis);
    v("type", s.type);
  }
  friend constexpr bool operator==(const one_hot_attrs&, const one_hot_attrs&) = default;
};
/// Of `iota`: element type, extents, and the axis along which it counts.
struct iota_attrs {
  dtype type = i64;
  dims to{};
  int axis = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("type", s.type);
    v("to", s.to);
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const iota_attrs&, const iota_attrs&) = default;
};

namespace ops {

/// Operand 1 holds positions of operand 0: any integer type; the result has operand 0's type.
struct indexed_op {
  static constexpr int operands = 2, max_operands = 2, results = 1, main_operand = 0;
  static constexpr op_kind kind_of = op_kind::movement;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? i64 : main; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = t[0];
    if (!in_domain(domain::integers, t[1])) o.refuse() << "indices of " << tenon::name(t[1]);
    return o;
  }
};

/// x with `axis` replaced by the axes of the indices: result[a..., i..., b...] = x[a..., indices[i...], b...]. Negative
/// indices count from the end; what is outside gives 0. ONNX Gather, NumPy take.
struct gather_op : indexed_op {
  using attrs = first_axis_attrs;
  static constexpr const char* name = "gather";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (s[0].rank - 1 + s[1].rank > dims::max_rank) {
      o.refuse() << "rank " << s[0].rank - 1 + s[1].rank << " > " << dims::max_rank;
      return o;
    }
    dims r;
    for (int i = 0; i < axis; ++i) r.push_back(s[0][i]);
    for (extent_t e : s[1]) r.push_back(e);
    for (int i = axis + 1; i < s[0].rank; ++i) r.push_back(s[0][i]);
    o.out = r;
    return o;
  }
  static constexpr dims unknown(shapes s) {
    if (s.any() || s[0].rank == 0 || s[0].rank - 1 + s[1].rank > dims::max_rank) return detail::any_dims();
    dims r = all_unknown(s[0]);
    --r.rank;
    r.e[r.rank] = 0;
    for (int i = 0; i < s[1].rank; ++i) r.push_back(dyn);
    return r;
  }
};
/// result[i..., j, k...] = x[i..., indices[i..., j, k...], k...]; the indices have x's rank and extents up to x's on
/// the other axes. ONNX GatherElements, NumPy take_along_axis.
struct gather_elements_op : indexed_op {
  using attrs = first_axis_attrs;
  static constexpr const char* name = "gather_elements";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[1];
    if (s.any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (s[0].rank != s[1].rank) {
      o.refuse() << "ranks " << s[0].rank << " and " << s[1].rank;
      return o;
    }
    for (int d = 0; d < s[0].rank; ++d)
      if (d != axis && s[0][d] >= 0 && s[1][d] >= 0 && s[1][d] > s[0][d] && o.ok)
        o.refuse() << "extents " << s[1][d] << " > " << s[0][d] << " of axis " << d;
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[1]; }
};
/// Rows of a table [count, width...] by indices: gather along the first axis with the operands in the order of
/// PyTorch's embedding (indices, table).
struct embedding_op {
  using attrs = no_attrs;
  static constexpr const char* name = "embedding";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2, results = 1, main_operand = 1;
  static constexpr dtype operand_type(int k, dtype main) { return k == 0 ? i64 : main; }
  static constexpr outcome shape(const auto&, shapes s) {
    const dims swapped[] = {s[1], s[0]};
    return gather_op::shape(first_axis_attrs{}, {swapped, 2});
  }
  static constexpr type_outcome types(const auto&, dtypes t) {
    const dtype swapped[] = {t[1], t[0]};
    return gather_op::types(first_axis_attrs{}, {swapped, 2});
  }
};

/// Counts along an axis: 0, 1, 2, ... NumPy arange, broadcast. A leaf: it has no operands.
struct iota_op {
  using attrs = iota_attrs;
  static constexpr const char* name = "iota";
  static constexpr op_kind kind_of = op_kind::movement;
  static constexpr int operands = 0, max_operands = 0, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto& at, shapes) {
    outcome o;
    o.out = at.to;
    if (at.to.any())
      o.refuse() << "the extents have no rank";
    else
      detail::normal_axis(o, at.axis, at.to.rank);
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome types(const auto& at, dtypes) {
    type_outcome o;
    o.out = at.type;
    if (at.type == b8 || at.type == any_dtype) o.refuse() << tenon::name(at.type) << " does not count";
    return o;
  }
  static constexpr type_outcome unknown_types(dtypes) { return {}; }
};

/// 1 where the class along the new axis is the index (negative ones count from the end), else 0. ONNX OneHot with
/// values (0, 1).
struct one_hot_op {
  using attrs = one_hot_attrs;
  static constexpr const char* name = "one_hot";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 1, max_operands = 1, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.depth < 0) o.refuse() << "depth " << at.depth << " < 0";
    if (s[0].any() || !o.ok) return o;
    if (s[0].rank == dims::max_rank) {
      o.refuse() << "rank " << s[0].rank + 1 << " > " << dims::max_rank;
      return o;
    }
    const int axis = detail::normal_axis(o, at.axis, s[0].rank + 1);
    if (!o.ok) return o;
    dims r;
    for (int i = 0; i <= s[0].rank; ++i) r.push_back(i < axis ? s[0][i] : i == axis ? at.depth : s[0][i - 1]);
    o.out = r;
    return o;
  }
  static constexpr dims unknown(shapes s) {
    if (s[0].any() || s[0].rank == dims::max_rank) return detail::any_dims();
    dims r = all_unknown(s[0]);
    r.push_back(dyn);
    return r;
  }
  static constexpr type_outcome types(const auto& at, dtypes t) {
    type_outcome o = one_type(domain::integers, t);
    o.out = at.type;
    return o;
  }
  static constexpr type_outcome unknown_types(dtypes) { return {}; }
};

}  // namespace ops

/// take(x, indices), take.with<{.axis = 1}>(x, indices): NumPy's name of `gather`.
inline constexpr detail::attr_fn<ops::gather_op> gather{};
inline constexpr detail::attr_fn<ops::gather_op> take{};
inline constexpr detail::attr_fn<ops::gather_elements_op> gather_elements{};
inline constexpr detail::attr_fn<ops::one_hot_op> one_hot{};
/// embedding(indices, table).
template <operand A, operand B>
auto embedding(const A& indices, const B& table, loc where = std::source_location::current()) {
  return detail::apply<ops::embedding_op>(where, indices, table);
}
/// iota<i64, 10>(), iota<f32, 3, 4>(1): extents as template arguments.
template <dtype D, extent_t... E>
  requires(sizeof...(E) > 0)
tensor<D, shape<E...>> iota(int axis = 0, loc where = std::source_location::current()) {
  const iota_attrs at{.type = D, .to = shape<E...>::value, .axis = axis};
  return tensor<D, shape<E...>>(detail::emit(detail::definition<ops::iota_op>(), &at, nullptr, 0, where));
}
/// iota<i64>({n}): extents at run time.
template <dtype D>
tensor<D, any_shape> iota(const extents& to, int axis = 0, loc where = std::source_location::current()) {
  const iota_attrs at{.type = D, .to = detail::attribute_dims(to, "iota"), .axis = axis};
  return tensor<D, any_shape>(detail::emit(detail::definition<ops::iota_op>(), &at, nullptr, 0, where));
}

}  // namespace tenon
