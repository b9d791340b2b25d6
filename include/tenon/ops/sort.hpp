// The largest or smallest elements along an axis, as a program with two results.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/op.hpp"

namespace tenon {

/// Of `top_k`: how many, along which axis, the largest or the smallest. The results are sorted, best first.
struct top_k_attrs {
  int k = 1, axis = -1;
  bool largest = true;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("k", s.k);
    v("axis", s.axis);
    v("largest", s.largest);
  }
  friend constexpr bool operator==(const top_k_attrs&, const top_k_attrs&) = default;
};

namespace ops {

/// The k best along the axis, sorted, and their positions (i64); of equal ones the first comes first, NaN counts as the
/// largest. ONNX TopK.
struct top_k_op : unary_over<domain::numbers> {
  using attrs = top_k_attrs;
  static constexpr const char* name = "top_k";
  static constexpr op_kind kind_of = op_kind::program;
  static constexpr int results = 2;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any()) {
      const int axis = detail::normal_axis(o, at.axis, s[0].rank);
      if (o.ok && at.k < 0) o.refuse() << "k " << at.k << " < 0";
      if (o.ok && s[0][axis] >= 0 && at.k > s[0][axis]) o.refuse() << "k " << at.k << " > extent " << s[0][axis];
      if (o.ok) o.out[axis] = at.k;
    }
    o.more[0] = o.out;
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::numbers, t);
    o.more[0] = i64;
    return o;
  }
};

}  // namespace ops

/// auto [values, positions] = top_k(x, {.k = 5}).
inline constexpr detail::attr_fn<ops::top_k_op> top_k{};

}  // namespace tenon
