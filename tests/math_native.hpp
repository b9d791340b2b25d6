// The class of f32 values on which src/loop/math runs natively, with exactly the operations that those headers ask
// for: what is missing here does not compile there.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace tenon::math {

/// A truth value of one lane.
struct native_mask {
  bool value;
  friend native_mask operator&(native_mask a, native_mask b) { return {static_cast<bool>(a.value & b.value)}; }
  friend native_mask operator|(native_mask a, native_mask b) { return {static_cast<bool>(a.value | b.value)}; }
  friend native_mask operator!(native_mask a) { return {!a.value}; }
};

/// An i32 that wraps.
class native_i32 {
 public:
  static native_i32 constant(int value) { return native_i32(static_cast<std::uint32_t>(value)); }
  explicit native_i32(std::uint32_t value) : value_(value) {}
  std::uint32_t value() const { return value_; }

  friend native_i32 operator+(native_i32 a, native_i32 b) { return native_i32(a.value_ + b.value_); }
  friend native_i32 operator-(native_i32 a, native_i32 b) { return native_i32(a.value_ - b.value_); }
  friend native_i32 operator&(native_i32 a, native_i32 b) { return native_i32(a.value_ & b.value_); }
  friend native_i32 operator|(native_i32 a, native_i32 b) { return native_i32(a.value_ | b.value_); }
  friend native_i32 operator^(native_i32 a, native_i32 b) { return native_i32(a.value_ ^ b.value_); }
  friend native_i32 shift_left(native_i32 a, int n) { return native_i32(a.value_ << n); }
  friend native_i32 shift_right(native_i32 a, int n) {
    return native_i32(static_cast<std::uint32_t>(static_cast<std::int32_t>(a.value_) >> n));
  }
  friend native_mask operator!=(native_i32 a, native_i32 b) { return {a.value_ != b.value_}; }
  friend native_i32 select(native_mask mask, native_i32 a, native_i32 b) { return mask.value ? a : b; }

 private:
  std::uint32_t value_;
};

/// One f32.
class native_f32 {
 public:
  using mask = native_mask;
  using integer = native_i32;

  static native_f32 constant(float value) { return native_f32(value); }
  explicit native_f32(float value) : value_(value) {}
  float value() const { return value_; }

  friend native_f32 operator+(native_f32 a, native_f32 b) { return native_f32(a.value_ + b.value_); }
  friend native_f32 operator-(native_f32 a, native_f32 b) { return native_f32(a.value_ - b.value_); }
  friend native_f32 operator*(native_f32 a, native_f32 b) { return native_f32(a.value_ * b.value_); }
  friend native_f32 operator/(native_f32 a, native_f32 b) { return native_f32(a.value_ / b.value_); }
  friend native_f32 operator-(native_f32 a) { return native_f32(-a.value_); }
  friend native_f32 fma(native_f32 a, native_f32 b, native_f32 c) {
    return native_f32(std::fma(a.value_, b.value_, c.value_));
  }
  friend native_f32 scale(native_f32 a, native_f32 n) {
    const bool finite = std::isfinite(n.value_);
    return finite ? native_f32(std::scalbn(a.value_, static_cast<int>(n.value_))) : native_f32(a.value_ * n.value_);
  }
  friend native_f32 sqrt(native_f32 a) { return native_f32(std::sqrt(a.value_)); }
  friend native_f32 abs(native_f32 a) { return native_f32(std::fabs(a.value_)); }
  friend native_f32 round_even(native_f32 a) { return native_f32(std::nearbyint(a.value_)); }

  friend native_mask operator<(native_f32 a, native_f32 b) { return {a.value_ < b.value_}; }
  friend native_mask operator<=(native_f32 a, native_f32 b) { return {a.value_ <= b.value_}; }
  friend native_mask operator>(native_f32 a, native_f32 b) { return {a.value_ > b.value_}; }
  friend native_mask operator>=(native_f32 a, native_f32 b) { return {a.value_ >= b.value_}; }
  friend native_mask operator==(native_f32 a, native_f32 b) { return {a.value_ == b.value_}; }
  friend native_mask operator!=(native_f32 a, native_f32 b) { return {a.value_ != b.value_}; }
  friend native_f32 select(native_mask mask, native_f32 a, native_f32 b) { return mask.value ? a : b; }

  friend native_i32 bits(native_f32 a) { return native_i32(std::bit_cast<std::uint32_t>(a.value_)); }

 private:
  float value_;
};

inline native_f32 from_bits(native_i32 a) { return native_f32(std::bit_cast<float>(a.value())); }
inline native_f32 to_float(native_i32 a) {
  return native_f32(static_cast<float>(static_cast<std::int32_t>(a.value())));
}

}  // namespace tenon::math
