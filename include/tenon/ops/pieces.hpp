// Several tensors from one, one grid from several: chunk, meshgrid. Not part of tenon.hpp: include it beside.
#pragma once
#include "tenon/ops/joining.hpp"

namespace tenon {

namespace detail {
/// The attributes of each of at most `parts` slices, all but the last of the same extent. argument_error when `parts`
/// is below 1, shape_error when the extent is not known.
std::vector<slice_attrs> chunk_slices(const value_base&, int parts, int axis, const loc&);
/// Vector i of all as a part of their grid. shape_error for what is no vector.
node_ref grid_part(const std::vector<node_ref>& vectors, std::size_t i, const loc&);
}  // namespace detail

/// At most `parts` pieces along an axis, all but the last of the same extent. The axis' extent must be known when the
/// graph is made. PyTorch chunk.
template <tensor_like X>
auto chunk(const X& x, int parts, first_axis_attrs at = {}, loc where = std::source_location::current()) {
  std::vector<tensor<X::type, any_shape>> pieces;
  for (const slice_attrs& a : detail::chunk_slices(x, parts, at.axis, where)) pieces.push_back(slice(x, a, where));
  return pieces;
}
/// Of n vectors the n coordinates of their grid, each of rank n: element [i, j, ...] of the first is x[0][i], of the
/// second x[1][j]. NumPy meshgrid with indexing "ij".
template <dtype D>
std::vector<tensor<D, any_shape>> meshgrid(const std::vector<tensor<D, any_shape>>& x,
                                           loc where = std::source_location::current()) {
  std::vector<detail::node_ref> nodes;
  for (const auto& v : x) nodes.push_back(v.node());
  std::vector<tensor<D, any_shape>> grid;
  for (std::size_t i = 0; i < nodes.size(); ++i) grid.emplace_back(detail::grid_part(nodes, i, where));
  return grid;
}

}  // namespace tenon
