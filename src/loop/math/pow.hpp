// pow: 2^(y log2 |x|), the logarithm and its product with y as sums of two floats; special values by C99, Annex F.
#pragma once

#include "exp.hpp"
#include "log.hpp"

namespace tenon::math {
namespace detail {

/// log2 of x > 0, finite, as high + low; x = 2^k m, s = (m - 1) / (m + 1), |s| <= 0.1717,
/// log2 m = 2 / ln 2 (s + s^3 / 3 + s^5 T(s^2)); the error of the polynomial T makes 8.7e-12 of it.
template <class F>
pair<F> log2_pair(const F& x) {
  auto [k, m] = split(x);
  F one = F::constant(1.0f);
  F f = m - one;  // exact
  auto denominator = exact_sum_ordered(one, m);
  F reciprocal = one / denominator.high;
  F s = f * reciprocal;
  F remainder = fma(-s, denominator.low, fma(-s, denominator.high, f));
  F s_low = remainder * reciprocal;
  // w = s^2 (1/3 + s^2 T) and s + s w, kept as two floats, since y multiplies the error by up to 150;
  // 1/3 = 0.333333343f - 9.934108e-9f.
  auto u = exact_product(s, s);
  F u_low = fma(s + s, s_low, u.low);
  auto t =
      exact_sum_ordered(F::constant(0.333333343f), u.high * horner(u.high, 0.117099687f, 0.142735422f, 0.200000763f));
  F t_low = t.low + F::constant(-9.934108e-9f);
  auto w = exact_product(u.high, t.high);
  F w_low = fma(u_low, t.high, fma(u.high, t_low, w.low));
  auto cubic = exact_product(s, w.high);
  F cubic_low = fma(s, w_low, fma(s_low, w.high, cubic.low));
  auto sum = exact_sum_ordered(s, cubic.high);
  F sum_low = sum.low + (cubic_low + s_low);
  // 2 / ln 2 = 2.88539004f + 3.851926e-8f
  auto product = exact_product(sum.high, F::constant(2.88539004f));
  F product_low = product.low + fma(sum.high, F::constant(3.851926e-8f), sum_low * F::constant(2.88539004f));
  auto high = exact_sum_ordered(k, product.high);
  return {high.high, high.low + product_low};
}

/// |x|^y for finite x and y other than 0; at others some value.
template <class F>
F pow_core(const F& a, const F& y) {
  auto logarithm = log2_pair(a);
  auto product = exact_product(y, logarithm.high);
  F limit = F::constant(152.0f);
  auto inside = abs(product.high) < limit;  // beyond, low may be a NaN
  F low = select(inside, fma(y, logarithm.low, product.low), F::constant(0.0f));
  F held = select(inside, product.high, select(product.high > limit, limit, -limit));
  F shift = F::constant(rounder + static_cast<float>(scale_bias));
  F n = (held + shift) - shift;
  F r = (held - n) + low;
  return scale(exp2_core(r), n);
}

}  // namespace detail

/// x to the power y, with the special values of C99, Annex F.9.4.4.
template <class F>
F pow(const F& x, const F& y) {
  using I = typename F::integer;
  F zero = F::constant(0.0f), one = F::constant(1.0f), infinite = F::constant(detail::infinity);
  F a = abs(x), size_y = abs(y), half_y = y * F::constant(0.5f);
  // Above 2^23 every f32 is an integer, and above 2^24 an even one, as infinity counts.
  auto whole = round_even(y) == y;
  auto odd = whole & (round_even(half_y) != half_y);

  // |x|^y is infinite or 0 where x is 0 or infinite, or y is infinite (and |x| is not 1).
  auto grows = ((a > one) & (y > zero)) | ((a < one) & (y < zero));
  auto extreme = (a == zero) | (a == infinite) | (size_y == infinite);
  F value = select(extreme, select(grows, infinite, zero), detail::pow_core(a, y));
  I sign = bits(x) & I::constant(std::numeric_limits<int>::min());
  value = select(odd, from_bits(bits(value) | sign), value);
  auto undefined = (x < zero) & (a < infinite) & !whole;
  value = select(undefined | (x != x) | (y != y), F::constant(detail::quiet_nan), value);
  // 1 where x = 1 or y = 0, whatever the other is, NaN too, and for (-1)^(+-inf).
  auto unit = (x == one) | (y == zero) | ((a == one) & (size_y == infinite));
  return select(unit, one, value);
}

}  // namespace tenon::math
