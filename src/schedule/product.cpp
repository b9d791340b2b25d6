#include "schedule/product.hpp"

#include <algorithm>

namespace tenon::scheduling {

using namespace ir;
namespace {

class matcher {
 public:
  explicit matcher(computation& c) : c_(c), a_(c.kernel.make()) {}

  std::optional<product> match() {
    product p;
    const expr_ref roots[] = {c_.value};
    for (expr_ref e : post_order(roots)) {
      if (!e->is(expr_kind::reduce)) continue;
      if (p.sum || e->reducer() != reducer::sum) return {};
      p.sum = e;
    }
    if (!p.sum || !p.sum->body()->is(prim::mul)) return {};
    for (const computation::axis& x : c_.axes)
      if (x.variable->is(expr_kind::variable)) variables_.push_back(x.variable);
    loops_ = p.sum->loops();
    for (int i = 0; i < loops_; ++i) variables_.push_back(p.sum->loop_variable(i));
    for (int i = 0; i < loops_; ++i) p.order.push_back(i);
    auto extent = [&](int i) { return std::pair(c_.at_call(p.sum->loop_extent(i)), i); };
    std::sort(p.order.begin(), p.order.end(), [&](int i, int j) { return extent(i) < extent(j); });
    product::operand x, y;
    if (!strides(p.sum->body()->operands[0], x) || !strides(p.sum->body()->operands[1], y)) return {};
    for (const bool unit : {true, false}) {
      p.unit_columns = unit;
      if (columns(p, x, y) || columns(p, y, x)) return p;
    }
    return {};
  }

 private:
  bool strides(expr_ref value, product::operand& o) {
    o.value = value;
    o.load = value->is(prim::cast) ? value->operands[0] : value;
    if (!o.load->is(expr_kind::load) || !o.load->mask()->is_true()) return false;
    const buffer& from = c_.kernel.buffers[static_cast<std::size_t>(o.load->payload)];
    const affine_form f = affine(a_, linear_index(a_, from, o.load->indices()), variables_);
    if (!f.ok) return false;
    std::size_t next = 0;
    for (const computation::axis& x : c_.axes)
      o.axis.push_back(x.variable->is(expr_kind::variable) ? f.coefficients[next++] : a_.index(0));
    o.reduction.assign(f.coefficients.end() - loops_, f.coefficients.end());
    return true;
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
      for (int i = rank - 1; i >= 0; --i) {
        const auto r = static_cast<std::size_t>(i);
        if (i != j && c_.axes[r].size > 1 && !a.axis[r]->is_constant(0) && b.axis[r]->is_constant(0) &&
            (p.row < 0 || c_.axes[r].size > c_.axes[static_cast<std::size_t>(p.row)].size))
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
  expr_arena& a_;
  std::vector<expr_ref> variables_;
  int loops_ = 0;
};

}  // namespace

std::optional<product> match_product(computation& c) { return matcher(c).match(); }

}  // namespace tenon::scheduling
