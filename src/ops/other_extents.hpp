// What programs along one axis share.
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

}  // namespace tenon::ops
