#include <algorithm>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/select_cast.hpp"

namespace tenon::ir {
namespace {

const op_def& cast_definition() { return detail::definition<ops::cast_op>(); }

node_ref cast_to(node_table& t, dtype to, const node_ref& x) {
  return t.make(cast_definition(), std::make_shared<const cast_attrs>(cast_attrs{to}), {x}, x->where);
}
// x where it is f32(x), x being of the low type: it was computed in it.
node_ref low_of(const node_ref& n, dtype low) {
  return n->op == &cast_definition() && n->operands[0]->type.element == low ? n->operands[0] : node_ref();
}
// Arithmetic whose error a 16-bit float does not enlarge: no sums of many terms, no exponents, no quotients.
bool keeps_precision(const node& n) {
  if (n.op->kind == op_kind::movement) return true;
  if (n.op->kind != op_kind::map) return false;
  expr_arena arena;
  std::vector<expr_ref> x;
  for (const node_ref& o : n.operands) x.push_back(arena.fresh_accumulator(compute_type(o->type.element)));
  return !contains(n.op->scalar(arena, n.attrs.get(), x), [](expr_ref e) {
    if (!e->is(expr_kind::apply)) return false;
    for (const prim p : {prim::add, prim::sub, prim::mul, prim::min, prim::max, prim::neg, prim::abs, prim::select})
      if (e->op == p) return false;
    return !is_comparison(e->op);
  });
}

}  // namespace

// With the option mixed_precision = bf16 (or f16), for values of f32:
//   matmul(x, w)                    -> f32(matmul(bf16(x), bf16(w)))        also convolutions
//   relu(f32(y) + b)                -> f32(relu(y + bf16(b)))               where all that is no constant is of bf16
// Everything else (reductions, exponentials, quotients) stays in f32; sums of products are in f32 in any case.
graph mixed_precision(const graph& g, const pass_settings& s) {
  if (s[pass_option::mixed_precision] == 0) return g;
  const dtype low = s.word(pass_option::mixed_precision) == "f16" ? f16 : bf16;
  return rewrite(g, [&](node_table& t, const node_ref& n) -> node_ref {
    if (n->type.element != f32 || !n->more.empty() || n->op->kind == op_kind::leaf) return {};
    const bool contraction = n->op->kind == op_kind::contraction;
    if (!contraction && !keeps_precision(*n)) return {};
    bool any_low = contraction;
    std::vector<node_ref> operands;
    for (const node_ref& o : n->operands) {
      if (o->type.element != f32) {
        operands.push_back(o);  // a condition, indices
        continue;
      }
      node_ref x = low_of(o, low);
      any_low = any_low || x;
      if (!x && !contraction && o->op != &constant_definition()) return {};
      operands.push_back(x ? x : cast_to(t, low, o));
    }
    if (!any_low) return {};
    std::vector<dtype> types;
    for (const node_ref& o : operands) types.push_back(o->type.element);
    const detail::type_outcome o = n->op->types(n->attrs.get(), {types.data(), static_cast<int>(types.size())});
    if (!o.ok || o.out != low) return {};
    return cast_to(t, f32, t.make(*n->op, n->attrs, std::move(operands), n->where));
  });
}

}  // namespace tenon::ir
