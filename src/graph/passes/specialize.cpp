#include <fmt/format.h>

#include <unordered_map>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

graph specialize(const graph& g, std::span<const value_type> inputs) {
  std::unordered_map<const node*, std::size_t> position;
  std::unordered_map<extent_t, extent_t> values;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    position[g.inputs[i].get()] = i;
    const dims& stated = g.inputs[i]->type.shape;
    for (int d = 0; d < stated.rank; ++d)
      if (detail::is_named(stated[d])) values[stated[d]] = inputs[i].shape[d];
  }
  auto value_of = [](void* context, extent_t e) {
    const auto& known = *static_cast<std::unordered_map<extent_t, extent_t>*>(context);
    const auto it = known.find(e);
    return it == known.end() ? e : it->second;
  };
  // Not `rewrite`: it would infer with the old operands' attributes before they are bound.
  node_table table;
  std::unordered_map<const node*, node_ref> done;
  std::vector<node_ref> roots = g.inputs;
  roots.insert(roots.end(), g.outputs.begin(), g.outputs.end());
  for (const node* n : post_order(roots)) {
    if (auto it = position.find(n); it != position.end()) {
      const value_type& t = inputs[it->second];
      done[n] = table.unique(make_input(leaf_name(*n), t.element, t.shape, n->where));
      continue;
    }
    std::vector<node_ref> operands;
    for (const node_ref& o : n->operands) operands.push_back(done.at(o.get()));
    attrs_ref attrs = n->op->attrs->bind ? n->op->attrs->bind(n->attrs.get(), value_of, &values) : nullptr;
    done[n] = table.make(*n->op, attrs ? attrs : n->attrs, std::move(operands), n->where);
  }
  graph r;
  for (const node_ref& i : g.inputs) r.inputs.push_back(done.at(i.get()));
  for (const node_ref& o : g.outputs) r.outputs.push_back(done.at(o.get()));
  return r;
}

}  // namespace tenon::ir
