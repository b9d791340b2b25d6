#include <cmath>

#include "graph/native_call.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

namespace {

// Multiplications, or elements read and written: of a contraction the root of the product of its extents' products, in
// which each axis stands twice.
double work_of(const node& n) {
  double sum = static_cast<double>(n.type.shape.count()), product = sum;
  for (const node_ref& o : n.operands) {
    const auto count = static_cast<double>(o->type.shape.count());
    sum += count;
    product *= count;
  }
  return n.op->kind == op_kind::contraction ? std::sqrt(product) : sum;
}

}  // namespace

//   exp([1, 2]) * 2   -> [5.43656, 14.7781]
graph fold_constants(const graph& g, const pass_settings& s) {
  const std::int64_t max_bytes = s[pass_option::fold_constants_max_bytes];
  return rewrite(g, [&](node_table&, const node_ref& n) -> node_ref {
    if (n->operands.empty() || !n->type.shape.is_static() || n->type.element == any_dtype) return {};
    // Results of nodes with several are folded one by one, through their projection.
    const node& source = n->op->kind == op_kind::projection ? n->operand(0) : *n;
    if (!source.more.empty() && n->op->kind != op_kind::projection) return {};
    if (!has_native(source)) return {};
    std::int64_t bytes = n->type.shape.count() * size_of(n->type.element), read = 0;
    for (const node_ref& o : source.operands) {
      if (o->op != &constant_definition()) return {};
      read += o->type.shape.count() * size_of(o->type.element);
    }
    // A broadcast that only makes a constant larger costs more memory than it saves time.
    if (bytes > max_bytes || (source.op->kind == op_kind::movement && bytes > 4096 && bytes > 2 * read)) return {};
    if (work_of(source) > static_cast<double>(s[pass_option::fold_constants_max_work])) return {};
    const auto index = static_cast<std::size_t>(n->op->kind == op_kind::projection ? projected_index(*n) : 0);
    return make_constant(evaluate_native(source).at(index), n->where);
  });
}

}  // namespace tenon::ir
