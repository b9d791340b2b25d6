#include "schedule/split_axes.hpp"

#include <algorithm>

namespace tenon::scheduling {

using namespace ir;
namespace {

/// By what the reductions divide an axis; 0: by nothing, or by several numbers.
extent_t divisor_of(const computation& c, const computation::axis& x) {
  extent_t divisor = 0;
  for (expr_ref e : post_order(c.values())) {
    if (!e->is(expr_kind::reduce)) continue;
    const expr_ref body[] = {e->body()};
    for (expr_ref q : post_order(body)) {
      if (!(q->is(prim::div) || q->is(prim::mod)) || q->operands[0] != x.variable) continue;
      if (!q->operands[1]->is(expr_kind::constant)) return 0;
      const extent_t by = q->operands[1]->payload;
      if (divisor != 0 && by != divisor) return 0;
      divisor = by;
    }
  }
  return divisor;
}

}  // namespace

void split_axes(computation& c) {
  expr_arena& a = c.kernel.make();
  for (std::size_t d = 0; d < c.axes.size(); ++d) {
    const computation::axis whole = c.axes[d];
    const extent_t part = divisor_of(c, whole);
    if (part <= 1 || whole.size % part != 0 || whole.size == part || c.grows(whole.extent)) continue;
    const computation::axis outer{a.fresh_variable(), a.index(whole.size / part), whole.size / part},
        inner{a.fresh_variable(), a.index(part), part};
    const std::pair<expr_ref, expr_ref> at[] = {
        {whole.variable, a.add(a.mul(outer.variable, a.index(part)), inner.variable)}};
    const auto rewritten = [&](expr_ref value) {
      const expr_ref parts = a.rewrite(value, [&](expr_ref e) -> expr_ref {
        const bool divided = (e->is(prim::div) || e->is(prim::mod)) && e->operands[0] == whole.variable &&
                             e->operands[1]->is_constant(part);
        return divided ? (e->is(prim::div) ? outer : inner).variable : nullptr;
      });
      return a.substitute(parts, at);
    };
    const auto split_dimension = [&](std::int64_t id, std::ptrdiff_t place) {
      buffer& y = c.kernel.buffers[static_cast<std::size_t>(id)];
      y.extents[static_cast<std::size_t>(place)] = outer.extent;
      y.extents.insert(y.extents.begin() + place + 1, inner.extent);
      if (!y.strides.empty())
        y.strides.insert(y.strides.begin() + place, a.mul(y.strides[static_cast<std::size_t>(place)], inner.extent));
    };
    c.value = rewritten(c.value);
    for (computation::result& r : c.also) {
      r.value = rewritten(r.value);
      const auto index = std::ranges::find(r.indices, whole.variable);
      if (index == r.indices.end()) continue;
      split_dimension(r.buffer, index - r.indices.begin());
      *index = outer.variable;
      r.indices.insert(index + 1, inner.variable);
    }
    const auto place = static_cast<std::ptrdiff_t>(d);
    split_dimension(c.output, place);
    c.axes[d] = outer;
    c.axes.insert(c.axes.begin() + place + 1, inner);
    ++d;
  }
}

}  // namespace tenon::scheduling
