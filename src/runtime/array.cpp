#include "tenon/runtime/array.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "core/text.hpp"
#include "core/with_dtype.hpp"
#include "runtime/philox.hpp"
#include "tenon/core/error.hpp"

namespace tenon::detail {
namespace {

[[noreturn]] void throw_extents(const char* what, const extent_t* e, std::size_t rank, dtype type) {
  if (rank > dims::max_rank)
    throw shape_error(cat(what, ": ", list{e, rank}, " has rank ", rank, ", the most is ", dims::max_rank));
  for (std::size_t i = 0; i < rank; ++i)
    if (e[i] < 0) throw shape_error(cat(what, ": extent ", i, " of ", list{e, rank}, " is negative"));
  throw shape_error(cat(what, ": ", list{e, rank}, " of ", type, " is too large for memory"));
}

constexpr extent_t value(extent_t e) { return e; }
constexpr extent_t value(any_extent e) { return e.v; }

/// Fills the result field by field: copying extents as a block right after they were written would stall.
template <class E>
any_view make_view(const void* data, dtype type, const E* e, std::size_t rank, const char* what) {
  any_view v;
  v.data = const_cast<void*>(data);
  v.type = type;
  bool good = rank <= dims::max_rank, empty = false;
  extent_t n = 1, bytes = 0;  // zeros are left out of the product, so that strides cannot overflow either
  for (std::size_t i = rank; good && i-- > 0;) {
    const extent_t x = value(e[i]);
    v.dims.e[i] = x;
    v.strides[i] = n;
    empty |= x == 0;
    good = x == 0 || (x > 0 && !__builtin_mul_overflow(n, x, &n));
  }
  if (!good || __builtin_mul_overflow(n, extent_t{size_of(type)}, &bytes)) {
    std::vector<extent_t> all;
    for (std::size_t i = 0; i < rank; ++i) all.push_back(value(e[i]));
    throw_extents(what, all.data(), rank, type);
  }
  v.dims.rank = static_cast<int>(rank);
  if (rank == 0) v.strides[0] = 0;
  v.size = empty ? 0 : n;
  return v;
}

/// Bytes from `data` down to the first and up to the end of the last element. False when they leave the address space.
struct span_of_bytes {
  std::int64_t below = 0, above = 0;
};
bool find_span(const any_view& v, span_of_bytes& s) {
  const std::int64_t element = size_of(v.type);
  s = {0, element};
  for (int i = 0; i < v.dims.rank; ++i) {
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(v.strides[i], v.dims.e[i] - 1, &reach) || __builtin_mul_overflow(reach, element, &reach))
      return false;
    if (__builtin_add_overflow(reach < 0 ? s.below : s.above, reach, reach < 0 ? &s.below : &s.above)) return false;
  }
  const auto at = reinterpret_cast<std::uintptr_t>(v.data);
  const auto below = std::uintptr_t{0} - static_cast<std::uintptr_t>(s.below);
  return below <= at && static_cast<std::uintptr_t>(s.above) <= UINTPTR_MAX - at;
}

/// Whether two indices may name one element: sorted by stride, each axis must step over all that the smaller ones
/// reach. Refuses some layouts without repeats, which nobody writes.
bool repeats(const any_view& v) {
  std::vector<std::pair<extent_t, extent_t>> axes;  // stride, extent
  for (int i = 0; i < v.dims.rank; ++i)
    if (v.dims.e[i] > 1) axes.emplace_back(v.strides[i] < 0 ? -v.strides[i] : v.strides[i], v.dims.e[i]);
  std::sort(axes.begin(), axes.end());
  extent_t reach = 0;  // no overflow: find_span succeeded
  for (const auto& [stride, extent] : axes) {
    if (stride <= reach) return true;
    reach += stride * (extent - 1);
  }
  return false;
}

/// One axis of a copy: extent, and strides in elements.
struct copy_axis {
  extent_t n = 1, to = 0, from = 0;
};

/// Copies two axes. In tiles when rows do not follow one another on both sides, so that each cache line is used whole.
template <class T>
void copy_plane(void* to, const void* from, const copy_axis& outer, const copy_axis& inner, bool tiles) {
  auto* const t = static_cast<T*>(to);
  const auto* const f = static_cast<const T*>(from);
  const extent_t tile = 32, rows = tiles ? tile : outer.n, columns = tiles ? tile : inner.n;
  for (extent_t i0 = 0; i0 < outer.n; i0 += rows)
    for (extent_t j0 = 0; j0 < inner.n; j0 += columns)
      for (extent_t i = i0; i < std::min(i0 + rows, outer.n); ++i)
        for (extent_t j = j0; j < std::min(j0 + columns, inner.n); ++j)
          t[i * outer.to + j * inner.to] = f[i * outer.from + j * inner.from];
}

template <class T, class F>
void generate(const any_view& v, std::uint64_t seed, int words_per_element, F element) {
  const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  auto* const p = static_cast<T*>(v.data);
  const int per_block = 4 / words_per_element;
  std::uint64_t block = 0;
  for (extent_t i = 0; i < v.size; i += per_block, ++block) {
    const auto w =
        runtime::philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 0, 0}, key);
    const extent_t n = std::min<extent_t>(per_block, v.size - i);
    for (extent_t j = 0; j < n; ++j) p[i + j] = element(w.data() + j * words_per_element);
  }
}

