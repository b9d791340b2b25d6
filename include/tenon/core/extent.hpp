// Extents and shapes: `shape<...>` is the type a user writes, `dims` the value that every shape rule works on.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

namespace tenon {

/// Number of elements along one axis; negative values are `dyn` and named extents.
using extent_t = std::int64_t;
/// An extent known only at the call.
inline constexpr extent_t dyn = -1;

namespace detail {
// Names live in [name_base, name_base + 2^60): ten characters of six bits.
inline constexpr extent_t name_base = INT64_MIN;
inline constexpr int max_name_length = 10;
inline constexpr char name_alphabet[] = "_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr bool is_named(extent_t e) { return e < name_base + (extent_t{1} << 60); }
/// More elements than any memory holds; what is stated larger counts as this, so that sums of counts do not overflow.
inline constexpr extent_t most_elements = extent_t{1} << 56;
/// a * b of numbers from 0 on (or -1), at most `most_elements`.
constexpr extent_t bounded_product(extent_t a, extent_t b) {
  extent_t r = 0;
  return __builtin_mul_overflow(a, b, &r) || r > most_elements ? most_elements : r;
}
/// The packed name, or 0 when `s` is not one: the caller decides what the error is.
constexpr extent_t pack_name(const char* s, std::size_t n) {
  if (n == 0 || n > max_name_length) return 0;
  extent_t v = 0;
  for (std::size_t i = 0; i < n; ++i) {
    int k = 0;
    for (int j = 0; j < 63; ++j)
      if (name_alphabet[j] == s[i]) k = j + 1;
    if (k == 0) return 0;
    v = v * 64 + k;
  }
  return v;
}

template <std::size_t N>
struct fixed_string {
  char text[N]{};
  constexpr fixed_string() = default;
  consteval fixed_string(const char (&s)[N]) {
    for (std::size_t i = 0; i < N; ++i) text[i] = s[i];
  }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

/// Text that grows in constant expressions; what does not fit is cut. The buffer ends in a zero. A string_view of
/// pointer and length is never made here: it would instantiate the iterator concepts in every user's program.
struct text {
  char buffer[256]{};
  int size = 0;
  constexpr text& operator<<(std::string_view s) {
    for (char c : s) *this << c;
    return *this;
  }
  constexpr text& operator<<(char c) {
    if (size < 255) buffer[size++] = c;
    return *this;
  }
  constexpr text& operator<<(extent_t e) {
    if (e == dyn) return *this << "dyn";
    char d[24]{};
    int n = 0;
    if (is_named(e)) {
      for (extent_t v = e - name_base; v; v /= 64) d[n++] = name_alphabet[v % 64 - 1];
    } else {
      if (e < 0) {
        *this << "-";
        e = -e;
      }
      do d[n++] = static_cast<char>('0' + e % 10);
      while (e /= 10);
    }
    while (n) *this << d[--n];
    return *this;
  }
  /// A plain number: here -1 is no `dyn`.
  constexpr text& operator<<(int e) { return e == -1 ? *this << "-1" : *this << extent_t{e}; }
  constexpr std::string_view view() const { return buffer; }
};
}  // namespace detail

/// A named extent: equal names are equal extents at the call, across all parameters. 1 to 10 letters, digits or
/// underscores (they are packed into the 64 bits of the extent).
template <std::size_t N>
consteval extent_t dim(const char (&s)[N]) {
  static_assert(N >= 2 && N <= detail::max_name_length + 1, "dim: a name has 1 to 10 characters");
  extent_t v = detail::pack_name(s, N - 1);
  if (v == 0) throw "dim: a name has letters, digits and underscores";
  return detail::name_base + v;
}

/// A shape as a value: what shape rules compute with. Structural, so it can be a template argument.
struct dims {
  static constexpr int max_rank = 8;
  extent_t e[max_rank]{};
  int rank = 0;  ///< -1: known only at run time
  constexpr dims() = default;
  constexpr dims(std::initializer_list<extent_t> l) {
    for (extent_t x : l) e[rank++] = x;
  }
  constexpr bool any() const { return rank < 0; }
  constexpr extent_t operator[](int i) const { return e[i]; }
  constexpr extent_t& operator[](int i) { return e[i]; }
  constexpr void push_back(extent_t x) { e[rank++] = x; }
  /// Every extent is a number.
  constexpr bool is_static() const {
    if (rank < 0) return false;
    for (int i = 0; i < rank; ++i)
      if (e[i] < 0) return false;
    return true;
  }
  /// Number of elements of a static shape, at most detail::most_elements.
  constexpr extent_t count() const {
    extent_t n = 1;
    for (int i = 0; i < rank; ++i) n = detail::bounded_product(n, e[i]);
    return n;
  }
  constexpr const extent_t* begin() const { return e; }
  constexpr const extent_t* end() const { return e + (rank < 0 ? 0 : rank); }
  friend constexpr bool operator==(const dims&, const dims&) = default;
};

namespace detail {
constexpr dims any_dims() {
  dims d;
  d.rank = -1;
  return d;
}
constexpr text& operator<<(text& t, const dims& d) {
  if (d.any()) return t << "[...]";
  t << "[";
  for (int i = 0; i < d.rank; ++i) {
    if (i) t << ",";
    t << d.e[i];
  }
  return t << "]";
}
}  // namespace detail

/// A shape as a type: each extent a number, `dyn`, or `dim("name")`. `shape<>` is a scalar's.
template <extent_t... E>
struct shape {
  static_assert(((E >= 0 || E == dyn || detail::is_named(E)) && ...), "shape: an extent is not negative");
  static_assert(sizeof...(E) <= dims::max_rank, "shape: the rank is at most 8");
  static constexpr dims value{E...};
};
/// The shape of a value whose rank only the run time knows.
struct any_shape {
  static constexpr dims value = detail::any_dims();
};

namespace detail {
// Class templates, not an alias of decltype(f<D>()): GCC 12 crashes on the latter.
template <dims D, class I>
struct shape_from;
template <dims D, std::size_t... I>
struct shape_from<D, std::index_sequence<I...>> {
  using type = shape<D.e[I]...>;
};
template <dims D>
struct to_shape_ : shape_from<D, std::make_index_sequence<static_cast<std::size_t>(D.rank)>> {};
template <dims D>
  requires(D.rank < 0)
struct to_shape_<D> {
  using type = any_shape;
};
template <dims D>
using to_shape = typename to_shape_<D>::type;
}  // namespace detail

/// One extent in braces: any integral type, without narrowing trouble.
struct any_extent {
  extent_t v;
  template <std::integral I>
  constexpr any_extent(I i) : v(static_cast<extent_t>(i)) {}
};
/// Extents given at run time: `{32, 784}`, `{v.size(), n}`, or a vector of them. Of more than dims::max_rank of them,
/// which whoever takes them refuses, only the number and the first ones are kept.
struct extents {
  extent_t e[dims::max_rank]{};
  std::size_t size = 0;
  extents() = default;
  extents(std::initializer_list<any_extent>);
  extents(const std::vector<extent_t>&);
  extents(const dims&);
  const extent_t* begin() const { return e; }
  const extent_t* end() const { return e + (size < dims::max_rank ? size : dims::max_rank); }
};

/// A short list of integers inside attributes (axes, strides, ...); structural.
struct ints {
  static constexpr int capacity = 8;
  int v[capacity]{};
  int size = 0;
  constexpr ints() = default;
  constexpr ints(std::initializer_list<int> l) {
    for (int x : l) v[size++] = x;
  }
  constexpr int operator[](int i) const { return v[i]; }
  constexpr const int* begin() const { return v; }
  constexpr const int* end() const { return v + size; }
  friend constexpr bool operator==(const ints&, const ints&) = default;
};

}  // namespace tenon
