#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

namespace {

// Not `rewrite`: it would infer with the old operands' attributes before they are bound.
graph rebuilt(const graph& g, std::span<const value_type> inputs, extent_t (*value_of)(void*, extent_t),
              void* context) {
  node_table table;
  node_map<node_ref> done;
  graph r;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    const node& n = *g.inputs[i];
    r.inputs.push_back(table.unique(make_input(leaf_name(n), inputs[i].element, inputs[i].shape, n.where)));
    done[&n] = r.inputs.back();
  }
  for (const node* n : post_order(g.outputs)) {
    if (done.contains(n)) continue;
    std::vector<node_ref> operands;
    for (const node_ref& o : n->operands) operands.push_back(done.at(o.get()));
    attrs_ref attrs = n->op->attrs->bind ? n->op->attrs->bind(n->attrs.get(), value_of, context) : nullptr;
    done[n] = table.make(*n->op, attrs ? attrs : n->attrs, std::move(operands), n->where);
  }
  for (const node_ref& o : g.outputs) r.outputs.push_back(done.at(o.get()));
  return r;
}

}  // namespace

graph specialize(const graph& g, std::span<const value_type> inputs) {
  if (std::ranges::equal(g.inputs, inputs, {}, [](const node_ref& i) { return i->type; })) return g;
  std::unordered_map<extent_t, extent_t> values;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    const dims& stated = g.inputs[i]->type.shape;
    for (int d = 0; d < stated.rank; ++d)
      if (detail::is_named(stated[d])) values[stated[d]] = inputs[i].shape[d];
  }
  return rebuilt(
      g, inputs,
      [](void* context, extent_t e) {
        const auto& known = *static_cast<std::unordered_map<extent_t, extent_t>*>(context);
        const auto it = known.find(e);
        return it == known.end() ? e : it->second;
      },
      &values);
}

graph bind_extents(const graph& g, extent_t (*value_of)(void*, extent_t), void* context) {
  std::vector<value_type> inputs;
  for (const node_ref& i : g.inputs) {
    inputs.push_back(i->type);
    dims& shape = inputs.back().shape;
    for (int d = 0; d < shape.rank; ++d) shape[d] = value_of(context, shape[d]);
  }
  return rebuilt(g, inputs, value_of, context);
}

}  // namespace tenon::ir
