#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "graph/trace.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/joining.hpp"
#include "tenon/ops/relabel.hpp"

namespace tenon::ir {
namespace {

using detail::definition;

bool is_constant(const node& n) { return n.op == &constant_definition(); }

// Axes of a contraction and its weights along which results of other weights can lie beside its own.
struct joint {
  int result = 0, weights = 0;
};
std::optional<joint> joint_of(const node& n) {
  if (n.op->kind != op_kind::contraction || n.operands.size() != 2 || !is_constant(n.operand(1)) ||
      n.operands[0] == n.operands[1] || !traced::can_with_open_extents(n))
    return {};
  const traced t(n);
  const auto place = [&](int k) {
    return t.read_at(static_cast<std::size_t>(std::ranges::find(t.leaves(), n.operands[static_cast<std::size_t>(k)]) -
                                              t.leaves().begin()));
  };
  const auto x = place(0), w = place(1);
  // The last such axis: columns of a product, channels of a convolution.
  for (int axis = n.type.shape.rank - 1; axis >= 0; --axis) {
    const expr_ref i = t.indices()[static_cast<std::size_t>(axis)];
    const auto mentions = [&](expr_ref e) { return contains(e, [&](expr_ref s) { return s == i; }); };
    if (i->is(expr_kind::constant) || std::ranges::any_of(x, mentions)) continue;
    const auto d = std::ranges::find(w, i);
    if (d != w.end() && std::ranges::count_if(w, mentions) == 1) return joint{axis, static_cast<int>(d - w.begin())};
  }
  return {};
}

// Contractions that become one, and the maps behind each that are the same but for constants along the joint axis.
struct family {
  joint at;
  std::vector<const node*> heads;               // the contractions
  std::vector<std::vector<const node*>> steps;  // then, for each step, the map of every member
  std::vector<const node*> tails() const { return steps.empty() ? heads : steps.back(); }
};

class combiner {
 public:
  combiner(const graph& g, std::int64_t least) : graph_(g), least_(static_cast<std::size_t>(least)) {
    std::vector<node_ref> roots = g.inputs;
    roots.insert(roots.end(), g.outputs.begin(), g.outputs.end());
    order_ = post_order(roots);
    for (const node* n : order_)
      for (const node_ref& o : n->operands) users_[o.get()].push_back(n);
    for (const node_ref& o : g.outputs) outputs_.insert(o.get());
  }

  graph run() {
    find();
    if (families_.empty()) return graph_;
    for (const node* n : order_) done_[n] = made(*n);
    graph r;
    for (const node_ref& i : graph_.inputs) r.inputs.push_back(done_.at(i.get()));
    for (const node_ref& o : graph_.outputs) r.outputs.push_back(done_.at(o.get()));
    return r;
  }

 private:
  void find() {
    for (const node* x : order_) {
      std::vector<const node*> candidates;
      for (const node* u : users_[x])
        if (u->op->kind == op_kind::contraction && u->operands[0].get() == x) candidates.push_back(u);
      if (candidates.size() < least_) continue;
      std::vector<family> found;
      for (const node* c : candidates) {
        const auto at = joint_of(*c);
        if (!at) continue;
        const auto fits = std::ranges::find_if(found, [&](const family& f) { return joins(f, *c, *at); });
        if (fits == found.end())
          found.push_back({*at, {c}, {}});
        else
          fits->heads.push_back(c);
      }
      for (family& f : found)
        if (f.heads.size() >= least_) {
          extend(f);
          const std::vector<const node*> tails = f.tails();
          for (std::size_t i = 0; i < tails.size(); ++i) member_[tails[i]] = {families_.size(), i};
          families_.push_back(std::move(f));
        }
    }
  }

  static bool joins(const family& f, const node& c, const joint& at) {
    const node& first = *f.heads.front();
    if (c.op != first.op || !c.op->attrs->equal(c.attrs.get(), first.attrs.get())) return false;
    if (at.result != f.at.result || at.weights != f.at.weights || c.type.element != first.type.element) return false;
    const dims &a = c.operand(1).type.shape, &b = first.operand(1).type.shape;
    if (a.rank != b.rank || c.operand(1).type.element != first.operand(1).type.element) return false;
    for (int d = 0; d < a.rank; ++d)
      if (d != at.weights && a[d] != b[d]) return false;
    return std::ranges::find(f.heads, &c) == f.heads.end();
  }

