#include "tenon/ops/sort.hpp"

#include "ops/define.hpp"
#include "ops/program_loops.hpp"

namespace tenon::ops {

template <>
struct meaning<top_k_op> : top_k_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    using X = typename P::index;
    using V = typename P::value;
    const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
    const I others = other_extents(p, axis);
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

}  // namespace tenon::ops

TENON_DEFINE(top_k_op)
