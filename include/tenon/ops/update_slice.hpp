// A slice whose position only the run time knows, read or written.
#pragma once
#include "tenon/ops/movement.hpp"

namespace tenon {

/// Of `slice_at`: the axis, and how many positions of it.
struct slice_at_attrs {
  int axis = 0, extent = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
    v("extent", s.extent);
  }
  friend constexpr bool operator==(const slice_at_attrs&, const slice_at_attrs&) = default;
};

namespace ops {

/// What `slice_at` and `update_slice` have in common: the last operand is the position, an integer.
struct positioned_op {
  static constexpr int results = 1, main_operand = 0;
  /// Of operand `position`: a scalar.
  static constexpr bool is_position(outcome& o, const dims& s) {
    if (s.any() || s.rank == 0) return true;
    o.refuse() << "the position has rank " << s.rank;
    return false;
  }
  static constexpr void check_position(type_outcome& o, dtype t) {
    if (o.ok && !in_domain(domain::integers, t)) o.refuse() << "a position of " << tenon::name(t);
  }
  /// The position, moved so that `extent` elements from it on lie within `whole`.
  template <class C, class X>
  static auto first_of(C& c, int operand, const X& whole, const X& extent) {
    const auto given = c.load_index(operand, typename C::indices{}), zero = c.to_index(0);
    const auto low = c.select(given < zero, zero, given), last = whole - extent;
    return c.select(low < last, low, last);
  }
};

/// `extent` positions of x's axis, from the one on that operand 1 says, which is moved to where they fit: into [0, n -
/// extent]. XLA DynamicSlice along one axis.
struct slice_at_op : positioned_op {
  using attrs = slice_at_attrs;
  static constexpr const char* name = "slice_at";
  static constexpr op_kind kind_of = op_kind::movement;
  static constexpr int operands = 2, max_operands = 2;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? i64 : main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!is_position(o, s[1]) || s[0].any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (at.extent < 0 || (s[0][axis] >= 0 && at.extent > s[0][axis])) {
      o.refuse() << at.extent << " positions of " << s[0][axis] << " on axis " << axis;
      return o;
    }
    o.out[axis] = at.extent;
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = t[0];
    check_position(o, t[1]);
    return o;
  }
};

/// x with a part along the axis replaced by y, from the position on that operand 2 says, which is moved to where y
/// fits: into [0, x's extent - y's]. Where nobody needs x afterwards, and for `inout` parameters and loop states, x's
/// own memory is written, and y's part of it alone. XLA DynamicUpdateSlice along one axis.
struct update_slice_op : positioned_op {
  using attrs = first_axis_attrs;
  static constexpr const char* name = "update_slice";
  static constexpr op_kind kind_of = op_kind::program;
  static constexpr int operands = 3, max_operands = 3;
  static constexpr dtype operand_type(int k, dtype main) { return k == 2 ? i64 : main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!is_position(o, s[2]) || s[0].any() || s[1].any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (s[0].rank != s[1].rank) {
      o.refuse() << "ranks " << s[0].rank << " and " << s[1].rank;
      return o;
    }
    for (int d = 0; d < s[0].rank && o.ok; ++d) {
      if (s[0][d] < 0 || s[1][d] < 0) continue;
      if (d == axis && s[1][d] > s[0][d])
        o.refuse() << "extents " << s[1][d] << " > " << s[0][d] << " of axis " << d;
      else if (d != axis && s[1][d] != s[0][d])
        o.refuse() << "extents " << s[1][d] << " != " << s[0][d] << " of axis " << d;
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = detail::same_types({t.v, 2});
    check_position(o, t[2]);
    return o;
  }
};

}  // namespace ops

/// slice_at(x, position, {.axis = 1, .extent = 4}).
inline constexpr detail::attr_fn<ops::slice_at_op> slice_at{};
/// update_slice(x, y, position, {.axis = 1}).
inline constexpr detail::attr_fn<ops::update_slice_op> update_slice{};

}  // namespace tenon
