// Reductions over any axes. f16 and bf16 accumulate in f32; integers wrap.
#pragma once
#include "tenon/dsl/index.hpp"
#include "tenon/ops/arithmetic.hpp"

namespace tenon {

/// Of reductions: the axes (negative ones count from the end; none given: all), and whether they stay with extent 1.
struct reduce_attrs {
  ints axes{};
  bool keep = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axes", s.axes);
    v("keep", s.keep);
  }
  friend constexpr bool operator==(const reduce_attrs&, const reduce_attrs&) = default;
};
/// Of argmax and argmin: the axis, and whether it stays with extent 1.
struct arg_attrs {
  int axis = -1;
  bool keep = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
    v("keep", s.keep);
  }
  friend constexpr bool operator==(const arg_attrs&, const arg_attrs&) = default;
};

namespace ops {

/// Which axes of a rank are reduced.
struct axis_mask {
  bool on[dims::max_rank]{};
};
constexpr axis_mask reduced_axes(outcome& o, const ints& axes, int rank) {
  axis_mask m;
  for (int i = 0; i < rank; ++i) m.on[i] = axes.size == 0;
  for (int a : axes) {
    const int d = detail::normal_axis(o, a, rank);
    if (!o.ok) return m;
    if (m.on[d]) {
      o.refuse() << "axis " << a << " is given twice";
      return m;
    }
    m.on[d] = true;
  }
  return m;
}
constexpr dims without(const dims& d, const axis_mask& m, bool keep) {
  dims r;
  for (int i = 0; i < d.rank; ++i)
    if (!m.on[i])
      r.push_back(d[i]);
    else if (keep)
      r.push_back(1);
  return r;
}
/// `ByAxis`: also by name of an axis, sum(d)(x(i, d)).
template <domain Takes, bool ByAxis = false>
struct reduction_over : unary_over<Takes> {
  using attrs = reduce_attrs;
  static constexpr bool reduces_by_axis = ByAxis;
  static constexpr op_kind kind_of = op_kind::reduction;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    const axis_mask m = reduced_axes(o, at.axes, s[0].rank);
    if (o.ok) o.out = without(s[0], m, at.keep);
    return o;
  }
};

/// The sum over axes; 0 of none. ONNX ReduceSum.
struct sum_op : reduction_over<domain::numbers, true> {
  static constexpr const char* name = "sum";
};
/// The product over axes; 1 of none. ONNX ReduceProd.
struct prod_op : reduction_over<domain::numbers, true> {
  static constexpr const char* name = "prod";
};
/// The largest over axes; NaN when one is, the type's lowest value (-inf) of none. ONNX ReduceMax.
struct max_op : reduction_over<domain::numbers, true> {
  static constexpr const char* name = "max";
};
/// The smallest over axes; NaN when one is, the type's highest value (inf) of none. ONNX ReduceMin.
struct min_op : reduction_over<domain::numbers, true> {
  static constexpr const char* name = "min";
};
/// The mean over axes; integers are added in 64 bits, then truncate; of none NaN, for integers 0. ONNX ReduceMean.
struct mean_op : reduction_over<domain::numbers> {
  static constexpr const char* name = "mean";
};
/// Whether all over axes are true; true of none. NumPy all.
struct all_op : reduction_over<domain::booleans, true> {
  static constexpr const char* name = "all";
};
/// Whether any over axes is true; false of none. NumPy any.
struct any_op : reduction_over<domain::booleans, true> {
  static constexpr const char* name = "any";
};

/// Positions (i64) of the best along one axis; the first of equal ones, NaN counts as best.
struct arg_reduction : unary_over<domain::numbers> {
  using attrs = arg_attrs;
  static constexpr op_kind kind_of = op_kind::reduction;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (s[0][axis] == 0) {
      o.refuse() << "axis " << at.axis << " has no elements";
      return o;
    }
    axis_mask m;
    m.on[axis] = true;
    o.out = without(s[0], m, at.keep);
    return o;
  }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::numbers, t);
    if (o.ok) o.out = i64;
    return o;
  }
};
/// The position of the largest. ONNX ArgMax.
struct argmax_op : arg_reduction {
  static constexpr const char* name = "argmax";
};
/// The position of the smallest. ONNX ArgMin.
struct argmin_op : arg_reduction {
  static constexpr const char* name = "argmin";
};

}  // namespace ops

namespace detail {
/// max(x), max(x, {.axes = {1}}), and max(a, b) of two operands.
template <class Reduce, class Map>
struct reduce_or_map_fn : reduce_fn<Reduce> {
  using reduce_fn<Reduce>::operator();
  template <class A, class B>
    requires some_operands<A, B> && (!index_argument<A>)
  auto operator()(const A& a, const B& b, loc where = std::source_location::current()) const {
    return apply<Map>(where, a, b);
  }
};
/// any(x), any(x, {.axes = {1}}), and the variable of a rewrite rule: any("x").
struct any_fn : reduce_fn<ops::any_op> {
  using reduce_fn<ops::any_op>::operator();
  tensor<any_dtype, any_shape> operator()(const char* name, loc where = std::source_location::current()) const {
    return tensor<any_dtype, any_shape>(emit_input(name, any_dtype, any_dims(), where));
  }
};
}  // namespace detail

inline constexpr detail::reduce_fn<ops::sum_op> sum{};
inline constexpr detail::reduce_fn<ops::prod_op> prod{};
inline constexpr detail::reduce_fn<ops::mean_op> mean{};
inline constexpr detail::reduce_or_map_fn<ops::max_op, ops::maximum_op> max{};
inline constexpr detail::reduce_or_map_fn<ops::min_op, ops::minimum_op> min{};
inline constexpr detail::reduce_fn<ops::all_op> all{};
inline constexpr detail::any_fn any{};
inline constexpr detail::attr_fn<ops::argmax_op> argmax{};
inline constexpr detail::attr_fn<ops::argmin_op> argmin{};

}  // namespace tenon
