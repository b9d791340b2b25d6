#include "graph/fuse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>

#include "graph/attention.hpp"
#include "graph/op_def.hpp"
#include "graph/text.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

constexpr std::size_t max_group = 64;
// Loop nests in which one fused value may be computed again: the input pass of each reduction and the final pass.
constexpr std::size_t max_copies = 4;

// A map whose scalar function costs no more than reading its result again would.
bool is_cheap(const node& n) {
  if (n.op->kind == op_kind::movement || n.op->kind == op_kind::leaf) return true;
  if (n.op->kind != op_kind::map) return false;
  expr_arena arena;
  std::vector<expr_ref> x;
  for (const node_ref& o : n.operands) x.push_back(arena.fresh_variable(compute_type(o->type.element)));
  const expr_ref e = n.op->scalar(arena, n.attrs.get(), x);
  return !contains(e, [](expr_ref s) {
    if (!s->is(expr_kind::apply)) return false;
    switch (s->op) {
      case prim::add:
      case prim::sub:
      case prim::mul:
      case prim::min:
      case prim::max:
      case prim::neg:
      case prim::abs:
      case prim::cast:
      case prim::select:
      case prim::logical_and:
      case prim::logical_or:
      case prim::logical_not:
        return false;
      default:
        return !is_comparison(s->op);
    }
  });
}

// Where a node is computed: the loops around it, as the shape they run over, and the reductions they belong to.
struct context {
  dims space;         // iteration space; outer loops first
  bool known = true;  // false: the space is no longer the root's loops in order (after a movement)
  std::set<std::vector<const node*>> passes;  // chains of reductions inside which it is computed
};

class fuser {
 public:
  fuser(const graph& g, bool enabled, const std::function<bool(const node&)>& contiguous)
      : nodes_(post_order(g.outputs)), enabled_(enabled), contiguous_(contiguous) {
    for (const node* n : nodes_)
      for (const node_ref& o : n->operands) {
        auto& u = users_[o.get()];
        if (u.empty() || u.back() != n) u.push_back(n);
      }
    for (const node_ref& o : g.outputs) outputs_.insert(o.get());
    if (enabled) channels_last_ = channels_last_region(g);
    if (enabled) attention_ = attention_groups(g);
  }

