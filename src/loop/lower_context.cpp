#include "loop/lower_context.hpp"

#include <limits>

#include "loop/evaluate.hpp"

namespace tenon::ir {

sym lower_context::read(int k, const indices& i, expr_ref mask) {
  std::vector<expr_ref> x;
  for (int d = 0; d < i.size; ++d) x.push_back(i[d].e);
  return wrap(in_[k].read(x, mask));
}

sym lower_context::typed(dtype t, number n) {
  return wrap(n.is_integer && !is_float(t) ? arena_.integer(t, n.integer) : arena_.constant(t, n.real));
}
// The values that max and min start from: infinities where the type has them.
sym lower_context::lowest() {
  const dtype t = compute_type(main_type());
  return wrap(arena_.constant_bits(t, identity(reducer::max, t)));
}
sym lower_context::highest() {
  const dtype t = compute_type(main_type());
  return wrap(arena_.constant_bits(t, identity(reducer::min, t)));
}

sym lower_context::reduce(reducer r, const indices& extents, const std::function<sym(const indices&)>& f) {
  std::vector<std::pair<expr_ref, expr_ref>> loops;
  indices at;
  for (int d = 0; d < extents.size; ++d) {
    // A loop of one trip is no loop: fewer variables make more index forms affine.
    if (extents[d].e->is_constant(1) && !(is_arg(r))) {
      at.push_back(to_index(0));
      continue;
    }
    loops.emplace_back(arena_.fresh_variable(), extents[d].e);
    at.push_back(wrap(loops.back().first));
  }
  const sym body = f(at);
  if (loops.empty()) return body;
  return wrap(arena_.reduce(r, loops, body.e));
}

}  // namespace tenon::ir
