// A smaller graph that fails as a large one does.
#pragma once
#include <functional>

#include "graph/passes.hpp"
#include "random_graph.hpp"

namespace tenon::test {

namespace reducing {

inline int steps_of(const ir::graph& g) {
  int n = 0;
  for (const ir::node* x : ir::post_order(g.outputs)) n += x->op->kind != ir::op_kind::leaf;
  return n;
}
/// Only the inputs that are read.
inline ir::graph with_outputs(const ir::graph& g, std::vector<detail::node_ref> outputs) {
  ir::graph r;
  r.outputs = std::move(outputs);
  for (const ir::node* n : ir::post_order(r.outputs))
    if (n->op == &ir::input_definition()) r.inputs.emplace_back(n);
  static_cast<void>(g);
  return r;
}
/// `what` replaced by `by` in everything that reads it.
inline ir::graph replaced(const ir::graph& g, const ir::node* what, const detail::node_ref& by) {
  std::unordered_map<const ir::node*, detail::node_ref> done;
  for (const ir::node* n : ir::post_order(g.outputs)) {
    if (n == what) {
      done[n] = by;
      continue;
    }
    std::vector<detail::node_ref> operands;
    for (const auto& o : n->operands) operands.push_back(done.at(o.get()));
    done[n] = n->operands.empty() || operands == n->operands ? detail::node_ref(n)
                                                             : ir::make_node(*n->op, n->attrs, operands, n->where);
  }
  std::vector<detail::node_ref> outputs;
  for (const auto& o : g.outputs) outputs.push_back(done.at(o.get()));
  return with_outputs(g, std::move(outputs));
}

}  // namespace reducing

/// Tries one output, then nodes cut off (an input in their place) or bridged (an operand in their place), as long as
/// `fails` holds of something smaller.
inline ir::graph reduced(ir::graph g, const std::function<bool(const ir::graph&)>& fails) {
  using namespace reducing;
  const auto take = [&](const ir::graph& smaller) {
    if (smaller.outputs.empty() || steps_of(smaller) == 0 || !fails(smaller)) return false;
    g = smaller;
    return true;
  };
  for (bool again = true; again;) {
    again = false;
    if (g.outputs.size() > 1)
      for (const auto& o : std::vector(g.outputs))
        if (take(with_outputs(g, {o}))) {
          again = true;
          break;
        }
    if (again) continue;
    const std::vector<const ir::node*> order = ir::post_order(g.outputs);
    for (const ir::node* n : order) {
      if (n->op->kind == ir::op_kind::leaf || !n->more.empty()) continue;
      const bool is_output = std::ranges::any_of(g.outputs, [&](const auto& o) { return o.get() == n; });
      if (!is_output && g.outputs.size() == 1 && take(with_outputs(g, {detail::node_ref(n)}))) {
        again = true;
        break;
      }
      if (!is_output) {
        const std::string name = "cut" + std::to_string(n->hash % 1000000);
        if (take(replaced(g, n, ir::make_input(name, n->type.element, n->type.shape, n->where)))) {
          again = true;
          break;
        }
      }
      bool bridged = false;
      for (const auto& o : n->operands)
        if (o->type == n->type && o->more.empty() && take(replaced(g, n, o))) {
          bridged = true;
          break;
        }
      if (bridged) {
        again = true;
        break;
      }
    }
  }
  return g;
}

}  // namespace tenon::test
