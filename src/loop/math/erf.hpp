// erf: an odd polynomial near 0, one minus a power of 2 elsewhere.
#pragma once

#include "exp.hpp"

namespace tenon::math {

/// The error function.
template <class F>
F erf(const F& x) {
  F a = abs(x);
  // |x| < 0.9: x + x P(x^2), relative error 1.5e-8.
  F near = fma(x,
               detail::horner(x * x, -0.000602076994f, 0.00499895448f, -0.0267704912f, 0.112819217f, -0.376125038f,
                              0.128379151f),
               x);
  // 0.9 <= |x| <= 3.95: 1 - 2^R(|x|), R = log2(erfc), whose error makes 1.8e-9 of erf. At 3.95 it rounds to 1.
  F held = select(a > F::constant(3.95f), F::constant(3.95f), a);
  F exponent = detail::horner(held, 0.000285960647f, -0.00442248676f, 0.0321937874f, -0.150203869f, -0.918962598f,
                              -1.62706733f, -0.000240163892f);
  F shift = F::constant(detail::rounder + 127.0f);
  F t = exponent + shift;
  F r = exponent - (t - shift);
  // 2^r on |r| <= 0.5005, relative error 9.5e-8: erfc is at most a quarter of erf here.
  F power = detail::horner(r, 0.0013282469f, 0.00967178307f, 0.0555067845f, 0.24022235f, 0.693147004f, 1.0f);
  F far = fma(-power, from_bits(shift_left(bits(t), 23)), F::constant(1.0f));
  return select(a < F::constant(0.9f), near, detail::with_sign(far, x));
}

}  // namespace tenon::math
