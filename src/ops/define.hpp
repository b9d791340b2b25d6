// The definition of an operator from its struct: rules, meaning on expressions, native functions, attributes as text.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "graph/op_def.hpp"
#include "loop/lower_context.hpp"
#include "loop/lower_program.hpp"
#include "ops/attrs_text.hpp"
#include "ops/native.hpp"
#include "tenon/dsl/tensor.hpp"
#include "tenon/ops/op.hpp"

namespace tenon::ir {

// ---- attributes

template <class A>
std::vector<std::pair<std::string_view, std::string>> attrs_texts(const A& a) {
  std::vector<std::pair<std::string_view, std::string>> r;
  A::fields(a, [&](std::string_view name, const auto& field) {
    std::string s;
    if constexpr (std::is_same_v<A, extents_attrs>)
      print_wanted(s, field);
    else
      print_field(s, field);
    r.emplace_back(name, std::move(s));
  });
  return r;
}
template <class A>
std::string print_attrs(const A& a) {
  const auto texts = attrs_texts(a), defaults = attrs_texts(A{});
  std::string s;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].second == defaults[i].second) continue;
    s += s.empty() ? "{" : ", ";
    s.append(".").append(texts[i].first).append(" = ").append(texts[i].second);
  }
  if (!s.empty()) s += "}";
  return s;
}
template <class A>
A parse_attrs(std::string_view text) {
  A a{};
  attrs_reader reader(text);
  for (std::string_view wanted = reader.next_field(); !wanted.empty(); wanted = reader.next_field()) {
    bool found = false;
    std::vector<std::string_view> known;
    A::fields(a, [&](std::string_view name, auto& field) {
      known.push_back(name);
      if (name != wanted || found) return;
      found = true;
      reader.read(field);
    });
    if (!found) reader.unknown(wanted, known);
  }
  reader.finish();
  return a;
}
template <class A>
const attrs_def& attrs_definition() {
  static constexpr attrs_def def{
      .copy = [](const void* a) -> attrs_ref { return std::make_shared<A>(*static_cast<const A*>(a)); },
      .hash =
          [](const void* a) {
            std::uint64_t h = 0;
            A::fields(*static_cast<const A*>(a),
                      [&](std::string_view, const auto& field) { h = detail::mix(h, hash_field(field)); });
            return h;
          },
      .equal = [](const void* a, const void* b) { return *static_cast<const A*>(a) == *static_cast<const A*>(b); },
      .print = [](const void* a) { return print_attrs(*static_cast<const A*>(a)); },
      .parse = [](std::string_view s) -> attrs_ref { return std::make_shared<A>(parse_attrs<A>(s)); },
      .bind = [](const void* a, extent_t (*value_of)(void*, extent_t), void* context) -> attrs_ref {
        A bound = *static_cast<const A*>(a);
        A::fields(bound, [&](std::string_view, auto& field) {
          if constexpr (std::is_same_v<std::remove_reference_t<decltype(field)>, dims>)
            for (int i = 0; i < field.rank; ++i) field[i] = value_of(context, field[i]);
        });
        return std::make_shared<A>(std::move(bound));
      }};
  return def;
}

// ---- meaning on expressions

/// The scalar function with attributes where it takes them.
template <class Op, class... V>
auto call_scalar(const typename Op::attrs& at, const V&... v) {
  if constexpr (requires { ops::meaning<Op>::scalar(at, v...); })
    return ops::meaning<Op>::scalar(at, v...);
  else
    return ops::meaning<Op>::scalar(v...);
}
template <class Op, std::size_t... K>
sym scalar_symbol(const typename Op::attrs& at, const sym* v, std::index_sequence<K...>) {
  return call_scalar<Op>(at, v[K]...);
}
template <class Op>
inline constexpr bool has_scalar = Op::kind_of == op_kind::map;

template <class Op>
expr_ref scalar_expression(expr_arena& arena, const void* attrs, std::span<const expr_ref> operands) {
  constexpr std::size_t n = Op::operands;
  sym v[n];
  for (std::size_t k = 0; k < n; ++k) v[k] = sym(&arena, operands[k]);
  return scalar_symbol<Op>(*static_cast<const typename Op::attrs*>(attrs), v, std::make_index_sequence<n>{}).e;
}

/// Operand k's index in dimension d for a broadcast result: 0 where the operand has extent 1.
inline index_list<sym> broadcast_indices(lower_context& c, int k, const index_list<sym>& i) {
  index_list<sym> x;
  const int lead = c.out_rank() - c.rank(k);
  for (int d = 0; d < c.rank(k); ++d) {
    const sym extent = c.extent(k, d), one = c.to_index(1), zero = c.to_index(0);
    if (c.same(extent, c.out_extent(lead + d)))
      x.push_back(i[lead + d]);
    else if (extent.e->is(expr_kind::constant))
      x.push_back(c.same(extent, one) ? zero : i[lead + d]);
    else
      x.push_back(c.select(extent == one, zero, i[lead + d]));
  }
  return x;
}

