// Pooling: windows over the last axes, as many as the window has numbers (1 to 3, or more).
#pragma once
#include "tenon/ops/conv.hpp"
#include "tenon/ops/reduce.hpp"

namespace tenon {

/// Of pooling: the window's extents; stride (none: 1), padding (none: 0; twice as many: before each axis, then after),
/// whether an average counts padding, whether a last window that is cut counts, dilation (none: 1).
struct pool_attrs {
  ints window{}, stride{}, padding{};
  bool count_include_pad = false;
  bool ceil_mode = false;
  ints dilation{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("window", s.window);
    v("stride", s.stride);
    v("padding", s.padding);
    v("count_include_pad", s.count_include_pad);
    v("ceil_mode", s.ceil_mode);
    v("dilation", s.dilation);
  }
  friend constexpr bool operator==(const pool_attrs&, const pool_attrs&) = default;
};

namespace ops {

template <domain Takes>
struct pool_over : unary_over<Takes> {
  using attrs = pool_attrs;
  static constexpr op_kind kind_of = op_kind::reduction;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    const int n = at.window.size;
    if (n == 0) {
      o.refuse() << "the window has no extents";
      return o;
    }
    check_list(o, "window", at.window, n, 1);
    check_list(o, "stride", at.stride, n, 1);
    check_list(o, "padding", at.padding, n, 0, true);
    check_list(o, "dilation", at.dilation, n, 1);
    if (!o.ok || s[0].any()) return o;
    if (s[0].rank < n) {
      o.refuse() << "a window of rank " << n << " over rank " << s[0].rank;
      return o;
    }
    for (int i = 0; i < n; ++i) {
      const extent_t before = padding_before(at.padding, i), after = padding_after(at.padding, n, i);
      const extent_t reach = window_reach(at.window[i], entry(at.dilation, i, 1));
      if (before >= reach || after >= reach) {
        o.refuse() << "padding " << (before > after ? before : after) << " >= window " << reach;
        return o;
      }
      const int axis = s[0].rank - n + i;
      o.out[axis] = window_count(o, s[0][axis], at.window[i], entry(at.stride, i, 1), padding_before(at.padding, i),
                                 padding_after(at.padding, n, i), entry(at.dilation, i, 1), at.ceil_mode);
    }
    return o;
  }
  /// With a run-time window: of rank 4 and more the first two axes are batch and channels, which pool_fn checks.
  static constexpr dims unknown(shapes s) {
    dims r = all_unknown(s[0]);
    for (int i = 0; i < 2 && r.rank >= 4; ++i) r[i] = s[0][i];
    return r;
  }
};

/// The largest of each window; NaN when one is; padding does not count. ONNX MaxPool (its first result).
struct max_pool_op : pool_over<domain::numbers> {
  static constexpr const char* name = "max_pool";
};
/// The sum of each window.
struct sum_pool_op : pool_over<domain::numbers> {
  static constexpr const char* name = "sum_pool";
};
/// The mean of each window: of the elements inside, or with count_include_pad of those and the padding. ONNX
/// AveragePool.
struct avg_pool_op : pool_over<domain::floats> {
  static constexpr const char* name = "avg_pool";
};

/// Reductions over all axes behind the second, which stay with extent 1: global pooling of [n, c, spatial...].
template <domain Takes>
struct global_pool_over : unary_over<Takes> {
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    if (s[0].rank < 3) o.refuse() << "rank " << s[0].rank << " < 3";
    for (int i = 2; i < s[0].rank; ++i) o.out[i] = 1;
    return o;
  }
};
/// ONNX GlobalMaxPool.
struct global_max_pool_op : global_pool_over<domain::numbers> {
  static constexpr const char* name = "global_max_pool";
};
/// ONNX GlobalAveragePool.
struct global_avg_pool_op : global_pool_over<domain::floats> {
  static constexpr const char* name = "global_avg_pool";
};

}  // namespace ops

namespace detail {
/// shape_error when the window reaches an axis of `x` whose extent the result's type states.
void check_pool(std::string_view op, const pool_attrs&, const dims& x, const loc&);

template <class Op>
struct pool_fn : attr_calls<Op, 1> {
  using attr_calls<Op, 1>::operator();
  template <operand A>
  auto operator()(const A& a, const pool_attrs& at, loc w = std::source_location::current()) const {
    check_pool(Op::name, at, shape_of_type<A>::type::value, w);
    return apply_dynamic<Op>(w, at, a);
  }
};
}  // namespace detail

/// max_pool(x, {.window = {3, 3}, .stride = {2, 2}}). So called on a type of rank 4 or more, the window leaves batch
/// and channels alone (shape_error) and the result's type keeps their extents; max_pool.with<{...}> keeps all extents.
inline constexpr detail::pool_fn<ops::max_pool_op> max_pool{};
inline constexpr detail::pool_fn<ops::avg_pool_op> avg_pool{};
inline constexpr detail::pool_fn<ops::sum_pool_op> sum_pool{};
TENON_UNARY_FUNCTION(global_max_pool)
TENON_UNARY_FUNCTION(global_avg_pool)

}  // namespace tenon
