#include <fmt/format.h>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

graph bind_params(const graph& g, const std::function<node_ref(const node&)>& find) {
  std::string missing;
  graph r = rewrite(g, [&](node_table&, const node_ref& n) -> node_ref {
    if (n->op != &param_definition()) return {};
    node_ref value = find(*n);
    if (!value) {
      missing += fmt::format("{}{} {}", missing.empty() ? "" : ", ", leaf_name(*n), to_string(n->type));
      return {};
    }
    auto text = [&](std::string_view what) {
      return fmt::format("param {}: {}; stated {}, given {}; at {}:{}", leaf_name(*n), what, to_string(n->type),
                         to_string(value->type), n->where.file(), n->where.line());
    };
    if (value->type.element != n->type.element) throw type_error(text("element types differ"));
    bool fits = value->type.shape.rank == n->type.shape.rank;
    for (int i = 0; fits && i < n->type.shape.rank; ++i)
      fits = n->type.shape[i] < 0 || n->type.shape[i] == value->type.shape[i];
    if (!fits) throw shape_error(text("extents differ"));
    return value;
  });
  if (!missing.empty()) throw argument_error("build: params without a value: " + missing);
  return r;
}

}  // namespace tenon::ir
