// The operators of every handle, written once, and the concepts of what may stand beside them.
#pragma once
#include <type_traits>

#include "tenon/dsl/handle.hpp"

namespace tenon {

namespace ops {
// Their structs are in tenon/ops/; a handle's operators are instantiated only where they are used.
struct add_op;
struct sub_op;
struct mul_op;
struct div_op;
struct mod_op;
struct neg_op;
struct less_op;
struct less_equal_op;
struct greater_op;
struct greater_equal_op;
struct bit_and_op;
struct bit_or_op;
struct bit_xor_op;
struct bit_not_op;
struct logical_not_op;
}  // namespace ops

namespace detail {

/// What a handle stands for: decides what an operator applied to it makes.
enum class kind : unsigned char {
  none,
  tensor,  ///< a value of the graph: tensor, param, param_of
  index,   ///< an element in index notation: x(i, j)
  axis,    ///< an axis, or arithmetic of axes, in index notation
};
template <class T>
inline constexpr kind kind_of = kind::none;
template <class T>
  requires requires { T::tenon_kind; }
inline constexpr kind kind_of<T> = T::tenon_kind;

template <class Op, class... A>
auto apply(const loc& where, const A&... operands);

}  // namespace detail

/// A tensor of any element type and shape: `tensor`, `param`, `param_of`.
template <class T>
concept tensor_like = detail::kind_of<std::remove_cvref_t<T>> == detail::kind::tensor;
/// Whatever an operator takes: a tensor, or an element in index notation. An axis alone is none: `sum(i)` reduces over
/// it.
template <class T>
concept operand = tensor_like<T> || detail::kind_of<std::remove_cvref_t<T>> == detail::kind::index;
/// An operand, or a C++ number that takes the element type of the operands beside it.
template <class T>
concept operand_or_number = operand<T> || detail::arithmetic<std::remove_cvref_t<T>>;
/// Operands of which at least one is no plain number: what `pow(2, x)` takes.
template <class... T>
concept some_operands = (operand_or_number<T> && ...) && (operand<T> || ...);

namespace detail {

// Hidden friends whose located side is not deduced, so that its defaulted location is the user's line.
#define TENON_BINARY(symbol, op)                             \
  template <operand_or_number R>                             \
  friend auto operator symbol(located<Self> a, const R& b) { \
    return apply<ops::op>(a.where, a.value, b);              \
  }
#define TENON_UNARY(symbol, op) \
  friend auto operator symbol(located<Self> a) { return apply<ops::op>(a.where, a.value); }

/// Base of every handle: elementwise operators. Equality is `equal(x, y)`.
template <class Self>
struct operators {
  TENON_BINARY(+, add_op)
  TENON_BINARY(-, sub_op)
  TENON_BINARY(*, mul_op)
  TENON_BINARY(/, div_op)
  TENON_BINARY(%, mod_op)
  TENON_BINARY(<, less_op)
  TENON_BINARY(<=, less_equal_op)
  TENON_BINARY(>, greater_op)
  TENON_BINARY(>=, greater_equal_op)
  TENON_BINARY(&, bit_and_op)
  TENON_BINARY(|, bit_or_op)
  TENON_BINARY(^, bit_xor_op)
  TENON_UNARY(-, neg_op)
  TENON_UNARY(~, bit_not_op)
  TENON_UNARY(!, logical_not_op)
};
#undef TENON_BINARY
#undef TENON_UNARY

// A number on the left: one template for all handles, found through their base. As friends these made each tensor type
// twice as dear to compile.
struct located_number {
  number value;
  loc where;
  template <arithmetic A>
  located_number(A a, loc w = std::source_location::current()) : value(a), where(w) {}
};
#define TENON_NUMBER_LEFT(symbol, op)                  \
  template <operand R>                                 \
  auto operator symbol(located_number a, const R& b) { \
    return apply<ops::op>(a.where, a.value, b);        \
  }
TENON_NUMBER_LEFT(+, add_op)
TENON_NUMBER_LEFT(-, sub_op)
TENON_NUMBER_LEFT(*, mul_op)
TENON_NUMBER_LEFT(/, div_op)
TENON_NUMBER_LEFT(%, mod_op)
TENON_NUMBER_LEFT(<, less_op)
TENON_NUMBER_LEFT(<=, less_equal_op)
TENON_NUMBER_LEFT(>, greater_op)
TENON_NUMBER_LEFT(>=, greater_equal_op)
TENON_NUMBER_LEFT(&, bit_and_op)
TENON_NUMBER_LEFT(|, bit_or_op)
TENON_NUMBER_LEFT(^, bit_xor_op)
#undef TENON_NUMBER_LEFT

}  // namespace detail
}  // namespace tenon
