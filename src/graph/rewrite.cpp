#include <algorithm>

#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/control.hpp"

namespace tenon::ir {

graph rewrite(const graph& g, const std::function<node_ref(node_table&, const node_ref&)>& f) {
  return rewrite(g, [&](node_table& t, const node_ref& n, const use_count&) { return f(t, n); });
}

graph rewrite(const graph& g, const std::function<node_ref(node_table&, const node_ref&, const use_count&)>& f) {
  node_table table;
  node_map<node_ref> done;
  std::vector<node_ref> roots = g.inputs;  // also those that nothing uses
  roots.insert(roots.end(), g.outputs.begin(), g.outputs.end());
  const std::vector<const node*> order = post_order(roots);
  node_map<int> uses, uses_after;  // of the graph's nodes, and of what they became
  for (const node* n : order)
    for (const node_ref& o : n->operands) ++uses[o.get()];
  for (const node_ref& o : g.outputs) ++uses[o.get()];
  const use_count count = [&](const node_ref& n) {
    const int* found = uses_after.find(n.get());
    return found ? *found : 0;
  };
  for (const node* n : order) {
    bool same = true;
    std::vector<node_ref> operands;
    operands.reserve(n->operands.size());
    for (const node_ref& o : n->operands) {
      operands.push_back(done.at(o.get()));
      same &= operands.back() == o;
    }
    node_ref now = table.unique(same ? node_ref(n) : make_node(*n->op, n->attrs, std::move(operands), n->where));
    if (node_ref replaced = f(table, now, count)) now = table.unique(std::move(replaced));
    uses_after[now.get()] += uses[n];
    done[n] = std::move(now);
  }
  graph r;
  for (const node_ref& i : g.inputs) r.inputs.push_back(done.at(i.get()));
  for (const node_ref& o : g.outputs) r.outputs.push_back(done.at(o.get()));
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
  if (std::ranges::none_of(post_order(g.outputs), [](const node* n) { return has_bodies(*n); })) return g;
  return rewrite(g, [&](node_table& table, const node_ref& n) -> node_ref {
    if (!has_bodies(*n)) return {};
    control_attrs a = n->attributes<control_attrs>();
    for (graph& body : a.bodies) body = f(in_bodies(body, f));
    return table.make(*n->op, std::make_shared<const control_attrs>(std::move(a)), n->operands, n->where);
  });
}

}  // namespace tenon::ir
