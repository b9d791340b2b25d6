#include "graph/op_def.hpp"
#include "graph/passes.hpp"

namespace tenon::ir {

graph legalize(const graph& g, const pass_settings&) {
  return rewrite(g, [](node_table&, const node_ref& n) { return n->op->legalize ? n->op->legalize(*n) : node_ref(); });
}

}  // namespace tenon::ir
