#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

bool is_number(const node& n, double v) {
  if (n.op != &constant_definition() || n.type.shape.rank != 0) return false;
  switch (n.type.element) {
    case f32:
      return *static_cast<const float*>(constant_of(n).data()) == static_cast<float>(v);
    case f64:
      return *static_cast<const double*>(constant_of(n).data()) == v;
    case i32:
      return *static_cast<const std::int32_t*>(constant_of(n).data()) == static_cast<std::int32_t>(v);
    case i64:
      return *static_cast<const std::int64_t*>(constant_of(n).data()) == static_cast<std::int64_t>(v);
    default:
      return false;
  }
}

}  // namespace

// Rules, each exact for every value (x + 0 is not: -0 + 0 is 0):
//   as(x) that states what x's type is -> x        (until then it is a check that a call's extents have to pass)
//   view(view(x))                      -> view(x)
//   view(x) of the same shape          -> x
//   x * 1, x / 1, x - 0                -> x
graph simplify(const graph& g) {
  return rewrite(g, [](node_table& table, const node_ref& n) -> node_ref {
    if (n->op == &as_definition()) return n->operands[0]->type == n->type ? n->operands[0] : node_ref();
    if (n->op->view) {
      const node_ref& x = n->operands[0];
      if (x->type == n->type) return x;
      if (!x->op->view || x->op != n->op || !n->type.shape.is_static()) return {};
      node_ref direct = table.make(*n->op, n->attrs, x->operands, n->where);
      return direct->type == n->type ? direct : node_ref();
    }
    if (n->op->kind == op_kind::map && n->operands.size() == 2) {
      const node_ref &x = n->operands[0], &y = n->operands[1];
      if (x->type != n->type) return {};
      const bool one = is_number(*y, 1), zero = is_number(*y, 0);
      if (!one && !zero) return {};
      expr_arena arena;
      const expr_ref v = arena.fresh_variable(compute_type(x->type.element));
      const std::vector<expr_ref> operands = {v, arena.constant(v->type, one ? 1 : 0)};
      // The expression arena knows the identities of the scalar operations.
      if (n->op->scalar(arena, n->attrs.get(), operands) == v) return x;
    }
    return {};
  });
}

}  // namespace tenon::ir
