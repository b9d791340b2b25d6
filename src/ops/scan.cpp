#include "tenon/ops/scan.hpp"

#include "ops/define.hpp"
#include "ops/program_loops.hpp"

namespace tenon::ops {
namespace {

template <class P, class F>
void run(P& p, const scan_attrs& at, double first, F combine) {
  using I = typename P::indices;
  const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
  using X = typename P::index;
  // One line along the axis; `full`: the indices at a place of it.
  const auto line = [&](const auto& full) {
    auto total = p.local(p.constant(first));
    p.loop(p.to_index(0), p.extent(0, axis), [&](const X& t) {
      const I x = full(at.reverse ? p.extent(0, axis) - p.to_index(1) - t : t);
      if (at.exclusive) p.store(0, x, total.get());
      total.set(combine(total.get(), p.load(0, x)));
      if (!at.exclusive) p.store(0, x, total.get());
    });
  };
  const auto with_axis = [&](const I& others, const X& t) {
    I x;
    for (int d = 0, k = 0; d < rank; ++d) x.push_back(d == axis ? t : others[k++]);
    return x;
  };
  const I others = other_extents(p, axis);
  if (axis == rank - 1) return p.outer(others, [&](const I& o) { line([&](const X& t) { return with_axis(o, t); }); });
  // Lines that lie side by side.
  outer_blocks(p, others, [&](const I& front, const X& begin, const X& end) {
    p.lanes(begin, end, [&](const X& last) {
      I o = front;
      o.push_back(last);
      line([&](const X& t) { return with_axis(o, t); });
    });
  });
}

}  // namespace

template <>
struct meaning<cumsum_op> : cumsum_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    run(p, at, 0, [](const typename P::value& a, const typename P::value& b) { return a + b; });
  }
};
template <>
struct meaning<cumprod_op> : cumprod_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    run(p, at, 1, [](const typename P::value& a, const typename P::value& b) { return a * b; });
  }
};

}  // namespace tenon::ops

TENON_DEFINE(cumsum_op)
TENON_DEFINE(cumprod_op)
