// The taps of a pooling window.
#pragma once
#include "tenon/ops/pool.hpp"

namespace tenon::ops {

/// Windows may reach outside.
inline bool cut(const pool_attrs& at) { return at.ceil_mode || has_padding(at.padding); }
template <class C>
typename C::indices window_extents(C& c, const pool_attrs& at) {
  typename C::indices e;
  for (int w : at.window) e.push_back(c.to_index(w));
  return e;
}
/// The operand's indices for a tap of the window, and whether they are inside.
template <class C, class I>
I tap(C& c, const pool_attrs& at, const I& i, const I& r, typename C::mask& inside) {
  I x = i;
  for (int k = 0; k < at.window.size; ++k) {
    const int d = c.rank(0) - at.window.size + k;
    x[d] = i[d] * c.to_index(entry(at.stride, k, 1)) + r[k] * c.to_index(entry(at.dilation, k, 1));
    if (!cut(at)) continue;
    x[d] = x[d] - c.to_index(padding_before(at.padding, k));
    inside = inside & (x[d] >= c.to_index(0)) & (x[d] < c.extent(0, d));
  }
  return x;
}

}  // namespace tenon::ops
