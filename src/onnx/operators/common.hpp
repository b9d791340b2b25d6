// What the families of operators share.
#pragma once
#include <algorithm>
#include <span>
#include <utility>

#include "onnx/importer.hpp"
#include "ops/expansion.hpp"

namespace tenon::onnx {

/// The tables are searched by halves.
template <std::size_t N>
constexpr bool is_sorted(const mapping (&table)[N]) {
  return std::ranges::is_sorted(table, {}, &mapping::op);
}

/// Both operands of a broadcasting operator. Before set 7 the second one lies where `axis` says, behind the attribute
/// `broadcast`.
inline std::pair<any_tensor, any_tensor> binary_operands(node_call& n) {
  any_tensor x = n.in(0), y = n.in(1);
  if (n.version() >= 7) return {x, y};
  n.ignore({"consumed_inputs"});
  if (n.integer("broadcast", 0) == 0) return {x, y};
  const int lead = n.rank(0) - n.rank(1);
  const auto axis = static_cast<int>(n.integer("axis", lead));
  const int behind = n.rank(0) - (axis < 0 ? axis + n.rank(0) : axis) - n.rank(1);
  ints axes;
  for (int i = 0; i < behind && i < ints::capacity; ++i) axes.v[axes.size++] = n.rank(1) + i;
  return {x, axes.size ? any_tensor(unsqueeze(y, axes)) : y};
}
template <class Op>
void unary(node_call& n) {
  n.ignore({"consumed_inputs"});
  n.out(n.make<Op>({}, {n.in(0)}));
}
template <class Op>
void binary(node_call& n) {
  const auto [x, y] = binary_operands(n);
  n.out(n.make<Op>({}, {x, y}));
}

/// Axes counted from the front, of operand 0.
inline ints normal_axes(node_call& n, const std::vector<std::int64_t>& given, int rank) {
  ints r = n.few(given, "axes");
  for (int i = 0; i < r.size; ++i) {
    if (r.v[i] < 0) r.v[i] += rank;
    if (r.v[i] < 0 || r.v[i] >= rank)
      n.refuse("axis " + std::to_string(given[static_cast<std::size_t>(i)]) + " is outside rank " +
               std::to_string(rank));
  }
  return r;
}
inline dims dims_of(node_call& n, const std::vector<extent_t>& list) {
  if (list.size() > static_cast<std::size_t>(dims::max_rank))
    n.refuse("rank " + std::to_string(list.size()) + " > " + std::to_string(dims::max_rank));
  dims d;
  for (extent_t e : list) d.push_back(e);
  return d;
}
inline any_tensor reshaped(const any_tensor& x, const dims& to) { return reshape(x, extents(to)); }

}  // namespace tenon::onnx
