// Elements in order along an axis: sort and argsort. Not part of tenon.hpp: include it beside.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/op.hpp"

namespace tenon {

/// Of `sort` and `argsort`: the axis, and whether the largest comes first.
struct sort_attrs {
  int axis = -1;
  bool descending = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
    v("descending", s.descending);
  }
  friend constexpr bool operator==(const sort_attrs&, const sort_attrs&) = default;
};

namespace ops {

/// The elements in order along the axis, and where they were (i64). Stable: equal ones stay in their order. NaN counts
/// as the largest. NumPy sort and argsort (kind stable), PyTorch sort.
///
/// A heap sort by value and then by position, which no two elements share: so it is stable, and it sorts in place.
struct sort_op : unary_over<domain::numbers> {
  using attrs = sort_attrs;
  static constexpr const char* name = "sort";
  static constexpr op_kind kind_of = op_kind::program;
  static constexpr int results = 2;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    o.more[0] = s[0];
    if (!s[0].any()) detail::normal_axis(o, at.axis, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::numbers, t);
    o.more[0] = i64;
    return o;
  }
};

}  // namespace ops

/// auto [values, positions] = sort(x), sort(x, {.axis = 0, .descending = true}).
inline constexpr detail::attr_fn<ops::sort_op> sort{};
/// Where the elements in order are: the second result of `sort`.
template <operand X>
auto argsort(const X& x, const sort_attrs& at = {}, loc where = std::source_location::current()) {
  return std::get<1>(sort(x, at, where));
}

}  // namespace tenon
