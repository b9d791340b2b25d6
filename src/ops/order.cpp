#include "tenon/ops/order.hpp"

#include <limits>

#include "ops/define.hpp"
#include "ops/packed.hpp"
#include "ops/program_loops.hpp"
#include "tenon/ops/ops.hpp"
#include "tenon/ops/scatter.hpp"

namespace tenon::ops {

template <>
struct meaning<sort_op> : sort_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    using X = typename P::index;
    using V = typename P::value;
    const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
    const I others = other_extents(p, axis);
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

}  // namespace tenon::ops

namespace tenon::ir {

// A short axis: each element goes behind all that are before it, which are counted side by side.
template <>
struct legal_form<ops::sort_op> {
  static node_ref of_result(const node& n, int result) {
    constexpr extent_t longest = 256;  // there a heap takes three times as long
    const auto& at = n.attributes<sort_attrs>();
    const dims shape = n.operand(0).type.shape;
    if (shape.rank == 0 || shape.rank == dims::max_rank || shape.count() == 0) return {};
    const int axis = at.axis < 0 ? at.axis + shape.rank : at.axis;
    const extent_t length = shape[axis];
    if (length > longest) return {};
    dims line;
    for (int k = axis; k < shape.rank; ++k) line.push_back(k == axis ? length : 1);
    const any_tensor places = reshape(ops::counted(length), extents(line));
    // What is no number is as large as can be, and goes before what else is, or behind it.
    any_tensor key(n.operands[0]), tie = cast(places, i32);
    if (is_float(key.node()->type.element)) {
      const any_tensor is_number = equal(key, key);
      tie = select(is_number, tie, any_tensor(tie + static_cast<std::int64_t>(at.descending ? -length : length)));
      key = select(is_number, key, std::numeric_limits<double>::infinity());
    }
    // [..., i, j, ...]: whether element j is before element i.
    const auto here = [&](const any_tensor& v) -> any_tensor { return unsqueeze(v, {axis + 1 - shape.rank - 1}); };
    const auto there = [&](const any_tensor& v) -> any_tensor { return unsqueeze(v, {axis - shape.rank - 1}); };
    const any_tensor further =
        at.descending ? any_tensor(greater(there(key), here(key))) : any_tensor(less(there(key), here(key)));
    const any_tensor before =
        logical_or(further, logical_and(equal(there(key), here(key)), less(there(tie), here(tie))));
    const any_tensor rank = sum(cast(before, i32), {.axes = {axis + 1}});
    const any_tensor position = broadcast_to(places, extents(shape));
    const any_tensor order = scatter_elements(position, rank, position, {.axis = axis});
    std::vector<node_ref> made;
    collect(made, result == 1 ? order : any_tensor(gather_elements(any_tensor(n.operands[0]), order, {.axis = axis})));
    place(made, n.operands, n.where);
    return made.at(0);
  }
};

}  // namespace tenon::ir

TENON_DEFINE(sort_op)
