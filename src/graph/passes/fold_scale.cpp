#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "graph/trace.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/arithmetic.hpp"
#include "tenon/ops/relabel.hpp"

namespace tenon::ir {
namespace {

using detail::definition;

// A constant, or what this pass made of some: fold_constants makes it one.
bool is_constant(const node& n, int depth = 4) {
  if (n.op == &constant_definition()) return true;
  return depth > 0 && !n.operands.empty() && (n.op->kind == op_kind::map || n.op->kind == op_kind::movement) &&
         std::ranges::all_of(n.operands, [&](const node_ref& o) { return is_constant(*o, depth - 1); });
}
bool is_wide_float(const node& n) { return n.type.element == f32 || n.type.element == f64; }
bool is_weighted(const node& n) {
  return n.op->kind == op_kind::contraction && n.operands.size() == 2 && is_constant(n.operand(1)) &&
         is_wide_float(n) && n.type.element == n.operand(1).type.element && traced::can_with_open_extents(n);
}

// Whether all elements are finite, and what they divide stays so: 0 * inf would be no number where x / 0 is infinite.
// And none is 0: the sum's sign would be lost.
template <class T>
bool all_factors(const constant_value& v, bool divide) {
  const std::span elements(static_cast<const T*>(v.data()), static_cast<std::size_t>(v.extents().count()));
  return std::ranges::all_of(elements,
                             [&](T e) { return e != 0 && std::isfinite(divide ? 1 / e : e) && std::isfinite(e); });
}
bool is_scale(const node& n, bool divides) {
  if (n.op->view) return is_scale(n.operand(0), divides);
  if (n.op != &constant_definition()) return false;
  const constant_value& v = constant_of(n);
  return v.type() == f32 ? all_factors<float>(v, divides) : v.type() == f64 && all_factors<double>(v, divides);
}

// The one axis of a value of `shape` along which a broadcast constant changes: -1 for none, nothing for several.
std::optional<int> axis_of(const node& constant, const dims& shape) {
  const dims& c = constant.type.shape;
  if (!is_constant(constant) || shape.any() || c.rank > shape.rank) return {};
  int axis = -1;
  for (int d = 0; d < c.rank; ++d) {
    if (c[d] == 1) continue;
    const int at = shape.rank - c.rank + d;
    if (axis >= 0 || shape[at] != c[d]) return {};
    axis = at;
  }
  return axis;
}

// The axis of the weights whose index is that of the result's axis: what scales the one can scale the other. Every
// term of the sum has the weight as a factor: that is what a contraction is.
std::optional<int> weight_axis_of_result(const node& n, int axis) {
  const traced t(n);
  const expr_ref i = t.indices()[static_cast<std::size_t>(axis)];
  const auto leaf = std::ranges::find(t.leaves(), n.operands[1]) - t.leaves().begin();
  const auto at = t.read_at(static_cast<std::size_t>(leaf));
  const auto d = std::ranges::find(at, i);
  if (d == at.end()) return {};
  return static_cast<int>(d - at.begin());
}
// The same for an axis of the other operand: both are read at one index.
std::optional<int> weight_axis_of_operand(const node& n, int axis) {
  if (n.operands[0] == n.operands[1]) return {};
  const traced t(n);
  const auto place = [&](const node_ref& o) {
    return t.read_at(static_cast<std::size_t>(std::ranges::find(t.leaves(), o) - t.leaves().begin()));
  };
  const auto x = place(n.operands[0]), w = place(n.operands[1]);
  if (x.empty() || w.empty()) return {};
  const auto d = std::ranges::find(w, x[static_cast<std::size_t>(axis)]);
  if (d == w.end()) return {};
  return static_cast<int>(d - w.begin());
}

struct folder {
  node_table& table;
  const use_count& uses;

  node_ref map(const op_def& op, const node_ref& a, const node_ref& b, const loc& w) const {
    return table.make(op, std::make_shared<const no_attrs>(), {a, b}, w);
  }

