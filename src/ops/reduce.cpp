#include "tenon/ops/reduce.hpp"

#include <algorithm>
#include <cstdlib>
#include <type_traits>
#include <vector>

#include "ops/define.hpp"

namespace tenon::ops {
namespace {

/// The operand's indices for result indices `i` and reduced indices `r`.
template <class I>
I joined_indices(const axis_mask& m, int rank, bool keep, const I& i, const I& r) {
  I x;
  for (int d = 0, o = 0, k = 0; d < rank; ++d) {
    if (m.on[d]) {
      x.push_back(r[k++]);
      o += keep;
    } else {
      x.push_back(i[o++]);
    }
  }
  return x;
}
/// Extents of the reduced axes, in order.
template <class C>
typename C::indices reduced_extents(C& c, const reduce_attrs& at) {
  outcome o;
  const axis_mask m = reduced_axes(o, at.axes, c.rank(0));
  typename C::indices e;
  for (int d = 0; d < c.rank(0); ++d)
    if (m.on[d]) e.push_back(c.extent(0, d));
  return e;
}
/// f(operand indices) combined over the reduced axes.
template <class C, class I, class F>
auto over(C& c, typename C::reducer how, const reduce_attrs& at, const I& i, F f) {
  outcome o;
  const axis_mask m = reduced_axes(o, at.axes, c.rank(0));
  return c.reduce(how, reduced_extents(c, at),
                  [&](const I& r) { return f(joined_indices(m, c.rank(0), at.keep, i, r)); });
}
template <class C, class I>
auto position(C& c, typename C::reducer how, const arg_attrs& at, const I& i) {
  const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis;
  axis_mask m;
  m.on[axis] = true;
  return c.reduce_arg(how, c.extent(0, axis), [&](const typename C::index& r) {
    return c.load(0, joined_indices(m, c.rank(0), at.keep, i, I{r}));
  });
}

}  // namespace

template <>
struct meaning<sum_op> : sum_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::sum, at, i, [&](const I& x) { return c.load(0, x); });
  }
};
template <>
struct meaning<prod_op> : prod_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::prod, at, i, [&](const I& x) { return c.load(0, x); });
  }
};
template <>
struct meaning<max_op> : max_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::max, at, i, [&](const I& x) { return c.load(0, x); });
  }
};
template <>
struct meaning<min_op> : min_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::min, at, i, [&](const I& x) { return c.load(0, x); });
  }
};
template <>
struct meaning<mean_op> : mean_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const auto extents = reduced_extents(c, at);
    auto count = c.to_index(1);
    for (int d = 0; d < extents.size; ++d) count = count * extents[d];
    return over(c, C::reducer::sum, at, i, [&](const I& x) { return c.load_term(0, x); }) / c.to_term(count);
  }
};
template <>
struct meaning<all_op> : all_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    outcome o;
    const axis_mask m = reduced_axes(o, at.axes, c.rank(0));
    return c.reduce_mask(C::reducer::all, reduced_extents(c, at),
                         [&](const I& r) { return c.load_mask(0, joined_indices(m, c.rank(0), at.keep, i, r)); });
  }
};
template <>
struct meaning<any_op> : any_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    outcome o;
    const axis_mask m = reduced_axes(o, at.axes, c.rank(0));
    return c.reduce_mask(C::reducer::any, reduced_extents(c, at),
                         [&](const I& r) { return c.load_mask(0, joined_indices(m, c.rank(0), at.keep, i, r)); });
  }
};
template <>
struct meaning<argmax_op> : argmax_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return position(c, C::reducer::argmax, at, i);
  }
};
template <>
struct meaning<argmin_op> : argmin_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return position(c, C::reducer::argmin, at, i);
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {
namespace {

/// Axes of one side of a reduction, merged, and how to step through them.
struct axis_list {
  int n = 0;
  extent_t extents[dims::max_rank]{}, in[dims::max_rank]{}, out[dims::max_rank]{};
  void add(extent_t e, extent_t in_stride, extent_t out_stride) {
    if (e == 1) return;
    if (n && in[n - 1] == in_stride * e && out[n - 1] == out_stride * e) {
      extents[n - 1] *= e;
    } else {
      ++n;
      extents[n - 1] = e;
    }
    in[n - 1] = in_stride;
    out[n - 1] = out_stride;
  }
  extent_t count() const {
    extent_t c = 1;
    for (int d = 0; d < n; ++d) c *= extents[d];
    return c;
  }
  /// f(input offset, output offset) for every index of the first `axes` axes.
  template <class F>
  void each(int axes, F f) const {
    extent_t at[dims::max_rank]{}, i = 0, o = 0;
    for (;;) {
      f(i, o);
      int d = axes - 1;
      for (; d >= 0; --d) {
        i += in[d];
        o += out[d];
        if (++at[d] < extents[d]) break;
        i -= in[d] * extents[d];
        o -= out[d] * extents[d];
        at[d] = 0;
      }
      if (d < 0) return;
    }
  }
};

template <reducer R>
struct combine {
  template <class T>
  static num<T> of(num<T> a, num<T> b) {
    if constexpr (R == reducer::sum)
      return a + b;
    else if constexpr (R == reducer::prod)
      return a * b;
    else if constexpr (R == reducer::max)
      return max(a, b);
    else if constexpr (R == reducer::min)
      return min(a, b);
    else if constexpr (R == reducer::all)
      return a & b;
    else
      return a | b;
  }
};

/// Columns that are reduced side by side, when the innermost axis stays.
constexpr extent_t block = 512;

template <class Op, reducer R, dtype D, bool Mean>
void reduce(const native_call& c) {
  using T = std::conditional_t<Mean, host_t<mean_type(D)>, compute_t<D>>;
  using S = stored_t<D>;
  using N = num<T>;
  const auto& at = *static_cast<const typename Op::attrs*>(c.attrs);
  const native_operand &x = c.in[0], &y = c.out[0];
  detail::outcome o;
  const ops::axis_mask reduced = ops::reduced_axes(o, at.axes, x.shape.rank);
  axis_list kept, gone;
  extent_t count = 1;
  for (int d = 0, e = 0; d < x.shape.rank; ++d) {
    if (reduced.on[d]) {
      gone.add(x.shape[d], x.strides[d], 0);
      count *= x.shape[d];
      e += at.keep;
    } else {
      kept.add(x.shape[d], x.strides[d], y.strides[e++]);
    }
  }
  const S* in = static_cast<const S*>(x.data);
  S* out = static_cast<S*>(y.data);
  if (kept.count() == 0) return;
  const N first = identity_of<T>(R);
  const auto result = [&](N v) {
    if constexpr (Mean) return to_stored<S>((v / N(convert<T>(count))).v);
    return to_stored<S>(v.v);
  };
  if (count == 0) {
    kept.each(kept.n, [&](extent_t, extent_t to) { out[to] = result(first); });
    return;
  }
  const auto step = [](const axis_list& l) { return l.n ? std::abs(l.in[l.n - 1]) : extent_t{INT64_MAX}; };
  if (step(kept) < step(gone)) {
    // The innermost axis stays: whole rows are combined, which vectorises.
    const int last = kept.n - 1;
    const extent_t n = kept.extents[last], si = kept.in[last], so = kept.out[last];
    kept.each(last, [&](extent_t from, extent_t to) {
      for (extent_t j0 = 0; j0 < n; j0 += block) {
        const extent_t m = std::min(block, n - j0);
        N all[block];
        for (extent_t j = 0; j < m; ++j) all[j] = first;
        gone.each(gone.n, [&](extent_t r, extent_t) {
          const S* p = in + from + j0 * si + r;
          if (si == 1)
            for (extent_t j = 0; j < m; ++j) all[j] = combine<R>::of(all[j], N(convert<T>(from_stored(p[j]))));
          else
            for (extent_t j = 0; j < m; ++j) all[j] = combine<R>::of(all[j], N(convert<T>(from_stored(p[j * si]))));
        });
        for (extent_t j = 0; j < m; ++j) out[to + (j0 + j) * so] = result(all[j]);
      }
    });
    return;
  }
  const int last = gone.n - 1;
  const extent_t n = last < 0 ? 1 : gone.extents[last], s = last < 0 ? 0 : gone.in[last];
  kept.each(kept.n, [&](extent_t from, extent_t to) {
    N all = first;
    gone.each(std::max(last, 0), [&](extent_t r, extent_t) {
      const S* p = in + from + r;
      for (extent_t j = 0; j < n; ++j) all = combine<R>::of(all, N(convert<T>(from_stored(p[j * s]))));
    });
    out[to] = result(all);
  });
}

template <class Op, reducer R, bool Mean = false>
struct reduction_override {
  static native_fn choose(const typename Op::attrs&, detail::dtypes t) {
    return with_dtype(t[0], native_fn{}, [](auto d) -> native_fn {
      constexpr dtype D = decltype(d)::value;
      if constexpr (types_for<Op, D>().ok)
        return reduce<Op, R, D, Mean>;
      else
        return nullptr;
    });
  }
};

}  // namespace

template <>
struct override_of<ops::sum_op> : reduction_override<ops::sum_op, reducer::sum> {};
template <>
struct override_of<ops::prod_op> : reduction_override<ops::prod_op, reducer::prod> {};
template <>
struct override_of<ops::max_op> : reduction_override<ops::max_op, reducer::max> {};
template <>
struct override_of<ops::min_op> : reduction_override<ops::min_op, reducer::min> {};
template <>
struct override_of<ops::mean_op> : reduction_override<ops::mean_op, reducer::sum, true> {};
template <>
struct override_of<ops::all_op> : reduction_override<ops::all_op, reducer::all> {};
template <>
struct override_of<ops::any_op> : reduction_override<ops::any_op, reducer::any> {};

}  // namespace tenon::ir::native

TENON_DEFINE(sum_op)
TENON_DEFINE(prod_op)
TENON_DEFINE(max_op)
TENON_DEFINE(min_op)
TENON_DEFINE(mean_op)
TENON_DEFINE(all_op)
TENON_DEFINE(any_op)
TENON_DEFINE(argmax_op)
TENON_DEFINE(argmin_op)
