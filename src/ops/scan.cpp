#include "tenon/ops/scan.hpp"

#include "ops/define.hpp"
#include "ops/other_extents.hpp"

namespace tenon::ops {
namespace {

template <class P, class F>
void run(P& p, const scan_attrs& at, double first, F combine) {
  using I = typename P::indices;
  const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
  const I others = other_extents(p, axis);
  p.outer(others, [&](const I& o) {
    auto total = p.local(p.constant(first));
    p.loop(p.to_index(0), p.extent(0, axis), [&](const typename P::index& t) {
      I x;
      for (int d = 0, k = 0; d < rank; ++d)
        x.push_back(d != axis ? o[k++] : at.reverse ? p.extent(0, axis) - p.to_index(1) - t : t);
      if (at.exclusive) p.store(0, x, total.get());
      total.set(combine(total.get(), p.load(0, x)));
      if (!at.exclusive) p.store(0, x, total.get());
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
