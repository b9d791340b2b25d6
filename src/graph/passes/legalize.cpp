#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

graph legalize(const graph& g, const pass_settings&) {
  return rewrite(g, [](node_table&, const node_ref& n) -> node_ref {
    if (n->op->kind != op_kind::projection) return n->op->legalize ? n->op->legalize(*n) : node_ref();
    const node& all = n->operand(0);
    return all.op->legalize_result ? all.op->legalize_result(all, projected_index(*n)) : node_ref();
  });
}

}  // namespace tenon::ir
