#include "needed_copies.hpp"

#include <algorithm>
#include <unordered_set>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/select_cast.hpp"

namespace tenon {

using namespace ir;

namespace {
node_ref copied(const node_ref& x) {
  return make_node(detail::definition<ops::cast_op>(), std::make_shared<const cast_attrs>(cast_attrs{x->type.element}),
                   {x}, x->where);
}
}  // namespace

graph separate_outputs(const graph& g, const std::function<bool(std::size_t output)>& stays) {
  graph r = g;
  std::unordered_set<const node*> taken;
  // From the last: what goes back into an argument is there, and needs its own memory first.
  for (std::size_t i = r.outputs.size(); i-- > 0;) {
    node_ref& o = r.outputs[i];
    const bool shared = o->op->kind == op_kind::leaf && !o->op->compute && !stays(i);
    if (shared || taken.contains(o.get())) o = copied(o);
    taken.insert(o.get());
  }
  return r;
}

graph contiguous_for_bodies(const graph& g, const std::vector<const extent_t*>& strides) {
  if (std::ranges::none_of(strides, [](const extent_t* s) { return s != nullptr; })) return g;
  return rewrite(g, [&](node_table&, const node_ref& n) -> node_ref {
    if (!has_bodies(*n) && !is_update(*n)) return {};
    std::vector<node_ref> operands = n->operands;
    for (node_ref& o : operands)
      for (std::size_t i = 0; i < g.inputs.size(); ++i)
        if (strides[i] && leaf_name(*o) == leaf_name(*g.inputs[i]) && o->op == &input_definition()) o = copied(o);
    return operands == n->operands ? node_ref() : make_node(*n->op, n->attrs, std::move(operands), n->where);
  });
}

}  // namespace tenon
