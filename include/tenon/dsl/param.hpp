// Parameters of a model: values that `build` binds as constants.
#pragma once
#include <string>

#include "tenon/dsl/tensor.hpp"

namespace tenon {

namespace detail {
/// `e` as the extents of a parameter; argument_error when there are too many or one is negative.
dims param_dims(std::string_view name, const extents& e, const loc&);
}  // namespace detail

/// A parameter with run-time extents and a run-time element type: they may come from a configuration. What is computed
/// from params alone is a `tensor<any_dtype, any_shape>`; beside a typed operand it takes that one's element type.
/// Checked when the graph is made. `name` is what `compile_options::params` binds it by.
class param : public detail::value_base, public detail::operators<param> {
 public:
  static constexpr auto tenon_kind = detail::kind::tensor;
  static constexpr dtype type = any_dtype;
  using shape_type = any_shape;

  param(std::string_view name, dtype d, const extents& e, loc where = std::source_location::current())
      : value_base(detail::emit_param(name, d, detail::param_dims(name, e, where), where)) {}
  dtype element_type() const { return detail::type_of(node_); }
  const tenon::dims& dims() const { return detail::shape_of(node_); }
  template <detail::index_argument... I>
  auto operator()(const I&... indices) const;
};

/// A parameter whose element type and extents the C++ compiler checks: `param_of<f32, shape<64, 128>> w{"w"}`.
template <dtype D, class S>
class param_of : public detail::value_base, public detail::operators<param_of<D, S>> {
 public:
  static_assert(D != any_dtype, "param_of: the element type is known; `param` is the one with a run-time type");
  static_assert(S::value.is_static(), "param_of: the extents are numbers; `param` is the one with run-time extents");
  static constexpr auto tenon_kind = detail::kind::tensor;
  static constexpr dtype type = D;
  using shape_type = S;

  explicit param_of(std::string_view name, loc where = std::source_location::current())
      : value_base(detail::emit_param(name, D, S::value, where)) {}
  template <detail::index_argument... I>
  auto operator()(const I&... indices) const;
};

}  // namespace tenon
