#include "dsl/body_scope.hpp"

#include <algorithm>
#include <unordered_set>

namespace tenon::ir {
namespace {

void axes_in(const index_form& f, std::vector<extent_t>& to) {
  for (int i = 0; i < f.n; ++i) to.push_back(f.terms[i].axis);
}
// The axes that the attributes of a leaf mention.
std::vector<extent_t> leaf_axes(const node& n) {
  std::vector<extent_t> r;
  if (n.op == &index_load_definition())
    for (const index_form& f : n.attributes<index_load_attrs>().indices) axes_in(f, r);
  if (n.op == &index_value_definition()) axes_in(n.attributes<index_value_attrs>().index, r);
  return r;
}
void insert(std::vector<extent_t>& to, const std::vector<extent_t>& from) {
  for (extent_t a : from)
    if (std::find(to.begin(), to.end(), a) == to.end()) to.push_back(a);
}

}  // namespace

body_scopes scopes_of(const node_ref& body) {
  std::unordered_map<const node*, std::vector<extent_t>> free;
  std::unordered_map<extent_t, const node*> binder;
  const auto order = post_order({&body, 1});
  for (const node* n : order) {
    std::vector<extent_t> f = leaf_axes(*n);
    for (const node_ref& o : n->operands) insert(f, free[o.get()]);
    if (n->op == &index_reduce_definition())
      for (const auto& t : n->attributes<index_reduce_attrs>().axes) {
        std::erase(f, t.axis);
        binder[t.axis] = n;
      }
    free[n] = std::move(f);
  }
  // A reduction is deeper than the one it belongs to. Users come before operands here, so binders are known first.
  body_scopes s;
  std::unordered_map<const node*, int> depth;
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    const node* in = nullptr;
    for (extent_t a : free[*it])
      if (auto b = binder.find(a); b != binder.end() && (!in || depth[b->second] > depth[in])) in = b->second;
    s.of[*it] = in;
    depth[*it] = in ? depth[in] + 1 : 1;
  }
  return s;
}

compute_attrs canonical(compute_attrs a) {
  const auto order = post_order({&a.body, 1});
  std::unordered_map<extent_t, extent_t> number;
  std::unordered_set<std::string> used;
  std::vector<body_axis> axes(a.axes.begin(), a.axes.begin() + a.rank);
  for (int i = 0; i < a.rank; ++i) {
    number[i] = i;
    used.insert(axes[static_cast<std::size_t>(i)].name);
  }
  for (const node* n : order)
    if (n->op == &index_reduce_definition())
      for (const auto& t : n->attributes<index_reduce_attrs>().axes) {
        body_axis x = a.axes[static_cast<std::size_t>(t.axis)];
        const std::string base = x.name;
        for (int k = 1; !used.insert(x.name).second; ++k) x.name = base + std::to_string(k);
        number[t.axis] = static_cast<extent_t>(axes.size());
        axes.push_back(std::move(x));
      }
  const auto renumbered = [&](index_form f) {
    for (int i = 0; i < f.n; ++i) f.terms[i].axis = number.at(f.terms[i].axis);
    return f;
  };
  node_table table;
  std::unordered_map<const node*, node_ref> made;
  for (const node* n : order) {
    attrs_ref attrs = n->attrs;
    if (n->op == &index_load_definition()) {
      auto x = n->attributes<index_load_attrs>();
      for (index_form& f : x.indices) f = renumbered(f);
      attrs = std::make_shared<index_load_attrs>(std::move(x));
    } else if (n->op == &index_value_definition()) {
      attrs =
          std::make_shared<index_value_attrs>(index_value_attrs{renumbered(n->attributes<index_value_attrs>().index)});
    } else if (n->op == &index_reduce_definition()) {
      auto x = n->attributes<index_reduce_attrs>();
      for (auto& t : x.axes) t.axis = number.at(t.axis);
      attrs = std::make_shared<index_reduce_attrs>(std::move(x));
    }
    std::vector<node_ref> in;
    for (const node_ref& o : n->operands) in.push_back(made.at(o.get()));
    made[n] = table.make(*n->op, std::move(attrs), std::move(in), n->where);
  }
  a.body = made.at(a.body.get());
  a.axes = std::move(axes);
  return a;
}

}  // namespace tenon::ir
