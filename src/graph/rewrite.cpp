#include <unordered_map>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"

namespace tenon::ir {

graph rewrite(const graph& g, const std::function<node_ref(node_table&, const node_ref&)>& f) {
  node_table table;
  std::unordered_map<const node*, node_ref> done;
  std::vector<node_ref> roots = g.inputs;  // also those that nothing uses
  roots.insert(roots.end(), g.outputs.begin(), g.outputs.end());
  for (const node* n : post_order(roots)) {
    bool same = true;
    std::vector<node_ref> operands;
    operands.reserve(n->operands.size());
    for (const node_ref& o : n->operands) {
      operands.push_back(done.at(o.get()));
      same &= operands.back() == o;
    }
    const node_ref rebuilt =
        table.unique(same ? node_ref(n) : make_node(*n->op, n->attrs, std::move(operands), n->where));
    node_ref replaced = f(table, rebuilt);
    done.emplace(n, replaced ? table.unique(std::move(replaced)) : rebuilt);
  }
  graph r;
  for (const node_ref& i : g.inputs) r.inputs.push_back(done.at(i.get()));
  for (const node_ref& o : g.outputs) r.outputs.push_back(done.at(o.get()));
  return r;
}

}  // namespace tenon::ir
