// From a C++ function to a typed callable: `jit` takes a lambda with typed parameters, `build` a model and a signature.
#pragma once
#include <type_traits>
#include <utility>

#include "tenon/dsl/compiled.hpp"

namespace tenon {

/// The parameter types of a model, for `build`.
template <tensor_like... P>
struct signature {
  static_assert(((P::type != any_dtype) && ...), "signature: element types are known");
};

namespace detail {

template <class P>
struct parameter {
  using type = std::remove_cvref_t<P>;
  static_assert(!is_inout<type> || (std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>),
                "an inout parameter is taken by reference: [](inout<tensor<...>>& state, ...) { state = ...; }");
};
template <class F>
struct parameters_of;
template <class R, class C, class... P>
struct parameters_of<R (C::*)(P...) const> {
  using type = type_list<typename parameter<P>::type...>;
};
template <class R, class C, class... P>
struct parameters_of<R (C::*)(P...)> {
  using type = type_list<typename parameter<P>::type...>;
};
template <class R, class... P>
struct parameters_of<R (*)(P...)> {
  using type = type_list<typename parameter<P>::type...>;
};
template <class R, class C, class... P>
struct parameters_of<R (C::*)(P...) const noexcept> : parameters_of<R (C::*)(P...) const> {};
template <class F>
concept typed_callable = requires { &F::operator(); };
template <class F>
concept function_pointer = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;

template <class T>
inline constexpr bool is_typed_tensor = false;
template <dtype D, class S>
inline constexpr bool is_typed_tensor<tensor<D, S>> = D != any_dtype;
template <class T>
inline constexpr bool is_typed_tensor<inout<T>> = is_typed_tensor<T>;

/// Runs the function once on handles: its graph is what the handles recorded.
template <class F, class... P, std::size_t... I>
auto trace(F&& f, type_list<P...>, std::index_sequence<I...>, compile_options&& options, binding when,
           const loc& where) {
  static_assert((is_typed_tensor<P> && ...), "each parameter is a tensor<...> with an element type");
  const node_ref inputs[] = {emit_argument(static_cast<int>(I) + 1, P::type, P::shape_type::value, where)..., {}};
  std::tuple<P...> parameters(inputs[I]...);
  auto result = f(std::get<I>(parameters)...);
  using R = decltype(result);
  constexpr std::size_t n = count_of(typename results_of<R>::types{}), updates = (std::size_t{is_inout<P>} + ... + 0);
  node_ref outputs[n + updates];
  int updated[updates + 1];
  nodes_of(result, outputs);
  [[maybe_unused]] std::size_t k = 0;
  (
      [&] {
        if constexpr (is_inout<P>) {
          updated[k] = static_cast<int>(I);
          outputs[n + k++] = std::get<I>(parameters).node();
        }
      }(),
      ...);
  return compiled<R(P...)>(
      make_function(inputs, sizeof...(P), outputs, n, updated, updates, std::move(options), when, where));
}

}  // namespace detail

/// Makes a callable of a lambda with typed parameters: `jit([](tensor<f32, shape<dyn, 64>> x) { return relu(x); })`.
/// The lambda runs once, here, on handles; what it says is checked by the C++ compiler as far as extents are known, the
/// rest here and at the call (shape_error, type_error). Compiles at the first call.
template <class F>
auto jit(F f, compile_options options = {}, loc where = std::source_location::current()) {
  if constexpr (detail::typed_callable<F>) {
    using types = typename detail::parameters_of<decltype(&F::operator())>::type;
    return [&]<class... P>(detail::type_list<P...> all) {
      return detail::trace(f, all, std::index_sequence_for<P...>{}, std::move(options), detail::binding::at_call,
                           where);
    }(types{});
  } else if constexpr (detail::function_pointer<F>) {
    using types = typename detail::parameters_of<F>::type;
    return [&]<class... P>(detail::type_list<P...> all) {
      return detail::trace(f, all, std::index_sequence_for<P...>{}, std::move(options), detail::binding::at_call,
                           where);
    }(types{});
  } else {
    static_assert(detail::typed_callable<F>,
                  "jit: the lambda's parameters need types: tensor<f32, shape<...>>; for auto parameters use build(f, "
                  "signature<...>{})");
  }
}

/// Makes a callable of a model: any object that can be called with handles, its params as members. The params are bound
/// to `options.params` by name as constants: argument_error, shape_error or type_error when one is missing or differs.
template <class Model, class... P>
auto build(const Model& model, signature<P...>, compile_options options = {},
           loc where = std::source_location::current()) {
  static_assert(
      requires { model(std::declval<P&>()...); }, "build: the model cannot be called with the signature's parameters");
  return detail::trace(model, detail::type_list<P...>{}, std::index_sequence_for<P...>{}, std::move(options),
                       detail::binding::now, where);
}

}  // namespace tenon
