// Choice between two values, and changes of the element type.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {

/// Of `cast` and `bitcast`: the new element type.
struct cast_attrs {
  dtype to = f32;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("to", s.to);
  }
  friend constexpr bool operator==(const cast_attrs&, const cast_attrs&) = default;
};

namespace ops {

/// a where the condition (b8) holds, else b; all three broadcast, a and b of one type. ONNX Where.
struct select_op : map_op {
  static constexpr const char* name = "select";
  static constexpr int operands = 3, max_operands = 3, main_operand = 1;
  static constexpr dtype operand_type(int k, dtype main) { return k == 0 ? b8 : main; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = detail::same_types(t, 1);
    if (o.ok && t[0] != b8 && t[0] != any_dtype) o.refuse() << "the condition is " << tenon::name(t[0]) << ", not b8";
    return o;
  }
};

/// x in another element type: to floats the nearest value, from floats to integers truncated and saturated (NaN is 0),
/// between integers wrapped, to b8 whether it is not 0. ONNX Cast.
struct cast_op : map_op {
  using attrs = cast_attrs;
  static constexpr const char* name = "cast";
  static constexpr type_outcome types(const auto& at, dtypes) {
    type_outcome o;
    o.out = at.to;
    if (at.to == any_dtype) o.refuse() << "the new type is not stated";
    return o;
  }
  static constexpr type_outcome unknown_types(dtypes) { return {}; }
};

/// The bits of x as another element type of the same size; not b8. NumPy view. Movement: elements pass as they are.
struct bitcast_op : unary_op {
  using attrs = cast_attrs;
  static constexpr const char* name = "bitcast";
  static constexpr op_kind kind_of = op_kind::movement;
  static constexpr outcome shape(const auto&, shapes s) { return detail::broadcast_all(s); }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto& at, dtypes t) {
    type_outcome o;
    o.out = at.to;
    if (at.to == b8 || t[0] == b8)
      o.refuse() << "b8 has no bits";
    else if (t[0] != any_dtype && size_of(t[0]) != size_of(at.to))
      o.refuse() << "the sizes of " << tenon::name(t[0]) << " and " << tenon::name(at.to) << " differ";
    return o;
  }
  static constexpr type_outcome unknown_types(dtypes) { return {}; }
};

}  // namespace ops

/// a where `condition` holds, else b.
template <class C, class A, class B>
  requires some_operands<C, A, B>
auto select(const C& condition, const A& a, const B& b, loc where = std::source_location::current()) {
  return detail::apply<ops::select_op>(where, condition, a, b);
}
/// NumPy's name of `select`.
template <class C, class A, class B>
  requires some_operands<C, A, B>
auto where(const C& condition, const A& a, const B& b, loc at = std::source_location::current()) {
  return detail::apply<ops::select_op>(at, condition, a, b);
}
/// x as another element type: cast<f16>(x).
template <dtype To, operand X>
auto cast(const X& x, loc where = std::source_location::current()) {
  return detail::apply_static<ops::cast_op, cast_attrs{To}>(where, x);
}
/// The same with a type that only the run time knows.
template <operand X>
auto cast(const X& x, dtype to, loc where = std::source_location::current()) {
  return detail::apply_dynamic<ops::cast_op>(where, cast_attrs{to}, x);
}
/// The bits of x as another element type of the same size.
template <dtype To, operand X>
auto bitcast(const X& x, loc where = std::source_location::current()) {
  return detail::apply_static<ops::bitcast_op, cast_attrs{To}>(where, x);
}

}  // namespace tenon
