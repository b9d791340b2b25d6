// A depthwise convolution and the pointwise one that reads it: one kernel, which computes the former for a strip of
// rows at a time. Its value is never stored whole, and no thread waits for the others between the two.
#include <algorithm>
#include <utility>

#include "core/growing.hpp"
#include "graph/fuse.hpp"
#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "tenon/ops/conv.hpp"

namespace tenon::ir {
namespace {

const conv_attrs* convolution(const node& n) {
  for (const op_def* d : {&detail::definition<ops::conv1d_op>(), &detail::definition<ops::conv2d_op>(),
                          &detail::definition<ops::conv3d_op>()})
    if (n.op == d) return static_cast<const conv_attrs*>(n.attrs.get());
  return nullptr;
}
bool is_depthwise(const node& n) {
  const conv_attrs* const c = convolution(n);
  return c && c->groups > 1 && n.operand(1).type.shape[0] == c->groups && n.operand(1).type.shape[1] == 1;
}
// Each element of the result is a product of all channels at its own place.
bool is_pointwise(const node& n) {
  const conv_attrs* const c = convolution(n);
  const dims& w = n.operands.size() > 1 ? n.operand(1).type.shape : n.type.shape;
  const auto is = [](const ints& list, int value) {
    return std::ranges::all_of(list, [&](int e) { return e == value; });
  };
  return c && c->groups == 1 && is(c->stride, 1) && is(c->padding, 0) &&
         std::all_of(w.begin() + 2, w.end(), [](extent_t e) { return e == 1; });
}

class joiner {
 public:
  joiner(const graph& g, fusion& f, const fusion_options& options) : f_(f), options_(options) {
    const auto order = node_order(g);
    for (const node* n : order->nodes)
      for (const node_ref& o : n->operands) ++uses_[o.get()];
    for (const node_ref& o : g.outputs) ++uses_[o.get()];
    for (std::size_t k = 0; k < f.groups.size(); ++k) made_[f.groups[k].root] = k;
  }

  void run() {
    std::vector<bool> gone(f_.groups.size());
    for (group& g : f_.groups)
      if (const std::size_t* const from = depthwise_of(g); from && join(f_.groups[*from], g)) gone[*from] = true;
    std::size_t k = 0;
    std::erase_if(f_.groups, [&](const group&) { return gone[k++]; });
  }

 private:
  // The only one of a group; null where there is none, or several.
  static const node* contraction_of(const group& g) {
    const auto is = [](const node* n) { return n->op->kind == op_kind::contraction; };
    const auto found = std::ranges::find_if(g.inlined, is);
    if (is(g.root)) return found == g.inlined.end() ? g.root : nullptr;
    return std::ranges::count_if(g.inlined, is) == 1 ? *found : nullptr;
  }
  // The group whose value only the pointwise convolution of this one reads.
  const std::size_t* depthwise_of(const group& g) const {
    const node* const reader = contraction_of(g);
    if (!reader || !is_pointwise(*reader)) return nullptr;
    const node& between = reader->operand(0);
    const std::size_t* const from = made_.find(&between);
    const dtype t = between.type.element;
    if (!from || uses_.at(&between) != 1 || (t != f32 && t != f64) || detail::grows(between.type.shape)) return nullptr;
    const group& d = f_.groups[*from];
    const node* const windows = contraction_of(d);
    const bool fits = d.also.empty() && d.inlined.size() + g.inlined.size() + 2 <= max_group;
    return fits && windows && is_depthwise(*windows) ? from : nullptr;
  }
  bool join(group& from, group& to) {
    using why = fusion_note::reason;
    group both = to;
    both.inlined = from.inlined;
    both.inlined.push_back(from.root);
    both.inlined.insert(both.inlined.end(), to.inlined.begin(), to.inlined.end());
    both.operands = from.operands;
    for (const node* o : to.operands)
      if (o != from.root && std::ranges::find(both.operands, o) == both.operands.end()) both.operands.push_back(o);
    fusion_note note{.why = why::strips, .value = from.root, .other = contraction_of(to)};
    const strips made = options_.as_strips(f_, both);
    if (made == strips::costly) from.notes.front() = note;
    if (made != strips::good) return false;
    to = std::move(both);
    const value_type& t = from.root->type;
    note.why = why::in_strips;
    note.bytes = 2.0 * static_cast<double>(detail::count_at_most(t.shape) * size_of(t.element));
    to.notes.push_back(note);
    to.notes.insert(to.notes.end(), from.notes.begin() + 1, from.notes.end());
    f_.order.erase(from.root);
    return true;
  }

  fusion& f_;
  const fusion_options& options_;
  node_map<int> uses_;
  node_map<std::size_t> made_;  // by which group
};

}  // namespace

void fuse_depthwise(const graph& g, fusion& f, const fusion_options& options) { joiner(g, f, options).run(); }

}  // namespace tenon::ir
