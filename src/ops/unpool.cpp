#include "tenon/ops/unpool.hpp"

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "ops/leaf.hpp"
#include "ops/window.hpp"
#include "tenon/ops/ops.hpp"
#include "tenon/ops/scatter.hpp"

namespace tenon::ops {
namespace {

using ir::any_tensor;

detail::node_ref expand_lp_pool(const lp_pool_attrs& at, const detail::node_ref& node) {
  const any_tensor x = abs(widened(any_tensor(node)));
  const auto summed = [&](const any_tensor& v) {
    return any_tensor(detail::apply_dynamic<sum_pool_op>(std::source_location::current(), at.pooling(), v));
  };
  const any_tensor y = at.p == 1   ? summed(x)
                       : at.p == 2 ? any_tensor(sqrt(summed(x * x)))
                                   : any_tensor(pow(summed(pow(x, at.p)), 1.0 / at.p));
  return any_tensor(narrowed(y, any_tensor(node))).node();
}

detail::node_ref expand_max_unpool(const max_unpool_attrs& at, const detail::node_ref& node,
                                   const detail::node_ref& positions) {
  const any_tensor zero(ir::make_scalar(detail::type_of(node), 0, std::source_location::current()));
  const any_tensor flat = broadcast_to(zero, extents(dims{at.to.count()}));
  const any_tensor placed =
      scatter_elements(flat, reshape(any_tensor(positions), {dyn}), reshape(any_tensor(node), {dyn}), {.axis = 0});
  return any_tensor(reshape(placed, extents(at.to))).node();
}

template <class C, class I>
auto first(C& c, const adaptive_pool_attrs& at, const I& i, int k, int d) {
  return i[d] * c.extent(0, d) / c.to_index(at.to[k]);
}
template <class C, class I>
auto end(C& c, const adaptive_pool_attrs& at, const I& i, int k, int d) {
  return ((i[d] + c.to_index(1)) * c.extent(0, d) + c.to_index(at.to[k] - 1)) / c.to_index(at.to[k]);
}
/// The elements of part i combined; those outside of it count as `otherwise`.
template <class C, class I, class V>
auto over(C& c, typename C::reducer how, const adaptive_pool_attrs& at, const I& i, const V& otherwise) {
  I extents;
  const int lead = c.rank(0) - at.to.size;
  for (int k = 0; k < at.to.size; ++k) extents.push_back(c.extent(0, lead + k) / c.to_index(at.to[k]) + c.to_index(2));
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

}  // namespace

template <>
struct meaning<lp_pool_op> : lp_pool_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    return X(expand_lp_pool(at, x.node()));
  }
};
template <>
struct meaning<adaptive_avg_pool_op> : adaptive_avg_pool_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const auto sum = over(c, C::reducer::sum, at, i, c.constant(0));
    auto count = c.to_index(1);
    const int lead = c.rank(0) - at.to.size;
    for (int k = 0; k < at.to.size; ++k) count = count * (end(c, at, i, k, lead + k) - first(c, at, i, k, lead + k));
    return sum / c.to_value(count);
  }
};
template <>
struct meaning<adaptive_max_pool_op> : adaptive_max_pool_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return over(c, C::reducer::max, at, i, c.lowest());
  }
};
template <>
struct meaning<max_pool_positions_op> : max_pool_positions_op {
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
template <>
struct meaning<max_unpool_op> : max_unpool_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& positions) {
    return X(expand_max_unpool(at, x.node(), positions.node()));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(lp_pool_op)
TENON_DEFINE(adaptive_avg_pool_op)
TENON_DEFINE(adaptive_max_pool_op)
TENON_DEFINE(max_pool_positions_op)
TENON_DEFINE(max_unpool_op)