  fusion run() {
    // Users before operands: a node can only join the group that all of its users are in.
    for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) place(**it);
    return collect();
  }

 private:
  struct state {
    int reductions = 0, contractions = 0;
    std::size_t nodes = 1;
  };

  bool is_output(const node* n) const { return outputs_.contains(n); }

  void place(const node& n) {
    if (n.op->kind == op_kind::leaf && !n.op->compute) return;  // a buffer already
    if (n.op->kind == op_kind::projection) return;              // a buffer of the operand's kernel
    if (n.op->view && viewable(n.operand(0), n)) {
      row_major_.insert(n.operands[0].get());
      view(n);
      return;
    }
    const node* root = joins(n);
    if (!root && permutes(n)) {
      view(n);
      return;
    }
    if (!root) {
      root = &n;
      where_[&n] = {n.type.shape, n.op->kind != op_kind::movement, {{}}};
    }
    root_of_[&n] = root;
    state& s = group_[root];
    s.nodes += root != &n;
    s.reductions += n.op->kind == op_kind::reduction;
    s.contractions += n.op->kind == op_kind::contraction;
  }

  void view(const node& n) {
    alias_[&n] = n.operands[0].get();
    stored_.insert(n.operands[0].get());
    if (is_result(n)) claimed_.insert(n.operands[0].get());
  }
  bool is_result(const node& n) const { return is_output(&n) || claimed_.contains(&n); }
  // Neither a view's buffer nor one that is made here: it lies as it lies.
  static bool is_given(const node& n) {
    return n.op->kind == op_kind::leaf || n.op->kind == op_kind::projection || n.op->kind == op_kind::program ||
           !n.more.empty();
  }
  // A view needs no kernel when its operand lies in a buffer that it may share.
  bool may_share(const node& operand, const node& n) const {
    if (operand.type.shape.count() == 0) return false;
    const bool foreign = operand.op->kind == op_kind::leaf || operand.op->kind == op_kind::projection;
    if (is_result(n)) return !foreign && !is_result(operand);
    return operand.op != &input_definition() || contiguous_(operand);
  }
  // A reshape, of what lies in row-major order.
  bool viewable(const node& operand, const node& n) const {
    return may_share(operand, n) && order_of(operand).empty() && !order_.contains(&n);
  }
  // A transpose: where its order matters to somebody, the operand is stored so that it comes out.
  bool permutes(const node& n) {
    if (!enabled_ || !n.op->source || !may_share(n.operand(0), n)) return false;
    const node& operand = n.operand(0);
    const bool fixed = is_output(&n) || row_major_.contains(&n) || order_.contains(&n);
    if (!fixed) return true;
    const axis_order wanted = order_of_viewed(n, order_of(n));
    if (is_given(operand) || is_output(&operand) || row_major_.contains(&operand) || order_.contains(&operand))
      return order_of(operand) == wanted;
    order_[&operand] = wanted;
    return true;
  }
  // In which order a value lies in memory, as far as that is decided; views of it may still ask for another.
  axis_order order_of(const node& n) const {
    if (const auto it = order_.find(&n); it != order_.end()) return it->second;
    if (is_given(n) || is_output(&n) || row_major_.contains(&n) || !channels_last_.contains(&n)) return {};
    return channels_last(n.type.shape);
  }

  // The root whose group `n` can be computed in, or null.
  const node* joins(const node& n) {
    if (is_output(&n) || stored_.contains(&n) || !n.more.empty()) return nullptr;
    if (const auto a = attention_.find(&n); a != attention_.end()) return root_of_.at(a->second);
    const op_kind kind = n.op->kind;
    if (kind == op_kind::program) return nullptr;
    const bool free = kind == op_kind::leaf;  // iota and the like: an expression of the indices
    if (!enabled_) return nullptr;
    const auto users = users_.find(&n);
    if (users == users_.end()) return nullptr;
    const node* root = nullptr;
    context c;
    bool first = true;
    for (const node* u : users->second) {
      if (u->op->kind == op_kind::program || u->op->kind == op_kind::projection) return nullptr;
      if ((u->op->kind == op_kind::contraction && !free) || attention_.contains(u)) return nullptr;
      const auto r = root_of_.find(u);
      if (r == root_of_.end()) return nullptr;  // a view of it
      if (root && r->second != root) return nullptr;
      root = r->second;
      const context inside = entered(*u, n);
      if (first) {
        c = inside;
        first = false;
      } else {
        c.known = c.known && inside.known && c.space == inside.space;
        c.passes.insert(inside.passes.begin(), inside.passes.end());
      }
      if (!pays(n, *u, inside)) return nullptr;
    }
    const state& s = group_.at(root);
    // Maps after a contraction are its epilogue, in registers; in another group they would read it from memory.
    const bool takes_contraction =
        !s.contractions && !s.reductions && root->op->kind == op_kind::map && root->type.shape == n.type.shape;
    if (kind == op_kind::map && !takes_contraction && follows_contraction(n)) return nullptr;
    if (s.nodes >= max_group || c.passes.size() > max_copies) return nullptr;
    if (kind == op_kind::reduction) {
      // Reductions share the loops outside them: their result must be fixed in all loops further in.
      if (s.contractions || !c.known || !is_prefix(n.type.shape, c.space)) return nullptr;
      for (const node* u : users->second)
        if (u->op->kind == op_kind::movement) return nullptr;
    }
    if (kind == op_kind::contraction) {
      if (!takes_contraction) return nullptr;
      for (const node* u : users->second)
        if (u->op->kind != op_kind::map || u->type.shape != n.type.shape) return nullptr;
    }
    where_[&n] = std::move(c);
    return root;
  }

  // Whether a contraction's value reaches `n` through maps of its shape that nobody else uses.
  bool follows_contraction(const node& n) const {
    std::vector<const node*> open{&n};
    for (std::size_t i = 0; i < open.size() && i < max_group; ++i)
      for (const node_ref& o : open[i]->operands) {
        const auto u = users_.find(o.get());
        if (o->type.shape != n.type.shape || u->second.size() != 1 || is_output(o.get())) continue;
        if (o->op->kind == op_kind::contraction) return true;
        if (o->op->kind == op_kind::map) open.push_back(o.get());
      }
    return false;
  }

  // The context of operand `n` inside its user.
  context entered(const node& u, const node& n) const {
    context c = where_.at(&u);
    if (u.op->kind == op_kind::movement) c.known = false;
    if (u.op->kind == op_kind::reduction) {
      // Inside, the loops are the operand's axes; they extend the outer ones when the reduced axes are the last.
      const dims &in = n.type.shape, &out = u.type.shape;
      c.known =
          c.known && out.rank == in.rank && in.rank == c.space.rank && is_prefix(out, in) && is_prefix(out, c.space);
      if (c.known) c.space = in;
      std::set<std::vector<const node*>> deeper;
      for (std::vector<const node*> chain : c.passes) {
        chain.push_back(&u);
        deeper.insert(std::move(chain));
      }
      c.passes = std::move(deeper);
    }
    return c;
  }

  // a equals b up to some axis and is 1 from there on.
  static bool is_prefix(const dims& a, const dims& b) {
    if (a.rank != b.rank) return false;
    int d = 0;
    while (d < a.rank && a[d] == b[d]) ++d;
    for (; d < a.rank; ++d)
      if (a[d] != 1) return false;
    return true;
  }

  // Whether computing `n` inside `u` costs little: not many more elements than it has.
  static bool pays(const node& n, const node& u, const context& inside) {
    if (n.op->kind == op_kind::reduction || n.op->kind == op_kind::contraction) return true;  // placed by loop
    // Fixed in all loops further in, it is computed outside of them.
    if (n.op->kind == op_kind::map && inside.known && is_prefix(n.type.shape, inside.space)) return true;
    const extent_t reads = u.op->kind == op_kind::reduction ? n.type.shape.count() : u.type.shape.count();
    return reads <= n.type.shape.count() || is_cheap(n);
  }

  fusion collect() {
    fusion f;
    f.alias = alias_;
    for (const node* n : nodes_) {
      const auto a = alias_.find(n);
      axis_order order;
      if (a != alias_.end()) {
        const auto from = f.order.find(a->second);
        if (n->op->source) order = order_of_view(*n, from == f.order.end() ? axis_order() : from->second);
      } else if (const auto r = root_of_.find(n); r != root_of_.end() && r->second == n) {
        order = order_of(*n);
      }
      if (!order.empty()) f.order[n] = std::move(order);
    }
    std::unordered_map<const node*, std::size_t> index;
    for (const node* n : nodes_) {
      const auto r = root_of_.find(n);
      if (r == root_of_.end()) continue;
      if (r->second == n) {
        index[n] = f.groups.size();
        f.groups.push_back({n, {}, {}});
      }
    }
    for (const node* n : nodes_)
      if (auto r = root_of_.find(n); r != root_of_.end() && r->second != n)
        f.groups[index[r->second]].inlined.push_back(n);
    for (group& g : f.groups) {
      std::unordered_set<const node*> inside(g.inlined.begin(), g.inlined.end()), seen;
      auto read = [&](const node* n) {
        for (const node_ref& o : n->operands) {
          if (inside.contains(o.get()) || is_splat(*o)) continue;
          if (seen.insert(f.storage(o.get())).second) g.operands.push_back(f.storage(o.get()));
        }
      };
      for (const node* n : g.inlined) read(n);
      read(g.root);
    }
    return f;
  }

  std::vector<const node*> nodes_;
  bool enabled_;
  const std::function<bool(const node&)>& contiguous_;
  std::unordered_map<const node*, std::vector<const node*>> users_;
  std::unordered_set<const node*> outputs_, stored_, claimed_;  // claimed: a view of it is a result
  std::unordered_set<const node*> row_major_, channels_last_;
  std::unordered_map<const node*, axis_order> order_;  // asked for by a view
  std::unordered_map<const node*, const node*> alias_, root_of_;
  std::unordered_map<const node*, const node*> attention_;  // what is computed inside of a product
  std::unordered_map<const node*, context> where_;
  std::unordered_map<const node*, state> group_;
};

}  // namespace

