#include <fmt/format.h>

#include <algorithm>

#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

void verify(const graph& g) {
  auto broken = [](const node& n, std::string_view what) {
    throw compile_error(fmt::format("graph: {}: {} : {}; made at {}:{}", what, n.op->name, to_string(n.type),
                                    n.where.file(), n.where.line()));
  };
  if (g.outputs.empty()) throw compile_error("graph: it has no outputs");
  node_set inputs;
  for (const node_ref& i : g.inputs) {
    if (!i || i->op != &input_definition()) throw compile_error("graph: an entry of the input list is no input");
    if (!inputs.insert(i.get())) broken(*i, "an input stands twice in the list");
  }
  for (const node_ref& o : g.outputs)
    if (!o) throw compile_error("graph: an output is empty");
  const auto order = node_order(g);
  for (const node* n : order->nodes) {
    if (n->op == &input_definition() && !inputs.contains(n)) broken(*n, "an input is not in the list of inputs");
    for (const node_ref& o : n->operands)
      if (!o->more.empty() && n->op->kind != op_kind::projection) broken(*n, "an operand has several results");
    for (const graph& body : bodies_of(*n)) {
      for (const node* inner : post_order(body.outputs))
        if (inner->op == &param_definition()) broken(*n, fmt::format("param {} is inside a body", leaf_name(*inner)));
      verify(body);
    }
    // What a new node of the same operands would say is what the node must say: no pass may invent types.
    node again(n->where);
    again.op = n->op;
    again.attrs = attrs_ref(attrs_ref(), n->attrs.get());  // lent: to count it would touch another place in memory
    again.operands = n->operands;
    infer(again);
    if (again.type != n->type || again.more != n->more || again.hash != n->hash)
      broken(*n, fmt::format("its type is not what its operands give, {}", to_string(again.type)));
  }
}

}  // namespace tenon::ir
