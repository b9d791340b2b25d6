#include "tenon/ops/attention.hpp"

#include <cmath>

#include "ops/define.hpp"
#include "ops/expansion.hpp"

namespace tenon::ops {

template <>
struct meaning<causal_mask_op> : causal_mask_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int r = c.rank(0);
    const auto row = i[r - 2], column = i[r - 1];
    // Indices are not negative: an offset below 0 goes to the other side.
    const auto first = c.operands() > 1 ? row + c.load_index(1, I{}) : row;
    const auto seen =
        at.offset >= 0 ? column <= first + c.to_index(at.offset) : column + c.to_index(-at.offset) <= first;
    return c.select(seen, c.load(0, i), c.lowest());
  }
};
template <>
struct meaning<scaled_dot_product_attention_op> : scaled_dot_product_attention_op {
  /// The expansion has the depth and the numbers of heads in it.
  static constexpr bool is_ready(const auto& at, shapes s) {
    const int rank = s[0].rank;
    return (at.scale != 0 || s[0][rank - 1] >= 0) && (rank < 3 || (s[0][rank - 3] >= 0 && s[1][rank - 3] >= 0));
  }
  template <class X>
  static X masked(const attrs& at, const X& scores, const X& mask) {
    const dtype type = detail::type_of(mask.node());
    if (is_integer(type)) return X(tenon::causal_mask(scores, mask, {.offset = at.offset}));
    return type == b8 ? X(tenon::select(mask, scores, -__builtin_inf())) : X(scores + widened(mask));
  }
  template <class X, class... Mask>
  static X expand(const attrs& at, const X& q, const X& k, const X& v, const Mask&... mask) {
    const dims &d = detail::shape_of(q.node()), &of_k = detail::shape_of(k.node());
    const int rank = d.rank;
    const auto grouped = [&](const X& x) {
      const extent_t heads = rank < 3 ? 1 : d[rank - 3], own = rank < 3 ? 1 : of_k[rank - 3];
      if (own == heads || own <= 1) return x;
      return X(tenon::repeat(x, {.count = static_cast<int>(heads / own), .axis = -3}));
    };
    const double scale = at.scale != 0 ? at.scale : 1 / std::sqrt(static_cast<double>(d[rank - 1]));
    X scores = tenon::matmul(widened(q), grouped(widened(X(tenon::transpose(k))))) * scale;
    if (at.softcap != 0) scores = tenon::tanh(scores / at.softcap) * at.softcap;
    ((scores = masked(at, scores, X(mask))), ...);
    const bool positioned = (is_integer(detail::type_of(mask.node())) || ...);
    if (at.causal && !positioned) scores = tenon::causal_mask(scores, {.offset = at.offset});
    // Finite bounds, so that a row of nothing but -infinity is 0 / tiny and not NaN.
    const bool wide = detail::type_of(scores.node()) == f64;
    const double lowest = wide ? -1.7976931348623157e308 : -3.4028234663852886e38;
    const double tiny = wide ? 2.2250738585072014e-308 : 1.1754943508222875e-38;
    const reduce_attrs keys{.axes = {-1}, .keep = true};
    const X e = tenon::exp(X(scores - tenon::maximum(X(tenon::max(scores, keys)), lowest)));
    const X p = e / tenon::maximum(X(tenon::sum(e, keys)), tiny);
    return narrowed(X(tenon::matmul(p, grouped(widened(v)))), q);
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {

// Movement, but what it puts in depends on the type.
template <>
struct override_of<ops::causal_mask_op> {
  static native_fn choose(const causal_mask_attrs&, detail::dtypes t) {
    return with_dtype(t[0], native_fn{},
                      [](auto d) { return function_for<ops::causal_mask_op, decltype(d)::value>(); });
  }
};

}  // namespace tenon::ir::native

TENON_DEFINE(causal_mask_op)
TENON_DEFINE(scaled_dot_product_attention_op)
