// Scalars of the native target: the meaning of prim.hpp on C++ numbers, found by argument-dependent lookup inside the
// operators' generic definitions.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/round_to_odd.hpp"
#include "tenon/core/dtype.hpp"

namespace tenon::ir::native {

template <class T>
struct num;

/// Casts as prim.hpp has them.
template <class To, class From>
inline To convert(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Both bounds are exact in From: -2^(w-1) or 0, and 2^w'.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From high = From(2) * static_cast<From>(To(1) << (std::numeric_limits<To>::digits - 1));
    return x != x      ? To(0)
           : x < low   ? std::numeric_limits<To>::min()
           : x >= high ? std::numeric_limits<To>::max()
                       : static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

/// A value of a compute type: a float, an integer that wraps, or a truth value.
template <class T>
struct num {
  static constexpr bool is_float = std::is_floating_point_v<T>;
  static constexpr bool is_bool = std::is_same_v<T, bool>;
  // Wide enough that products of narrow unsigned numbers do not overflow a signed int.
  using U = std::conditional_t<(sizeof(T) < 8), std::uint32_t, std::uint64_t>;

  T v;
  num() = default;
  constexpr num(T x) : v(x) {}
  num like(double x) const { return convert<T>(x); }

  friend num operator+(num a, num b) {
    if constexpr (is_float)
      return a.v + b.v;
    else
      return static_cast<T>(U(a.v) + U(b.v));
  }
  friend num operator-(num a, num b) {
    if constexpr (is_float)
      return a.v - b.v;
    else
      return static_cast<T>(U(a.v) - U(b.v));
  }
  friend num operator*(num a, num b) {
    if constexpr (is_float)
      return a.v * b.v;
    else
      return static_cast<T>(U(a.v) * U(b.v));
  }
  friend num operator/(num a, num b) {
    if constexpr (is_float) {
      return a.v / b.v;
    } else {
      if (b.v == 0) return T(0);
      if constexpr (std::is_signed_v<T>)
        if (b.v == T(-1)) return static_cast<T>(U(0) - U(a.v));
      return static_cast<T>(a.v / b.v);
    }
  }
  friend num operator%(num a, num b) {
    if constexpr (is_float) {
      return std::fmod(a.v, b.v);
    } else {
      if (b.v == 0) return T(0);
      if constexpr (std::is_signed_v<T>) {
        if (b.v == T(-1)) return T(0);
        const T r = static_cast<T>(a.v % b.v);
        return static_cast<T>(r != 0 && (r < 0) != (b.v < 0) ? r + b.v : r);
      }
      return static_cast<T>(a.v % b.v);
    }
  }
  friend num operator-(num a) {
    if constexpr (is_float)
      return -a.v;
    else
      return static_cast<T>(U(0) - U(a.v));
  }
  friend num operator+(num a, double b) { return a + a.like(b); }
  friend num operator+(double a, num b) { return b.like(a) + b; }
  friend num operator-(num a, double b) { return a - a.like(b); }
  friend num operator-(double a, num b) { return b.like(a) - b; }
  friend num operator*(num a, double b) { return a * a.like(b); }
  friend num operator*(double a, num b) { return b.like(a) * b; }
  friend num operator/(num a, double b) { return a / a.like(b); }
  friend num operator/(double a, num b) { return b.like(a) / b; }
  friend num<bool> operator==(num a, num b) { return num<bool>(a.v == b.v); }
  friend num<bool> operator!=(num a, num b) { return num<bool>(a.v != b.v); }
  friend num<bool> operator<(num a, num b) { return num<bool>(a.v < b.v); }
  friend num<bool> operator<=(num a, num b) { return num<bool>(a.v <= b.v); }
  friend num<bool> operator>(num a, num b) { return num<bool>(a.v > b.v); }
  friend num<bool> operator>=(num a, num b) { return num<bool>(a.v >= b.v); }
  friend num<bool> operator<(num a, double b) { return a < a.like(b); }
  friend num<bool> operator>(num a, double b) { return a > a.like(b); }
  friend num operator&(num a, num b) { return static_cast<T>(a.v & b.v); }
  friend num operator|(num a, num b) { return static_cast<T>(a.v | b.v); }
  friend num operator^(num a, num b) { return static_cast<T>(a.v ^ b.v); }
  friend num operator!(num a) { return static_cast<T>(!a.v); }

  friend num select(num<bool> c, num a, num b) { return c.v ? a : b; }
  // No short circuit: a branch would keep the compiler from vectorising.
  friend num max(num a, num b) { return ((b.v != b.v) | (a.v < b.v)) ? b : a; }
  friend num min(num a, num b) { return ((b.v != b.v) | (b.v < a.v)) ? b : a; }
  friend num abs(num a) {
    if constexpr (is_float)
      return std::fabs(a.v);
    else
      return a.v < T(0) ? -a : a;
  }
  friend num sign(num a) {
    if (a.v > T(0)) return T(1);
    if (a.v < T(0)) return static_cast<T>(-1);
    return a;
  }
  friend num pow(num a, num b) {
    if constexpr (is_float) {
      return std::pow(a.v, b.v);
    } else {
      if constexpr (std::is_signed_v<T>)
        if (b.v < 0) return a.v == 1 ? T(1) : a.v == T(-1) ? T(b.v % 2 ? -1 : 1) : T(0);
      U base = U(a.v), r = 1;
      for (auto n = static_cast<std::make_unsigned_t<T>>(b.v); n; n = static_cast<decltype(n)>(n >> 1), base *= base)
        if (n & 1) r *= base;
      return static_cast<T>(r);
    }
  }
  friend num bit_not(num a) { return static_cast<T>(~a.v); }
  friend num shift_left(num a, num b) {
    const auto n = static_cast<std::make_unsigned_t<T>>(b.v);
    return n >= sizeof(T) * 8 ? T(0) : static_cast<T>(U(a.v) << n);
  }
  friend num shift_right(num a, num b) {
    const auto n = static_cast<std::make_unsigned_t<T>>(b.v);
    return n >= sizeof(T) * 8 ? static_cast<T>(a.v < T(0) ? -1 : 0) : static_cast<T>(a.v >> n);
  }
  friend num atan2(num a, num b) { return std::atan2(a.v, b.v); }
  friend num round(num a) { return std::nearbyint(a.v); }
  friend num rsqrt(num a) { return T(1) / std::sqrt(a.v); }
  friend num reciprocal(num a) { return T(1) / a.v; }
  friend num<bool> isnan(num a) { return num<bool>(a.v != a.v); }
  friend num<bool> isinf(num a) { return num<bool>(std::fabs(a.v) == std::numeric_limits<T>::infinity()); }
#define TENON_NUM(n) \
  friend num n(num a) { return std::n(a.v); }
  // clang-format off
  TENON_NUM(floor) TENON_NUM(ceil) TENON_NUM(trunc) TENON_NUM(sqrt) TENON_NUM(exp) TENON_NUM(exp2) TENON_NUM(expm1)
  TENON_NUM(log) TENON_NUM(log2) TENON_NUM(log1p) TENON_NUM(sin) TENON_NUM(cos) TENON_NUM(tan) TENON_NUM(asin)
  TENON_NUM(acos) TENON_NUM(atan) TENON_NUM(sinh) TENON_NUM(cosh) TENON_NUM(tanh) TENON_NUM(asinh) TENON_NUM(acosh)
  TENON_NUM(atanh) TENON_NUM(erf)
  // clang-format on
#undef TENON_NUM
};

/// One byte of a b8 as stored: anything but 0 is true.
struct stored_bool {
  std::uint8_t byte;
};
/// How an element lies in memory.
template <dtype D>
using stored_t = std::conditional_t<D == b8, stored_bool, host_t<D>>;
/// The C++ type that arithmetic on D happens in, and that products of D accumulate in.
template <dtype D>
using compute_t = host_t<compute_type(D)>;
template <dtype D>
using accumulator_t = host_t<accumulator_type(D)>;

template <class S>
inline auto from_stored(S s) {
  if constexpr (std::is_same_v<S, stored_bool>)
    return s.byte != 0;
  else if constexpr (std::is_same_v<S, float16> || std::is_same_v<S, bfloat16>)
    return static_cast<float>(s);
  else
    return s;
}
template <class S, class V>
inline S to_stored(V v) {
  if constexpr (std::is_same_v<S, stored_bool>)
    return stored_bool{static_cast<std::uint8_t>(convert<bool>(v))};
  else if constexpr (std::is_same_v<S, float16> || std::is_same_v<S, bfloat16>)
    return S(detail::before_16_bits(v));
  else
    return convert<S>(v);
}

}  // namespace tenon::ir::native
