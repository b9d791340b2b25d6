#include "graph/prologue.hpp"

#include <algorithm>
#include <vector>

#include "graph/kernel_space.hpp"
#include "graph/op_def.hpp"

namespace tenon::ir {
namespace {

class finder {
 public:
  finder(const graph& g, const node_set& reordered) : order_(node_order(g)), reordered_(reordered) {
    arena_.variable(i64, dims::max_rank - 1);  // of axes
    for (const node* n : order_->nodes)
      for (const node_ref& o : n->operands) ++uses_[o.get()];
    for (const node_ref& o : g.outputs) ++uses_[o.get()];
  }
  std::unordered_map<const node*, const node*> run() {
    std::unordered_map<const node*, const node*> found;
    for (const node* n : order_->nodes) {
      if (n->op->kind != op_kind::contraction || n->type.shape.count() == 0) continue;
      for (const node_ref& o : n->operands) {
        const std::vector<const node*> chain = chain_of(*o);
        if (chain.empty() || !reads_whole(*n, *o) || !is_strided(chain)) continue;
        for (const node* m : chain) found[m] = n;
      }
    }
    return found;
  }

 private:
  // The movement that ends in `last`, the last first; empty where there is none, or where views will do.
  std::vector<const node*> chain_of(const node& last) const {
    std::vector<const node*> chain;
    bool moves = false;
    for (const node* n = &last; n->op->kind == op_kind::movement && n->operands.size() == 1; n = &n->operand(0)) {
      if (uses_.at(n) > 1 || n->type.shape.count() == 0) return {};
      moves = moves || (!n->op->view && !n->op->source);
      chain.push_back(n);
    }
    if (!moves || reordered_.contains(&chain.back()->operand(0))) return {};
    return chain;
  }
  // Without a border that the operand's own extents decide.
  bool reads_whole(const node& contraction, const node& operand) {
    kernel_space space(arena_, contraction.type.shape, {});
    const auto all = space.reads(contraction, space.root());
    return std::ranges::all_of(
        all, [&](const kernel_space::read& r) { return r.value != &operand || r.of.mask->is_true(); });
  }
  // Whether its elements are the buffer's at a sum of strides times indices, one of which is 1.
  bool is_strided(const std::vector<const node*>& chain) {
    const dims& shape = chain.front()->type.shape;
    kernel_space space(arena_, shape, {});
    instance at = space.root();
    std::vector<expr_ref> axes;
    for (expr_ref e : at.at)
      if (e->is(expr_kind::variable)) axes.push_back(e);
    for (const node* n : chain) {
      const auto reads = space.reads(*n, at);
      if (reads.size() != 1 || !reads[0].of.mask->is_true()) return false;
      at = reads[0].of;
    }
    const dims& buffer = chain.back()->operand(0).type.shape;
    expr_ref place = arena_.index(0);
    for (int d = 0; d < buffer.rank; ++d)
      place = arena_.add(arena_.mul(place, arena_.index(buffer[d])), at.at[static_cast<std::size_t>(d)]);
    const affine_form f = affine(arena_, place, axes);
    if (!f.ok || !f.rest->is(expr_kind::constant)) return false;
    const auto number = [](expr_ref e) { return e->is(expr_kind::constant); };
    return std::ranges::all_of(f.coefficients, number) &&
           std::ranges::any_of(f.coefficients, [](expr_ref e) { return e->is_constant(1); });
  }

  std::shared_ptr<const graph_order> order_;
  const node_set& reordered_;
  node_map<int> uses_;
  expr_arena arena_;
};

}  // namespace

std::unordered_map<const node*, const node*> contraction_prologues(const graph& g, const node_set& reordered) {
  return finder(g, reordered).run();
}

}  // namespace tenon::ir
