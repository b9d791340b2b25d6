// Parameters that a call reads and writes.
#pragma once
#include "tenon/dsl/tensor.hpp"

namespace tenon {

/// A parameter that a call changes in place: `jit([](inout<tensor<f32, shape<12, 1024, 64>>>& cache, ...) { cache =
/// update_slice(cache, keys, position, {.axis = 1}); ... })`. The lambda takes it by reference; read, it is the value
/// that was assigned last, at first that of the call. What is assigned has the parameter's element type and extents: an
/// error of the C++ compiler, or a shape_error at the call. The call takes an array or a mutable_view without gaps, and
/// writes only what changes: update_slice writes its slice, and where the old value is needed until the end the new one
/// is made beside and copied. The memory overlaps no other argument and no result (argument_error).
template <class T>
class inout {
  static_assert(sizeof(T) == 0, "inout: the parameter is a tensor: inout<tensor<f32, shape<...>>>");
};
template <dtype D, class S>
class [[nodiscard]] inout<tensor<D, S>> : public tensor<D, S> {
 public:
  explicit inout(detail::node_ref n) : tensor<D, S>(std::move(n)) {}
  inout(const inout&) = delete;
  inout& operator=(const inout& o) {
    static_cast<tensor<D, S>&>(*this) = o;
    return *this;
  }
  template <tensor_like T>
  inout& operator=(const T& next) {
    static_cast<tensor<D, S>&>(*this) = tensor<D, S>(next);
    return *this;
  }
};

namespace detail {
template <class T>
inline constexpr bool is_inout = false;
template <class T>
inline constexpr bool is_inout<inout<T>> = true;
}  // namespace detail

}  // namespace tenon
