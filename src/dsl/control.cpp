// From what a body's lambda made to a graph of its own.
#include "tenon/dsl/control.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ops/control.hpp"
#include "ops/leaf.hpp"

namespace tenon::detail {

struct node_list::content {
  std::vector<const ir::node*> nodes;  // the caller's handles keep them
  std::vector<node_ref> kept;          // inputs of a body, which nothing else may hold
};

node_list::node_list() : content_(new content) {}
node_list::~node_list() { delete content_; }
void node_list::add(const node_ref& n) { content_->nodes.push_back(n.get()); }

namespace {

using ir::graph;
using ir::node;
using nodes = std::vector<const node*>;

void refuse_empty(const char* what, const nodes& list, const loc& where) {
  for (const node* n : list)
    if (!n)
      throw argument_error(std::string(what) + ": a state or result is an empty tensor handle; at " + where.file() +
                           ":" + std::to_string(where.line()));
}

/// The bodies of one node: all take the same values, the inner inputs and what they read of the values around them.
class closed_bodies {
 public:
  /// `owned`: what nobody but the bodies refers to is computed inside of them.
  closed_bodies(const nodes& inner, std::vector<nodes> outputs, bool owned, const loc& where)
      : outputs_(std::move(outputs)), owned_(owned), where_(where) {
    for (const node* n : inner) inside_.insert(n), inputs_.emplace_back(n), done_.emplace(n, node_ref(n));
    std::vector<node_ref> roots;
    for (const nodes& list : outputs_)
      for (const node* n : list) roots.emplace_back(n);
    order_ = ir::post_order(roots);
    decide();
    for (const node* n : order_)
      if (inside_.contains(n))
        for (const node_ref& o : n->operands) read(o.get());
    for (const node_ref& r : roots) read(r.get());
    for (const node* n : order_)
      if (inside_.contains(n)) rebuild(*n);
  }

  std::vector<graph> graphs() const {
    std::vector<graph> all;
    for (const nodes& list : outputs_) {
      graph g;
      g.inputs = inputs_;
      for (const node* n : list) g.outputs.push_back(done_.at(n));
      all.push_back(std::move(g));
    }
    return all;
  }
  /// What the bodies read of the values around them.
  const std::vector<node_ref>& captured() const { return captured_; }

 private:
  // Numbers and positions cost nothing where they are used.
  static bool is_free(const node& n) {
    if (!n.operands.empty() || n.op == &ir::input_definition() || n.op == &ir::param_definition()) return false;
    return n.op != &ir::constant_definition() || n.type.shape.count() == 1;
  }
  void decide() {
    for (const node* n : order_)
      if (is_free(*n) || std::ranges::any_of(n->operands, [&](const node_ref& o) {
            return inside_.contains(o.get()) && (done_.contains(o.get()) || !is_free(*o));
          }))
        inside_.insert(n);
    if (!owned_) return;
    // References to each node from here: by its users inside, by the caller's result and by `roots`.
    std::unordered_map<const node*, std::uint32_t> ours;
    for (const nodes& list : outputs_)
      for (const node* n : list) ours[n] += 2;
    for (auto it = order_.rbegin(); it != order_.rend(); ++it) {
      const node* n = *it;
      const bool leaf = n->op == &ir::input_definition() || n->op == &ir::param_definition();
      if (!leaf && n->references.load(std::memory_order_relaxed) == ours[n]) inside_.insert(n);
      if (inside_.contains(n))
        for (const node_ref& o : n->operands) ++ours[o.get()];
    }
  }
  void read(const node* n) {
    if (inside_.contains(n) || done_.contains(n)) return;
    captured_.emplace_back(n);
    inputs_.push_back(
        ir::make_input("outer_" + std::to_string(captured_.size()), n->type.element, n->type.shape, where_));
    done_.emplace(n, inputs_.back());
  }
  void rebuild(const node& n) {
    if (done_.contains(&n)) return;
    std::vector<node_ref> operands;
    for (const node_ref& o : n.operands) operands.push_back(done_.at(o.get()));
    done_.emplace(&n,
                  operands == n.operands ? node_ref(&n) : ir::make_node(*n.op, n.attrs, std::move(operands), n.where));
  }

