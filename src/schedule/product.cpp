#include "schedule/product.hpp"

#include <algorithm>

#include "schedule/padded_block.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

class matcher {
 public:
  explicit matcher(computation& c) : c_(c) {}

  std::optional<product> match() {
    product p;
    const expr_ref roots[] = {c_.value};
    for (expr_ref e : post_order(roots)) {
      if (!e->is(expr_kind::reduce)) continue;
      if (p.sum || e->reducer() != reducer::sum) return {};
      p.sum = e;
    }
    if (!p.sum || !p.sum->body()->is(prim::mul)) return {};
    if (!std::ranges::all_of(c_.also, [&](const computation::result& r) { return is_beside(r, p.sum); })) return {};
    for (int i = 0; i < p.sum->loops(); ++i) {
      if (p.sum->loop_extent(i)->is_constant(0)) return {};  // of nothing: a tile would have no step
      p.order.push_back(i);
    }
    auto extent = [&](int i) { return std::pair(c_.at_call(p.sum->loop_extent(i)), i); };
    std::sort(p.order.begin(), p.order.end(), [&](int i, int j) { return extent(i) < extent(j); });
    const auto x = match_operand(c_, p.sum, p.sum->body()->operands[0]),
               y = match_operand(c_, p.sum, p.sum->body()->operands[1]);
    if (!x || !y) return {};
    for (const bool unit : {true, false}) {
      p.unit_columns = unit;
      if (columns(p, *x, *y) || columns(p, *y, *x)) return p;
    }
    return {};
  }

 private:
  // Made of the same sum, element for element.
  bool is_beside(const computation::result& r, expr_ref sum) const {
    return std::ranges::equal(r.indices, c_.axes, {}, {}, &computation::axis::variable) &&
           !contains(r.value, [&](expr_ref e) { return e->is(expr_kind::reduce) && e != sum; });
  }
  // A column axis: in `b` (with unit stride if it can be had) and not in `a`, dense in the result. Then a row axis: in
  // `a`, not in `b`.
  bool columns(product& p, const product::operand& a, const product::operand& b) {
    const int rank = static_cast<int>(c_.axes.size());
    for (int j = rank - 1; j >= 0; --j) {
      const auto at = static_cast<std::size_t>(j);
      if (c_.axes[at].size == 1 || !a.axis[at]->is_constant(0) || !stored_densely(j)) continue;
      if (p.unit_columns ? !b.axis[at]->is_constant(1) : b.axis[at]->is_constant(0)) continue;
      p.a = a;
      p.b = b;
      p.column = j;
      p.row = -1;
      const bool whole = a.load->mask()->is_true();  // else the innermost: a block of windows is a few long rows
      for (int i = rank - 1; i >= 0; --i) {
        const auto r = static_cast<std::size_t>(i);
        if (i != j && c_.axes[r].size > 1 && !a.axis[r]->is_constant(0) && b.axis[r]->is_constant(0) &&
            (p.row < 0 || (whole && c_.axes[r].size > c_.axes[static_cast<std::size_t>(p.row)].size)))
          p.row = i;
      }
      return true;
    }
    return false;
  }
  bool stored_densely(int axis) const {
    const buffer& y = c_.kernel.buffers[static_cast<std::size_t>(c_.output)];
    if (!y.strides.empty()) return y.strides[static_cast<std::size_t>(axis)]->is_constant(1);
    for (std::size_t d = static_cast<std::size_t>(axis) + 1; d < c_.axes.size(); ++d)
      if (c_.axes[d].size != 1) return false;
    return true;
  }

  computation& c_;
};

}  // namespace

std::vector<expr_ref> variables_of(const computation& c, expr_ref sum) {
  std::vector<expr_ref> all;
  for (const computation::axis& x : c.axes)
    if (x.variable->is(expr_kind::variable)) all.push_back(x.variable);
  for (int i = 0; i < sum->loops(); ++i) all.push_back(sum->loop_variable(i));
  return all;
}

std::optional<product> match_product(computation& c) { return matcher(c).match(); }

std::optional<product::operand> match_operand(computation& c, expr_ref sum, expr_ref value) {
  product::operand o;
  o.value = value;
  o.load = value->is(prim::cast) ? value->operands[0] : value;
  const std::vector<expr_ref> variables = variables_of(c, sum);
  if (!o.load->is(expr_kind::load) || !masked_by_border(c, o.load, variables)) return {};
  const buffer& from = c.kernel.buffers[static_cast<std::size_t>(o.load->payload)];
  const affine_form f = affine(c.kernel.make(), linear_index(c.kernel.make(), from, o.load->indices()), variables);
  if (!f.ok) return {};
  std::size_t next = 0;
  for (const computation::axis& x : c.axes)
    o.axis.push_back(x.variable->is(expr_kind::variable) ? f.coefficients[next++] : c.kernel.make().index(0));
  o.reduction.assign(f.coefficients.end() - sum->loops(), f.coefficients.end());
  return o;
}

}  // namespace tenon::scheduling
