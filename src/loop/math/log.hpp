// log, log2, log1p: x = 2^k m with m in [sqrt(1/2), sqrt(2)), f = m - 1, a polynomial in f.
#pragma once

#include "common.hpp"

namespace tenon::math {
namespace detail {

inline constexpr int sqrt_half_bits = 0x3f3504f3;

/// ln(1 + f) - f for f in [-0.2929, 0.4143]: f^2 (-1/2 + f Q(f)); its error relative to ln(1 + f) is 6.4e-9.
template <class F>
F log_tail(const F& f) {
  F q = horner(f, -0.0764738917f, 0.127687514f, -0.131584257f, 0.142006248f, -0.166234374f, 0.200012743f, -0.250008196f,
               0.333333313f, -0.5f);
  return (f * f) * q;
}

/// x = 2^k m.
template <class F>
struct exponent_and_mantissa {
  F k, m;
};

/// Splits x > 0, finite, denormals too. Other x give some k and m in their ranges.
template <class F>
exponent_and_mantissa<F> split(const F& x) {
  using I = typename F::integer;
  auto denormal = x < F::constant(std::numeric_limits<float>::min());
  F normal = select(denormal, x * F::constant(8388608.0f), x);
  F offset = select(denormal, F::constant(-23.0f), F::constant(0.0f));
  I from_sqrt_half = bits(normal) - I::constant(sqrt_half_bits);
  I mantissa = (from_sqrt_half & I::constant(0x007fffff)) + I::constant(sqrt_half_bits);
  return {to_float(shift_right(from_sqrt_half, 23)) + offset, from_bits(mantissa)};
}

/// k ln 2 + ln(1 + f).
template <class F>
F log_sum(const F& k, const F& f) {
  F small = fma(k, F::constant(-1.90465421e-9f), log_tail(f));  // ln 2 = 0.693147182f - 1.90465421e-9f
  return fma(k, F::constant(0.693147182f), f + small);
}

/// `value` where x > 0 and finite; the logarithm's value elsewhere: -inf at 0, NaN below, inf at inf.
template <class F>
F log_special(const F& x, const F& value) {
  F positive = select(x > F::constant(0.0f), value,
                      select(x == F::constant(0.0f), F::constant(-infinity), F::constant(quiet_nan)));
  return select(x == F::constant(infinity), x, positive);
}

}  // namespace detail

/// Natural logarithm; log(0) = -inf, NaN below 0.
template <class F>
F log(const F& x) {
  auto [k, m] = detail::split(x);
  return detail::log_special(x, detail::log_sum(k, m - F::constant(1.0f)));
}

/// Logarithm to base 2; exact at powers of 2; log2(0) = -inf, NaN below 0.
template <class F>
F log2(const F& x) {
  auto [k, m] = detail::split(x);
  F f = m - F::constant(1.0f);
  F high = F::constant(1.44269502f);  // 1 / ln 2 = 1.44269502f + 1.92596303e-8f
  F small = fma(f, F::constant(1.92596303e-8f), detail::log_tail(f) * high);
  return detail::log_special(x, k + fma(f, high, small));
}

/// ln(1 + x), accurate near 0 too; log1p(-1) = -inf, NaN below -1.
template <class F>
F log1p(const F& x) {
  using I = typename F::integer;
  F one = F::constant(1.0f);
  F sum = one + x;
  // k comes from the rounded sum, f = 2^-k (1 + x) - 1 from x itself with one rounding.
  I k = shift_right(bits(sum) - I::constant(detail::sqrt_half_bits), 23);
  // 2^-k by way of 2^(2-k): k reaches 128, where 2^-k is a denormal.
  F inverse = from_bits(I::constant(0x40800000) - shift_left(k, 23)) * F::constant(0.25f);
  F f = fma(x, inverse, inverse - one);
  F value = detail::log_special(sum, detail::log_sum(to_float(k), f));
  return select(x == F::constant(0.0f), x, value);  // keeps the sign of zero
}

}  // namespace tenon::math