/// k / 2^bits - 1 for the upper bits + 1 bits of a word: a multiple of the spacing of floats in [0.5, 1).
template <int Bits>
float symmetric(std::uint32_t word) {
  constexpr std::int32_t one = 1 << Bits;
  return static_cast<float>(static_cast<std::int32_t>(word >> (31 - Bits)) - one) / one;
}

}  // namespace

any_view checked_view(const void* data, dtype type, std::initializer_list<any_extent> e, const char* what) {
  return make_view(data, type, e.begin(), e.size(), what);
}

any_view checked_view(const void* data, dtype type, const extents& e, const char* what) {
  if (e.size > dims::max_rank)  // only the first ones are there
    throw shape_error(
        cat(what, ": ", list{e.e, dims::max_rank}, " and more has rank ", e.size, ", the most is ", dims::max_rank));
  return make_view(data, type, e.e, e.size, what);
}

any_view checked_view(const void* data, dtype type, const dims& d, const char* what) {
  if (d.any()) throw shape_error(cat(what, ": the extents are not known"));
  return make_view(data, type, d.e, static_cast<std::size_t>(d.rank), what);
}

any_view checked_view(const void* data, dtype type, const extents& e, const extents& strides, const char* what) {
  any_view v = checked_view(data, type, e, what);
  if (strides.size != e.size)
    throw shape_error(cat(what, ": ", strides.size, " strides ",
                          list{strides.begin(), static_cast<std::size_t>(strides.end() - strides.begin())}, " for ",
                          e.size, " extents ", v.dims));
  for (std::size_t i = 0; i < e.size; ++i) {
    if (e.e[i] > 1 && strides.e[i] != v.strides[i] && v.size > 0) v.contiguous = false;
    v.strides[i] = strides.e[i];
  }
  return v;
}

void check_view(const any_view& v, const char* what, access a) {
  if (v.size == 0) return;
  const auto element = static_cast<std::uintptr_t>(size_of(v.type));
  if (!v.data) throw argument_error(cat(what, ": the data of ", v.type, v.dims, " is null"));
  if (reinterpret_cast<std::uintptr_t>(v.data) % element)
    throw argument_error(
        cat(what, ": the data of ", v.type, v.dims, " at ", address{v.data}, " is not aligned to ", element, " bytes"));
  const list strides{v.strides, static_cast<std::size_t>(v.dims.rank)};
  span_of_bytes s;
  if (!find_span(v, s))
    throw argument_error(cat(what, ": ", v.type, v.dims, " with strides ", strides, " at ", address{v.data},
                             " leaves the address space"));
  if (a == access::write && !v.contiguous && repeats(v))
    throw argument_error(
        cat(what, ": ", v.type, v.dims, " with strides ", strides, " would write some elements more than once"));
}

bool overlap(const any_view& x, const any_view& y) {
  if (x.size == 0 || y.size == 0) return false;
  span_of_bytes s, t;
  if (!find_span(x, s) || !find_span(y, t)) return true;  // unknown: the careful answer
  const auto p = reinterpret_cast<std::uintptr_t>(x.data), q = reinterpret_cast<std::uintptr_t>(y.data);
  return p + static_cast<std::uintptr_t>(s.below) < q + static_cast<std::uintptr_t>(t.above) &&
         q + static_cast<std::uintptr_t>(t.below) < p + static_cast<std::uintptr_t>(s.above);
}

