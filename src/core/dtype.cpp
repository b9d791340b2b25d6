#include "tenon/core/dtype.hpp"

#include <bit>

namespace tenon {
namespace {

constexpr std::uint32_t f32_sign = 0x80000000, f32_infinity = 0x7f800000, f32_implicit_one = 0x00800000;

/// `v` / 2^`places`, rounded to nearest even; 0 < places < 32.
constexpr std::uint32_t rounded_shift(std::uint32_t v, int places) {
  const std::uint32_t quotient = v >> places, rest = v & ((1u << places) - 1), half = 1u << (places - 1);
  return quotient + (rest > half || (rest == half && (quotient & 1)));
}

std::uint16_t to_half(float value) {
  const std::uint32_t b = std::bit_cast<std::uint32_t>(value);
  const std::uint16_t sign = static_cast<std::uint16_t>((b & f32_sign) >> 16);
  const std::uint32_t a = b & ~f32_sign;
  std::uint32_t h = 0;
  if (a > f32_infinity) {
    h = 0x7e00 | ((a >> 13) & 0x3ff);  // quiet, with the upper payload
  } else if (a >= 0x47800000) {
    h = 0x7c00;  // 2^16 and above; what rounds up from below arrives there by its carry
  } else if (a >= 0x38800000) {
    h = rounded_shift(a - 0x38000000, 13);  // normal: the bias changes from 127 to 15
  } else if (a >= 0x33000000) {
    // Subnormal, in units of 2^-24; what is under 2^-25 rounds to zero.
    h = rounded_shift((a & (f32_implicit_one - 1)) | f32_implicit_one, 126 - static_cast<int>(a >> 23));
  }
  return static_cast<std::uint16_t>(sign | h);
}

}  // namespace

float16::float16(float value) : bits(to_half(value)) {}

float16::operator float() const {
  const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = (bits >> 10) & 31, fraction = bits & 0x3ffu;
  if (exponent == 31) {
    const std::uint32_t quiet = fraction ? 0x400000u : 0u;
    return std::bit_cast<float>(sign | f32_infinity | (fraction << 13) | quiet);
  }
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

bfloat16::bfloat16(float value) {
  const std::uint32_t b = std::bit_cast<std::uint32_t>(value);
  if ((b & ~f32_sign) > f32_infinity)
    bits = static_cast<std::uint16_t>((b >> 16) | 0x40);  // quiet: else a payload in the lower half would be lost
  else
    bits = static_cast<std::uint16_t>((b + 0x7fff + ((b >> 16) & 1)) >> 16);
}

bfloat16::operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

}  // namespace tenon
