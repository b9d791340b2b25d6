#include "graph/trace.hpp"

#include <algorithm>

#include "loop/lower_context.hpp"

namespace tenon::ir {
namespace {

// In place of an extent that is not known: no power of two, and nobody's extent.
constexpr extent_t open_extent = 1'000'003;

dims numbers(const dims& shape) {
  dims d = shape;
  for (int i = 0; i < d.rank; ++i)
    if (d[i] < 0) d[i] = open_extent;
  return d;
}
std::vector<expr_ref> expressions(expr_arena& a, const dims& shape) {
  std::vector<expr_ref> e;
  for (const extent_t x : shape) e.push_back(a.index(x));
  return e;
}

}  // namespace

bool traced::can_with_open_extents(const node& n) {
  const auto known = [](const value_type& t) { return !t.shape.any() && t.element != any_dtype; };
  return n.op->compute && n.more.empty() && known(n.type) &&
         std::ranges::all_of(n.operands, [&](const node_ref& o) { return known(o->type); });
}
bool traced::can(const node& n) {
  return can_with_open_extents(n) && n.type.shape.is_static() &&
         std::ranges::all_of(n.operands, [](const node_ref& o) { return o->type.shape.is_static(); });
}

traced::traced(const node& n, depth d) : type_(n.type) {
  // A remainder says that an index is below its extent: then comparisons and divisions of indices fold.
  for (const extent_t e : numbers(n.type.shape))
    indices_.push_back(e == 1 ? arena_.index(0) : arena_.mod(arena_.fresh_variable(), arena_.index(e)));
  value_ = element(n, indices_, arena_.boolean(true), d == depth::through);
}

expr_ref traced::element(const node& n, std::span<const expr_ref> at, expr_ref mask, bool through) {
  std::vector<lower_operand> in;
  for (const node_ref& o : n.operands) {
    const dims shape = numbers(o->type.shape);
    in.push_back({o->type.element, expressions(arena_, shape), shape,
                  [this, &o, through](std::span<const expr_ref> i, expr_ref m) { return read(o, i, m, through); }});
  }
  const dims shape = numbers(n.type.shape);
  std::vector<lower_operand> out;
  out.push_back({n.type.element, expressions(arena_, shape), shape, {}});
  lower_context c(arena_, std::move(in), std::move(out), n.op->main_operand, mask);
  return arena_.cast(n.type.element, n.op->compute(c, n.attrs.get(), at));
}

expr_ref traced::read(const node_ref& n, std::span<const expr_ref> at, expr_ref mask, bool through) {
  if (through && n->op->kind == op_kind::movement && can(*n)) return element(*n, at, mask, false);
  auto leaf = std::ranges::find(leaves_, n);
  if (leaf == leaves_.end()) leaf = leaves_.insert(leaf, n);
  return arena_.load(n->type.element, leaf - leaves_.begin(), at, mask);
}

node_ref traced::moved_nowhere() const {
  if (!value_->is(expr_kind::load) || !value_->mask()->is_true()) return {};
  const node_ref& leaf = leaves_[static_cast<std::size_t>(value_->payload)];
  return leaf->type == type_ && std::ranges::equal(value_->indices(), indices_) ? leaf : node_ref();
}

std::span<const expr_ref> traced::read_at(std::size_t leaf) const {
  std::span<const expr_ref> found;
  for (const expr_ref e : post_order(std::span(&value_, 1))) {
    if (!e->is(expr_kind::load) || e->payload != static_cast<std::int64_t>(leaf)) continue;
    if (!found.empty()) return {};
    found = e->indices();
  }
  return found;
}

}  // namespace tenon::ir
