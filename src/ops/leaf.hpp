// Nodes that compute nothing: inputs, params, constants, one result of several, a stated type.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "graph/op_def.hpp"

namespace tenon::ir {

/// A name with the type that the user stated; of `input` and `param`.
struct named_type {
  std::string name;
  dtype type = any_dtype;
  dims extents{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("name", s.name);
    v("type", s.type);
    v("extents", s.extents);
  }
  friend bool operator==(const named_type&, const named_type&) = default;
};

/// Bytes of a constant: row-major and contiguous, shared, never written. Hashed once, when made.
class constant_value {
 public:
  constant_value() = default;
  /// Shares `data`, which holds count() elements of `type`.
  constant_value(dtype type, const dims& extents, std::shared_ptr<const void> data);
  dtype type() const { return type_; }
  const dims& extents() const { return extents_; }
  const void* data() const { return data_.get(); }
  const std::shared_ptr<const void>& shared() const { return data_; }
  std::size_t bytes() const { return static_cast<std::size_t>(extents_.count() * size_of(type_)); }
  /// Of type, extents and bytes.
  const detail::hash128& hash() const { return hash_; }
  friend bool operator==(const constant_value&, const constant_value&);

 private:
  dtype type_ = any_dtype;
  dims extents_{};
  std::shared_ptr<const void> data_;
  detail::hash128 hash_{};
};
struct constant_attrs {
  constant_value value;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("value", s.value);
  }
  friend bool operator==(const constant_attrs&, const constant_attrs&) = default;
};

const op_def& input_definition();
const op_def& param_definition();
const op_def& constant_definition();
const op_def& result_definition();
const op_def& as_definition();

/// Hash-consing tells inputs apart by name and type alone: those of one graph need different names.
node_ref make_input(std::string_view name, dtype, const dims&, const loc&);
node_ref make_param(std::string_view name, dtype, const dims&, const loc&);
/// Copies the elements.
node_ref make_constant(dtype, const dims&, const void* data, const loc&);
node_ref make_constant(constant_value, const loc&);
/// A scalar; broadcasting it is free. Floats take the nearest value, integers wrap; type_error for a fraction, an
/// infinity or NaN as an integer, and where the type is not known.
node_ref make_scalar(dtype, number, const loc&);
/// Result `index` of a node with several; the node itself when it has one. argument_error when there is none such.
node_ref make_result(const node_ref&, int index, const loc&);
/// The same value, its type stated: shape_error or type_error when it cannot be that.
node_ref make_as(const node_ref&, dtype, const dims&, const loc&);

/// The user's name of an input or param, else "".
std::string_view leaf_name(const node&);
/// Of a `constant`.
const constant_value& constant_of(const node&);
/// Of a `result`: which one, and its type.
int projected_index(const node&);
value_type projected_type(const node&);

}  // namespace tenon::ir
