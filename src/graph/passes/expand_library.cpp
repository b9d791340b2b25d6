#include <fmt/format.h>

#include <algorithm>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

// An expansion may depend on the rank (the axes of a norm) and, where its operator says so, on some extents: it waits
// until they are known. One that finds other extents missing answers nothing.
bool waits(const node& n) {
  const bool ranks = std::ranges::none_of(n.operands, [](const node_ref& o) { return o->type.shape.any(); });
  return !ranks || (n.op->is_ready && !n.op->is_ready(n));
}

}  // namespace

graph expand_library(const graph& g, const pass_settings&) {
  // An expansion may use library operators again: repeat until none is left. Each round goes one level deeper.
  graph r = g;
  for (int round = 0; round < 16; ++round) {
    bool any = false;
    r = rewrite(r, [&](node_table&, const node_ref& n) -> node_ref {
      if (n->op->kind == op_kind::projection && n->operand(0).op->kind == op_kind::library) {
        const node& several = n->operand(0);
        if (waits(several)) return {};
        node_ref e = several.op->expand(several.attrs.get(), several.operands, several.where)
                         .at(static_cast<std::size_t>(projected_index(*n)));
        any = any || e;
        return e;
      }
      if (n->op->kind != op_kind::library || !n->more.empty() || waits(*n)) return {};
      node_ref e = n->op->expand(n->attrs.get(), n->operands, n->where).at(0);
      if (!e) return {};
      any = true;
      if (e->type != n->type)
        throw compile_error(fmt::format("{}: its expansion is {}, its rule says {}; at {}:{}", n->op->name,
                                        to_string(e->type), to_string(n->type), n->where.file(), n->where.line()));
      return e;
    });
    if (!any) return r;
  }
  throw compile_error("expand_library: library operators expand into each other without end");
}

}  // namespace tenon::ir
