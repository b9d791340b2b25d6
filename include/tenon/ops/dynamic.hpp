// Results whose extents depend on data: nonzero, compress, unique. Not part of tenon.hpp: include it beside.
//
// Each is an operator with buffers as large as they may have to be and the number of what is in them; `narrow` cuts the
// buffers to the number. The extent is known once the number is computed: a callable computes the one, reads it, and
// goes on in a segment of its own, which is compiled for the extents that came out (src/segments.hpp).
#pragma once
#include "tenon/ops/indexing.hpp"
#include "tenon/ops/movement.hpp"

namespace tenon {

/// Of `unique`: whether all elements are looked at (else slices along `axis`), and whether the distinct ones are in
/// ascending order (else in that of their first places).
struct unique_attrs {
  bool flat = true;
  int axis = 0;
  bool sorted = true;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("flat", s.flat);
    v("axis", s.axis);
    v("sorted", s.sorted);
  }
  friend constexpr bool operator==(const unique_attrs&, const unique_attrs&) = default;
};

namespace ops {

/// i: which result. Empty until the extents are known.
/// The first `count` (an integer of rank 0) elements of x along an axis: an extent that only the run of what makes
/// `count` tells. It is no kernel: a callable is cut in two there.
struct narrow_op {
  using attrs = first_axis_attrs;
  static constexpr const char* name = "narrow";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? i64 : main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[1].any() && s[1].rank != 0) o.refuse() << "a count of rank " << s[1].rank;
    if (s[0].any() || !o.ok) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (o.ok) o.out[axis] = dyn;
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = t[0];
    if (t[1] != i64 && t[1] != any_dtype) o.refuse() << "a count of " << tenon::name(t[1]) << ", not i64";
    return o;
  }
};

/// The number of elements, if it is known.
constexpr extent_t known_count(const dims& d) { return d.is_static() ? d.count() : dyn; }

/// The positions [rank, elements] (i64) of what is not 0, in row-major order, and how many there are. Behind them are
/// zeros. ONNX NonZero, NumPy nonzero.
struct nonzero_op : unary_over<domain::any> {
  static constexpr const char* name = "nonzero";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int results = 2;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[0].any() ? detail::any_dims() : dims{s[0].rank, known_count(s[0])};
    o.more[0] = {};
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes) {
    type_outcome o;
    o.out = o.more[0] = i64;
    return o;
  }
};
/// Operands x and marks (b8, a vector no longer than the axis): the slices along the axis whose mark is true, and how
/// many. Behind them comes the first slice again. ONNX Compress.
struct compress_op {
  using attrs = first_axis_attrs;
  static constexpr const char* name = "compress";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2, results = 2, main_operand = 0;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? b8 : main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    o.more[0] = {};
    if (s.any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (s[1].rank != 1)
      o.refuse() << "marks of rank " << s[1].rank;
    else if (s[0][axis] >= 0 && s[1][0] > s[0][axis])
      o.refuse() << s[1][0] << " marks for an axis of " << s[0][axis];
    else
      o.out[axis] = s[1][0];
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = t[0];
    o.more[0] = i64;
    if (!in_domain(domain::booleans, t[1])) o.refuse() << "marks of " << tenon::name(t[1]) << ", not b8";
    return o;
  }
};
/// The distinct elements (or slices), where each is first, which of them each element is, and how often each is there
/// (i64). Behind them: the last element, its place, 0. NaN differs from itself. ONNX Unique, NumPy unique.
struct unique_op : unary_over<domain::numbers> {
  using attrs = unique_attrs;
  static constexpr const char* name = "unique";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int results = 4;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    for (dims& d : o.more) d = dims{dyn};
    if (s[0].any()) return o;
    dims n{known_count(s[0])};
    if (!at.flat) {
      const int axis = detail::normal_axis(o, at.axis, s[0].rank);
      if (!o.ok) return o;
      n[0] = s[0][axis];
    }
    o.out = at.flat ? n : s[0];
    for (dims& d : o.more) d = n;
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::numbers, t);
    for (dtype& d : o.more) d = i64;
    return o;
  }
};

}  // namespace ops

/// narrow(x, count), narrow(x, count, {.axis = 1}).
inline constexpr detail::attr_fn<ops::narrow_op> narrow{};

/// The positions of what is not 0: [rank, n], n as many as there are.
template <operand X>
auto nonzero(const X& x, loc where = std::source_location::current()) {
  const auto all = detail::apply<ops::nonzero_op>(where, x);
  return narrow.with<first_axis_attrs{.axis = 1}>(std::get<0>(all), std::get<1>(all), where);
}
/// The slices of x along an axis whose mark is true.
template <operand X, operand M>
auto compress(const X& x, const M& marks, const first_axis_attrs& at = {},
              loc where = std::source_location::current()) {
  const auto all = detail::apply_dynamic<ops::compress_op>(where, at, x, marks);
  return narrow(std::get<0>(all), std::get<1>(all), at, where);
}
/// auto [values, first, inverse, counts] = unique(x): the distinct elements, where each is first, which of them each
/// element is, how often each is there.
template <operand X>
auto unique(const X& x, const unique_attrs& at = {}, loc where = std::source_location::current()) {
  const auto all = detail::apply_dynamic<ops::unique_op>(where, at, x);
  const auto& counts = std::get<3>(all);
  const auto n = sum(cast<i64>(greater(counts, 0)));
  const first_axis_attrs along{.axis = at.flat ? 0 : at.axis};
  return std::tuple{narrow(std::get<0>(all), n, along, where), narrow(std::get<1>(all), n, {}, where), std::get<2>(all),
                    narrow(counts, n, {}, where)};
}

}  // namespace tenon