  // As far as each member has one user, a map that is the same for all but for constants along the joint axis.
  void extend(family& f) const {
    for (;;) {
      std::vector<const node*> next;
      for (const node* t : f.tails()) {
        const auto u = users_.find(t);
        if (u == users_.end() || u->second.size() != 1 || outputs_.contains(t)) return;
        next.push_back(u->second.front());
      }
      for (const node* n : next)
        if (!same_step(*n, *next.front(), f)) return;
      if (std::unordered_set<const node*>(next.begin(), next.end()).size() != next.size()) return;
      for (const node* n : next)
        for (std::size_t k = 0; k < n->operands.size(); ++k)
          if (is_constant(n->operand(static_cast<int>(k))) != is_constant(next.front()->operand(static_cast<int>(k))))
            return;
      f.steps.push_back(std::move(next));
    }
  }
  static bool same_step(const node& n, const node& first, const family& f) {
    if (n.op->kind != op_kind::map || n.op != first.op || !n.op->attrs->equal(n.attrs.get(), first.attrs.get()))
      return false;
    const int rank = n.type.shape.rank;
    for (const node_ref& o : n.operands) {
      if (!is_constant(*o)) {
        if (o->type.shape != n.type.shape) return false;
        continue;
      }
      const dims& s = o->type.shape;
      for (int d = 0; d < s.rank; ++d)
        if (const int at = rank - s.rank + d; s[d] != 1 && at != f.at.result) return false;
    }
    return true;
  }

  node_ref made(const node& n) {
    if (const auto m = member_.find(&n); m != member_.end()) {
      const auto [number, index] = m->second;
      return part(families_[number], whole(number), index, n);
    }
    bool same = true;
    std::vector<node_ref> operands;
    for (const node_ref& o : n.operands) {
      operands.push_back(done_.at(o.get()));
      same = same && operands.back() == o;
    }
    return table_.unique(same ? node_ref(&n) : make_node(*n.op, n.attrs, std::move(operands), n.where));
  }

  // The combined contraction with the steps behind it.
  const node_ref& whole(std::size_t number) {
    node_ref& w = whole_[number];
    if (w) return w;
    const family& f = families_[number];
    const node& head = *f.heads.front();
    std::vector<node_ref> weights;
    for (const node* h : f.heads) weights.push_back(h->operands[1]);
    w = table_.make(*head.op, head.attrs, {done_.at(head.operands[0].get()), joined(weights, f.at.weights, head.where)},
                    head.where);
    for (const std::vector<const node*>& step : f.steps) {
      const node& first = *step.front();
      std::vector<node_ref> operands;
      for (std::size_t k = 0; k < first.operands.size(); ++k)
        operands.push_back(is_constant(*first.operands[k]) ? constants(f, step, k) : w);
      w = table_.make(*first.op, first.attrs, std::move(operands), first.where);
    }
    return w;
  }
  // Operand k of every member, one beside the other along the joint axis, or the one that all of them have.
  node_ref constants(const family& f, const std::vector<const node*>& step, std::size_t k) {
    const node_ref& first = step.front()->operands[k];
    if (first->type.shape.count() == 1 &&
        std::ranges::all_of(step, [&](const node* n) { return same_structure(*n->operands[k], *first); }))
      return first;
    std::vector<node_ref> parts;
    for (const node* n : step) {
      dims one;
      for (int d = 0; d < n->type.shape.rank; ++d) one.push_back(d == f.at.result ? n->type.shape[d] : 1);
      const node_ref& c = n->operands[k];
      const auto to = [&](const op_def& op, const dims& d, const node_ref& x) {
        return table_.make(op, std::make_shared<const extents_attrs>(extents_attrs{d}), {x}, x->where);
      };
      parts.push_back(to(definition<ops::broadcast_to_op>(), one, c));
    }
    return joined(parts, f.at.result, first->where);
  }
  node_ref joined(const std::vector<node_ref>& parts, int axis, const loc& where) {
    return table_.make(definition<ops::concat_op>(), std::make_shared<const first_axis_attrs>(first_axis_attrs{axis}),
                       parts, where);
  }
  node_ref part(const family& f, const node_ref& all, std::size_t index, const node& n) {
    const auto width = [&](const node* m) { return static_cast<int>(m->type.shape[f.at.result]); };
    int start = 0;
    for (std::size_t i = 0; i < index; ++i) start += width(f.heads[i]);
    slice_attrs at{.start = {start}, .stop = {start + width(&n)}, .axes = {f.at.result}};
    return table_.make(definition<ops::slice_op>(), std::make_shared<const slice_attrs>(at), {all}, n.where);
  }

  const graph& graph_;
  std::size_t least_;
  std::vector<const node*> order_;
  std::unordered_map<const node*, std::vector<const node*>> users_;
  std::unordered_set<const node*> outputs_;
  std::vector<family> families_;
  std::unordered_map<const node*, std::pair<std::size_t, std::size_t>> member_;  // of tails: family, place
  std::unordered_map<const node*, node_ref> done_;
  std::unordered_map<std::size_t, node_ref> whole_;
  node_table table_;
};

}  // namespace

//   relu(matmul(x, v) + b), relu(matmul(x, w) + c)
//   -> %0 = relu(matmul(x, concat(v, w)) + concat(b, c)), and slices of %0
// Weights and what is added are constants; the steps that follow are taken along as far as they are the same.
graph combine_parallel(const graph& g, const pass_settings& s) {
  return combiner(g, s[pass_option::combine_parallel_least]).run();
}

}  // namespace tenon::ir
