#include "tenon/ops/pieces.hpp"

#include <fmt/format.h>

namespace tenon::detail {

std::vector<slice_attrs> chunk_slices(const value_base& x, int parts, int axis, const loc& w) {
  const dims& d = shape_of(x.node());
  if (parts < 1) throw argument_error(fmt::format("chunk: {} parts; at {}:{}", parts, w.file(), w.line()));
  outcome o;
  const int a = d.any() ? 0 : normal_axis(o, axis, d.rank);
  if (!o.ok || d.any() || d[a] < 0 || d[a] > slice_end) {
    text t;
    t << d;
    const std::string why = !o.ok ? std::string(o.why.view())
                                  : fmt::format("the extent of axis {} is not known, or above {}", axis, slice_end);
    throw shape_error(fmt::format("chunk: {}; {}; at {}:{}", why, t.view(), w.file(), w.line()));
  }
  std::vector<slice_attrs> r;
  const int n = static_cast<int>(d[a]), each = n / parts + (n % parts != 0);
  for (int first = 0; first < n || r.empty(); first += each) {
    r.push_back({.start = {first}, .stop = {n - first < each ? n : first + each}, .step = {}, .axes = {axis}});
    if (n - first <= each) break;
  }
  return r;
}
node_ref grid_part(const std::vector<node_ref>& vectors, std::size_t i, const loc& w) {
  using any_tensor = tensor<any_dtype, any_shape>;
  const int rank = static_cast<int>(vectors.size());
  dims to;
  for (const node_ref& v : vectors) {
    if (!v) throw argument_error(fmt::format("meshgrid: an empty tensor handle; at {}:{}", w.file(), w.line()));
    const dims& d = shape_of(v);
    if (d.rank != 1 || rank > dims::max_rank) {
      text t;
      t << d;
      throw shape_error(fmt::format("meshgrid: {} of {} is no vector, or they are more than {}; at {}:{}", t.view(),
                                    vectors.size(), dims::max_rank, w.file(), w.line()));
    }
    to.push_back(d[0]);
  }
  ints axes;
  for (int k = 0; k < rank; ++k)
    if (k != static_cast<int>(i)) axes.v[axes.size++] = k;
  const any_tensor v(vectors[i]);
  const any_tensor lifted = axes.size ? any_tensor(unsqueeze(v, axes, w)) : v;
  return any_tensor(broadcast_to(lifted, extents(to), w)).node();
}

}  // namespace tenon::detail