bool is_splat(const node& n) { return n.op == &constant_definition() && n.type.shape.count() == 1; }

fusion fuse(const graph& g, bool enabled, const std::function<bool(const node&)>& contiguous) {
  return fuser(g, enabled, contiguous).run();
}

std::string to_string(const graph& g, const fusion& f) {
  std::unordered_map<const node*, const group*> group_of;
  for (const group& k : f.groups)
    for (const node* n : k.inlined) group_of[n] = &k;
  std::vector<const node*> order;
  std::unordered_map<const node*, std::string> comments;
  std::unordered_set<const node*> placed;
  // What is in no kernel (constants, views of buffers) stands where it is first needed.
  const auto place = [&](const node* n) {
    std::vector<const node*> open{n};
    while (!open.empty()) {
      const node* top = open.back();
      const auto next =
          std::ranges::find_if(top->operands, [&](const node_ref& o) { return !placed.contains(o.get()); });
      if (next != top->operands.end()) {
        open.push_back(next->get());
        continue;
      }
      open.pop_back();
      if (placed.insert(top).second) order.push_back(top);
    }
  };
  int number = 0;
  for (const group& k : f.groups) {
    for (const node* n : k.inlined)
      for (const node_ref& o : n->operands)
        if (!group_of.contains(o.get())) place(o.get());
    const std::size_t first = order.size();
    for (const node* n : k.inlined) place(n);
    place(k.root);
    comments[order[first]] = fmt::format("kernel {}", ++number);
  }
  for (const node* n : post_order(g.outputs)) place(n);
  return to_string(g, order, comments);
}

}  // namespace tenon::ir
