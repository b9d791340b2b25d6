// What an operator is to its users: one struct, in one place, that states its name, attributes, shapes and types.
//
//   struct relu_op : map_over<domain::numbers> {
//     static constexpr const char* name = "relu";
//   };
//
// Members of an operator struct (base classes below supply the usual ones):
//   name                                       snake_case, unique
//   attrs                                      an aggregate with `fields`; no_attrs when there are none
//   kind_of                                    how it takes part in fusion and scheduling
//   operands, max_operands, results            how many
//   shape(const attrs&, shapes) -> outcome     constexpr; the one shape rule: C++ compiler, graph, call
//   types(const attrs&, dtypes) -> type_outcome  constexpr
//   unknown(shapes) -> dims                    constexpr; with run-time attributes: what the type still knows
//   unknown_types(dtypes) -> type_outcome      the same for element types, where attributes decide them
//   operand_type(k, main) -> dtype             constexpr; operand k's type when the main operand's is `main`
// What it means is told to the library alone: src/ops/meaning.hpp.
#pragma once
#include "tenon/core/op_kind.hpp"
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
  static constexpr op_kind kind_of = op_kind::map;
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
