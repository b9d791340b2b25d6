// Elements in order along an axis: sort and argsort. Not part of tenon.hpp: include it beside.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/op.hpp"

namespace tenon {

/// Of `sort` and `argsort`: the axis, and whether the largest comes first.
struct sort_attrs {
  int axis = -1;
  bool descending = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
    v("descending", s.descending);
  }
  friend constexpr bool operator==(const sort_attrs&, const sort_attrs&) = default;
};

namespace ops {

/// The elements in order along the axis, and where they were (i64). Stable: equal ones stay in their order. NaN counts
/// as the largest. NumPy sort and argsort (kind stable), PyTorch sort.
///
/// A heap sort by value and then by position, which no two elements share: so it is stable, and it sorts in place.
struct sort_op : unary_over<domain::numbers> {
  using attrs = sort_attrs;
  static constexpr const char* name = "sort";
  static constexpr const char* kind_of = "program";
  static constexpr int results = 2;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    o.more[0] = s[0];
    if (!s[0].any()) detail::normal_axis(o, at.axis, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
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
    // Strictly before as values; only NaN differs from itself.
    const auto ahead = [&](const V& a, const V& b) {
      return at.descending ? (a > b) | ((a != a) & (b == b)) : (a < b) | ((b != b) & (a == a));
    };
    const auto before = [&](const V& a, const X& i, const V& b, const X& j) {
      const auto first = ahead(a, b), second = ahead(b, a);
      return first | ((!second) & (i < j));
    };
    p.outer(others, [&](const I& o) {
      const auto full = [&](const X& t) {
        I x;
        for (int d = 0, k = 0; d < rank; ++d) x.push_back(d == axis ? t : o[k++]);
        return x;
      };
      const auto put = [&](const X& to, const V& v, const X& position) {
        p.store(0, full(to), v);
        p.store(1, full(to), position);
      };
      const X zero = p.to_index(0), one = p.to_index(1), two = p.to_index(2), n = p.extent(0, axis), half = n / two;
      p.loop(zero, n, [&](const X& t) { put(t, p.load(0, full(t)), t); });
      // A heap of n elements has as many levels as n has binary digits.
      auto levels = p.local_index(zero), reach = p.local_index(one);
      p.loop(zero, p.to_index(48), [&](const X&) {
        p.branch(reach.get() <= n, [&] {
          levels.set(levels.get() + one);
          reach.set(reach.get() * two);
        });
      });
      const X depth = levels.get();
      // First the heap is made, from its last inner node to its root, where the last in order comes to lie. Then its
      // root goes behind what is left of it, again and again, and the element from there is sunk from the root.
      p.loop(zero, half + n, [&](const X& k) {
        auto node = p.local_index(zero), size = p.local_index(n), position = p.local_index(zero);
        auto value = p.local(p.constant(0));
        const auto take = [&](const X& from) {
          value.set(p.load_result(0, full(from)));
          position.set(p.load_result_index(1, full(from)));
        };
        p.branch(
            k < half,
            [&] {
              const X root = half - one - k;
              node.set(root);
              take(root);
            },
            [&] {
              const X last = n - one - (k - half);
              size.set(last);
              take(last);
              const V top = p.load_result(0, full(zero));
              const X top_position = p.load_result_index(1, full(zero));
              put(last, top, top_position);
            });
        auto sinks = p.local_index(one);
        p.loop(zero, depth, [&](const X&) {
          auto child = p.local_index(node.get() * two + one);
          const X end = size.get();
          const typename P::mask goes_on = sinks.get() > zero;
          p.branch(goes_on & (child.get() < end), [&] {
            const X left = child.get();
            p.branch(left + one < end, [&] {
              const V a = p.load_result(0, full(left)), b = p.load_result(0, full(left + one));
              const X i = p.load_result_index(1, full(left)), j = p.load_result_index(1, full(left + one));
              p.branch(before(a, i, b, j), [&] { child.set(left + one); });
            });
            const X larger = child.get();
            const V v = p.load_result(0, full(larger));
            const X at_v = p.load_result_index(1, full(larger));
            p.branch(
                before(value.get(), position.get(), v, at_v),
                [&] {
                  put(node.get(), v, at_v);
                  node.set(larger);
                },
                [&] { sinks.set(zero); });
          });
        });
        put(node.get(), value.get(), position.get());
      });
    });
  }
};

}  // namespace ops

/// auto [values, positions] = sort(x), sort(x, {.axis = 0, .descending = true}).
inline constexpr detail::attr_fn<ops::sort_op> sort{};
/// Where the elements in order are: the second result of `sort`.
template <operand X>
auto argsort(const X& x, const sort_attrs& at = {}, loc where = std::source_location::current()) {
  return std::get<1>(sort(x, at, where));
}

}  // namespace tenon
