// The typed handle of a value: element type and extents are in the C++ type, the structure is in a graph node.
#pragma once
#include <string_view>
#include <type_traits>
#include <utility>

#include "tenon/dsl/handle.hpp"
#include "tenon/dsl/message.hpp"
#include "tenon/dsl/operators.hpp"

namespace tenon {

namespace detail {

/// `to` says nothing that `from` does not: the conversion only forgets.
constexpr bool forgets(const dims& from, const dims& to) {
  if (to.any()) return true;
  if (from.any() || from.rank != to.rank) return false;
  for (int i = 0; i < to.rank; ++i)
    if (to[i] != dyn && to[i] != from[i]) return false;
  return true;
}
constexpr bool forgets(dtype from, dtype to) { return to == any_dtype || to == from; }

/// What every handle holds. No template, so that what is done with a node is compiled once for all types.
class value_base {
 public:
  const node_ref& node() const { return node_; }

 protected:
  value_base() = default;
  explicit value_base(node_ref n) : node_(std::move(n)) {}
  node_ref node_;
};
inline argument operand_of(const value_base& v) { return {v.node().get()}; }
inline argument operand_of(number n) { return {nullptr, n, true}; }

template <class T>
inline constexpr bool is_index_argument = false;
/// An axis or an affine form of axes: what stands in the parentheses of x(i, j + 1). See index.hpp.
template <class T>
concept index_argument = is_index_argument<std::remove_cvref_t<T>>;

}  // namespace detail

/// A value of element type `D` and extents `S`: `tensor<f32, shape<dyn, 784>>`, `tensor<f32, any_shape>`. One counted
/// reference to an immutable graph node; copying is cheap. A default-made one refers to nothing and is only assigned
/// to. Converts to every type that knows less (`any_shape`, `dyn` for a number); `as<S>(x)` is the checked way back.
template <dtype D, class S>
class [[nodiscard]] tensor : public detail::value_base, public detail::operators<tensor<D, S>> {
 public:
  static_assert(sizeof(S) != 0);  // completes S, so that its own checks run
  static constexpr auto tenon_kind = detail::kind::tensor;
  static constexpr dtype type = D;
  using shape_type = S;

  tensor() = default;
  explicit tensor(detail::node_ref n) : value_base(std::move(n)) {}
  template <tensor_like T>
    requires(!std::same_as<T, tensor> && detail::forgets(T::type, D) && detail::forgets(T::shape_type::value, S::value))
  tensor(const T& t) : value_base(t.node()) {}
  // Anything else is refused here, with words: GCC 12 cannot print two shapes that differ.
  template <tensor_like T>
    requires(!std::same_as<T, tensor> &&
             !(detail::forgets(T::type, D) && detail::forgets(T::shape_type::value, S::value)))
  tensor(const T&) {
    using namespace detail;
    tensor_error<"assignment", "the types differ; as<>() checks", words<written(T::type)>(),
                 words<written(T::shape_type::value)>(), "to", words<written(D)>(), words<written(S::value)>()>
        refused;
    (void)refused;
  }

  /// Extent of an axis (negative ones count from the end) as far as it is known: a number, `dyn` or a named extent.
  extent_t extent(int axis) const {
    const dims& d = S::value.any() ? detail::shape_of(node_) : S::value;
    return d[axis < 0 ? axis + d.rank : axis];
  }
  /// An element in index notation: x(i, j), x(i + r, 2 * j).
  template <detail::index_argument... I>
  auto operator()(const I&... indices) const;
};
static_assert(sizeof(tensor<f32, shape<1>>) == sizeof(void*));

/// A named input of a graph: `input<f32, 32, 784>("x")`. The name is in errors.
template <dtype D, extent_t... E>
tensor<D, shape<E...>> input(std::string_view name, loc where = std::source_location::current()) {
  return tensor<D, shape<E...>>(detail::emit_input(name, D, shape<E...>::value, where));
}
/// The same, its shape given as a type, which may be `any_shape`: `input<f32, any_shape>("x")`.
template <dtype D, class S>
  requires requires { S::value.rank; }
tensor<D, S> input(std::string_view name, loc where = std::source_location::current()) {
  return tensor<D, S>(detail::emit_input(name, D, S::value, where));
}

/// The same value with its extents stated: the checked way back from `any_shape` and `dyn`. What is known when the
/// graph is made is checked then, the rest at the call: shape_error, type_error.
template <class S, tensor_like X>
  requires requires { S::value.rank; }
tensor<X::type, S> as(const X& x, loc where = std::source_location::current()) {
  return tensor<X::type, S>(detail::emit_as(x.node(), X::type, S::value, where));
}
/// Element type and extents: `as<f32, shape<64, 128>>(p)` for what came from a `param`.
template <dtype D, class S, tensor_like X>
tensor<D, S> as(const X& x, loc where = std::source_location::current()) {
  return tensor<D, S>(detail::emit_as(x.node(), D, S::value, where));
}

}  // namespace tenon
