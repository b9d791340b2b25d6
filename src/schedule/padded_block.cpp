#include "schedule/padded_block.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

namespace tenon::scheduling {

using namespace ir;
namespace {

std::vector<expr_ref> conditions(expr_ref mask) {
  std::vector<expr_ref> all, open{mask};
  while (!open.empty()) {
    const expr_ref e = open.back();
    open.pop_back();
    if (e->is(prim::logical_and))
      open.insert(open.end(), e->operands.begin(), e->operands.end());
    else if (!e->is_true())
      all.push_back(e);
  }
  return all;
}

/// The mask of a load, condition by condition.
class border {
 public:
  border(computation& c, expr_ref load, std::span<const expr_ref> variables)
      : c_(c), a_(c.kernel.make()), load_(load), variables_(variables) {}

  /// The dimension that a condition bounds.
  std::optional<std::size_t> bounded(expr_ref condition) {
    if (!condition->is(prim::less) && !condition->is(prim::less_equal)) return {};
    // At least 0 where the condition holds.
    expr_ref left = a_.sub(condition->operands[1], condition->operands[0]);
    if (condition->is(prim::less)) left = a_.sub(left, a_.index(1));
    const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(load_->payload)];
    for (std::size_t d = 0; d < load_->indices().size(); ++d) {
      const expr_ref i = load_->indices()[d];
      if (same(left, i) || same(left, a_.sub(a_.sub(b.extents[d], a_.index(1)), i))) return d;
    }
    return {};
  }

 private:
  bool same(expr_ref x, expr_ref y) {
    const affine_form f = affine(a_, x, variables_), g = affine(a_, y, variables_);
    if (!f.ok || !g.ok || !at_call_known(f.rest) || !at_call_known(g.rest)) return false;
    for (std::size_t i = 0; i < variables_.size(); ++i)
      if (c_.at_call(f.coefficients[i]) != c_.at_call(g.coefficients[i])) return false;
    return c_.at_call(f.rest) == c_.at_call(g.rest);
  }
  static bool at_call_known(expr_ref e) {
    return !contains(e, [](expr_ref x) { return x->is(expr_kind::variable) || x->is(expr_kind::load); });
  }

  computation& c_;
  expr_arena& a_;
  expr_ref load_;
  std::span<const expr_ref> variables_;
};

}  // namespace

bool masked_by_border(computation& c, expr_ref load, std::span<const expr_ref> variables) {
  border b(c, load, variables);
  return std::ranges::all_of(conditions(load->mask()), [&](expr_ref e) { return b.bounded(e).has_value(); });
}

padded_block copy_padded(computation& c, expr_ref load, std::span<const padded_block::range> inside, int lanes,
                         std::span<const std::pair<expr_ref, expr_ref>> at, expr_ref dense) {
  expr_arena& a = c.kernel.make();
  const buffer from = c.kernel.buffers[static_cast<std::size_t>(load->payload)];
  std::vector<expr_ref> variables;
  std::vector<std::pair<expr_ref, expr_ref>> begins(at.begin(), at.end());
  for (const padded_block::range& r : inside) {
    variables.push_back(r.variable);
    begins.emplace_back(r.variable, r.begin);
  }
  std::vector<expr_ref> all = variables;
  for (const auto& [variable, value] : at) all.push_back(variable);
  border edges(c, load, all);
  std::vector<bool> bounded(load->indices().size());
  for (expr_ref e : conditions(load->mask())) bounded[*edges.bounded(e)] = true;
  // Where more is copied than a loop reads, the buffer may end.
  for (std::size_t d = 0; d < bounded.size(); ++d) {
    const affine_form f = affine(a, load->indices()[d], variables);
    for (std::size_t i = 0; i < inside.size(); ++i)
      if (inside[i].is_more && !f.coefficients[i]->is_constant(0)) bounded[d] = true;
  }

  std::vector<std::size_t> order(load->indices().size());
  std::iota(order.begin(), order.end(), 0);
  if (dense)
    for (std::size_t d = 0; d < order.size(); ++d)
      if (contains(load->indices()[d], [&](expr_ref e) { return e == dense; })) {
        std::rotate(order.begin() + static_cast<std::ptrdiff_t>(d), order.begin() + static_cast<std::ptrdiff_t>(d) + 1,
                    order.end());
        break;
      }

  padded_block result;
  std::vector<expr_ref> extents, counts, source(order.size()), copied, place;
  expr_ref outer_mask = a.boolean(true), row_mask = outer_mask;
  for (std::size_t d : order) {
    const affine_form f = affine(a, load->indices()[d], variables);
    expr_ref extent = a.index(1), count = extent, index = a.index(0);
    for (std::size_t i = 0; i < variables.size(); ++i) {
      const auto reach = [&](expr_ref n) { return a.mul(f.coefficients[i], a.sub(n, a.index(1))); };
      extent = a.add(extent, reach(inside[i].most));
      count = a.add(count, reach(inside[i].count));
      index = a.add(index, a.mul(f.coefficients[i], a.sub(variables[i], inside[i].begin)));
    }
    copied.push_back(index);
    extents.push_back(extent);
    counts.push_back(count);
    place.push_back(extent->is_constant(1) ? a.index(0) : a.fresh_variable());
    source[d] = a.add(a.substitute(load->indices()[d], begins), place.back());
    if (!bounded[d]) continue;
    expr_ref& mask = d == order.back() ? row_mask : outer_mask;
    mask = a.both(mask, a.both(a.apply(prim::less_equal, a.index(0), source[d]), a.less(source[d], from.extents[d])));
  }
  const std::int64_t buffer = c.kernel.add_buffer("padded", load->type, scope::scratch, extents);
  result.load = a.load(load->type, buffer, copied);
  // A row at a time: the border of the outer dimensions is decided before it. Short ones are straight code.
  expr_ref& in_row = counts.back();
  if (!c.grows(in_row) && c.at_call(in_row) <= 4 * lanes) in_row = a.index(c.at_call(in_row));
  const auto row = [&](expr_ref value) {
    const stmt_ref s = make_stmt(store{buffer, place, value, a.boolean(true)});
    return place.back()->is(expr_kind::variable)
               ? make_stmt(loop{place.back(), a.index(0), counts.back(), loop_kind::vectorized, lanes, s})
               : s;
  };
  stmt_ref s = row(a.load(load->type, load->payload, source, row_mask));
  if (!outer_mask->is_true()) s = make_stmt(branch{outer_mask, s, row(a.constant_bits(load->type, 0))});
  for (std::size_t d = place.size() - 1; d-- > 0;)
    if (place[d]->is(expr_kind::variable))
      s = make_stmt(loop{place[d], a.index(0), counts[d], loop_kind::serial, 1, s});
  result.fill = s;
  return result;
}

}  // namespace tenon::scheduling