void copy_elements(const any_view& to, const any_view& from) {
  const extent_t element = size_of(from.type);
  if (from.size == 0) return;
  if (to.contiguous && from.contiguous) {
    std::memcpy(to.data, from.data, static_cast<std::size_t>(from.size * element));
    return;
  }
  std::vector<copy_axis> axes(2);  // those of extent 1 are skipped: their strides mean nothing
  for (int i = 0; i < from.dims.rank; ++i)
    if (from.dims.e[i] > 1) axes.push_back({from.dims.e[i], to.strides[i], from.strides[i]});
  // The plane: the last axis, and the one along which `from` is read nearest.
  const copy_axis inner = axes.back();
  axes.pop_back();
  const auto nearest = std::min_element(axes.begin(), axes.end(), [](const copy_axis& x, const copy_axis& y) {
    return x.n > 1 && (y.n == 1 || std::abs(x.from) < std::abs(y.from));
  });
  const copy_axis outer = *nearest;
  axes.erase(nearest);
  const bool tiles = outer.n > 1 && std::abs(outer.from) < std::abs(inner.from);
  const auto plane = element == 1   ? copy_plane<std::uint8_t>
                     : element == 2 ? copy_plane<std::uint16_t>
                     : element == 4 ? copy_plane<std::uint32_t>
                                    : copy_plane<std::uint64_t>;
  std::vector<extent_t> index(axes.size());
  extent_t at_to = 0, at_from = 0;
  for (;;) {
    plane(static_cast<char*>(to.data) + at_to * element, static_cast<const char*>(from.data) + at_from * element, outer,
          inner, tiles);
    std::size_t k = axes.size();
    while (k-- > 0) {
      const copy_axis& a = axes[k];
      at_to += a.to;
      at_from += a.from;
      if (++index[k] < a.n) break;
      at_to -= a.to * a.n;
      at_from -= a.from * a.n;
      index[k] = 0;
    }
    if (k == std::size_t(-1)) return;
  }
}

array_storage::array_storage(dtype type, const dims& d, memory* m)
    : v_(checked_view(nullptr, type, d, "array")), memory_(m) {
  if (v_.size) v_.data = allocate(m, bytes());
}

array_storage::array_storage(dtype type, const extents& e, memory* m)
    : v_(checked_view(nullptr, type, e, "array")), memory_(m) {
  if (v_.size) v_.data = allocate(m, bytes());
}

array_storage::array_storage(const array_storage& other) : array_storage(other.v_.type, other.v_.dims, nullptr) {
  copy_elements(v_, other.v_);
}

array_storage& array_storage::operator=(const array_storage& other) {
  if (this == &other) return *this;
  if (v_.dims == other.v_.dims)
    copy_elements(v_, other.v_);
  else
    *this = array_storage(other);
  return *this;
}

void fill(const any_view& v, const void* value) {
  const auto element = static_cast<std::size_t>(size_of(v.type));
  const auto bytes = static_cast<std::size_t>(v.size) * element;
  if (bytes == 0) return;
  const auto* const b = static_cast<const unsigned char*>(value);
  if (std::all_of(b, b + element, [&](unsigned char c) { return c == b[0]; })) {
    std::memset(v.data, b[0], bytes);
    return;
  }
  auto* const p = static_cast<char*>(v.data);
  std::memcpy(p, value, element);
  for (std::size_t done = element; done < bytes;) {  // copies of what is there, each as long as all before
    const std::size_t n = std::min({done, bytes - done, std::size_t{1} << 15});
    std::memcpy(p + done, p, n);
    done += n;
  }
}

void fill_uniform(const any_view& v, std::uint64_t seed) {
  using word = const std::uint32_t*;
  with_dtype(v.type, [&](auto t) {
    constexpr dtype d = decltype(t)::value;
    using T = host_t<d>;
    if constexpr (d == f64)
      generate<T>(v, seed, 2, [](word w) {
        const std::uint64_t k = ((std::uint64_t{w[0]} << 32) | w[1]) >> 11;
        return static_cast<double>(static_cast<std::int64_t>(k) - (std::int64_t{1} << 52)) * 0x1p-52;
      });
    else if constexpr (is_float(d))
      generate<T>(v, seed, 1, [](word w) { return T(symmetric < d == f32 ? 23 : d == f16 ? 10 : 7 > (w[0])); });
    else if constexpr (d == b8)
      generate<T>(v, seed, 1, [](word w) { return (w[0] >> 31) != 0; });
    else
      generate<T>(v, seed, 1, [](word w) {
        const int k = static_cast<int>(w[0] >> 28);
        return static_cast<T>(is_signed_integer(d) ? k - 8 : k);
      });
  });
}

void copy_into(const array_storage& to, const any_view& from, const char* what) {
  check_view(from, what, access::read);
  copy_elements(to.get(), from);
}

void throw_count(const dims& d, std::size_t elements) {
  throw shape_error(cat("array: ", elements, " elements for ", d, ", which holds ", d.count()));
}

}  // namespace tenon::detail
