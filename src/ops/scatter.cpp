#include "tenon/ops/scatter.hpp"

#include "ops/define.hpp"
#include "ops/program_loops.hpp"

namespace tenon::ops {
namespace {

template <class P, class I>
void place(P& p, scatter_mode mode, const I& to, const I& from) {
  const auto update = p.load(2, from);
  if (mode == scatter_mode::replace) return p.store(0, to, update);
  const auto old = p.load_result(0, to);
  if constexpr (requires { old + update; }) {
    switch (mode) {
      case scatter_mode::add:
        return p.store(0, to, old + update);
      case scatter_mode::mul:
        return p.store(0, to, old * update);
      case scatter_mode::min:
        return p.store(0, to, min(old, update));
      default:
        return p.store(0, to, max(old, update));
    }
  }
}
/// f(indices) for all of the extents, one after another, behind the indices `at`.
template <class P, class I, class F>
void loops(P& p, const I& extents, const I& at, const F& f) {
  if (at.size == extents.size) return f(at);
  p.loop(p.to_index(0), extents[at.size], [&](const typename P::index& t) {
    I next = at;
    next.push_back(t);
    loops(p, extents, next, f);
  });
}

}  // namespace

template <>
struct meaning<scatter_elements_op> : scatter_elements_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
    const I others = other_extents(p, axis);
    p.outer(others, [&](const I& o) {
      const auto full = [&](const typename P::index& t) {
        I x;
        for (int d = 0, k = 0; d < rank; ++d) x.push_back(d == axis ? t : o[k++]);
        return x;
      };
      const auto zero = p.to_index(0), n = p.extent(0, axis);
      p.loop(zero, n, [&](const typename P::index& t) { p.store(0, full(t), p.load(0, full(t))); });
      auto covered = zero == zero;
      for (int d = 0, k = 0; d < rank; ++d)
        if (d != axis) covered = covered & (o[k++] < p.extent(1, d));
      p.branch(covered, [&] {
        p.loop(zero, p.extent(1, axis), [&](const typename P::index& t) {
          const auto given = p.load_index(1, full(t)), to = p.select(given < zero, given + n, given);
          p.branch((to >= zero) & (to < n), [&] { place(p, at.mode, full(to), full(t)); });
        });
      });
    });
  }
};
template <>
struct meaning<scatter_nd_op> : scatter_nd_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    const int lead = p.rank(1) - 1, k = lead + p.rank(0) - p.rank(2);
    I slice, tuple, rows;
    for (int d = 0; d < p.rank(0); ++d) (d < k ? tuple : slice).push_back(p.extent(0, d));
    for (int d = 0; d < lead; ++d) rows.push_back(p.extent(1, d));
    // All rows for one block of the slices, `each(f)`: f(indices in a slice) for its elements.
    const auto block = [&](const auto& each) {
      const auto joined = [](I front, const I& inner) {
        for (int d = 0; d < inner.size; ++d) front.push_back(inner[d]);
        return front;
      };
      loops(p, tuple, I{}, [&](const I& i) {
        each([&](const I& inner) { p.store(0, joined(i, inner), p.load(0, joined(i, inner))); });
      });
      loops(p, rows, I{}, [&](const I& row) {
        const auto zero = p.to_index(0);
        auto inside = zero == zero;
        I to;
        for (int d = 0; d < k; ++d) {
          I x = row;
          x.push_back(p.to_index(d));
          const auto given = p.load_index(1, x), n = p.extent(0, d);
          to.push_back(p.select(given < zero, given + n, given));
          const auto at_d = to[d];
          inside = inside & (at_d >= zero) & (at_d < n);
        }
        p.branch(inside,
                 [&] { each([&](const I& inner) { place(p, at.mode, joined(to, inner), joined(row, inner)); }); });
      });
    };
    if (slice.size == 0) return p.outer(slice, [&](const I& inner) { block([&](const auto& f) { f(inner); }); });
    using X = typename P::index;
    outer_blocks(p, slice, [&](const I& front, const X& begin, const X& end) {
      block([&](const auto& f) {
        p.lanes(begin, end, [&](const X& last) {
          I inner = front;
          inner.push_back(last);
          f(inner);
        });
      });
    });
  }
};
template <>
struct meaning<gather_nd_op> : gather_nd_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int lead = c.rank(1) - 1, k = lead + c.rank(0) - at.batch - c.out_rank();
    const auto zero = c.to_index(0);
    auto inside = zero == zero;
    I x, tuple;
    for (int d = 0; d < lead; ++d) tuple.push_back(i[d]);
    for (int d = 0; d < c.rank(0); ++d) {
      if (d < at.batch) {
        x.push_back(i[d]);
      } else if (d < at.batch + k) {
        I which = tuple;
        which.push_back(c.to_index(d - at.batch));
        const auto given = c.load_index(1, which), n = c.extent(0, d);
        x.push_back(c.select(given < zero, given + n, given));
        const auto at_d = x[d];
        inside = inside & (at_d >= zero) & (at_d < n);
      } else {
        x.push_back(i[lead + d - at.batch - k]);
      }
    }
    return c.load_if(inside, 0, x, c.constant(0));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(scatter_elements_op)
TENON_DEFINE(scatter_nd_op)
TENON_DEFINE(gather_nd_op)
