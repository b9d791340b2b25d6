// sin, cos, tan: x = n pi/2 + r with |r| <= pi/4, a polynomial in r, n mod 4 chooses which and the sign.
// Two reductions: a cheap one up to 2^19 and a full one, twenty times its cost, for every finite x. The functions
// compute both and select. A compiler that can test "any lane beyond `cheap_limit`" should compute the full one only
// then, which changes no bits: it overloads `reduce_huge_where` beside its class F.
#pragma once

#include "common.hpp"

namespace tenon::math {

/// x = n pi/2 + r, |r| <= 0.79; of `n` only the two lowest bits mean anything. r has a relative error of about 2^-24.
template <class F>
struct quarter_turns {
  F r;
  typename F::integer n;
};

/// Largest |x| of `reduce_small`.
inline constexpr float cheap_limit = 524288.0f;

/// The reduction for |x| <= cheap_limit: pi/2 as three floats (Cody and Waite). n pi/2 has a first product whose
/// difference to x is a multiple of 2^-23 below 1, so exact; the rest of pi/2 after three floats is 1.1e-23.
template <class F>
quarter_turns<F> reduce_small(const F& x) {
  F t = fma(x, F::constant(0.636619747f), F::constant(detail::rounder));
  F n = t - F::constant(detail::rounder);
  F r = fma(n, F::constant(-1.57079637f), x);
  r = fma(n, F::constant(4.37113883e-8f), r);
  r = fma(n, F::constant(1.71512451e-15f), r);
  return {r, bits(t)};
}

namespace detail {

/// v minus the nearest multiple of 4: exact.
template <class F>
F modulo_4(const F& v) {
  return v - F::constant(4.0f) * round_even(v * F::constant(0.25f));
}

/// 2/pi = sum over i of two_over_pi[i] 2^(-24 (i + 1)): its binary digits, 24 at a time.
inline constexpr float two_over_pi[] = {10680707.0f, 7228996.0f, 1387004.0f, 2578385.0f, 16069853.0f,
                                        12639074.0f, 9804092.0f, 4427841.0f, 16666979.0f};

/// Digits number j + position of 2/pi with the weight 2^(-24 (position + 1)); j = how many of `beyond` hold.
template <class F>
F two_over_pi_digits(const typename F::mask (&beyond)[4], int position) {
  float weight = 1.0f;
  for (int i = 0; i <= position; ++i) weight *= 5.9604644775390625e-8f;
  F digits = F::constant(two_over_pi[position] * weight);
  for (int j = 0; j < 4; ++j) {
    digits = select(beyond[j], F::constant(two_over_pi[position + j + 1] * weight), digits);
  }
  return digits;
}

}  // namespace detail

/// The reduction for any finite |x| > cheap_limit (Payne and Hanek): x 2/pi modulo 4 from the digits of 2/pi that
/// count. NaN and infinities give r = NaN.
///
/// The first j groups of 24 digits are dropped, where their products with x are multiples of 4, and the scales move
/// by 2^(24 j) from 2/pi to x, so y = 2^(-24 j) |x| is between 2^19 and 2^49. Then five groups give the
/// product with an absolute error of some 2^-70, while no f32 comes closer to a multiple of pi/2 than 2^-29.9 quarter
/// turns (from the continued fractions of 2^e 2/pi; 16367173 * 2^72 does).
template <class F>
quarter_turns<F> reduce_huge(const F& x) {
  using detail::exact_product, detail::exact_sum, detail::exact_sum_ordered, detail::modulo_4;
  F a = abs(x);
  // 2^(24 j + 25): at and above it the lowest bit of x is 2^(24 j + 2) or more.
  typename F::mask beyond[4] = {a >= F::constant(0x1p49f), a >= F::constant(0x1p73f), a >= F::constant(0x1p97f),
                                a >= F::constant(0x1p121f)};
  F unit = F::constant(1.0f);
  float power = 1.0f;
  for (const auto& mask : beyond) {
    power *= 5.9604644775390625e-8f;
    unit = select(mask, F::constant(power), unit);
  }
  F y = x * unit;

  auto p0 = exact_product(y, detail::two_over_pi_digits<F>(beyond, 0));  // up to 2^49
  auto p1 = exact_product(y, detail::two_over_pi_digits<F>(beyond, 1));  // up to 2^25
  auto p2 = exact_product(y, detail::two_over_pi_digits<F>(beyond, 2));  // up to 2
  auto p3 = exact_product(y, detail::two_over_pi_digits<F>(beyond, 3));  // up to 2^-23
  F p4 = y * detail::two_over_pi_digits<F>(beyond, 4);                   // up to 2^-47

  // The sums below take their terms from the highest digits down. With 2^e the lowest bit of y, p_i is a multiple of
  // 2^(e - 24 (i + 1)) and p_(i + 1) so small that its last place is at or below that: the ordered sum is exact also
  // where the modulus or cancellation has left little of the first term.
  // First the parts that reach the integer digits, modulo 4: s is up to 10, what each addition loses at most 2^-21.
  auto s1 = exact_sum_ordered(modulo_4(p0.high), modulo_4(p0.low));
  auto s2 = exact_sum_ordered(s1.high, modulo_4(p1.high));
  auto s3 = exact_sum_ordered(s2.high, p1.low);
  auto s4 = exact_sum_ordered(s3.high, p2.high);
  F t = s4.high + F::constant(detail::rounder);
  F fraction = s4.high - (t - F::constant(detail::rounder));  // exact

  // What was lost and the small products: again without error, since `fraction` may be 0.
  auto l1 = exact_sum_ordered(s1.low, s2.low);
  auto l2 = exact_sum_ordered(s3.low, s4.low);
  auto l3 = exact_sum_ordered(l1.high, l2.high);
  auto l4 = exact_sum_ordered(p2.low, p3.high);
  auto l5 = exact_sum_ordered(l3.high, l4.high);
  auto sum = exact_sum(fraction, l5.high);
  F low = sum.low + ((l1.low + l2.low) + (l3.low + l4.low) + (l5.low + (p3.low + p4)));

  // The remainder of x in quarter turns is high + low; pi/2 = 1.57079637f - 4.37113883e-8f.
  auto turn = exact_sum_ordered(sum.high, low);
  F r = fma(turn.high, F::constant(-4.37113883e-8f), turn.low * F::constant(1.57079637f));
  return {fma(turn.high, F::constant(1.57079637f), r), bits(t)};
}

/// reduce_huge in the lanes of the mask; what the other lanes get does not matter. An overload for a certain F, found
/// by argument-dependent lookup, may skip the work where the mask is empty.
template <class F>
quarter_turns<F> reduce_huge_where(const typename F::mask& /*lanes*/, const F& x) {
  return reduce_huge(x);
}

/// The reduction for every x: reduce_small or reduce_huge by the size of x. NaN goes the way of the small.
template <class F>
quarter_turns<F> reduce_turns(const F& x) {
  auto beyond = abs(x) > F::constant(cheap_limit);
  quarter_turns<F> small = reduce_small(x), huge = reduce_huge_where(beyond, x);
  return {select(beyond, huge.r, small.r), select(beyond, huge.n, small.n)};
}

namespace detail {

/// sin r for |r| <= 0.80, relative error of the polynomial 4.7e-9.
template <class F>
F sin_core(const F& r) {
  F s = r * r;
  return fma(r * s, horner(s, -0.000195051456f, 0.00833209325f, -0.166666538f), r);
}

/// cos r for |r| <= 0.80, relative error of the polynomial 1.6e-10.
template <class F>
F cos_core(const F& r) {
  F s = r * r;
  return fma(s * s, horner(s, 2.44120874e-05f, -0.00138871302f, 0.0416666418f),
             fma(s, F::constant(-0.5f), F::constant(1.0f)));
}

/// tan r for |r| <= 0.80, relative error of the polynomial 1.9e-9.
template <class F>
F tan_core(const F& r) {
  F s = r * r;
  F tail = horner(s, 0.00459253276f, -0.000342964631f, 0.0111711742f, 0.0211556498f, 0.0540837012f, 0.133324623f,
                  0.333333552f);
  return fma(r * s, tail, r);
}

template <class F>
typename F::mask is_odd(const typename F::integer& n) {
  using I = typename F::integer;
  return (n & I::constant(1)) != I::constant(0);
}

/// `value` with its sign changed where bit 1 of n is set.
template <class F>
F negate_by_turns(const F& value, const typename F::integer& n) {
  using I = typename F::integer;
  return from_bits(bits(value) ^ shift_left(n & I::constant(2), 30));
}

}  // namespace detail

/// sin(n pi/2 + r).
template <class F>
F sin_of(const quarter_turns<F>& turns) {
  F value = select(detail::is_odd<F>(turns.n), detail::cos_core(turns.r), detail::sin_core(turns.r));
  return detail::negate_by_turns(value, turns.n);
}

/// cos(n pi/2 + r).
template <class F>
F cos_of(const quarter_turns<F>& turns) {
  using I = typename F::integer;
  F value = select(detail::is_odd<F>(turns.n), detail::sin_core(turns.r), detail::cos_core(turns.r));
  return detail::negate_by_turns(value, turns.n + I::constant(1));
}

/// tan(n pi/2 + r).
template <class F>
F tan_of(const quarter_turns<F>& turns) {
  F tangent = detail::tan_core(turns.r);
  return select(detail::is_odd<F>(turns.n), F::constant(-1.0f) / tangent, tangent);
}

/// Sine of x radians, for every finite x; NaN at infinities.
template <class F>
F sin(const F& x) {
  return select(x == F::constant(0.0f), x, sin_of(reduce_turns(x)));  // keeps the sign of zero
}

/// Cosine of x radians, for every finite x; NaN at infinities.
template <class F>
F cos(const F& x) {
  return cos_of(reduce_turns(x));
}

/// Tangent of x radians, for every finite x; NaN at infinities.
template <class F>
F tan(const F& x) {
  return select(x == F::constant(0.0f), x, tan_of(reduce_turns(x)));
}

}  // namespace tenon::math
