#include <algorithm>
#include <optional>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "tenon/ops/relabel.hpp"

namespace tenon::ir {
namespace {

// Maps that are followed on the way to what makes a value.
constexpr int most_maps = 16;

node_ref reshaped(node_table& t, const node_ref& x, const dims& to) {
  if (x->type.shape == to) return x;
  return t.make(detail::definition<ops::reshape_op>(), std::make_shared<const extents_attrs>(extents_attrs{to}), {x},
                x->where);
}

// The extents under which a value that broadcasts with `from` broadcasts with `to`, another view of `from`: each run of
// axes with one product has all of the value's elements or one of them. Nothing where a run has some.
std::optional<dims> viewed_with(const dims& value, const dims& from, const dims& to) {
  const int lead = from.rank - value.rank;
  if (lead < 0) return {};
  const auto extent = [&](int d) { return d < lead ? extent_t{1} : value[d - lead]; };
  dims r;
  for (int i = 0, j = 0; i < from.rank || j < to.rank;) {
    extent_t here = 1, there = 1;
    bool whole = true, one = true;
    const int first = j;
    do {
      if (i < from.rank && (here <= there || j == to.rank)) {
        whole = whole && extent(i) == from[i];
        one = one && extent(i) == 1;
        here *= from[i++];
      } else {
        there *= to[j++];
      }
    } while (here != there);
    if (!whole && !one) return {};
    for (int k = first; k < j; ++k)
      if (whole || r.rank > 0 || value.count() == from.count()) r.push_back(whole ? to[k] : 1);
  }
  return r;
}

struct mover {
  node_table& table;
  const use_count& uses;

  static bool is_fixed(const node& n) { return n.type.shape.is_static() && n.type.shape.count() > 0; }
  static bool is_view(const node& n) { return n.op->view && is_fixed(n) && is_fixed(n.operand(0)); }

  // Whether a value is made from what a reduction or a contraction gives, by maps that nobody else reads.
  bool is_made(const node_ref& n) const {
    std::vector<node_ref> open{n};
    for (std::size_t i = 0; i < open.size() && i < most_maps; ++i) {
      const node_ref m = open[i];
      if (m->op->kind == op_kind::reduction || m->op->kind == op_kind::contraction) return true;
      if (m->op->kind == op_kind::map) open.insert(open.end(), m->operands.begin(), m->operands.end());
    }
    return false;
  }
  // Whether a view of it costs nothing and takes it from nobody: a buffer as it is.
  bool is_buffer(const node_ref& n) const {
    return n->op->kind == op_kind::leaf || n->op->kind == op_kind::contraction || n->op->kind == op_kind::projection ||
           n->op->kind == op_kind::program || n->op->view || uses(n) > 1;
  }
  node_ref with(const node& map, std::vector<node_ref> operands) const {
    return table.make(*map.op, map.attrs, std::move(operands), map.where);
  }

  // map(view(y), s) -> view(map(y, view(s)))
  node_ref view_after(const node_ref& n) const {
    const dims& shape = n->type.shape;
    const node_ref* from = nullptr;
    for (const node_ref& o : n->operands)
      if (is_view(*o) && o->type.shape == shape && uses(o) <= 1 && uses(o->operands[0]) <= 1 && is_made(o->operands[0]))
        from = &o->operands[0];
    if (!from) return {};
    const dims& inner = (*from)->type.shape;
    std::vector<node_ref> operands;
    for (const node_ref& o : n->operands) {
      if (o->op->view && o->operands[0]->type.shape == inner && o->type.shape == shape) {
        operands.push_back(o->operands[0]);
        continue;
      }
      const auto to = viewed_with(o->type.shape, shape, inner);
      if (!to) return {};
      node_ref moved = view_before(o, *to, most_maps);
      if (!moved && (o->type.shape.count() == 1 || is_buffer(o))) moved = reshaped(table, o, *to);
      if (!moved) return {};
      operands.push_back(std::move(moved));
    }
    const node_ref made = with(*n, std::move(operands));
    return made->type.shape == inner ? reshaped(table, made, shape) : node_ref();
  }

  // view(map(x, s)) -> map(view(x), view(s)), where x and s are buffers or such maps.
  node_ref view_before(const node_ref& n, const dims& to, int depth) const {
    if (n->op->kind == op_kind::leaf) return reshaped(table, n, to);
    if (depth == 0 || uses(n) > 1) return {};
    if (is_view(*n)) return view_before(n->operands[0], to, depth - 1);
    if (n->op->kind != op_kind::map) return {};
    std::vector<node_ref> operands;
    for (const node_ref& o : n->operands) {
      const auto as = viewed_with(o->type.shape, n->type.shape, to);
      const node_ref moved = as ? view_before(o, *as, depth - 1) : node_ref();
      if (!moved) return {};
      operands.push_back(moved);
    }
    const node_ref made = with(*n, std::move(operands));
    return made->type.shape == to ? made : node_ref();
  }
  node_ref views_before(const node_ref& n) const {
    std::vector<node_ref> operands = n->operands;
    bool any = false;
    for (node_ref& o : operands)
      if (is_view(*o) && o->operands[0]->op->kind == op_kind::map && o->type.shape.count() > 1)
        if (const node_ref moved = view_before(o->operands[0], o->type.shape, most_maps)) {
          o = moved;
          any = true;
        }
    return any ? with(*n, std::move(operands)) : node_ref();
  }
};

}  // namespace

// A view of a buffer costs nothing, one in the middle of a kernel cuts it in two: views go to its ends.
//   map(view(y), s)           -> view(map(y, view(s)))           y made by a reduction or a contraction, s a buffer
//   map or sum(view(map(x)))  -> map or sum(map(view(x)))        x a buffer
graph move_views(const graph& g, const pass_settings&) {
  return rewrite(g, [](node_table& t, const node_ref& n, const use_count& uses) -> node_ref {
    const bool map = n->op->kind == op_kind::map;
    if ((!map && n->op->kind != op_kind::reduction) || !mover::is_fixed(*n)) return {};
    if (!std::ranges::all_of(n->operands, [](const node_ref& o) { return o->type.shape.is_static(); })) return {};
    const mover m{t, uses};
    if (node_ref r = m.views_before(n)) return r;
    return map ? m.view_after(n) : node_ref();
  });
}

}  // namespace tenon::ir
