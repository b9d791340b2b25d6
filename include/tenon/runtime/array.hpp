// Tensors that own their elements.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "tenon/runtime/memory.hpp"
#include "tenon/runtime/view.hpp"

namespace tenon {

namespace detail {

/// The elements of an array without their type in C++: what `array` is made of.
class array_storage {
 public:
  explicit array_storage(dtype type) { v_.type = type; }
  /// Elements are not initialised. Throws as `array` does.
  array_storage(dtype type, const dims& d, memory* m);
  array_storage(dtype type, const extents& e, memory* m);
  array_storage(const array_storage& other);
  array_storage(array_storage&& other) noexcept : v_(other.v_), memory_(other.memory_) { other.forget(); }
  array_storage& operator=(const array_storage& other);
  array_storage& operator=(array_storage&& other) noexcept {
    if (this != &other) {
      release();
      v_ = other.v_;
      memory_ = other.memory_;
      other.forget();
    }
    return *this;
  }
  ~array_storage() { release(); }

  const any_view& get() const { return v_; }
  std::size_t bytes() const { return static_cast<std::size_t>(v_.size) * static_cast<std::size_t>(size_of(v_.type)); }

 private:
  void release() noexcept {
    if (v_.data) deallocate(memory_, v_.data, bytes());
  }
  void forget() noexcept {
    const dtype type = v_.type;
    v_ = {};
    v_.type = type;
  }

  any_view v_;  // contiguous; data is null exactly when there are no elements
  memory* memory_ = nullptr;
};

/// Every element becomes the one at `value`.
void fill(const any_view& contiguous, const void* value);
/// See array::uniform.
void fill_uniform(const any_view& contiguous, std::uint64_t seed);
/// Copies `from`, of the same extents, into `to`; argument_error when `from` cannot be read.
void copy_into(const array_storage& to, const any_view& from, const char* what);
[[noreturn]] void throw_count(const dims&, std::size_t elements);

template <dtype D>
array<D> make_array(const dims& d, memory* m);

}  // namespace detail

/// An array on the host: row-major, without gaps, 64-byte aligned. A value: copies are deep (and come from the
/// process's allocator), moves are cheap and leave an empty array. Extents that are negative, too many (the rank is at
/// most 8) or too large for memory are a shape_error that says them; memory that cannot be had is a resource_error.
template <dtype D>
class array {
  static_assert(D != any_dtype, "array: the element type is known");

 public:
  using value_type = host_t<D>;

  /// Rank 1, extent 0.
  array() : s_(D) {}
  /// Copies the elements, row-major, from `data`: array<f32>({2, 3}, p).
  array(const extents& e, const value_type* data) : s_(D, e, nullptr) {
    detail::copy_into(s_, detail::checked_view(data, D, dims(), "array"), "array");
  }
  /// Copies what a view sees, in row-major order. The elements come from `m`, or from the process's allocator.
  explicit array(const view<D>& from, memory* m = nullptr) : s_(D, from.dims(), m) {
    detail::copy_into(s_, from, "array");
  }

  static array zeros(const extents& e, memory* m = nullptr) { return full(e, value_type{}, m); }
  static array full(const extents& e, value_type value, memory* m = nullptr) {
    array a(detail::array_storage(D, e, m));
    a.fill(value);
    return a;
  }
  /// Random elements, the same on every machine: floats are uniform in [-1, 1) (the multiples of 2^-52, 2^-23, 2^-10,
  /// 2^-7 for f64, f32, f16, bf16), signed integers in [-8, 8), unsigned ones in [0, 16), b8 is a fair coin. Element i
  /// is made of the upper bits of word i % 4 of block i / 4 of Philox 4x32-10 with the seed as its key; for f64 of
  /// words 2 (i % 2), the upper half, and 2 (i % 2) + 1 of block i / 2. Source: Salmon, Moraes, Dror, Shaw, "Parallel
  /// random numbers: as easy as 1, 2, 3", SC 2011.
  static array uniform(const extents& e, std::uint64_t seed, memory* m = nullptr) {
    array a(detail::array_storage(D, e, m));
    detail::fill_uniform(a.s_.get(), seed);
    return a;
  }
  /// Rank 1, the elements of `from`.
  static array from(const std::vector<value_type>& from) { return array::from(from, {from.size()}); }
  /// The elements of `from`, row-major; shape_error when there are not as many as the extents say.
  static array from(const std::vector<value_type>& from, const extents& e) {
    array a(detail::array_storage(D, e, nullptr));
    if (static_cast<std::size_t>(a.size()) != from.size()) detail::throw_count(a.dims(), from.size());
    value_type* to = a.data();
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i];
    return a;
  }

  value_type* data() { return static_cast<value_type*>(s_.get().data); }
  const value_type* data() const { return static_cast<const value_type*>(s_.get().data); }
  /// Number of elements.
  extent_t size() const { return s_.get().size; }
  int rank() const { return s_.get().dims.rank; }
  const tenon::dims& dims() const { return s_.get().dims; }
  value_type* begin() { return data(); }
  value_type* end() { return data() + size(); }
  const value_type* begin() const { return data(); }
  const value_type* end() const { return data() + size(); }
  /// The element at an index for each axis; checked by assert alone.
  template <std::integral... I>
  value_type& operator()(I... index) {
    return data()[detail::offset(s_.get(), index...)];
  }
  template <std::integral... I>
  const value_type& operator()(I... index) const {
    return data()[detail::offset(s_.get(), index...)];
  }
  void fill(value_type value) { detail::fill(s_.get(), &value); }

  operator const detail::any_view&() const { return s_.get(); }

 private:
  explicit array(detail::array_storage&& s) : s_(std::move(s)) {}
  friend array detail::make_array<D>(const tenon::dims&, memory*);
  friend class param_set;

  detail::array_storage s_;
};

namespace detail {
/// An array whose elements are not initialised: for results. Throws as `array` does.
template <dtype D>
array<D> make_array(const dims& d, memory* m) {
  return array<D>(array_storage(D, d, m));
}
}  // namespace detail

}  // namespace tenon
