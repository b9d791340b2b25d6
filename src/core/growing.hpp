// An extent that grows from call to call, inside of the compiler.
#pragma once
#include "tenon/core/extent.hpp"

namespace tenon::detail {

/// Where kernels are made for all values of a named extent at once, what depends on it is a number beyond any real
/// extent: the low bits hold what it is at most, the high bits how often the named extent is in it. Sums with numbers
/// and multiples of such numbers are such numbers again, so shape rules need not know of them; `at_call` says what one
/// is where the named extent is less than its bound. No memory has so many elements: a graph made for one set of
/// extents is refused when it has one.
inline constexpr int growth_bit = 47;
inline constexpr extent_t growth_unit = extent_t{1} << growth_bit, most_that_grows = extent_t{1} << 36;

constexpr bool grows(extent_t e) {
  const extent_t most = e & (growth_unit - 1);
  return e >= growth_unit && e < extent_t{1} << 62 && most > 0 && most <= most_that_grows;
}
/// The named extent itself.
constexpr extent_t growing(extent_t most) { return growth_unit + most; }
constexpr extent_t growth(extent_t e) { return grows(e) ? e >> growth_bit : 0; }
constexpr extent_t at_most(extent_t e) { return grows(e) ? e & (growth_unit - 1) : e; }
/// What an extent is where the named one is `below` its bound.
constexpr extent_t at_call(extent_t e, extent_t below) { return at_most(e) - growth(e) * below; }
/// The number of elements, at most.
constexpr extent_t count_at_most(const dims& shape) {
  extent_t n = 1;
  for (int d = 0; d < shape.rank; ++d) n = bounded_product(n, at_most(shape[d]));
  return n;
}
constexpr bool grows(const dims& shape) {
  for (extent_t e : shape)
    if (grows(e)) return true;
  return false;
}
constexpr dims at_call(dims shape, extent_t below) {
  for (int d = 0; d < shape.rank; ++d) shape[d] = at_call(shape[d], below);
  return shape;
}

/// The values of the named extent that one executable serves; `most` 0: nothing grows.
struct growth_range {
  extent_t least = 0, most = 0;
  bool any() const { return most > 0; }
  extent_t length() const { return most - least; }
};

}  // namespace tenon::detail
