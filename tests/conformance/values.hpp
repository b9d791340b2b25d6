// Tensors of the reference: every element as a long double, which holds each value of f64, i64 and all narrower types
// exactly. Nothing here uses the library beyond the names of the element types.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "tenon/core/dtype.hpp"

namespace conformance {

using tenon::dtype;
using enum tenon::dtype;
using real = long double;
using shape_t = std::vector<std::int64_t>;

std::int64_t count(const shape_t&);
/// f(index) in row-major order; once with no index for rank 0.
void for_each(const shape_t&, const std::function<void(const shape_t&)>& f);

/// A tensor, with how far each element may be off before it is rounded to its type; no slack: not at all.
struct values {
  dtype type = f32;
  shape_t shape;
  std::vector<real> v, slack;

  values() = default;
  values(dtype t, shape_t s) : type(t), shape(std::move(s)), v(static_cast<std::size_t>(count(shape))) {}
  std::size_t offset(const shape_t& index) const;
  real& at(const shape_t& index) { return v[offset(index)]; }
  real at(const shape_t& index) const { return v[offset(index)]; }
  /// The element that broadcasts to `index` of a shape with at least this rank.
  real broadcast_at(const shape_t& index) const;
  void set(const shape_t& index, real value, real off);
};

/// The nearest value of the type, ties to even, beyond its range an infinity; integers as they are.
real rounded(dtype, real);
/// Integers modulo 2^width.
real wrapped(dtype, std::int64_t);
/// The bytes of an element, and back. The value is one of the type.
void encode(dtype, real, std::byte*);
real decode(dtype, const std::byte*);

/// Spacing of the type's arithmetic (f32 for the 16-bit floats): at 1, and at a value.
real epsilon(dtype);
real ulp(dtype, real);
/// The smallest normal number of the type's arithmetic.
real tiny(dtype);

/// What operands are filled with. `plain`: floats of many sizes, integers with extremes; `small`: floats in [-2, 2],
/// integers in [-9, 9]; `nan` and `infinities`: small with some of these; `wide`: floats to +-200; `positive`: (0, 4].
enum class fill : std::uint8_t { plain, small, nan, infinities, wide, positive };
values filled(dtype, const shape_t&, fill, std::uint64_t seed);

}  // namespace conformance
