#include "graph/layout.hpp"

#include <algorithm>

#include "graph/op_def.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

axis_order normal(const axis_order& order, const dims& shape) {
  int last = -1;
  for (int d : order) {
    if (shape[d] == 1) continue;
    if (d < last) return order;
    last = d;
  }
  return {};
}

axis_order channels_last(const dims& shape) {
  axis_order order;
  for (int d = 0; d < shape.rank; ++d)
    if (d != 1) order.push_back(d);
  order.push_back(1);
  return normal(order, shape);
}

axis_order order_of_view(const node& permuted, const axis_order& operand) {
  const int rank = permuted.type.shape.rank;
  axis_order order(static_cast<std::size_t>(rank));
  for (int place = 0; place < rank; ++place) {
    const int from = operand.empty() ? place : operand[static_cast<std::size_t>(place)];
    for (int d = 0; d < rank; ++d)
      if (permuted.op->source(permuted.attrs.get(), rank, d) == from) order[static_cast<std::size_t>(place)] = d;
  }
  return normal(order, permuted.type.shape);
}

axis_order order_of_viewed(const node& permuted, const axis_order& view) {
  const int rank = permuted.type.shape.rank;
  axis_order order;
  for (int place = 0; place < rank; ++place)
    order.push_back(
        permuted.op->source(permuted.attrs.get(), rank, view.empty() ? place : view[static_cast<std::size_t>(place)]));
  return normal(order, permuted.operand(0).type.shape);
}

node_set channels_last_region(const graph& g) {
  const auto known = node_order(g);
  const std::vector<const node*>& order = known->nodes;
  node_set outputs, region;
  for (const node_ref& o : g.outputs) outputs.insert(o.get());
  // With weights that are packed once.
  auto prefers = [](const node& n) {
    return n.op->channels_last && n.operand(1).op == &constant_definition() && n.op->channels_last(n);
  };
  // What keeps its axes: values flow through it in whatever order they lie.
  auto keeps_axes = [](const node& n, const node& operand) {
    return n.type.shape.rank == operand.type.shape.rank && n.op->kind != op_kind::leaf &&
           n.op->kind != op_kind::program && n.op->kind != op_kind::contraction && !n.op->view && !n.op->source &&
           n.more.empty();
  };
  for (const node* n : order) {
    if (outputs.contains(n) || n->op->kind == op_kind::leaf) continue;
    bool in = prefers(*n);
    for (const node_ref& o : n->operands) in = in || (region.contains(o.get()) && keeps_axes(*n, *o));
    if (in) region.insert(n);
  }
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const node& n = **it;
    if (!region.contains(&n)) continue;
    for (const node_ref& o : n.operands) {
      const bool read = n.op->kind == op_kind::contraction ? o == n.operands[0] && prefers(n) : keeps_axes(n, *o);
      if (read && o->op->kind != op_kind::leaf && !outputs.contains(o.get())) region.insert(o.get());
    }
  }
  return region;
}

}  // namespace tenon::ir
