#include <algorithm>
#include <utility>

#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/control.hpp"

namespace tenon::ir {

graph rewrite(const graph& g, const std::function<node_ref(node_table&, const node_ref&)>& f) {
  return rewrite(g, [&](node_table& t, const node_ref& n, const use_count&) { return f(t, n); });
}

namespace {

// How often values are used, of what nodes became: counted when somebody asks.
class usage {
 public:
  usage(const graph& g, const graph_order& order, const node_map<node_ref>& replaced)
      : g_(g), order_(order), replaced_(replaced) {}
  void done() { ++done_; }
  int operator()(const node_ref& n) {
    if (!std::exchange(begun_, true)) {
      for (const node* user : order_.nodes)
        for (const node_ref& o : user->operands) ++before_[o.get()];
      for (const node_ref& o : g_.outputs) ++before_[o.get()];
    }
    for (; counted_ < done_; ++counted_) {
      const node* const was = order_.nodes[counted_];
      const node_ref* const is = replaced_.find(was);
      after_[is ? is->get() : was] += before_[was];
    }
    const int* const found = after_.find(n.get());
    return found ? *found : 0;
  }

 private:
  const graph& g_;
  const graph_order& order_;
  const node_map<node_ref>& replaced_;
  node_map<int> before_, after_;
  std::size_t done_ = 0, counted_ = 0;  // of the order
  bool begun_ = false;
};

}  // namespace

graph rewrite(const graph& g, const std::function<node_ref(node_table&, const node_ref&, const use_count&)>& f) {
  const std::shared_ptr<const graph_order> order = node_order(g);
  node_table table;
  node_map<node_ref> replaced;  // of nodes that became others
  bool changed = false;
  const auto now_of = [&](const node_ref& n) -> const node_ref& {
    const node_ref* const other = changed ? replaced.find(n.get()) : nullptr;
    return other ? *other : n;
  };
  usage uses(g, *order, replaced);
  const use_count count = [&](const node_ref& n) { return uses(n); };
  std::vector<node_ref> operands;
  for (const node* n : order->nodes) {
    node_ref now(n);
    if (std::ranges::any_of(n->operands, [&](const node_ref& o) { return &now_of(o) != &o; })) {
      operands.clear();
      for (const node_ref& o : n->operands) operands.push_back(now_of(o));
      now = table.unique(make_node(*n->op, n->attrs, operands, n->where));
    } else if (order->distinct) {
      table.keep(n);
    } else {
      now = table.unique(std::move(now));
    }
    if (node_ref other = f(table, now, count)) now = table.unique(std::move(other));
    if (now.get() != n) {
      changed = true;
      replaced[n] = std::move(now);
    }
    uses.done();
  }
  if (!changed) {
    if (order->distinct) return g;
    graph_order known = *order;
    known.distinct = true;
    graph same = g;
    same.order = std::make_shared<const graph_order>(std::move(known));
    return same;
  }
  graph r;
  for (const node_ref& i : g.inputs) r.inputs.push_back(now_of(i));
  for (const node_ref& o : g.outputs) r.outputs.push_back(now_of(o));
  graph_order made = *node_order(r);
  made.distinct = std::ranges::all_of(made.nodes, [&](const node* n) { return table.contains(n); });
  r.order = std::make_shared<const graph_order>(std::move(made));
  return r;
}

std::vector<node_ref> inlined(const graph& g, std::span<const node_ref> inputs) {
  node_map<node_ref> done;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) done[g.inputs[i].get()] = inputs[i];
  for (const node* n : post_order(g.outputs)) {
    if (done.contains(n)) continue;
    std::vector<node_ref> operands;
    for (const node_ref& o : n->operands) operands.push_back(done.at(o.get()));
    done[n] = operands == n->operands ? node_ref(n) : make_node(*n->op, n->attrs, std::move(operands), n->where);
  }
  std::vector<node_ref> r;
  for (const node_ref& o : g.outputs) r.push_back(done.at(o.get()));
  return r;
}

graph in_bodies(const graph& g, const std::function<graph(const graph&)>& f) {
  if (std::ranges::none_of(g.outputs, [](const node_ref& o) { return o->controls; })) return g;
  return rewrite(g, [&](node_table& table, const node_ref& n) -> node_ref {
    if (!has_bodies(*n)) return {};
    control_attrs a = n->attributes<control_attrs>();
    for (graph& body : a.bodies) body = f(in_bodies(body, f));
    return table.make(*n->op, std::make_shared<const control_attrs>(std::move(a)), n->operands, n->where);
  });
}

}  // namespace tenon::ir
