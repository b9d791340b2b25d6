// asin, acos, atan, atan2.
#pragma once

#include "common.hpp"

namespace tenon::math {
namespace detail {

inline constexpr float half_pi_high = 1.57079637f, half_pi_low = -4.37113883e-8f;

/// asin(|x|) and acos(|x|) by way of w: asin(|x|) = w up to 1/2, pi/2 - 2w above, with w = asin(sqrt((1 - |x|) / 2)).
template <class F>
struct arc {
  typename F::mask above_half;
  F w;
};

/// w for |x| <= 1: z + z^3 A(z^2), z <= 1/2, relative error of the polynomial 6.2e-9. NaN beyond 1.
template <class F>
arc<F> reduce_arc(const F& x) {
  F a = abs(x);
  auto above_half = a > F::constant(0.5f);
  F s = select(above_half, fma(a, F::constant(-0.5f), F::constant(0.5f)), a * a);
  F z = select(above_half, sqrt(s), a);
  F tail = horner(s, 0.0421917699f, 0.0241729077f, 0.0454703346f, 0.0749530643f, 0.166667521f);
  return {above_half, fma(z * s, tail, z)};
}

/// atan(z) for 0 <= z <= 1: z + z^3 T(z^2), relative error of the polynomial 6e-9 (2.8e-9, but for the highest
/// coefficient, moved so that atan(1) is the f32 nearest to pi/4).
template <class F>
F atan_core(const F& z) {
  F s = z * z;
  F tail = horner(s, -0.00178614759f, 0.0108797513f, -0.0311112143f, 0.0578903034f, -0.0839958936f, 0.109509245f,
                  -0.142640188f, 0.199985296f, -0.333332986f);
  return fma(z * s, tail, z);
}

}  // namespace detail

/// Arc sine; NaN for |x| > 1.
template <class F>
F asin(const F& x) {
  auto [above_half, w] = detail::reduce_arc(x);
  F far = (F::constant(detail::half_pi_high) - (w + w)) + F::constant(detail::half_pi_low);
  return detail::with_sign(select(above_half, far, w), x);
}

/// Arc cosine; NaN for |x| > 1.
template <class F>
F acos(const F& x) {
  auto [above_half, w] = detail::reduce_arc(x);
  auto negative = x < F::constant(0.0f);
  // 2w, pi - 2w, pi/2 - w, pi/2 + w.
  F term = select(above_half, w + w, w);
  F base_high = select(above_half, F::constant(2 * detail::half_pi_high), F::constant(detail::half_pi_high));
  F base_low = select(above_half, F::constant(2 * detail::half_pi_low), F::constant(detail::half_pi_low));
  F value = (base_high + select(above_half | !negative, -term, term)) + base_low;
  return select(above_half & !negative, term, value);
}

/// Arc tangent.
template <class F>
F atan(const F& x) {
  F a = abs(x), one = F::constant(1.0f);
  auto above_one = a > one;
  F near = detail::atan_core(select(above_one, one, a) / select(above_one, a, one));
  F far = (F::constant(detail::half_pi_high) - near) + F::constant(detail::half_pi_low);
  return detail::with_sign(select(above_one, far, near), x);
}

/// Angle of the point (x, y) from the positive x axis, in [-pi, pi], with the special values of C99, Annex F.9.1.4.
template <class F>
F atan2(const F& y, const F& x) {
  using I = typename F::integer;
  F zero = F::constant(0.0f), infinite = F::constant(detail::infinity);
  F width = abs(x), height = abs(y);
  auto steep = height > width;
  F larger = select(steep, height, width), smaller = select(steep, width, height);
  F ratio = smaller / larger;
  ratio = select(larger == zero, zero, ratio);                    // 0 / 0
  ratio = select(smaller == infinite, F::constant(1.0f), ratio);  // inf / inf
  F angle = detail::atan_core(ratio);
  // By octant: angle, pi/2 - angle, pi/2 + angle, pi - angle. The sign of x counts also where x is 0.
  auto left = (bits(x) & I::constant(std::numeric_limits<int>::min())) != I::constant(0);
  F high = select(steep, F::constant(detail::half_pi_high),
                  select(left, F::constant(2 * detail::half_pi_high), F::constant(0.0f)));
  F low = select(steep, F::constant(detail::half_pi_low),
                 select(left, F::constant(2 * detail::half_pi_low), F::constant(0.0f)));
  F value = (high + select(steep, select(left, angle, -angle), select(left, -angle, angle))) + low;
  value = select((x != x) | (y != y), F::constant(detail::quiet_nan), value);
  return detail::with_sign(value, y);
}

}  // namespace tenon::math
