// Loops that programs share.
#pragma once

namespace tenon::ops {

/// The extents of operand 0 but that of the axis, in order.
template <class P>
typename P::indices other_extents(P& p, int axis) {
  typename P::indices others;
  for (int d = 0; d < p.rank(0); ++d)
    if (d != axis) others.push_back(p.extent(0, d));
  return others;
}

/// Parallel loops over `extents`, the last one in blocks: f(indices of the others, begin, end). A block is long enough
/// that what is found out once for all of it costs little beside it, and the threads have some each.
template <class P, class F>
void outer_blocks(P& p, typename P::indices extents, const F& f) {
  using X = typename P::index;
  const X one = p.to_index(1), size = p.to_index(128), n = extents[extents.size - 1];
  extents[extents.size - 1] = (n + size - one) / size;
  p.outer(extents, [&](typename P::indices at) {
    const X begin = at[--at.size] * size, end = begin + size;
    f(at, begin, p.select(end < n, end, n));
  });
}

}  // namespace tenon::ops
