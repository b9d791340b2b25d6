// Pooling that few models have: lp_pool, the adaptive forms, the positions of a max_pool, and max_unpool. Not part of
// tenon.hpp: include it beside.
#pragma once
#include "tenon/ops/pool.hpp"

namespace tenon {

/// Of `lp_pool`: the window as pooling states it, and the norm's p.
struct lp_pool_attrs {
  ints window{}, stride{}, padding{};
  int p = 2;
  bool ceil_mode = false;
  ints dilation{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("window", s.window);
    v("stride", s.stride);
    v("padding", s.padding);
    v("p", s.p);
    v("ceil_mode", s.ceil_mode);
    v("dilation", s.dilation);
  }
  constexpr pool_attrs pooling() const { return {window, stride, padding, false, ceil_mode, dilation}; }
  friend constexpr bool operator==(const lp_pool_attrs&, const lp_pool_attrs&) = default;
};
/// Of adaptive pooling: the extents of the result's last axes.
struct adaptive_pool_attrs {
  ints to{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("to", s.to);
  }
  friend constexpr bool operator==(const adaptive_pool_attrs&, const adaptive_pool_attrs&) = default;
};
/// Of `max_unpool`: the extents of the result.
struct max_unpool_attrs {
  dims to{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("to", s.to);
  }
  friend constexpr bool operator==(const max_unpool_attrs&, const max_unpool_attrs&) = default;
};

namespace ops {

/// The p-norm of each window: (the sum of |x|^p)^(1/p). ONNX LpPool.
struct lp_pool_op : unary_over<domain::floats> {
  using attrs = lp_pool_attrs;
  static constexpr const char* name = "lp_pool";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o = sum_pool_op::shape(at.pooling(), s);
    if (o.ok && at.p < 1) o.refuse() << "p " << at.p << " < 1";
    return o;
  }
  static constexpr dims unknown(shapes s) { return sum_pool_op::unknown(s); }
};

/// Pooling into as many parts as asked for, over the last axes: part i of m on an axis of n elements begins at element
/// floor(i n / m) and ends before ceil((i + 1) n / m). PyTorch's adaptive pooling.
template <domain Takes>
struct adaptive_pool_over : unary_over<Takes> {
  using attrs = adaptive_pool_attrs;
  static constexpr op_kind kind_of = op_kind::reduction;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.to.size == 0) o.refuse() << "no extents are given";
    for (int e : at.to)
      if (e < 1 && o.ok) o.refuse() << "extent " << e << " < 1";
    if (s[0].any() || !o.ok) return o;
    const int lead = s[0].rank - at.to.size;
    if (lead < 0) {
      o.refuse() << at.to.size << " extents for rank " << s[0].rank;
      return o;
    }
    for (int i = 0; i < at.to.size; ++i) {
      if (s[0][lead + i] == 0 && o.ok) o.refuse() << "axis " << lead + i << " has no elements";
      o.out[lead + i] = at.to[i];
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
};
/// The mean of each part.
struct adaptive_avg_pool_op : adaptive_pool_over<domain::floats> {
  static constexpr const char* name = "adaptive_avg_pool";
};
/// The largest of each part.
struct adaptive_max_pool_op : adaptive_pool_over<domain::numbers> {
  static constexpr const char* name = "adaptive_max_pool";
};

/// Where max_pool finds its elements: positions (i64) in the row-major order of the whole operand; of equal ones the
/// first. ONNX MaxPool (its second result).
struct max_pool_positions_op : pool_over<domain::numbers> {
  static constexpr const char* name = "max_pool_positions";
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::numbers, t);
    if (o.ok) o.out = i64;
    return o;
  }
};

/// Elements put back where positions in the row-major order of the result say, zeros elsewhere: max_pool the other way
/// round. ONNX MaxUnpool.
struct max_unpool_op : unary_over<domain::numbers> {
  using attrs = max_unpool_attrs;
  static constexpr const char* name = "max_unpool";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? i64 : main; }
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = at.to;
    if (at.to.any() || !at.to.is_static()) {
      o.refuse() << "the extents " << at.to << " are not numbers";
      return o;
    }
    if (s.any()) return o;
    if (!(s[0] == s[1])) o.refuse() << "elements " << s[0] << " and positions " << s[1];
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o;
    o.out = t[0];
    if (!in_domain(domain::numbers, t[0]))
      o.refuse() << tenon::name(t[0]) << " is not a number";
    else if (!in_domain(domain::integers, t[1]))
      o.refuse() << "positions of " << tenon::name(t[1]);
    return o;
  }
};

}  // namespace ops

/// lp_pool(x, {.window = {2, 2}, .p = 3}).
inline constexpr detail::attr_fn<ops::lp_pool_op> lp_pool{};
/// adaptive_avg_pool(x, {.to = {7, 7}}).
inline constexpr detail::attr_fn<ops::adaptive_avg_pool_op> adaptive_avg_pool{};
inline constexpr detail::attr_fn<ops::adaptive_max_pool_op> adaptive_max_pool{};
/// max_pool_positions(x, {.window = {2, 2}, .stride = {2, 2}}).
inline constexpr detail::attr_fn<ops::max_pool_positions_op> max_pool_positions{};
/// max_unpool(x, positions, {.to = {1, 3, 8, 8}}).
inline constexpr detail::attr_fn<ops::max_unpool_op> max_unpool{};

}  // namespace tenon
