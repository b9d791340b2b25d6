// Borrowed tensors: `view` reads, `mutable_view` writes. Both are a pointer, extents and strides; they own nothing and
// allocate nothing.
#pragma once
#include <cassert>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "tenon/core/dtype.hpp"
#include "tenon/core/extent.hpp"

namespace tenon {

template <dtype D>
class array;
template <dtype D>
class view;
template <dtype D>
class mutable_view;

namespace detail {

/// A tensor in host memory with everything known at run time: what code that is no template works on. Element
/// (i, j, ...) is at data[i * strides[0] + j * strides[1] + ...]. The extents were checked when it was made, see
/// checked_view.
struct any_view {
  void* data = nullptr;  ///< what came from a `view` is only read
  extent_t size = 0;     ///< elements
  tenon::dims dims{0};
  extent_t strides[tenon::dims::max_rank]{1};  ///< in elements; may be 0 or negative
  dtype type = any_dtype;
  bool contiguous = true;  ///< row-major without gaps, extents of 1 aside
};

/// A row-major tensor without gaps. Extents of a host tensor: rank at most 8, each at least 0, and their product, zeros
/// left out, times the element's size at most PTRDIFF_MAX; shape_error naming `what` and the extents otherwise.
any_view checked_view(const void* data, dtype, std::initializer_list<any_extent>, const char* what);
any_view checked_view(const void* data, dtype, const extents&, const char* what);
any_view checked_view(const void* data, dtype, const dims&, const char* what);
/// With strides; shape_error also when there are not as many of them as extents.
any_view checked_view(const void* data, dtype, const extents&, const extents& strides, const char* what);

enum class access : std::uint8_t { read, write };
/// Throws argument_error, naming `what` and the values, for what cannot be a tensor in memory: null data, data that is
/// not aligned to its element, strides that leave the address space; for `write` also strides that use an element
/// twice.
void check_view(const any_view&, const char* what, access);
/// check_view would accept it, for reading and for writing: the common case, in a few instructions.
inline bool is_plain(const any_view& v) {
  const auto at = reinterpret_cast<std::uintptr_t>(v.data);
  return v.contiguous && at != 0 && (at & static_cast<std::uintptr_t>(size_of(v.type) - 1)) == 0;
}

/// Whether the memory from the first to the last element of one shares a byte with the other's.
bool overlap(const any_view&, const any_view&);
/// Element by element; same extents and element size; they do not overlap.
void copy_elements(const any_view& to, const any_view& from);

/// What lends its elements as one run of `T`: std::vector, std::span, std::array. A tenon tensor has a rank and is not.
template <class R, class T>
concept run_of = requires(R& r) {
  { r.data() } -> std::convertible_to<T*>;
  { r.size() } -> std::convertible_to<std::size_t>;
} && std::same_as<std::remove_cvref_t<decltype(*std::declval<R&>().data())>, std::remove_cv_t<T>> && !requires(R& r) {
  r.rank();
};

template <std::integral... I>
inline extent_t offset(const any_view& v, I... index) {
  assert(v.dims.rank == static_cast<int>(sizeof...(I)) && "as many indices as extents");
  extent_t at = 0;
  [[maybe_unused]] int axis = 0;
  (
      [&] {
        const auto i = static_cast<extent_t>(index);
        assert(i >= 0 && i < v.dims.e[axis] && "an index lies within its extent");
        at += v.strides[axis++] * i;
      }(),
      ...);
  return at;
}

}  // namespace detail

/// A tensor that someone else owns, for reading. Trivially copyable. Extents may be anything at all that a tensor can
/// have (rank 0 to 8, zeros too): shape_error otherwise. Null, misaligned or absurd memory is found where the view is
/// used: argument_error there.
template <dtype D>
class view {
  static_assert(D != any_dtype, "view: the element type is known");

 public:
  using value_type = host_t<D>;

