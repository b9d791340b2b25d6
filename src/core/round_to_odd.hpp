// Numbers as floats on their way to 16 bits: the value between two floats that is not exact goes to the one whose last
// bit is 1, so that the rounding that follows is the only one (Boldo and Melquiond, Emulation of FMA, 2008).
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace tenon::detail {

/// x as a float, rounded to odd.
inline float float_to_odd(double x) {
  const auto f = static_cast<float>(x);
  const auto bits = std::bit_cast<std::uint32_t>(f);
  if (f == x || std::isnan(x) || (bits & 1)) return f;
  return std::bit_cast<float>(std::fabs(f) > std::fabs(x) ? bits - 1 : bits + 1);
}
/// What `float_to_odd` of the integer is, as a double: what 53 bits do not hold becomes one bit that says so.
template <class T>
  requires std::is_integral_v<T>
double narrowed_to_odd(T x) {
  if constexpr (sizeof(T) == 8) {
    constexpr T limit = T{1} << 53, low = 0xfff;
    const bool large = std::is_signed_v<T> ? x > limit || x < T(0) - limit : x > limit;
    if (large) x = static_cast<T>((x & ~low) | ((x & low) != 0 ? 0x800 : 0));
  }
  return static_cast<double>(x);
}
/// The float to be rounded to f16 or bf16.
template <class T>
float before_16_bits(T x) {
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, bool>)
    return static_cast<float>(x);
  else if constexpr (std::is_integral_v<T>)
    return float_to_odd(narrowed_to_odd(x));
  else
    return float_to_odd(x);
}

}  // namespace tenon::detail
