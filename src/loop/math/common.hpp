// What the function families share. Every function of this directory is a template over a class `F` of f32 values,
// so that one text runs natively (tests, reference evaluator) and symbolically (vector and GPU code).
//
// What F provides, found by argument-dependent lookup; nothing else is used here:
//   F::constant(float), a + b, a - b, a * b, a / b, -a (each rounded once, never contracted), fma(a, b, c), sqrt(a),
//   abs(a), round_even(a), comparisons to `F::mask` (with &, |, !), select(mask, a, b), bits(a), from_bits(i);
//   `F::integer`, an i32 that wraps: I::constant(int), + - & | ^, shift_left(i, n), shift_right(i, n) (arithmetic),
//   comparisons, select(mask, i, j); to_float(i).
//
// There are no branches, no tables, no conversions from float to integer and no minimum or maximum: every lane takes
// the same way, so that a tail gives the same bits as a full vector, and NaN and infinities never meet an operation
// whose result the language leaves open. Denormals are not flushed; the rounding mode is to nearest even.
#pragma once

#include <limits>

namespace tenon::math::detail {

inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float quiet_nan = std::numeric_limits<float>::quiet_NaN();

/// 1.5 * 2^23: in t = v + rounder the unit of the last place is 1, so that t - rounder is v rounded to the nearest
/// integer (ties to even) and the low bits of t are that integer in two's complement; for |v| < 2^22.
inline constexpr float rounder = 12582912.0f;

/// Value of the polynomial with these coefficients, highest power first, by Horner's rule.
template <class F, class... Coefficients>
F horner(const F& x, float highest, Coefficients... rest) {
  F value = F::constant(highest);
  ((value = fma(value, x, F::constant(rest))), ...);
  return value;
}

/// The magnitude of `magnitude`, which is not negative or a NaN, with the sign bit of `sign`.
template <class F>
F with_sign(const F& magnitude, const F& sign) {
  using I = typename F::integer;
  return from_bits(bits(magnitude) | (bits(sign) & I::constant(std::numeric_limits<int>::min())));
}

/// high + low, unevaluated.
template <class F>
struct pair {
  F high, low;
};

/// a + b without error.
template <class F>
pair<F> exact_sum(const F& a, const F& b) {
  F sum = a + b;
  F b_part = sum - a;
  return {sum, (a - (sum - b_part)) + (b - b_part)};
}

/// a + b without error, for |a| >= |b|, a = 0, or a that is a multiple of the unit of b's last place (Rump, Ogita,
/// Oishi, "Accurate floating-point summation", 2008, lemma 2.6).
template <class F>
pair<F> exact_sum_ordered(const F& a, const F& b) {
  F sum = a + b;
  return {sum, b - (sum - a)};
}

/// a * b without error (barring underflow).
template <class F>
pair<F> exact_product(const F& a, const F& b) {
  F product = a * b;
  return {product, fma(a, b, -product)};
}

}  // namespace tenon::math::detail
