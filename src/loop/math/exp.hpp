// exp, exp2, expm1: x = n ln 2 + r with |r| <= ln 2 / 2, a polynomial in r, and 2^n put together from its bits.
#pragma once

#include "common.hpp"

namespace tenon::math {
namespace detail {

/// e^x = 2^n (1 + p).
template <class F>
struct reduced_exp {
  F p, n;
  typename F::integer biased;  ///< n + bias plus a multiple of 2^22
};

/// e^r - 1 for |r| <= 0.3467: r + r^2 q(r), relative error of the polynomial 1.41e-8.
template <class F>
F expm1_core(const F& r) {
  F q = horner(r, 0.00139004027f, 0.00836610887f, 0.0416668281f, 0.16666548f, 0.5f);
  return fma(r * r, q, r);
}

/// Splits x, |x| < 2^21, so that e^x = 2^n (1 + p); `bias` moves n in `biased`, -2^21 < n + bias < 2^21.
template <class F>
reduced_exp<F> reduce_exp(const F& x, int bias) {
  F shift = F::constant(rounder + static_cast<float>(bias));
  F t = fma(x, F::constant(1.44269502f), shift);
  F n = t - shift;
  F r = fma(n, F::constant(-0.693147182f), x);  // ln 2 = 0.693147182f - 1.90465421e-9f
  r = fma(n, F::constant(1.90465421e-9f), r);
  return {expm1_core(r), n, bits(t)};
}

/// 2^r for |r| <= 0.5005, relative error of the polynomial 3.0e-9.
template <class F>
F exp2_core(const F& r) {
  return horner(r, 0.000153321947f, 0.00133911357f, 0.00961849187f, 0.0555035919f, 0.240226477f, 0.693147182f, 1.0f);
}

inline constexpr int scale_bias = 2 * 127;

/// The first of two factors whose product is 2^n.
template <class I>
I first_factor(const I& biased) {
  return shift_left(biased, 22) & I::constant(0x7f800000);
}

/// value * 2^n, where `biased` is n + scale_bias plus a multiple of 2^22 that the shifts drop; -250 <= n <= 254. Two
/// factors of about 2^(n/2), of which the first is exact for 1/2 <= value <= 2: one rounding also where the result is a
/// denormal.
template <class F>
F scale_by_factors(const F& value, const typename F::integer& biased) {
  using I = typename F::integer;
  I first = first_factor(biased);
  return (value * from_bits(first)) * from_bits(shift_left(biased, 23) - first);
}
/// (1 + p) * 2^n, in the same bits: the first factor only moves the exponent of the sum, before it is rounded or after.
template <class F>
F scale_sum(const F& p, const typename F::integer& biased) {
  const auto first = first_factor(biased);
  return fma(p, from_bits(first), from_bits(first)) * from_bits(shift_left(biased, 23) - first);
}

/// x held to [low, high]; NaN stays.
template <class F>
F clamp(const F& x, float low, float high) {
  F held = select(x > F::constant(high), F::constant(high), x);
  return select(held < F::constant(low), F::constant(low), held);
}

}  // namespace detail

/// e^x.
template <class F>
F exp(const F& x) {
  auto reduced = detail::reduce_exp(detail::clamp(x, -104.0f, 89.0f), detail::scale_bias);
  return scale(F::constant(1.0f) + reduced.p, reduced.n);
}

/// 2^x; exact where x is an integer.
template <class F>
F exp2(const F& x) {
  F held = detail::clamp(x, -151.0f, 129.0f);
  F shift = F::constant(detail::rounder + static_cast<float>(detail::scale_bias));
  F n = (held + shift) - shift;
  return scale(detail::exp2_core(held - n), n);
}

/// e^x - 1, accurate near 0 too.
template <class F>
F expm1(const F& x) {
  auto reduced = detail::reduce_exp(detail::clamp(x, -18.0f, 89.0f), 126);
  // 2^(n-1), since 2^128 has no place in f32.
  F half_scale = from_bits(shift_left(reduced.biased, 23));
  F half = fma(reduced.p, half_scale, half_scale - F::constant(0.5f));
  // Below 2^-26 the result is x; there `half` loses bits of denormals and the sign of zero.
  return select(abs(x) < F::constant(1.49011612e-8f), x, half + half);
}

}  // namespace tenon::math
