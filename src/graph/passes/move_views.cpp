#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <vector>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "tenon/ops/reduce.hpp"
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

  // Whether a value is made from what a reduction or a contraction gives, by maps.
  bool is_made(const node_ref& n) const {
    std::vector<node_ref> open{n};
    for (std::size_t i = 0; i < open.size() && i < most_maps; ++i) {
      const node_ref m = open[i];
      if (m->op->kind == op_kind::reduction || m->op->kind == op_kind::contraction) return true;
      if (m->op->kind == op_kind::map || m->op->view) open.insert(open.end(), m->operands.begin(), m->operands.end());
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
    const bool fits = std::ranges::all_of(
        n->operands, [&](const node_ref& o) { return viewed_with(o->type.shape, shape, inner).has_value(); });
    return fits ? view_after(*n, *from, *from) : view_after(*n, *from, with_finer_axes(*from, shape));
  }
  // `instead` has the elements of y.
  node_ref view_after(const node& n, const node_ref& y, const node_ref& instead) const {
    if (!instead) return {};
    const dims &shape = n.type.shape, &inner = instead->type.shape;
    std::vector<node_ref> operands;
    for (const node_ref& o : n.operands) {
      const node_ref viewed = o->op->view && o->type.shape == shape ? o->operands[0] : node_ref();
      if (viewed && (viewed == y || viewed->type.shape == inner)) {
        operands.push_back(viewed == y ? instead : viewed);
        continue;
      }
      const auto to = viewed_with(o->type.shape, shape, inner);
      if (!to) return {};
      node_ref moved = view_before(o, *to, most_maps);
      if (!moved && (o->type.shape.count() == 1 || is_buffer(o))) moved = reshaped(table, o, *to);
      if (!moved) return {};
      operands.push_back(std::move(moved));
    }
    const node_ref made = with(n, std::move(operands));
    return made->type.shape == inner ? reshaped(table, made, shape) : node_ref();
  }

  // y, made of maps and reductions that nobody else reads, over axes that are those of `shape` too, or parts of them.
  //   [n, g, m] for [n, c, h, w], where m = c / g * h * w     -> [n, g, c / g, h, w]
  node_ref with_finer_axes(const node_ref& y, const dims& shape) const {
    const auto parts = parts_of(y->type.shape, shape);
    if (!parts) return {};
    std::unordered_map<const node*, node_ref> done;
    std::vector<const node*> open{y.get()}, order;
    std::unordered_map<const node*, int> read;
    while (!open.empty()) {
      const node* const n = open.back();
      open.pop_back();
      if (++read[n] > 1 || !may_split(*n, y->type.shape)) continue;
      order.push_back(n);
      if (order.size() > 4 * most_maps) return {};
      for (const node_ref& o : n->operands) open.push_back(o.get());
    }
    for (const node* n : order)
      if (n != y.get() && uses(node_ref(n)) > read.at(n)) return {};
    return split(y, y->type.shape, *parts, done);
  }
  // Each axis of `from` as the extents that it has in common with `to`; nothing where they have none.
  static std::optional<std::vector<dims>> parts_of(const dims& from, const dims& to) {
    std::vector<dims> parts;
    int j = 0, rank = 0;
    extent_t there = 1;  // what is left of axis j - 1
    for (extent_t here : from) {
      dims own;
      do {
        while (there == 1 && j < to.rank) there = to[j++];
        const extent_t common = std::gcd(here, there);
        if (common != here && common != there) return {};
        own.push_back(common);
        here /= common;
        there /= common;
        if (++rank > dims::max_rank) return {};
      } while (here > 1);
      parts.push_back(own);
    }
    return parts;
  }
  static bool reduces_axes(const node& n) {
    const op_def* const known[] = {&detail::definition<ops::sum_op>(), &detail::definition<ops::mean_op>(),
                                   &detail::definition<ops::max_op>(), &detail::definition<ops::min_op>()};
    return std::ranges::find(known, n.op) != std::end(known);
  }
  // Of a reduction whose axes stay, or come back by a view: the reduction.
  static const node* reduction_of(const node& n, const dims& whole) {
    const node& r = n.op->view ? n.operand(0) : n;
    if (!reduces_axes(r) || r.operand(0).type.shape != whole) return nullptr;
    detail::outcome o;
    const ops::axis_mask m = ops::reduced_axes(o, r.attributes<reduce_attrs>().axes, whole.rank);
    return ops::without(whole, m, true) == n.type.shape ? &r : nullptr;
  }
  static bool views_map(const node& n) { return is_view(n) && n.operand(0).op->kind == op_kind::map; }
  static bool may_split(const node& n, const dims& whole) {
    return n.op->kind == op_kind::map || reduction_of(n, whole) || views_map(n) ||
           (reduces_axes(n) && n.operand(0).type.shape == whole);
  }
  node_ref split(const node_ref& n, const dims& whole, const std::vector<dims>& parts,
                 std::unordered_map<const node*, node_ref>& done) const {
    if (const auto it = done.find(n.get()); it != done.end()) return it->second;
    node_ref made;
    if (const node* const r = reduction_of(*n, whole)) {
      detail::outcome o;
      const ops::axis_mask m = ops::reduced_axes(o, r->attributes<reduce_attrs>().axes, whole.rank);
      reduce_attrs at{.axes = {}, .keep = true};
      int first = 0;
      for (int d = 0; d < whole.rank; first += parts[static_cast<std::size_t>(d)].rank, ++d)
        for (int k = 0; m.on[d] && k < parts[static_cast<std::size_t>(d)].rank; ++k)
          at.axes.v[at.axes.size++] = first + k;
      if (const node_ref x = split(r->operands[0], whole, parts, done))
        made = table.make(*r->op, std::make_shared<const reduce_attrs>(at), {x}, r->where);
    } else if (n->op->kind == op_kind::map || views_map(*n)) {
      const node& map = n->op->view ? n->operand(0) : *n;
      std::vector<node_ref> operands;
      for (const node_ref& o : map.operands) {
        const auto to =
            n->op->view ? viewed_with(o->type.shape, map.type.shape, n->type.shape) : std::optional(o->type.shape);
        if (const node_ref x = to ? split(reshaped(table, o, *to), whole, parts, done) : node_ref())
          operands.push_back(x);
      }
      if (operands.size() == map.operands.size()) made = with(map, std::move(operands));
    } else if (const int lead = whole.rank - n->type.shape.rank; lead >= 0) {
      dims to;
      for (int d = 0; d < n->type.shape.rank; ++d)
        for (extent_t e : parts[static_cast<std::size_t>(lead + d)]) to.push_back(n->type.shape[d] == 1 ? 1 : e);
      if (to.count() == n->type.shape.count()) made = reshaped(table, n, to);
    }
    return done[n.get()] = made;
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
