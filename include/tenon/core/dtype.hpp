// Element types: their names, sizes and host representations.
#pragma once
#include <cstdint>
#include <string_view>

namespace tenon {

/// Element type of a tensor. `any_dtype` is a type that only the run time knows (a `param`'s).
enum class dtype : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, b8, any_dtype };
using enum dtype;

/// IEEE binary16 as stored; arithmetic happens in f32.
struct float16 {
  std::uint16_t bits;
  float16() = default;
  /// Rounds to nearest even.
  explicit float16(float value);
  explicit operator float() const;
  friend bool operator==(const float16&, const float16&) = default;
};
/// bfloat16 as stored (the upper half of an f32); arithmetic happens in f32.
struct bfloat16 {
  std::uint16_t bits;
  bfloat16() = default;
  /// Rounds to nearest even; NaN stays NaN.
  explicit bfloat16(float value);
  explicit operator float() const;
  friend bool operator==(const bfloat16&, const bfloat16&) = default;
};

namespace detail {
template <dtype D>
struct host;
// clang-format off
template <> struct host<f64> { using type = double; };
template <> struct host<f32> { using type = float; };
template <> struct host<f16> { using type = float16; };
template <> struct host<bf16> { using type = bfloat16; };
template <> struct host<i64> { using type = std::int64_t; };
template <> struct host<i32> { using type = std::int32_t; };
template <> struct host<i16> { using type = std::int16_t; };
template <> struct host<i8> { using type = std::int8_t; };
template <> struct host<u64> { using type = std::uint64_t; };
template <> struct host<u32> { using type = std::uint32_t; };
template <> struct host<u16> { using type = std::uint16_t; };
template <> struct host<u8> { using type = std::uint8_t; };
template <> struct host<b8> { using type = bool; };
// clang-format on
}  // namespace detail

/// The C++ type that holds one element on the host: `host_t<bf16>` is `bfloat16`, `host_t<b8>` is `bool`.
template <dtype D>
using host_t = typename detail::host<D>::type;

/// The name as users write it: "f32".
constexpr std::string_view name(dtype d) {
  constexpr std::string_view names[] = {"f64", "f32", "f16", "bf16", "i64", "i32", "i16",
                                        "i8",  "u64", "u32", "u16",  "u8",  "b8",  "any_dtype"};
  return names[static_cast<int>(d)];
}
/// Bytes of one element; 0 for `any_dtype`.
constexpr int size_of(dtype d) {
  constexpr std::uint8_t sizes[] = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1, 0};
  return sizes[static_cast<int>(d)];
}
constexpr bool is_float(dtype d) { return d <= bf16; }
constexpr bool is_signed_integer(dtype d) { return d >= i64 && d <= i8; }
constexpr bool is_unsigned_integer(dtype d) { return d >= u64 && d <= u8; }
constexpr bool is_integer(dtype d) { return d >= i64 && d <= u8; }
/// The type that arithmetic on `d` happens in: f32 for the two 16-bit floats, `d` itself otherwise.
constexpr dtype compute_type(dtype d) { return d == f16 || d == bf16 ? f32 : d; }
/// The type that sums of products of `d` accumulate in: f32 for 16-bit floats, i32 for 8-bit integers.
constexpr dtype accumulator_type(dtype d) { return d == f16 || d == bf16 ? f32 : d == i8 || d == u8 ? i32 : d; }
/// The type that the sum of a mean of `d` is taken in: 64 bits for integers, f32 for 16-bit floats.
constexpr dtype mean_type(dtype d) {
  return is_signed_integer(d) ? i64 : is_unsigned_integer(d) ? u64 : compute_type(d);
}

}  // namespace tenon
