// The largest or smallest elements along an axis, as a program with two results.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/op.hpp"

namespace tenon {

/// Of `top_k`: how many, along which axis, the largest or the smallest. The results are sorted, best first.
struct top_k_attrs {
  int k = 1, axis = -1;
  bool largest = true;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("k", s.k);
    v("axis", s.axis);
    v("largest", s.largest);
  }
  friend constexpr bool operator==(const top_k_attrs&, const top_k_attrs&) = default;
};

namespace ops {

/// The k best along the axis, sorted, and their positions (i64); of equal ones the first comes first, NaN counts as the
/// largest. ONNX TopK.
struct top_k_op : unary_over<domain::numbers> {
  using attrs = top_k_attrs;
  static constexpr const char* name = "top_k";
  static constexpr const char* kind_of = "program";
  static constexpr int results = 2;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any()) {
      const int axis = detail::normal_axis(o, at.axis, s[0].rank);
      if (o.ok && at.k < 0) o.refuse() << "k " << at.k << " < 0";
      if (o.ok && s[0][axis] >= 0 && at.k > s[0][axis]) o.refuse() << "k " << at.k << " > extent " << s[0][axis];
      if (o.ok) o.out[axis] = at.k;
    }
    o.more[0] = o.out;
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::numbers, t);
    o.more[0] = i64;
    return o;
  }
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    using X = typename P::index;
    using V = typename P::value;
    const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
    I others;
    for (int d = 0; d < rank; ++d)
      if (d != axis) others.push_back(p.extent(0, d));
    // Strictly better as values; only NaN differs from itself.
    auto better = [&](const V& a, const V& b) {
      return at.largest ? (a > b) | ((a != a) & (b == b)) : (a < b) | ((b != b) & (a == a));
    };
    p.outer(others, [&](const I& o) {
      auto full = [&](const X& t) {
        I x;
        for (int d = 0, k = 0; d < rank; ++d) x.push_back(d == axis ? t : o[k++]);
        return x;
      };
      const X zero = p.to_index(0), end = p.extent(0, axis);
      // Each round takes the best of what comes after the last one in the order (value, position).
      auto last = p.local(p.constant(0));
      auto last_at = p.local_index(p.to_index(-1));
      p.loop(zero, p.to_index(at.k), [&](const X& round) {
        auto best = p.local(p.constant(0));
        auto best_at = p.local_index(p.to_index(-1));
        p.loop(zero, end, [&](const X& t) {
          const V v = p.load(0, full(t));
          const auto worse = better(last.get(), v), best_so_far = better(v, last.get());
          const auto after = (round == zero) | worse | ((!best_so_far) & (t > last_at.get()));
          p.branch(after & ((best_at.get() < zero) | better(v, best.get())), [&] {
            best.set(v);
            best_at.set(t);
          });
        });
        p.store(0, full(round), best.get());
        p.store(1, full(round), best_at.get());
        last.set(best.get());
        last_at.set(best_at.get());
      });
    });
  }
};

}  // namespace ops

/// auto [values, positions] = top_k(x, {.k = 5}).
inline constexpr detail::attr_fn<ops::top_k_op> top_k{};

}  // namespace tenon