template <class Op>
expr_ref compute_expression(lower_context& c, const void* attrs, std::span<const expr_ref> indices) {
  const auto& at = *static_cast<const typename Op::attrs*>(attrs);
  index_list<sym> i;
  for (expr_ref e : indices) i.push_back(sym(&c.arena(), e));
  if constexpr (has_scalar<Op>) {
    sym v[Op::operands];
    for (int k = 0; k < Op::operands; ++k) v[k] = c.load(k, broadcast_indices(c, k, i));
    return scalar_symbol<Op>(at, v, std::make_index_sequence<static_cast<std::size_t>(Op::operands)>{}).e;
  } else {
    return ops::meaning<Op>::compute(c, at, i).e;
  }
}

// ---- library operators

using any_tensor = tensor<any_dtype, any_shape>;

inline void collect(std::vector<node_ref>& r, const any_tensor& t) { r.push_back(t.node()); }
template <class... T>
void collect(std::vector<node_ref>& r, const std::tuple<T...>& t) {
  std::apply([&](const auto&... x) { (collect(r, x), ...); }, t);
}
/// Gives the nodes made by an expansion the place of what was expanded: it is the user's, theirs is in this library.
void place(const std::vector<node_ref>& results, std::span<const node_ref> operands, const loc&);

template <class Op, std::size_t N>
std::vector<node_ref> expand_with(const typename Op::attrs& at, std::span<const node_ref> operands) {
  std::vector<node_ref> r;
  if constexpr (N >= static_cast<std::size_t>(Op::operands)) {
    if (operands.size() == N)
      [&]<std::size_t... K>(std::index_sequence<K...>) {
        collect(r, ops::meaning<Op>::expand(at, any_tensor(operands[K])...));
      }(std::make_index_sequence<N>{});
  }
  if constexpr (N > 0) {
    if (r.empty()) return expand_with<Op, N - 1>(at, operands);
  }
  return r;
}
template <class Op>
std::vector<node_ref> expand_nodes(const void* attrs, std::span<const node_ref> operands, const loc& where) {
  std::vector<node_ref> r = expand_with<Op, Op::max_operands>(*static_cast<const typename Op::attrs*>(attrs), operands);
  place(r, operands, where);
  return r;
}

/// What Op's rule says of a node's attributes and operands.
template <class Op>
bool asked(bool (*rule)(const typename Op::attrs&, detail::shapes), const node& n) {
  std::vector<dims> operands;
  for (const node_ref& o : n.operands) operands.push_back(o->type.shape);
  return rule(n.attributes<typename Op::attrs>(), {operands.data(), static_cast<int>(operands.size())});
}

/// The same value in nodes that lower well: specialised, with a static member `of(const node&)` that answers null for
/// what does already, where an operator has such a form (in its .cpp, before TENON_DEFINE).
template <class Op>
struct legal_form;

template <class Op>
constexpr op_def make_definition() {
  using A = typename Op::attrs;
  using M = ops::meaning<Op>;
  op_def d;
  d.name = Op::name;
  d.kind = Op::operands == 0 ? op_kind::leaf : Op::kind_of;
  d.min_operands = Op::operands;
  d.max_operands = Op::max_operands;
  d.results = Op::results;
  d.main_operand = Op::main_operand;
  d.shape = [](const void* at, detail::shapes s) { return Op::shape(*static_cast<const A*>(at), s); };
  d.types = [](const void* at, detail::dtypes t) { return Op::types(*static_cast<const A*>(at), t); };
  if constexpr (has_scalar<Op>) d.scalar = scalar_expression<Op>;
  if constexpr (requires { M::is_view; }) d.view = M::is_view;
  if constexpr (requires { M::prefers_channels_last; })
    d.channels_last = [](const node& n) { return asked<Op>(M::prefers_channels_last, n); };
  if constexpr (requires(const A& at) { Op::source(at, 0, 0); })
    d.source = [](const void* at, int rank, int axis) { return Op::source(*static_cast<const A*>(at), rank, axis); };
  if constexpr (requires { M::is_ready(A{}, detail::shapes{}); })
    d.is_ready = [](const node& n) { return asked<Op>(M::is_ready, n); };
  if constexpr (requires { legal_form<Op>::of; }) d.legalize = legal_form<Op>::of;
  if constexpr (requires { legal_form<Op>::of_result; }) d.legalize_result = legal_form<Op>::of_result;
  if constexpr (requires { &M::template program<lower_program>; }) {
    d.program = [](lower_program& p, const void* at) { M::program(p, *static_cast<const A*>(at)); };
  } else if constexpr (Op::kind_of == op_kind::library) {
    d.expand = expand_nodes<Op>;
  } else {
    d.compute = compute_expression<Op>;
  }
  if constexpr (Op::kind_of != op_kind::library) d.native = native::choose<Op>;
  return d;
}

}  // namespace tenon::ir

namespace tenon::ir {

template <class Op>
const op_def& defined() {
  static const op_def def = [] {
    op_def d = make_definition<Op>();
    d.attrs = &attrs_definition<typename Op::attrs>();
    return d;
  }();
  return def;
}

}  // namespace tenon::ir

/// Defines an operator's one symbol, in the one translation unit that sees its native function. What its expansion uses
/// and is defined in the same file comes before it.
#define TENON_DEFINE(op)                                                 \
  template <>                                                            \
  const tenon::ir::op_def& tenon::detail::definition<tenon::ops::op>() { \
    return tenon::ir::defined<tenon::ops::op>();                         \
  }