  /// Rank 1, extent 0.
  view() { v_.type = D; }
  /// Row-major: view<f32>(p, {32, 784}).
  view(const value_type* data, std::initializer_list<any_extent> e) : v_(detail::checked_view(data, D, e, "view")) {}
  view(const value_type* data, const extents& e) : v_(detail::checked_view(data, D, e, "view")) {}
  view(const value_type* data, const tenon::dims& d) : v_(detail::checked_view(data, D, d, "view")) {}
  /// Strides in elements, from one index to the next: 0 repeats, a negative one runs backwards from `data`.
  view(const value_type* data, const extents& e, const extents& strides)
      : v_(detail::checked_view(data, D, e, strides, "view")) {}
  view(const array<D>& a) : v_(static_cast<const detail::any_view&>(a)) {}
  /// Rank 1: a std::vector (of anything but bool, which has no elements in memory), std::span or std::array.
  template <class R>
    requires detail::run_of<const R, const value_type>
  view(const R& r) : view(r.data(), {r.size()}) {}
  template <std::size_t N>
  view(const value_type (&a)[N]) : view(a, {N}) {}
  /// For code that already compared `v.type` with D.
  explicit view(const detail::any_view& v) : v_(v) { assert(v.type == D); }

  const value_type* data() const { return static_cast<const value_type*>(v_.data); }
  /// Number of elements.
  extent_t size() const { return v_.size; }
  int rank() const { return v_.dims.rank; }
  const tenon::dims& dims() const { return v_.dims; }
  /// In elements; the first rank() are meant.
  const extent_t* strides() const { return v_.strides; }
  /// Row-major without gaps.
  bool is_contiguous() const { return v_.contiguous; }
  /// The element at an index for each axis; checked by assert alone.
  template <std::integral... I>
  const value_type& operator()(I... index) const {
    return data()[detail::offset(v_, index...)];
  }
  operator const detail::any_view&() const { return v_; }

 private:
  detail::any_view v_;
};

/// A tensor that someone else owns, for writing: as `view`, and strides may not use an element twice.
template <dtype D>
class mutable_view {
  static_assert(D != any_dtype, "mutable_view: the element type is known");

 public:
  using value_type = host_t<D>;

  mutable_view() { v_.type = D; }
  mutable_view(value_type* data, std::initializer_list<any_extent> e)
      : v_(detail::checked_view(data, D, e, "mutable_view")) {}
  mutable_view(value_type* data, const extents& e) : v_(detail::checked_view(data, D, e, "mutable_view")) {}
  mutable_view(value_type* data, const tenon::dims& d) : v_(detail::checked_view(data, D, d, "mutable_view")) {}
  mutable_view(value_type* data, const extents& e, const extents& strides)
      : v_(detail::checked_view(data, D, e, strides, "mutable_view")) {}
  mutable_view(array<D>& a) : v_(static_cast<const detail::any_view&>(a)) {}
  /// Rank 1: an lvalue of std::vector or std::array, or a std::span of elements that can be written.
  template <class R>
    requires detail::run_of<R, value_type> && (std::is_lvalue_reference_v<R> || detail::run_of<const R, value_type>)
  mutable_view(R&& r) : mutable_view(r.data(), {r.size()}) {}
  template <std::size_t N>
  mutable_view(value_type (&a)[N]) : mutable_view(a, {N}) {}
  explicit mutable_view(const detail::any_view& v) : v_(v) { assert(v.type == D); }

  value_type* data() const { return static_cast<value_type*>(v_.data); }
  extent_t size() const { return v_.size; }
  int rank() const { return v_.dims.rank; }
  const tenon::dims& dims() const { return v_.dims; }
  const extent_t* strides() const { return v_.strides; }
  bool is_contiguous() const { return v_.contiguous; }
  template <std::integral... I>
  value_type& operator()(I... index) const {
    return data()[detail::offset(v_, index...)];
  }
  operator view<D>() const { return view<D>(v_); }
  operator const detail::any_view&() const { return v_; }

 private:
  detail::any_view v_;
};

}  // namespace tenon
