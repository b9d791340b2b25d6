// tensorize(i, j), the innermost loops of the result: they and the reduction's become one tile contraction, whose
// accumulators are registers.
//
//   acc[I, J]                    tile i < I, j < J
//   for i, j                       for k
//     acc[i, j] = 0                  acc sum= a[i, k] * b[k, j]
//   for k, i, j                    y[i, j] = acc
//     acc[i, j] += a[i, k] * b[k, j]
//   for i, j
//     y[i, j] = acc[i, j]
//
// One operand is the same for all j, the other one for all i and contiguous in j (packed or cached, if it does not lie
// so); i has no tail, or the loop over its blocks is partitioned.
//
// tensorize(f, i, j): the sums are computed by a function of the user's.
//
// tensorize(k), of a sum of products: a dot product, of vectors of partial sums.
#include <fmt/format.h>

#include <algorithm>

#include "schedule/primitives/primitives.hpp"
#include "schedule/region.hpp"
#include "schedule/tile_functions.hpp"

namespace tenon::scheduling {

namespace {

void dot_product(nest& n, int k) {
  constexpr int lanes = 16;
  const nest::loop& l = n.at(k);
  require_serial(n, k, "tensorized");
  if (l.reduction < 0) throw refusal{fmt::format("{} is no loop of a sum of products", l.name), k};
  for (const auto& [value, read] : n.reductions[static_cast<std::size_t>(l.reduction)].factors)
    if (value < 0 || stride_along(n, value, read, k) != 1)
      throw refusal{
          fmt::format("acc{} is no sum of products of two operands that are contiguous in {}", l.reduction, l.name), k};
  n.loops[static_cast<std::size_t>(k)].kind = ir::loop_kind::vectorized;
  n.loops[static_cast<std::size_t>(k)].width = lanes;
}

void require_function(const nest& n, const step& s) {
  const int row = s.loops[0];
  const auto known = find_tile_function(s.value);
  if (!known)
    throw refusal{fmt::format("no tile function {} is registered; there are: {}", s.value, tile_function_names()), row};
  const nest::reduction& sum = n.reductions[0];
  for (const auto& [value, read] : sum.factors)
    if (const nest::value& v = n.values[static_cast<std::size_t>(value)]; v.type != known->type)
      throw refusal{
          fmt::format("the tile function {} is for {}, and {} is {}", s.value, name(known->type), v.name, name(v.type)),
          row};
  if (sum.type != known->type)
    throw refusal{
        fmt::format("the tile function {} is for {}, and acc0 is {}", s.value, name(known->type), name(sum.type)), row};
}

}  // namespace

std::vector<int> tensorize(nest& n, const step& s) {
  if (s.loops.size() == 1) {
    if (!s.value.empty()) throw refusal{"a function is for a tile of two loops", s.loops[0]};
    dot_product(n, s.loops[0]);
    return {};
  }
  const int row = s.loops[0], column = s.loops[1];
  if (row == column) throw refusal{fmt::format("{} is given twice", n.at(row).name), row};
  for (int id : {row, column}) {
    require_serial(n, id, "tensorized");
    if (!n.at(id).of_result()) throw refusal{fmt::format("{} is no loop of the result", n.at(id).name), id};
  }
  if (n.tile_row >= 0)
    throw refusal{fmt::format("{} x {} is a tile contraction already", n.at(n.tile_row).name, n.at(n.tile_column).name),
                  row};
  if (n.reductions.size() != 1 || n.reductions[0].factors[0].first < 0 || n.reductions[0].factors[1].first < 0)
    throw refusal{"the nest is no single sum of products of two operands", row};
  if (!s.value.empty()) require_function(n, s);
  n.tile_row = row;
  n.tile_column = column;
  n.tile_function = s.value;
  return {};
}

}  // namespace tenon::scheduling
