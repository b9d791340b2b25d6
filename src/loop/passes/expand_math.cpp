// Before: y[i0] = exp(x[i0])
// After:  y[i0] = the polynomial, made of add, mul, fma, select and bit operations.
#include "loop/math/erf.hpp"
#include "loop/math/exp.hpp"
#include "loop/math/hyperbolic.hpp"
#include "loop/math/inverse_trig.hpp"
#include "loop/math/log.hpp"
#include "loop/math/pow.hpp"
#include "loop/math/symbolic.hpp"
#include "loop/math/trig.hpp"
#include "loop/passes.hpp"

namespace tenon::ir {
namespace {

using real = math::symbolic_f32;

/// The polynomial of an f32 function of one operand, or null.
expr_ref polynomial(expr_arena& m, prim p, expr_ref a) {
  const real x(math::symbolic(m, a));
  switch (p) {
#define X(n)    \
  case prim::n: \
    return math::n(x).in(m);
    // clang-format off
    X(exp) X(exp2) X(expm1) X(log) X(log2) X(log1p) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan)
    X(sinh) X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(erf)
    // clang-format on
#undef X
            default : return nullptr;
  }
}

/// base^exponent by squaring, one step for each bit that an exponent can have. Negative exponents give what truncating
/// 1 / base^-exponent gives: 0, but for the bases 1 and -1.
expr_ref integer_pow(expr_arena& m, expr_ref base, expr_ref exponent) {
  const dtype t = base->type;
  expr_ref zero = m.integer(t, 0), one = m.integer(t, 1);
  const int width = size_of(t) * 8 - (is_signed_integer(t) ? 1 : 0);
  expr_ref result = one, square = base;
  for (int bit = 0; bit < width; ++bit) {
    expr_ref rest = m.apply(prim::shift_right_logical, exponent, m.integer(t, bit));
    if (rest->is_constant(0)) break;
    expr_ref odd = m.apply(prim::not_equal, m.apply(prim::bit_and, rest, one), zero);
    result = m.select(odd, m.mul(result, square), result);
    square = m.mul(square, square);
  }
  if (!is_signed_integer(t)) return result;
  expr_ref minus_one = m.integer(t, -1);
  expr_ref odd = m.apply(prim::not_equal, m.apply(prim::bit_and, exponent, one), zero);
  expr_ref inverse = m.select(m.apply(prim::equal, base, one), one,
                              m.select(m.apply(prim::equal, base, minus_one), m.select(odd, minus_one, one), zero));
  return m.select(m.less(exponent, zero), inverse, result);
}

/// scale(x, n) as products with what n's bits make, where n = t - shift as the polynomials round it.
expr_ref scale_by_factors(expr_arena& m, expr_ref x, expr_ref n) {
  const real shift = real::constant(math::detail::rounder + static_cast<float>(math::detail::scale_bias));
  const bool rounded = n->is(prim::sub) && n->operands[1] == shift.in(m);
  const real t = rounded ? real(math::symbolic(m, n->operands[0])) : real(math::symbolic(m, n)) + shift;
  if (x->is(prim::add))
    for (int k = 0; k < 2; ++k)
      if (x->operands[k] == real::constant(1.0f).in(m))
        return math::detail::scale_sum(real(math::symbolic(m, x->operands[1 - k])), bits(t)).in(m);
  return math::detail::scale_by_factors(real(math::symbolic(m, x)), bits(t)).in(m);
}

expr_ref expand(expr_arena& m, expr_ref e, bool fused) {
  if (!e->is(expr_kind::apply)) return nullptr;
  const auto wide = [&](int i) { return m.cast(f64, e->operands[i]); };
  if (e->op == prim::pow && is_integer(e->type)) return integer_pow(m, e->operands[0], e->operands[1]);
  if (e->type != f32) return nullptr;
  if (e->op == prim::pow)
    return math::pow(real(math::symbolic(m, e->operands[0])), real(math::symbolic(m, e->operands[1]))).in(m);
  if (e->op == prim::atan2) return m.cast(f32, m.apply(prim::atan2, wide(0), wide(1)));
  if (e->op == prim::fma && !fused) return m.cast(f32, m.add(m.mul(wide(0), wide(1)), wide(2)));
  return polynomial(m, e->op, e->operands[0]);
}

}  // namespace

void expand_math(kernel& k, bool fused, bool scales) {
  expr_arena& m = k.make();
  k.body = map_all_operands(k.body, [&](expr_ref root) {
    root = m.rewrite(root, [&](expr_ref e) { return expand(m, e, true); });
    if (!scales)
      root = m.rewrite(root, [&](expr_ref e) {
        return e->is(prim::scale) && e->type == f32 ? scale_by_factors(m, e->operands[0], e->operands[1]) : nullptr;
      });
    // The polynomials hold fma themselves.
    return fused ? root : m.rewrite(root, [&](expr_ref e) { return expand(m, e, false); });
  });
}

}  // namespace tenon::ir
