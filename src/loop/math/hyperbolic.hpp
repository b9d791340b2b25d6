// tanh, sinh, cosh from e^a - 1; asinh, acosh, atanh from ln(1 + z).
#pragma once

#include "exp.hpp"
#include "log.hpp"

namespace tenon::math {

/// tanh.
template <class F>
F tanh(const F& x) {
  F a = abs(x);
  // |x| < 0.4: x + x^3 T(x^2), relative error of the polynomial 1.8e-9.
  F s = a * a;
  F near = fma(a * s, detail::horner(s, 0.0187413804f, -0.0535611548f, 0.133312076f, -0.333332986f), a);
  // Elsewhere, with e = exp(2|x|) - 1, e / (e + 2). In f32 tanh is 1 from 9.02 on.
  F held = select(a > F::constant(10.0f), F::constant(10.0f), a);
  auto reduced = detail::reduce_exp(held + held, 127);
  F power = from_bits(shift_left(reduced.biased, 23));
  F e = fma(reduced.p, power, power - F::constant(1.0f));
  F far = e / (e + F::constant(2.0f));
  return detail::with_sign(select(a < F::constant(0.4f), near, far), x);
}

namespace detail {

/// e^a / 4 = quarter (1 + p), for 0 <= a; above 89.5, where sinh and cosh are infinite, as there.
template <class F>
struct quarter_exp {
  F p, quarter;
};

template <class F>
quarter_exp<F> reduce_quarter_exp(const F& a) {
  auto reduced = reduce_exp(select(a > F::constant(89.5f), F::constant(89.5f), a), 125);
  return {reduced.p, from_bits(shift_left(reduced.biased, 23))};
}

}  // namespace detail

/// sinh: with h = (exp(|x|) - 1) / 4 it is 2h + h / (2h + 1/2).
template <class F>
F sinh(const F& x) {
  F a = abs(x);
  auto [p, quarter] = detail::reduce_quarter_exp(a);
  F h = fma(p, quarter, quarter - F::constant(0.25f));
  F twice = h + h;  // may be infinite, h never
  F value = detail::with_sign(twice + h / (twice + F::constant(0.5f)), x);
  return select(a < F::constant(2.44140625e-4f), x, value);  // x^3 / 6 is below an eighth ulp, and h loses denormals
}

/// cosh: with q = exp(|x|) / 2 it is q + 1 / (4q).
template <class F>
F cosh(const F& x) {
  auto [p, quarter] = detail::reduce_quarter_exp(abs(x));
  F q = fma(p, quarter, quarter);
  q = q + q;
  return q + F::constant(0.25f) / q;
}

namespace detail {

/// ln(z + 1), or ln(2a) where a > 2^20, so that squares of a may overflow in z.
template <class F>
F log_of_sum(const F& z, const F& a) {
  auto large = a > F::constant(1048576.0f);
  return log1p(select(large, a, z)) + select(large, F::constant(0.693147182f), F::constant(0.0f));
}

}  // namespace detail

/// asinh: ln(1 + a + a^2 / (1 + sqrt(a^2 + 1))), a = |x|.
template <class F>
F asinh(const F& x) {
  F a = abs(x);
  F one = F::constant(1.0f);
  F root = sqrt(fma(a, a, one));
  F z = fma(a, a / (one + root), a);
  return detail::with_sign(detail::log_of_sum(z, a), x);
}

/// acosh: ln(1 + t + sqrt(2t + t^2)), t = x - 1; NaN for x < 1.
template <class F>
F acosh(const F& x) {
  F t = x - F::constant(1.0f);
  F z = t + sqrt(fma(t, t, t + t));
  return select(x < F::constant(1.0f), F::constant(detail::quiet_nan), detail::log_of_sum(z, x));
}

/// atanh: ln(1 + 2a / (1 - a)) / 2, a = |x|; infinite at 1, NaN beyond.
template <class F>
F atanh(const F& x) {
  F a = abs(x);
  F value = F::constant(0.5f) * log1p((a + a) / (F::constant(1.0f) - a));
  // Below 2^-12 the cubic term is under an eighth ulp, and halving would lose bits of denormals.
  return select(a < F::constant(2.44140625e-4f), x, detail::with_sign(value, x));
}

}  // namespace tenon::math
