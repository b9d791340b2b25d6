// What an operator is: one struct, in one place, that states its name, attributes, shapes, types and meaning.
//
//   struct relu_op : map_op {
//     static constexpr const char* name = "relu";
//     template <class V> static V scalar(V x) { return max(x, x.like(0)); }
//   };
//
// Members of an operator struct (base classes below supply the usual ones):
//   name                                       snake_case, unique
//   attrs                                      an aggregate with `fields`; no_attrs when there are none
//   kind_of                                    how it takes part in fusion: "map", "movement", "reduction", ...
//   operands, max_operands, results            how many
//   shape(const attrs&, shapes) -> outcome     constexpr; the one shape rule: C++ compiler, graph, call
//   types(const attrs&, dtypes) -> type_outcome  constexpr
//   unknown(shapes) -> dims                    constexpr; with run-time attributes: what the type still knows
//   unknown_types(dtypes) -> type_outcome      the same for element types, where attributes decide them
//   operand_type(k, main) -> dtype             constexpr; operand k's type when the main operand's is `main`
// and its meaning in one of
//   scalar(V...), scalar(const attrs&, V...)   map operators: one function of scalars
//   compute(C& c, const attrs&, const I& i)    the result element at indices i, in the generic terms of a context
//   program(P& p, const attrs&)                loops, conditions, loads and stores of its own
//   expand(const attrs&, X...)                 library operators: written in other operators, on tensors
//
// The context C of `compute` is native (the element is computed) or symbolic (its expression is built):
//   C::value, C::index, C::mask, C::indices (index_list<C::index>)
//   c.operands(), c.rank(k), c.out_rank()      numbers
//   c.extent(k, d), c.out_extent(d)            indices
//   c.exact_extent(k, d)                       the same as a number: code is made for this extent alone
//   c.load(k, indices) -> value                operand k, in its compute type (f32 for f16 and bf16)
//   c.load_wide(k, indices) -> wide            the same in its accumulator type (i32 for 8-bit integers)
//   c.load_term(k, indices) -> term            the same in the type of a mean's sum (64 bits for integers)
//   c.load_if(mask, k, indices, otherwise)     reads only where the mask holds
//   c.load_wide_if(mask, k, indices)           the same in the accumulator type, else 0
//   c.load_bits(dtype, k, indices) -> value    the stored bits as another type of the same size
//   c.load_mask(k, indices) -> mask            a b8 operand
//   c.load_index(k, indices) -> index          an integer operand as an index
//   c.constant(number) -> value, c.lowest(), c.highest()  of operand 0's (or `main_operand`'s) compute type
//   c.to_index(number) -> index
//   c.to_value(index) -> value of the result's compute type; c.from_mask(mask) -> value
//   c.to_term(index) -> term                   of operand 0's (or `main_operand`'s) type
//   c.select(mask, a, b)                       values or indices
//   c.same(index, index) -> bool               whether two indices are known to be equal; a hint, false is always right
//   c.reduce(C::reducer, extents, f)           f(indices) -> value or wide; sum, prod, max, min in index order
//   c.reduce_mask(reducer, extents, f)         f(indices) -> mask; all, any
//   c.reduce_arg(reducer, extent, f) -> index  f(index) -> value; argmax, argmin: the first best, NaN counts as best
// Masks combine with & | !, indices with + - * / % (both >= 0) and comparisons, values with everything in prim.hpp.
//
// The builder P of `program` adds statements:
//   p.outer(extents, f)                        parallel loops: f(indices)
//   p.loop(begin, end, f)                      a serial loop: f(index)
//   p.branch(mask, f[, otherwise])
//   p.local(value) -> a variable with get() and set(value); p.local_index(index) the same for indices
//   p.store(result, indices, value), p.load_result(result, indices) -> value; and all that C has
//   p.load_result_index(result, indices) -> index        of a result of i64
#pragma once
#include "tenon/core/outcome.hpp"

namespace tenon {

/// The words of an enum's values in attributes, in order: what `names_of` of such an enum answers.
struct value_names {
  const std::string_view* v;
  int n;
};

/// For operators without attributes.
struct no_attrs {
  template <class Self, class V>
  static constexpr void fields(Self&, V&&) {}
  friend constexpr bool operator==(const no_attrs&, const no_attrs&) = default;
};

namespace ops {

using detail::dtypes;
using detail::outcome;
using detail::shapes;
using detail::type_outcome;

// Hide the objects tenon::min and tenon::max inside operators, so that calls there find the scalars' own functions.
struct nothing;
void min(nothing);
void max(nothing);

/// What element types an operator takes.
enum class domain : unsigned char { any, numbers, floats, integers, bits, booleans };

constexpr bool in_domain(domain m, dtype d) {
  switch (m) {
    case domain::numbers:
      return d != b8;
    case domain::floats:
      return is_float(d) || d == any_dtype;
    case domain::integers:
      return is_integer(d) || d == any_dtype;
    case domain::bits:
      return is_integer(d) || d == b8 || d == any_dtype;
    case domain::booleans:
      return d == b8 || d == any_dtype;
    default:
      return true;
  }
}
/// The common type of operands [first, n), which is in the domain.
constexpr type_outcome one_type(domain m, dtypes t, int first = 0) {
  constexpr std::string_view words[] = {"", "a number", "a float", "an integer", "an integer or b8", "b8"};
  type_outcome o = detail::same_types(t, first);
  if (o.ok && !in_domain(m, o.out)) o.refuse() << name(o.out) << " is not " << words[static_cast<int>(m)];
  return o;
}

/// The same with b8 as the result.
constexpr type_outcome as_b8(type_outcome o) {
  if (o.ok) o.out = b8;
  return o;
}

/// One scalar function of broadcast operands of one type.
template <domain Takes>
struct map_over {
  using attrs = no_attrs;
  static constexpr const char* kind_of = "map";
  static constexpr int operands = 1, max_operands = 1, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr outcome shape(const auto&, shapes s) { return detail::broadcast_all(s); }
  static constexpr type_outcome types(const auto&, dtypes t) { return one_type(Takes, t); }
  static constexpr dims unknown(shapes s) { return detail::broadcast_all(s).out; }
};
template <domain Takes>
struct binary_map_over : map_over<Takes> {
  static constexpr int operands = 2, max_operands = 2;
};
using map_op = map_over<domain::any>;
using binary_map_op = binary_map_over<domain::any>;

/// Comparisons: b8 from two operands of one type.
template <domain Takes>
struct comparison_over : binary_map_over<Takes> {
  static constexpr type_outcome types(const auto&, dtypes t) { return as_b8(one_type(Takes, t)); }
};
/// Operators of one operand and of one result of the same type, with run-time unknown shape unless they say better.
template <domain Takes>
struct unary_over {
  using attrs = no_attrs;
  static constexpr int operands = 1, max_operands = 1, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr type_outcome types(const auto&, dtypes t) { return one_type(Takes, t); }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
};
using unary_op = unary_over<domain::any>;

/// The same rank with every extent unknown.
constexpr dims all_unknown(dims d) {
  for (int i = 0; i < d.rank; ++i) d.e[i] = dyn;
  return d;
}

}  // namespace ops
}  // namespace tenon