  // The contraction with its weights scaled: `scale` lies along axis `axis` of the weights, or is one number.
  node_ref with_weights(const node& n, const op_def& op, const node_ref& scale, int axis) const {
    const node_ref& w = n.operands[1];
    dims along;
    for (int d = 0; d < w->type.shape.rank; ++d) along.push_back(d == axis ? w->type.shape[d] : 1);
    const node_ref laid = table.make(definition<ops::reshape_op>(),
                                     std::make_shared<const extents_attrs>(extents_attrs{axis < 0 ? dims{} : along}),
                                     {scale}, scale->where);
    return table.make(*n.op, n.attrs, {n.operands[0], map(op, w, laid, w->where)}, n.where);
  }

  // y scaled, where y is a contraction with constant weights that nobody else reads.
  node_ref scaled(const node_ref& y, const op_def& op, const node_ref& scale) const {
    if (!is_weighted(*y) || uses(y) > 1 || !is_scale(*scale, &op == &definition<ops::div_op>())) return {};
    const auto axis = axis_of(*scale, y->type.shape);
    if (!axis) return {};
    const auto along = *axis < 0 ? std::optional(-1) : weight_axis_of_result(*y, *axis);
    return along ? with_weights(*y, op, scale, *along) : node_ref();
  }
};

}  // namespace

// With constants s, b, c and w, and values that nobody else reads:
//   matmul(x, w) * s             -> matmul(x, w * s)             s along an axis that w has too; also conv, and / s
//   (matmul(x, w) + b) * s       -> matmul(x, w * s) + b * s
//   (matmul(x, w) + b) + c       -> matmul(x, w) + (b + c)
//   matmul(x * s, w)             -> matmul(x, s * w)             s along the axis that is summed
// So a batch norm behind a convolution becomes its weights and its bias. Rounds otherwise than before: level 3.
graph fold_scale(const graph& g, const pass_settings&) {
  const op_def &mul = definition<ops::mul_op>(), &div = definition<ops::div_op>(), &add = definition<ops::add_op>();
  return rewrite(g, [&](node_table& t, const node_ref& n, const use_count& uses) -> node_ref {
    if (!is_wide_float(*n)) return {};
    const folder f{t, uses};
    const bool scales = n->op == &mul || n->op == &div;
    if (scales || n->op == &add) {
      node_ref y = n->operands[0], c = n->operands[1];
      if (is_constant(*y) && n->op != &div) std::swap(y, c);
      if (!is_constant(*c) || y->type != n->type) return {};
      if (scales)
        if (node_ref r = f.scaled(y, *n->op, c)) return r;
      if (y->op != &add || uses(y) > 1) return {};
      node_ref z = y->operands[0], b = y->operands[1];
      if (is_constant(*z)) std::swap(z, b);
      if (!is_constant(*b) || z->type != n->type || !is_weighted(*z)) return {};
      if (!scales) return f.map(add, z, f.map(add, b, c, y->where), n->where);
      const node_ref r = f.scaled(z, *n->op, c);
      return r ? f.map(add, r, f.map(*n->op, b, c, y->where), n->where) : node_ref();
    }
    if (is_weighted(*n) && n->operands[0]->op == &mul && uses(n->operands[0]) == 1) {
      node_ref x = n->operands[0]->operands[0], s = n->operands[0]->operands[1];
      if (is_constant(*x)) std::swap(x, s);
      if (!is_scale(*s, false) || is_constant(*x) || x->type != n->operands[0]->type) return {};
      const auto axis = axis_of(*s, x->type.shape);
      if (!axis) return {};
      const auto along = *axis < 0 ? std::optional(-1) : weight_axis_of_operand(*n, *axis);
      if (!along) return {};
      const node_ref plain = t.make(*n->op, n->attrs, {x, n->operands[1]}, n->where);
      return f.with_weights(*plain, mul, s, *along);
    }
    return {};
  });
}

}  // namespace tenon::ir
