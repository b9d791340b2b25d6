#include "tenon/ops/pool.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "ops/window.hpp"

namespace tenon::ops {
namespace {

/// The taps combined; what is outside counts as `otherwise`.
template <class C, class I, class V>
auto over(C& c, typename C::reducer how, const pool_attrs& at, const I& i, const V& otherwise) {
  return c.reduce(how, window_extents(c, at), [&](const I& r) {
    typename C::mask inside = c.to_index(0) == c.to_index(0);
    const I x = tap(c, at, i, r, inside);
    return cut(at) ? c.load_if(inside, 0, x, otherwise) : c.load(0, x);
  });
}

}  // namespace

template <>
struct meaning<max_pool_op> : max_pool_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::max, at, i, c.lowest());
  }
};
template <>
struct meaning<sum_pool_op> : sum_pool_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::sum, at, i, c.constant(0));
  }
};
template <>
struct meaning<avg_pool_op> : avg_pool_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const auto sum = over(c, C::reducer::sum, at, i, c.constant(0));
    extent_t all = 1;
    for (int w : at.window) all = detail::bounded_product(all, w);
    if (!cut(at) || (at.count_include_pad && !at.ceil_mode)) return sum / c.constant(all);
    // Taps inside the operand, or inside the operand with its padding.
    const auto count = c.reduce(C::reducer::sum, window_extents(c, at), [&](const I& r) {
      typename C::mask inside = c.to_index(0) == c.to_index(0);
      const I x = tap(c, at, i, r, inside);
      if (at.count_include_pad) {
        inside = c.to_index(0) == c.to_index(0);
        for (int k = 0; k < at.window.size; ++k) {
          const int d = c.rank(0) - at.window.size + k;
          inside = inside & (x[d] < c.extent(0, d) + c.to_index(padding_after(at.padding, at.window.size, k)));
        }
      }
      return c.select(inside, c.constant(1), c.constant(0));
    });
    return sum / count;
  }
};
template <>
struct meaning<global_max_pool_op> : global_max_pool_op {
  template <class X>
  static X expand(const no_attrs&, const X& x) {
    return tenon::max(x, kept_axes(2, detail::shape_of(x.node()).rank));
  }
};
template <>
struct meaning<global_avg_pool_op> : global_avg_pool_op {
  template <class X>
  static X expand(const no_attrs&, const X& x) {
    return tenon::mean(x, kept_axes(2, detail::shape_of(x.node()).rank));
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {
namespace {

/// Taps of one window along one axis that lie inside the operand, and how many count for a mean.
struct span_of_taps {
  extent_t begin, end, counted;
};
span_of_taps taps(const pool_attrs& at, int k, extent_t position, extent_t extent) {
  const extent_t step = ops::entry(at.dilation, k, 1),
                 first = position * ops::entry(at.stride, k, 1) - ops::padding_before(at.padding, k);
  const auto below = [&](extent_t limit) {
    return std::clamp<extent_t>(limit > first ? (limit - first - 1) / step + 1 : 0, 0, at.window[k]);
  };
  const extent_t begin = first >= 0 ? 0 : (-first + step - 1) / step, end = below(extent);
  const extent_t all = below(extent + ops::padding_after(at.padding, at.window.size, k));
  return {begin, std::max(begin, end), at.count_include_pad ? all : std::max<extent_t>(end - begin, 0)};
}

/// Windows of up to three axes, each cut to what is inside before it is walked.
template <class Op, reducer R, dtype D, bool Mean>
void pool(const native_call& c) {
  using T = compute_t<D>;
  using N = num<T>;
  const pool_attrs& at = *static_cast<const pool_attrs*>(c.attrs);
  const native_operand &x = c.in[0], &y = c.out[0];
  const int spatial = at.window.size, lead = x.shape.rank - spatial;
  if (spatial > 3) return compute_all<Op, D, D>(c);
  index_list<extent_t> extents;
  for (extent_t e : y.shape) extents.push_back(e);
  const auto* in = static_cast<const stored_t<D>*>(x.data);
  auto* out = static_cast<stored_t<D>*>(y.data);
  for_each_index(extents, [&](const index_list<extent_t>& i) {
    span_of_taps t[3] = {{0, 1, 1}, {0, 1, 1}, {0, 1, 1}};
    extent_t step[3]{}, from = 0, to = 0, count = 1;
    for (int d = 0; d < i.size; ++d) to += i[d] * y.strides[d];
    for (int d = 0; d < lead; ++d) from += i[d] * x.strides[d];
    for (int k = 0; k < spatial; ++k) {
      const int d = lead + k, slot = 3 - spatial + k;
      t[slot] = taps(at, k, i[d], x.shape[d]);
      count *= t[slot].counted;
      step[slot] = ops::entry(at.dilation, k, 1) * x.strides[d];
      from += (i[d] * ops::entry(at.stride, k, 1) - ops::padding_before(at.padding, k)) * x.strides[d];
    }
    N all = identity_of<T>(R);
    for (extent_t p = t[0].begin; p < t[0].end; ++p)
      for (extent_t q = t[1].begin; q < t[1].end; ++q) {
        const extent_t row = from + p * step[0] + q * step[1];
        for (extent_t r = t[2].begin; r < t[2].end; ++r) {
          const N v(from_stored(in[row + r * step[2]]));
          if constexpr (R == reducer::max)
            all = max(all, v);
          else
            all = all + v;
        }
      }
    if constexpr (Mean) all = all / N(convert<T>(count));
    out[to] = to_stored<stored_t<D>>(all.v);
  });
}

template <class Op, reducer R, bool Mean = false>
struct pool_override {
  static native_fn choose(const pool_attrs&, detail::dtypes t) {
    return with_dtype(t[0], native_fn{}, [](auto d) -> native_fn {
      constexpr dtype D = decltype(d)::value;
      if constexpr (types_for<Op, D>().ok)
        return pool<Op, R, D, Mean>;
      else
        return nullptr;
    });
  }
};

}  // namespace

template <>
struct override_of<ops::max_pool_op> : pool_override<ops::max_pool_op, reducer::max> {};
template <>
struct override_of<ops::sum_pool_op> : pool_override<ops::sum_pool_op, reducer::sum> {};
template <>
struct override_of<ops::avg_pool_op> : pool_override<ops::avg_pool_op, reducer::sum, true> {};

}  // namespace tenon::ir::native

namespace tenon::detail {

void check_pool(std::string_view op, const pool_attrs& at, const dims& x, const loc& where) {
  if (x.rank < 4 || at.window.size <= x.rank - 2) return;
  text t;
  t << x;
  throw shape_error(fmt::format("{}: a window of rank {} over {} spatial axes; {}; at {}:{}", op, at.window.size,
                                x.rank - 2, t.view(), where.file(), where.line()));
}

}  // namespace tenon::detail

TENON_DEFINE(max_pool_op)
TENON_DEFINE(sum_pool_op)
TENON_DEFINE(avg_pool_op)
TENON_DEFINE(global_max_pool_op)
TENON_DEFINE(global_avg_pool_op)
