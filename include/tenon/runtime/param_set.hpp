// Named tensors whose element types only the run time knows: a model's parameters.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/runtime/array.hpp"

namespace tenon {

namespace detail {

struct shared_block;
void retain(shared_block*) noexcept;
void release(shared_block*) noexcept;

/// One of the references that keep a block (an array, a mapped file) alive; cheap to copy, from any thread.
class shared_ref {
 public:
  shared_ref() = default;
  /// Takes over one reference.
  explicit shared_ref(shared_block* b) : b_(b) {}
  shared_ref(const shared_ref& o) : b_(o.b_) {
    if (b_) retain(b_);
  }
  shared_ref(shared_ref&& o) noexcept : b_(o.b_) { o.b_ = nullptr; }
  shared_ref& operator=(shared_ref o) noexcept {
    shared_block* const mine = b_;
    b_ = o.b_;
    o.b_ = mine;
    return *this;
  }
  ~shared_ref() {
    if (b_) release(b_);
  }
  shared_block* get() const { return b_; }

 private:
  shared_block* b_ = nullptr;
};

[[noreturn]] void throw_param_type(std::string_view name, dtype has, dtype asked);

}  // namespace detail

/// A named tensor, for reading. Copies share the elements and keep them alive.
class param_value {
 public:
  param_value() = default;
  param_value(std::string name, const detail::any_view& v, detail::shared_ref owner)
      : name_(std::move(name)), v_(v), owner_(std::move(owner)) {}

  const std::string& name() const { return name_; }
  dtype type() const { return v_.type; }
  const tenon::dims& dims() const { return v_.dims; }
  int rank() const { return v_.dims.rank; }
  /// Number of elements.
  extent_t size() const { return v_.size; }
  extent_t bytes() const { return v_.size * size_of(v_.type); }
  /// Row-major, without gaps, aligned to the element.
  const void* data() const { return v_.data; }
  /// The elements as what they are; type_error when D is not type(). Valid as long as some copy of this lives.
  template <dtype D>
  view<D> as() const {
    if (D != v_.type) detail::throw_param_type(name_, v_.type, D);
    return view<D>(v_);
  }
  const detail::shared_ref& owner() const { return owner_; }
  operator const detail::any_view&() const { return v_; }

 private:
  std::string name_;
  detail::any_view v_;
  detail::shared_ref owner_;
};

/// Named tensors, sorted by name. A value: copies are cheap and share everything until one of them is changed.
class param_set {
 public:
  param_set() = default;

  /// Number of tensors.
  std::size_t size() const;
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// Null when there is none. Valid until this set changes or is destroyed.
  const param_value* find(std::string_view name) const;
  /// argument_error when there is none.
  const param_value& operator[](std::string_view name) const;
  /// Sorted.
  std::vector<std::string> names() const;
  const param_value* begin() const;
  const param_value* end() const { return begin() + size(); }

  /// Adds a tensor, or replaces the one of that name. argument_error when the name is empty.
  template <dtype D>
  param_set& set(std::string_view name, array<D> a) {
    return set_storage(name, std::move(a.s_));
  }
  param_set& set(param_value);
  /// True when there was one.
  bool erase(std::string_view name);

 private:
  param_set& set_storage(std::string_view name, detail::array_storage);

  detail::shared_ref values_;
};

/// Reads a file in the safetensors format (https://github.com/huggingface/safetensors). The elements stay in the mapped
/// file, so it must not be changed while they are used; misaligned ones are copied. Throws load_error naming the file,
/// the tensor and the values for whatever is not exactly such a file, and for element types that tenon has not.
param_set load_safetensors(const std::string& path);
/// Writes such a file: aside, then renamed. argument_error for names that are not UTF-8 or are "__metadata__",
/// load_error when the file cannot be written.
void save_safetensors(const std::string& path, const param_set&);

/// Reads a .npz archive of NumPy (numpy.savez, numpy.savez_compressed): members NAME.npy become tensors NAME. Numbers
/// in little-endian order and booleans of rank at most 8, in C or Fortran order. Throws load_error naming the file, the
/// member and the values for anything else; checksums are verified.
param_set load_npz(const std::string& path);
/// Reads a single .npy file; the value has no name.
param_value load_npy(const std::string& path);

}  // namespace tenon
