// Where every DSL call ends.
#include <string>
#include <vector>

#include "graph/op_def.hpp"
#include "ops/leaf.hpp"

namespace tenon::detail {

node_ref emit(const ir::op_def& op, const void* attrs, const argument* operands, int n, const loc& where) {
  // A number takes the element type of a tensor beside it: of the main operand (select's is not its condition), or the
  // next one.
  for (int i = 0; i < n; ++i)
    if (!operands[i].node && !operands[i].is_number)
      throw argument_error(std::string(op.name) + ": an operand is an empty tensor handle; at " + where.file() + ":" +
                           std::to_string(where.line()));
  dtype element = any_dtype;
  for (int i = 0; i < n && element == any_dtype; ++i) {
    const argument& a = operands[(op.main_operand + i) % n];
    if (a.node) element = a.node->type.element;
  }
  std::vector<node_ref> in;
  in.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i)
    in.push_back(operands[i].node ? node_ref(operands[i].node) : ir::make_scalar(element, operands[i].value, where));
  return ir::make_node(op, op.attrs->copy(attrs), std::move(in), where);
}

node_ref emit_result(const node_ref& n, int i, const loc& where) { return ir::make_result(n, i, where); }
node_ref emit_input(std::string_view name, dtype d, const dims& s, const loc& w) {
  return ir::make_input(name, d, s, w);
}
node_ref emit_param(std::string_view name, dtype d, const dims& s, const loc& w) {
  return ir::make_param(name, d, s, w);
}
node_ref emit_as(const node_ref& n, dtype d, const dims& s, const loc& w) { return ir::make_as(n, d, s, w); }

namespace {
const ir::node& refer(const node_ref& n) {
  if (!n) throw argument_error("type and extents of an empty tensor handle: it refers to nothing");
  return *n;
}
}  // namespace
dtype type_of(const node_ref& n) { return refer(n).type.element; }
const dims& shape_of(const node_ref& n) { return refer(n).type.shape; }

}  // namespace tenon::detail
