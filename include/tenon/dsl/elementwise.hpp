// Operators of the user's own from one scalar function.
#pragma once
#include <type_traits>
#include <utility>

#include "tenon/dsl/apply.hpp"

namespace tenon {

namespace detail {

/// Operand `index` as the function sees it: a scalar of the operand's element type.
node_ref emit_scalar_argument(int index, const node_ref& operand, const loc&);
/// The operator whose element is `body` of the operands' elements. argument_error when the body uses anything but its
/// arguments and numbers, or more than scalar operators.
node_ref emit_elementwise(std::string_view name, const node_ref& body, const node_ref* operands, int n, const loc&);

struct elementwise_rule {
  static constexpr const char* name = "elementwise";
  struct attrs {};
  static constexpr outcome shape(const attrs&, shapes s) { return broadcast_all(s); }
};

// What the function is tried on where it is defined: a scalar of a type that fits everything.
using any_scalar = tensor<any_dtype, shape<>>;

template <class F>
concept takes_scalars =
    std::is_invocable_v<const F&, any_scalar> || std::is_invocable_v<const F&, any_scalar, any_scalar> ||
    std::is_invocable_v<const F&, any_scalar, any_scalar, any_scalar> ||
    std::is_invocable_v<const F&, any_scalar, any_scalar, any_scalar, any_scalar>;

template <class F>
class elementwise_fn {
 public:
  constexpr elementwise_fn(const char* name, F f) : name_(name), f_(std::move(f)) {}

  // One overload per arity: no defaulted location can follow a pack.
  template <operand A>
  auto operator()(const A& a, loc where = std::source_location::current()) const {
    return call(where, std::integer_sequence<int, 0>{}, a);
  }
  template <operand A, operand B>
  auto operator()(const A& a, const B& b, loc where = std::source_location::current()) const {
    return call(where, std::integer_sequence<int, 0, 1>{}, a, b);
  }
  template <operand A, operand B, operand C>
  auto operator()(const A& a, const B& b, const C& c, loc where = std::source_location::current()) const {
    return call(where, std::integer_sequence<int, 0, 1, 2>{}, a, b, c);
  }
  template <operand A, operand B, operand C, operand D>
  auto operator()(const A& a, const B& b, const C& c, const D& d, loc where = std::source_location::current()) const {
    return call(where, std::integer_sequence<int, 0, 1, 2, 3>{}, a, b, c, d);
  }

 private:
  template <int... I, class... A>
  auto call(const loc& where, std::integer_sequence<int, I...>, const A&... a) const {
    if constexpr (call_kind<A...> != kind::tensor) {
      return f_(a...);  // in index notation the function is simply applied
    } else {
      static_assert(std::is_invocable_v<const F&, tensor<A::type, shape<>>...>,
                    "elementwise: the function does not take that many operands");
      using body = std::invoke_result_t<const F&, tensor<A::type, shape<>>...>;
      static_assert(tensor_like<body>, "elementwise: the function returns a scalar made of its arguments");
      using shapes_ = inferred<elementwise_rule, elementwise_rule::attrs{}, typename shape_of_type<A>::type...>;
      if constexpr (!shapes_::value.ok) refuse_shape<elementwise_rule, shapes_, typename shape_of_type<A>::type...>();
      const body b = f_(tensor<A::type, shape<>>(emit_scalar_argument(I, a.node(), where))...);
      const node_ref operands[] = {a.node()...};
      return made(std::type_identity<tensor<body::type, to_shape<shapes_::value.out>>>{},
                  emit_elementwise(name_, b.node(), operands, static_cast<int>(sizeof...(A)), where));
    }
  }

  const char* name_;
  F f_;
};

}  // namespace detail

/// An operator from one function of 1 to 4 scalars: `elementwise("swish", [](auto x) { return x / (1 + exp(-x)); })`.
/// Operands broadcast; numbers take the operands' element type. The function is tried here, so that its mistakes show
/// where it is defined, and traced once at each call: it has no side effects and captures no tensors. What it says is
/// saved with a graph, not its name. `name` outlives the operator (a literal).
template <class F>
constexpr auto elementwise(const char* name, F f) {
  static_assert(detail::takes_scalars<F>, "elementwise: the function takes one to four scalars");
  return detail::elementwise_fn<F>(name, std::move(f));
}

}  // namespace tenon
