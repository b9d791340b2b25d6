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

detail::node_ref expand_lp_pool(const lp_pool_attrs&, const detail::node_ref& x);
detail::node_ref expand_max_unpool(const max_unpool_attrs&, const detail::node_ref& x,
                                   const detail::node_ref& positions);

/// The p-norm of each window: (the sum of |x|^p)^(1/p). ONNX LpPool.
struct lp_pool_op : unary_over<domain::floats> {
  using attrs = lp_pool_attrs;
  static constexpr const char* name = "lp_pool";
  static constexpr const char* kind_of = "library";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o = sum_pool_op::shape(at.pooling(), s);
    if (o.ok && at.p < 1) o.refuse() << "p " << at.p << " < 1";
    return o;
  }
  static constexpr dims unknown(shapes s) { return sum_pool_op::unknown(s); }
  template <class X>
  static X expand(const attrs& at, const X& x) {
    return X(expand_lp_pool(at, x.node()));
  }
};

/// Pooling into as many parts as asked for, over the last axes: part i of m on an axis of n elements begins at element
/// floor(i n / m) and ends before ceil((i + 1) n / m). PyTorch's adaptive pooling.
template <domain Takes>
struct adaptive_pool_over : unary_over<Takes> {
  using attrs = adaptive_pool_attrs;
  static constexpr const char* kind_of = "reduction";
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
  /// The elements of part i combined; those outside of it count as `otherwise`.
  template <class C, class I, class V>
  static auto over(C& c, typename C::reducer how, const attrs& at, const I& i, const V& otherwise) {
    I extents;
    const int lead = c.rank(0) - at.to.size;
    for (int k = 0; k < at.to.size; ++k)
      extents.push_back(c.extent(0, lead + k) / c.to_index(at.to[k]) + c.to_index(2));
    return c.reduce(how, extents, [&](const I& r) {
      I x = i;
      typename C::mask inside = c.to_index(0) == c.to_index(0);
      for (int k = 0; k < at.to.size; ++k) {
        const int d = lead + k;
        x[d] = first(c, at, i, k, d) + r[k];
        inside = inside & (x[d] < end(c, at, i, k, d));
      }
      return c.load_if(inside, 0, x, otherwise);
    });
  }
  template <class C, class I>
  static auto first(C& c, const attrs& at, const I& i, int k, int d) {
    return i[d] * c.extent(0, d) / c.to_index(at.to[k]);
  }
  template <class C, class I>
  static auto end(C& c, const attrs& at, const I& i, int k, int d) {
    return ((i[d] + c.to_index(1)) * c.extent(0, d) + c.to_index(at.to[k] - 1)) / c.to_index(at.to[k]);
  }
};
/// The mean of each part.
struct adaptive_avg_pool_op : adaptive_pool_over<domain::floats> {
  static constexpr const char* name = "adaptive_avg_pool";
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const auto sum = over(c, C::reducer::sum, at, i, c.constant(0));
    auto count = c.to_index(1);
    const int lead = c.rank(0) - at.to.size;
    for (int k = 0; k < at.to.size; ++k) count = count * (end(c, at, i, k, lead + k) - first(c, at, i, k, lead + k));
    return sum / c.to_value(count);
  }
};
/// The largest of each part.
struct adaptive_max_pool_op : adaptive_pool_over<domain::numbers> {
  static constexpr const char* name = "adaptive_max_pool";
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::max, at, i, c.lowest());
  }
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
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    auto taps = c.to_index(1);
    for (int w : at.window) taps = taps * c.to_index(w);
    const auto in_window = [&](const typename C::index& t) {
      I r;
      auto below = taps, rest = t;
      for (int w : at.window) {
        below = below / c.to_index(w);
        r.push_back(rest / below);
        rest = rest % below;
      }
      return r;
    };
    const auto best = c.reduce_arg(C::reducer::argmax, taps, [&](const typename C::index& t) {
      typename C::mask inside = c.to_index(0) == c.to_index(0);
      const I x = tap(c, at, i, in_window(t), inside);
      return cut(at) ? c.load_if(inside, 0, x, c.lowest()) : c.load(0, x);
    });
    typename C::mask inside = c.to_index(0) == c.to_index(0);
    const I x = tap(c, at, i, in_window(best), inside);
    auto position = c.to_index(0);
    for (int d = 0; d < c.rank(0); ++d) position = position * c.extent(0, d) + x[d];
    return position;
  }
};

/// Elements put back where positions in the row-major order of the result say, zeros elsewhere: max_pool the other way
/// round. ONNX MaxUnpool.
struct max_unpool_op : unary_over<domain::numbers> {
  using attrs = max_unpool_attrs;
  static constexpr const char* name = "max_unpool";
  static constexpr const char* kind_of = "library";
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
  template <class X>
  static X expand(const attrs& at, const X& x, const X& positions) {
    return X(expand_max_unpool(at, x.node(), positions.node()));
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
