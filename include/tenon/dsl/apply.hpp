// How an operator is applied: its rules run when C++ compiles, its node is made by one non-template `emit`.
//
//   apply<Op>(where, operands...)                   no attributes
//   apply_static<Op, Attrs>(where, operands...)     attributes known when C++ compiles
//   apply_dynamic<Op>(where, attrs, operands...)    run-time attributes: what they decide is `dyn` in the type
//
// attr_fn<Op> and reduce_fn<Op> (index.hpp) are the function objects that users call.
#pragma once
#include <tuple>
#include <type_traits>
#include <utility>

#include "tenon/dsl/message.hpp"
#include "tenon/dsl/operators.hpp"
#include "tenon/dsl/tensor.hpp"

namespace tenon::detail {

// ---- what the type of an operand says; a number fits every element type and has rank 0
template <class T>
inline constexpr dtype dtype_of = any_dtype;
template <class T>
  requires requires { T::type; }
inline constexpr dtype dtype_of<T> = T::type;
template <class T>
struct shape_of_type {
  using type = shape<>;
};
template <tensor_like T>
struct shape_of_type<T> {
  using type = typename T::shape_type;
};

// ---- the rules, as constants of a class: they run once for equal operands
template <class Op, auto Attrs, class... S>
struct inferred {
  static constexpr dims operands[] = {S::value...};
  static constexpr outcome value = Op::shape(Attrs, shapes{operands, sizeof...(S)});
};
template <class Op, auto Attrs, dtype... D>
struct inferred_types {
  static constexpr dtype operands[] = {D...};
  static constexpr type_outcome value = Op::types(Attrs, dtypes{operands, sizeof...(D)});
};
/// The shapes of a call whose attributes only the run time knows: of the shape rule when they do not matter.
template <class Op, class... S>
struct unknown_shape {
  static constexpr dims operands[] = {S::value...};
  static constexpr outcome value = [] {
    if constexpr (requires { Op::unknown(shapes{operands, sizeof...(S)}); }) {
      outcome o;
      o.out = Op::unknown(shapes{operands, sizeof...(S)});
      for (dims& d : o.more) d = o.out;
      return o;
    } else {
      return Op::shape(typename Op::attrs{}, shapes{operands, sizeof...(S)});
    }
  }();
};
template <class Op, dtype... D>
struct unknown_types {
  static constexpr dtype operands[] = {D...};
  static constexpr type_outcome value = [] {
    if constexpr (requires { Op::unknown_types(dtypes{operands, sizeof...(D)}); })
      return Op::unknown_types(dtypes{operands, sizeof...(D)});
    else
      return Op::types(typename Op::attrs{}, dtypes{operands, sizeof...(D)});
  }();
};

// ---- refusals, in the words of program 2; instantiated only where something is refused
template <class Op, class R, class... S>
constexpr void refuse_shape() {
  tensor_error<words<written(Op::name)>(), words<R::value.why>(), words<written(S::value)>()...> refused;
  (void)refused;
}
template <class Op, class R, dtype... D>
constexpr void refuse_types() {
  tensor_error<words<written(Op::name)>(), words<R::value.why>(), words<written(D)>()...> refused;
  (void)refused;
}
template <class Op>
constexpr void refuse_count() {
  tensor_error<words<written(Op::name)>(), "wrong number of operands"> refused;
  (void)refused;
}
template <class Op, class Shapes, class Types, class... A>
constexpr void check() {
  if constexpr (!Shapes::value.ok)
    refuse_shape<Op, Shapes, typename shape_of_type<A>::type...>();
  else if constexpr (!Types::value.ok)
    refuse_types<Op, Types, dtype_of<A>...>();
}

// ---- results: shape I of a rule's answer, as a type
template <class R, int I>
inline constexpr dims nth_shape = I == 0 ? R::value.out : R::value.more[I - (I > 0)];
template <class R, int I>
inline constexpr dtype nth_type = I == 0 ? R::value.out : R::value.more[I - (I > 0)];
template <class R, class I>
struct first_shape;
template <class R, std::size_t... I>
struct first_shape<R, std::index_sequence<I...>> {
  using type = shape<R::value.out.e[I]...>;
};
template <class R>
struct result_shape : first_shape<R, std::make_index_sequence<static_cast<std::size_t>(R::value.out.rank)>> {};
template <class R>
  requires(R::value.out.rank < 0)
struct result_shape<R> {
  using type = any_shape;
};

// The type goes through a deduction, so that Clang prints the plain type and not the expression that made it.
template <dtype D, class S>
tensor<D, S> made(std::type_identity<tensor<D, S>>, node_ref n) {
  return tensor<D, S>(std::move(n));
}
template <class Types, class Shapes, int... I>
auto made_all(const node_ref& n, const loc& where, std::integer_sequence<int, I...>) {
  return std::tuple{made(std::type_identity<tensor<nth_type<Types, I>, to_shape<nth_shape<Shapes, I>>>>{},
                         emit_result(n, I, where))...};
}
/// Operators on what is no tensor: specialised where that is defined (index.hpp).
template <kind K>
struct apply_to;

template <class... A>
inline constexpr kind call_kind =
    ((kind_of<A> == kind::index || kind_of<A> == kind::axis) || ...) ? kind::index : kind::tensor;

/// Attributes that the C++ compiler knows: every rule is checked here.
template <class Op, auto Attrs, class... A>
auto apply_static(const loc& where, const A&... a) {
  if constexpr (sizeof...(A) < Op::operands || sizeof...(A) > Op::max_operands) refuse_count<Op>();
  if constexpr (call_kind<A...> != kind::tensor) {
    return apply_to<call_kind<A...>>::template call<Op, Attrs>(where, &Attrs, a...);
  } else {
    using shapes_ = inferred<Op, Attrs, typename shape_of_type<A>::type...>;
    using types_ = inferred_types<Op, Attrs, dtype_of<A>...>;
    check<Op, shapes_, types_, A...>();
    const argument operands[] = {operand_of(a)...};
    if constexpr (Op::results == 1)
      return made(std::type_identity<tensor<types_::value.out, typename result_shape<shapes_>::type>>{},
                  emit(definition<Op>(), &Attrs, operands, sizeof...(A), where));
    else
      return made_all<types_, shapes_>(emit(definition<Op>(), &Attrs, operands, sizeof...(A), where), where,
                                       std::make_integer_sequence<int, Op::results>{});
  }
}
/// No attributes.
template <class Op, class... A>
auto apply(const loc& where, const A&... a) {
  return apply_static<Op, typename Op::attrs{}>(where, a...);
}
/// Run-time attributes: the type keeps what they cannot change; the rest is checked when the graph is made.
template <class Op, class... A>
auto apply_dynamic(const loc& where, const typename Op::attrs& attrs, const A&... a) {
  if constexpr (sizeof...(A) < Op::operands || sizeof...(A) > Op::max_operands) refuse_count<Op>();
  if constexpr (call_kind<A...> != kind::tensor) {
    return apply_to<call_kind<A...>>::template call<Op, typename Op::attrs{}>(where, &attrs, a...);
  } else {
    using shapes_ = unknown_shape<Op, typename shape_of_type<A>::type...>;
    using types_ = unknown_types<Op, dtype_of<A>...>;
    check<Op, shapes_, types_, A...>();
    const argument operands[] = {operand_of(a)...};
    if constexpr (Op::results == 1)
      return made(std::type_identity<tensor<types_::value.out, typename result_shape<shapes_>::type>>{},
                  emit(definition<Op>(), &attrs, operands, sizeof...(A), where));
    else
      return made_all<types_, shapes_>(emit(definition<Op>(), &attrs, operands, sizeof...(A), where), where,
                                       std::make_integer_sequence<int, Op::results>{});
  }
}

// ---- function objects with attributes: f(x), f(x, {.axis = 1}), f.with<{.axis = 1}>(x), for one to five operands
template <class Op, int Operands>
struct attr_calls;
template <class Op>
struct attr_calls<Op, 1> {
  template <operand A>
  auto operator()(const A& a, loc w = std::source_location::current()) const {
    return apply_static<Op, typename Op::attrs{}>(w, a);
  }
  template <operand A>
  auto operator()(const A& a, const typename Op::attrs& at, loc w = std::source_location::current()) const {
    return apply_dynamic<Op>(w, at, a);
  }
  template <typename Op::attrs Attrs, operand A>
  auto with(const A& a, loc w = std::source_location::current()) const {
    return apply_static<Op, Attrs>(w, a);
  }
};
template <class Op>
struct attr_calls<Op, 2> {
  template <operand A, operand_or_number B>
  auto operator()(const A& a, const B& b, loc w = std::source_location::current()) const {
    return apply_static<Op, typename Op::attrs{}>(w, a, b);
  }
  template <operand A, operand_or_number B>
  auto operator()(const A& a, const B& b, const typename Op::attrs& at, loc w = std::source_location::current()) const {
    return apply_dynamic<Op>(w, at, a, b);
  }
  template <typename Op::attrs Attrs, operand A, operand_or_number B>
  auto with(const A& a, const B& b, loc w = std::source_location::current()) const {
    return apply_static<Op, Attrs>(w, a, b);
  }
};
template <class Op>
struct attr_calls<Op, 3> {
  template <operand A, operand_or_number B, operand_or_number C>
  auto operator()(const A& a, const B& b, const C& c, loc w = std::source_location::current()) const {
    return apply_static<Op, typename Op::attrs{}>(w, a, b, c);
  }
  template <operand A, operand_or_number B, operand_or_number C>
  auto operator()(const A& a, const B& b, const C& c, const typename Op::attrs& at,
                  loc w = std::source_location::current()) const {
    return apply_dynamic<Op>(w, at, a, b, c);
  }
  template <typename Op::attrs Attrs, operand A, operand_or_number B, operand_or_number C>
  auto with(const A& a, const B& b, const C& c, loc w = std::source_location::current()) const {
    return apply_static<Op, Attrs>(w, a, b, c);
  }
};
template <class Op>
struct attr_calls<Op, 4> {
  template <operand A, operand_or_number B, operand_or_number C, operand_or_number D>
  auto operator()(const A& a, const B& b, const C& c, const D& d, loc w = std::source_location::current()) const {
    return apply_static<Op, typename Op::attrs{}>(w, a, b, c, d);
  }
  template <operand A, operand_or_number B, operand_or_number C, operand_or_number D>
  auto operator()(const A& a, const B& b, const C& c, const D& d, const typename Op::attrs& at,
                  loc w = std::source_location::current()) const {
    return apply_dynamic<Op>(w, at, a, b, c, d);
  }
  template <typename Op::attrs Attrs, operand A, operand_or_number B, operand_or_number C, operand_or_number D>
  auto with(const A& a, const B& b, const C& c, const D& d, loc w = std::source_location::current()) const {
    return apply_static<Op, Attrs>(w, a, b, c, d);
  }
};
template <class Op>
struct attr_calls<Op, 5> {
  template <operand A, operand_or_number B, operand_or_number C, operand_or_number D, operand_or_number E>
  auto operator()(const A& a, const B& b, const C& c, const D& d, const E& e,
                  loc w = std::source_location::current()) const {
    return apply_static<Op, typename Op::attrs{}>(w, a, b, c, d, e);
  }
  template <operand A, operand_or_number B, operand_or_number C, operand_or_number D, operand_or_number E>
  auto operator()(const A& a, const B& b, const C& c, const D& d, const E& e, const typename Op::attrs& at,
                  loc w = std::source_location::current()) const {
    return apply_dynamic<Op>(w, at, a, b, c, d, e);
  }
  template <typename Op::attrs Attrs, operand A, operand_or_number B, operand_or_number C, operand_or_number D,
            operand_or_number E>
  auto with(const A& a, const B& b, const C& c, const D& d, const E& e, loc w = std::source_location::current()) const {
    return apply_static<Op, Attrs>(w, a, b, c, d, e);
  }
};

/// Of `Min` to `Max` operands.
template <class Op, int Min, int Max>
struct attr_call_range : attr_calls<Op, Min>, attr_call_range<Op, Min + 1, Max> {
  using attr_calls<Op, Min>::operator();
  using attr_calls<Op, Min>::with;
  using attr_call_range<Op, Min + 1, Max>::operator();
  using attr_call_range<Op, Min + 1, Max>::with;
};
template <class Op, int N>
struct attr_call_range<Op, N, N> : attr_calls<Op, N> {};

// An alias, not a class with the other as its base: there are a hundred of them.
template <bool OneCount>
struct attr_fn_for {
  template <class Op>
  using type = attr_calls<Op, Op::operands>;
};
template <>
struct attr_fn_for<false> {
  template <class Op>
  using type = attr_call_range<Op, Op::operands, Op::max_operands>;
};
/// An operator with attributes.
template <class Op>
using attr_fn = typename attr_fn_for<Op::operands == Op::max_operands>::template type<Op>;

}  // namespace tenon::detail
