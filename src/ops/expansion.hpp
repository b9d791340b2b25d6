// What expansions of library operators, and of ONNX's operators, share.
#pragma once
#include "tenon/ops/relabel.hpp"
#include "tenon/ops/select_cast.hpp"

namespace tenon::ops {

/// 16-bit floats as f32, everything else as it is.
template <class X>
X widened(const X& x) {
  const dtype t = detail::type_of(x.node());
  return compute_type(t) == t ? x : X(tenon::cast(x, compute_type(t)));
}
template <class X>
X narrowed(const X& x, const X& like) {
  const dtype t = detail::type_of(like.node());
  return detail::type_of(x.node()) == t ? x : X(tenon::cast(x, t));
}
inline reduce_attrs kept_axes(int first, int last) {
  reduce_attrs at{.axes = {}, .keep = true};
  for (int i = first; i < last; ++i) at.axes.v[at.axes.size++] = i;
  return at;
}
/// A vector over the channels, as extents that broadcast with [n, c, spatial...] of the rank.
template <class X>
X per_channel(const X& v, int rank) {
  if (rank <= 2) return v;
  ints axes;
  for (int i = 1; i < rank - 1; ++i) axes.v[axes.size++] = i;
  return tenon::unsqueeze(v, axes);
}

}  // namespace tenon::ops
