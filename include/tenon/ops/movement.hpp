// What movement operators share: each result element is one operand element, or padding. Any element type. They are in
// relabel.hpp, selection.hpp and joining.hpp.
#pragma once
#include "tenon/ops/reduce.hpp"

namespace tenon {

/// Of operators that take a list of axes.
struct axes_attrs {
  ints axes{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axes", s.axes);
  }
  friend constexpr bool operator==(const axes_attrs&, const axes_attrs&) = default;
};
/// Of operators that take one axis, the last by default.
struct axis_attrs {
  int axis = -1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const axis_attrs&, const axis_attrs&) = default;
};
/// The same with the first axis as default.
struct first_axis_attrs {
  int axis = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const first_axis_attrs&, const first_axis_attrs&) = default;
};

namespace ops {

struct movement_op : unary_op {
  static constexpr op_kind kind_of = op_kind::movement;
};

}  // namespace ops

namespace detail {
/// f(x), f(x, {0, 2}), f.with<{0, 2}>(x): the list of axes stands alone.
template <class Op>
struct axes_fn {
  template <operand X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return apply_static<Op, axes_attrs{}>(where, x);
  }
  template <operand X>
  auto operator()(const X& x, const ints& axes, loc where = std::source_location::current()) const {
    return apply_dynamic<Op>(where, axes_attrs{axes}, x);
  }
  template <ints Axes, operand X>
  auto with(const X& x, loc where = std::source_location::current()) const {
    return apply_static<Op, axes_attrs{Axes}>(where, x);
  }
};
}  // namespace detail

}  // namespace tenon