  std::vector<nodes> outputs_;
  bool owned_;
  loc where_;
  nodes order_;
  std::unordered_set<const node*> inside_;
  std::unordered_map<const node*, node_ref> done_;  // values as the bodies see them
  std::vector<node_ref> inputs_, captured_;
};

void append(std::vector<node_ref>& to, const nodes& from) {
  for (const node* n : from) to.emplace_back(n);
}
node_ref made(const ir::op_def& op, ir::control_attrs attrs, std::vector<node_ref> operands,
              const closed_bodies& bodies, const loc& where) {
  attrs.bodies = bodies.graphs();
  operands.insert(operands.end(), bodies.captured().begin(), bodies.captured().end());
  return ir::make_node(op, std::make_shared<const ir::control_attrs>(std::move(attrs)), std::move(operands), where);
}

}  // namespace

node_ref emit_inner(node_list& list, const char* role, const node_ref& like, bool element, const loc& where) {
  refuse_empty(role, {like.get()}, where);
  auto& c = const_cast<node_list::content&>(*list);
  const node_ref n = ir::make_input(role + ("_" + std::to_string(c.nodes.size() + 1)), like->type.element,
                                    element ? without_first(like->type.shape) : like->type.shape, where);
  c.nodes.push_back(n.get());
  c.kept.push_back(n);
  return n;
}

node_ref emit_while(const node_list& state, const node_list& inner, const node_list& condition, const node_list& next,
                    const loc& where) {
  refuse_empty("while_", (*condition).nodes, where);
  refuse_empty("while_", (*next).nodes, where);
  const closed_bodies bodies((*inner).nodes, {(*condition).nodes, (*next).nodes}, false, where);
  std::vector<node_ref> operands;
  append(operands, (*state).nodes);
  const auto states = static_cast<int>(operands.size());
  return made(ir::while_definition(), {.bodies = {}, .states = states}, std::move(operands), bodies, where);
}

node_ref emit_if(const node_ref& condition, const node_list& state, const node_list& inner, const node_list& then,
                 const node_list& otherwise, const loc& where) {
  refuse_empty("if_", {condition.get()}, where);
  refuse_empty("if_", (*then).nodes, where);
  refuse_empty("if_", (*otherwise).nodes, where);
  const closed_bodies bodies((*inner).nodes, {(*then).nodes, (*otherwise).nodes}, true, where);
  std::vector<node_ref> operands{condition};
  append(operands, (*state).nodes);
  return made(ir::if_definition(), {}, std::move(operands), bodies, where);
}

node_ref emit_scan(const node_list& state, const node_list& inner, const node_list& xs, const node_list& inner_xs,
                   const node_list& next, const node_list& collected, bool reverse, const loc& where) {
  refuse_empty("scan", (*next).nodes, where);
  refuse_empty("scan", (*collected).nodes, where);
  nodes taken = (*inner).nodes, given = (*next).nodes;
  taken.insert(taken.end(), (*inner_xs).nodes.begin(), (*inner_xs).nodes.end());
  given.insert(given.end(), (*collected).nodes.begin(), (*collected).nodes.end());
  const closed_bodies bodies(taken, {given}, false, where);
  std::vector<node_ref> operands;
  append(operands, (*state).nodes);
  append(operands, (*xs).nodes);
  return made(ir::scan_definition(),
              {.bodies = {},
               .states = static_cast<int>((*state).nodes.size()),
               .scanned = static_cast<int>((*xs).nodes.size()),
               .reverse = reverse},
              std::move(operands), bodies, where);
}

}  // namespace tenon::detail
