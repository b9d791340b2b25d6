#include <algorithm>
#include <cstring>
#include <optional>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "graph/trace.hpp"
#include "loop/evaluate.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/indexing.hpp"
#include "tenon/ops/relabel.hpp"

namespace tenon::ir {
namespace {

template <class A>
attrs_ref shared(A a) {
  return std::make_shared<const A>(std::move(a));
}
node_ref reshaped(node_table& t, const node_ref& x, const dims& to, const loc& where) {
  return t.make(detail::definition<ops::reshape_op>(), shared(extents_attrs{to}), {x}, where);
}

bool is_constant(const node& n) { return n.op == &constant_definition(); }

// ---- movement

//   view(view(x))          -> reshape(x)
//   view(x) of one shape   -> x
node_ref simpler_view(node_table& t, const node_ref& n) {
  const node_ref& x = n->operands[0];
  if (x->type == n->type) return x;
  if (!x->op->view || !n->type.shape.is_static()) return {};
  if (x->operands[0]->type == n->type) return x->operands[0];
  return reshaped(t, x->operands[0], n->type.shape, n->where);
}

//   reshape(transpose(reshape(x))) that only changes the order along one axis, a shuffle of channels -> gather(x)
// It keeps x's axes, so that they may lie in any order.
node_ref shuffled(node_table& t, const node_ref& n) {
  const node_ref& moved = n->operands[0];
  if (!moved->op->source || !moved->operands[0]->op->view) return {};
  const node_ref &split = moved->operands[0], &x = split->operands[0];
  if (x->type != n->type || !split->type.shape.is_static()) return {};
  const dims &from = split->type.shape, &to = moved->type.shape, &shape = x->type.shape;
  const auto source = [&](int d) { return moved->op->source(moved->attrs.get(), from.rank, d); };
  int first = 0, last = from.rank - 1;
  while (first < last && source(first) == first) ++first;
  while (last > first && source(last) == last) --last;
  extent_t before = 1, count = 1, outer = 1;
  for (int d = 0; d < first; ++d) before *= from[d];
  for (int d = first; d <= last; ++d) count *= from[d];
  int axis = 0;
  while (axis < shape.rank && outer < before) outer *= shape[axis++];
  while (axis < shape.rank && shape[axis] == 1 && count > 1) ++axis;
  if (axis == shape.rank || outer != before || shape[axis] != count || count == 0) return {};
  std::vector<std::int64_t> place(static_cast<std::size_t>(count));
  for (extent_t i = 0; i < count; ++i) {
    extent_t rest = i, at[dims::max_rank]{};
    for (int d = last; d >= first; --d) {
      at[source(d)] = rest % to[d];
      rest /= to[d];
    }
    for (int d = first; d <= last; ++d) rest = rest * from[d] + at[d];
    place[static_cast<std::size_t>(i)] = rest;
  }
  const node_ref order = make_constant(i64, dims{count}, place.data(), n->where);
  return t.make(detail::definition<ops::gather_op>(), shared(first_axis_attrs{axis}), {x, order}, n->where);
}

//   transpose(transpose(x))                      -> transpose(x)
//   transpose(x) that moves extents of 1 alone   -> reshape(x)
node_ref simpler_transpose(node_table& t, const node_ref& n) {
  const node_ref& x = n->operands[0];
  if (n->type.shape.any()) return {};
  const int rank = n->type.shape.rank;
  const auto source = [&](const node& m, int axis) { return m.op->source(m.attrs.get(), rank, axis); };
  if (n->type.shape.is_static()) {
    int last = -1;
    bool in_order = true;
    for (int d = 0; d < rank; ++d)
      if (n->type.shape[d] != 1) {
        in_order = in_order && source(*n, d) > last;
        last = source(*n, d);
      }
    if (in_order) return x->type == n->type ? x : reshaped(t, x, n->type.shape, n->where);
  }
  if (x->op != n->op) return {};
  ints axes;
  bool identity = true;
  for (int d = 0; d < rank; ++d) {
    const int from = source(*x, source(*n, d));
    identity = identity && from == d;
    axes.v[axes.size++] = from;
  }
  if (identity) return x->operands[0];
  return t.make(*n->op, shared(transpose_attrs{axes}), x->operands, n->where);
}

//   movement of x, or of movement of x, that leaves each element where it is in x   -> x
node_ref unmoved(const node_ref& n) {
  if (!traced::can(*n)) return {};
  const auto same = [&](const node& m) {
    return std::ranges::any_of(m.operands, [&](const node_ref& o) { return o->type == n->type; });
  };
  const bool direct = same(*n), through = std::ranges::any_of(n->operands, [&](const node_ref& o) {
                                  return o->op->kind == op_kind::movement && same(*o);
                                });
  if (direct)
    if (node_ref x = traced(*n).moved_nowhere()) return x;
  return through ? traced(*n, traced::depth::through).moved_nowhere() : node_ref();
}

// ---- maps

// The bits of a constant whose elements are all the same.
std::optional<std::int64_t> uniform(const node& n) {
  if (!is_constant(n) || n.type.shape.count() == 0) return {};
  const constant_value& v = constant_of(n);
  const auto* p = static_cast<const unsigned char*>(v.data());
  const auto size = static_cast<std::size_t>(size_of(v.type()));
  if (v.bytes() > size && std::memcmp(p, p + size, v.bytes() - size) != 0) return {};
  std::int64_t bits = 0;
  std::memcpy(&bits, p, size);
  return canonical_bits(v.type(), bits);
}
node_ref scalar_constant(dtype type, std::int64_t bits, const loc& where) {
  return make_constant(type, {}, &bits, where);
}

//   map(broadcast_to(x), y)    -> map(x, y)     where the result's extents stay
//   map([2, 2, 2], y)          -> map(2, y)
node_ref broadcast_by_itself(node_table& t, const node_ref& n) {
  std::vector<node_ref> operands = n->operands;
  const auto without = [&](std::size_t k, const node_ref& instead) {
    const node_ref before = operands[k];
    operands[k] = instead;
    std::vector<dims> shapes;
    for (const node_ref& o : operands) shapes.push_back(o->type.shape);
    const detail::outcome o = n->op->shape(n->attrs.get(), {shapes.data(), static_cast<int>(shapes.size())});
    if (!o.ok || o.out != n->type.shape) operands[k] = before;
  };
  for (std::size_t k = 0; k < operands.size(); ++k) {
    if (operands[k]->op == &detail::definition<ops::broadcast_to_op>()) without(k, operands[k]->operands[0]);
    if (operands[k]->type.shape.rank > 0)
      if (const auto bits = uniform(*operands[k]))
        without(k, scalar_constant(operands[k]->type.element, *bits, n->where));
  }
  return operands == n->operands ? node_ref() : t.make(*n->op, n->attrs, std::move(operands), n->where);
}

/// A map as an expression of its one operand that is no uniform constant.
struct of_one {
  node_ref operand;  // empty: there is none such, or several
  bool several = false;
};
of_one only_operand(const node& n) {
  of_one r;
  for (const node_ref& o : n.operands) {
    if (is_constant(*o) && o->type.shape.count() == 1) continue;
    r.several = r.several || (r.operand && r.operand != o);
    r.operand = o;
  }
  return r;
}
// The map's value of these operands in its element type, `x` being the operand's (in its own).
expr_ref value_at(expr_arena& a, const node& n, std::span<const node_ref> operands, const node& operand, expr_ref x) {
  std::vector<expr_ref> v;
  for (const node_ref& o : operands) {
    const dtype t = compute_type(o->type.element);
    v.push_back(o.get() == &operand ? a.cast(t, x) : a.cast(t, a.constant_bits(o->type.element, *uniform(*o))));
  }
  return a.cast(n.type.element, n.op->scalar(a, n.attrs.get(), v));
}
expr_ref value_at(expr_arena& a, const node& n, const node& operand, expr_ref x) {
  return value_at(a, n, n.operands, operand, x);
}

// The identities of scalar operations are those that expressions know; each keeps every bit.
//   f(x, 2) that is x                  -> x           x * 1, x - 0, x / 1, cast to the same type, select(true, x, y)
//   f(x, 2) that is a constant         -> it          x * 0 of integers
//   f(g(x)) that is x                  -> x           neg(neg(x)), cast down of a cast up
//   f(g(x)) that is g(x) or f(x)       -> it          abs(abs(x)), abs(neg(x)), cast of a cast
node_ref simpler_map(node_table& t, const node_ref& n) {
  const auto [x, several] = only_operand(*n);
  if (!x) return {};
  if (several) {
    // Constants may still choose one of several: select(true, x, y).
    expr_arena a;
    std::vector<expr_ref> v;
    bool constants = false;
    for (const node_ref& o : n->operands) {
      const bool known = is_constant(*o) && o->type.shape.count() == 1;
      constants = constants || known;
      const dtype type = compute_type(o->type.element);
      v.push_back(known ? a.cast(type, a.constant_bits(o->type.element, *uniform(*o))) : a.fresh_accumulator(type));
    }
    if (!constants) return {};
    const expr_ref e = n->op->scalar(a, n->attrs.get(), v);
    for (std::size_t k = 0; k < v.size(); ++k)
      if (v[k] == e && e->is(expr_kind::variable) && n->operands[k]->type == n->type) return n->operands[k];
    return {};
  }
  const bool chained = x->op->kind == op_kind::map && x->type.shape == n->type.shape;
  if (!chained && n->operands.size() == 1 && n->type.element != x->type.element) return {};  // nothing to gain
  expr_arena a;
  // Data, of which nothing is known, unlike a loop's index.
  const expr_ref v = a.fresh_accumulator(x->type.element);
  const expr_ref e = value_at(a, *n, *x, v);
  if (e == v && x->type == n->type) return x;
  if (e->is(expr_kind::constant) && n->type.shape.is_static()) {
    const node_ref c = scalar_constant(n->type.element, e->payload, n->where);
    return n->type.shape.rank == 0 ? c
                                   : t.make(detail::definition<ops::broadcast_to_op>(),
                                            shared(extents_attrs{n->type.shape}), {c}, n->where);
  }
  if (!chained) return {};
  const auto [y, two] = only_operand(*x);
  if (!y || two || y->type.shape != x->type.shape) return {};
  const expr_ref w = a.fresh_accumulator(y->type.element);
  const expr_ref inner = value_at(a, *x, *y, w), both = value_at(a, *n, *x, inner);
  if (both == w && y->type == n->type) return y;
  if (both == inner && x->type == n->type) return x;
  std::vector<dtype> types;
  std::vector<node_ref> operands = n->operands;
  for (node_ref& o : operands) {
    if (o == x) o = y;
    types.push_back(o->type.element);
  }
  const detail::type_outcome direct = n->op->types(n->attrs.get(), {types.data(), static_cast<int>(types.size())});
  if (!direct.ok || direct.out != n->type.element) return {};
  if (value_at(a, *n, operands, *y, w) != both) return {};
  return t.make(*n->op, n->attrs, std::move(operands), n->where);
}

}  // namespace

//   as(x) that states what x's type is   -> x     (until then it is a check that a call's extents have to pass)
graph canonicalize(const graph& g, const pass_settings&) {
  return rewrite(g, [](node_table& t, const node_ref& n) -> node_ref {
    if (n->op == &as_definition()) return n->operands[0]->type == n->type ? n->operands[0] : node_ref();
    if (n->op->view) {
      if (node_ref r = simpler_view(t, n)) return r;
      if (node_ref r = shuffled(t, n)) return r;
    }
    if (n->op->source)
      if (node_ref r = simpler_transpose(t, n)) return r;
    if (n->op->kind == op_kind::movement) return unmoved(n);
    if (n->op->kind != op_kind::map) return {};
    const node_ref plain = broadcast_by_itself(t, n);
    const node_ref& map = plain ? plain : n;
    node_ref r = simpler_map(t, map);
    return r ? r : plain;
  });
}

}  // namespace tenon::ir
