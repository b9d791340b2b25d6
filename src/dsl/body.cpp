#include "dsl/body.hpp"

#include <algorithm>
#include <unordered_map>

#include "ops/leaf.hpp"
#include "tenon/dsl/elementwise.hpp"

namespace tenon::ir {
namespace {

using detail::mix;

std::uint64_t hash_of(std::string_view s) { return detail::hash_text(s).lo; }
std::uint64_t hash_of(extent_t v) { return mix(0, static_cast<std::uint64_t>(v)); }
std::uint64_t hash_of(dtype d) { return mix(1, static_cast<std::uint64_t>(d)); }
std::uint64_t hash_of(const index_form::term& t) {
  return mix(mix(hash_of(t.axis), static_cast<std::uint64_t>(t.extent)), static_cast<std::uint64_t>(t.coefficient));
}
std::uint64_t hash_of(const index_form& f) {
  std::uint64_t h = hash_of(f.offset);
  for (int i = 0; i < f.n; ++i) h = mix(h, hash_of(f.terms[i]));
  return h;
}
std::uint64_t hash_of(const body_axis& a) { return mix(hash_of(a.name), static_cast<std::uint64_t>(a.extent)); }
template <class T>
std::uint64_t hash_of(const std::vector<T>& v) {
  std::uint64_t h = v.size();
  for (const T& x : v) h = mix(h, hash_of(x));
  return h;
}
std::uint64_t hash_of(const argument_attrs& a) { return mix(hash_of(a.type), static_cast<std::uint64_t>(a.operand)); }
std::uint64_t hash_of(const index_load_attrs& a) {
  return mix(mix(hash_of(a.indices), hash_of(a.type)), static_cast<std::uint64_t>(a.operand));
}
std::uint64_t hash_of(const index_value_attrs& a) { return hash_of(a.index); }
std::uint64_t hash_of(const index_reduce_attrs& a) { return mix(hash_of(a.axes), static_cast<std::uint64_t>(a.how)); }
std::uint64_t hash_of(const compute_attrs& a) {
  return mix(mix(mix(hash_of(a.axes), hash_of(a.operands)), static_cast<std::uint64_t>(a.rank)), a.body->hash);
}
std::uint64_t hash_of(const elementwise_attrs& a) {
  return mix(mix(hash_of(a.name), hash_of(a.operands)), a.body->hash);
}

bool operator==(const compute_attrs& a, const compute_attrs& b) {
  return a.rank == b.rank && a.axes == b.axes && a.operands == b.operands && same_body(*a.body, *b.body);
}
bool operator==(const elementwise_attrs& a, const elementwise_attrs& b) {
  return a.name == b.name && a.operands == b.operands && same_body(*a.body, *b.body);
}

// Leaves and reductions of bodies stand in no graph of their own: their text is the body's.
template <class T>
std::string print_attrs(const T&) {
  return {};
}
std::string print_attrs(const compute_attrs& a) { return print_compute(a); }
std::string print_attrs(const elementwise_attrs& a) { return print_elementwise(a); }
template <class T>
attrs_ref parse_attrs(std::string_view) {
  throw parse_error("this operator stands only inside the body of compute{...} or elementwise{...}");
}
template <>
attrs_ref parse_attrs<compute_attrs>(std::string_view s) {
  return parse_compute(s);
}
template <>
attrs_ref parse_attrs<elementwise_attrs>(std::string_view s) {
  return parse_elementwise(s);
}

template <class T>
const T& as(const void* attrs) {
  return *static_cast<const T*>(attrs);
}
template <class T>
const attrs_def& attrs_definition() {
  static const attrs_def d{
      .copy = [](const void* a) -> attrs_ref { return std::make_shared<T>(as<T>(a)); },
      .hash = [](const void* a) { return hash_of(as<T>(a)); },
      .equal = [](const void* a, const void* b) { return as<T>(a) == as<T>(b); },
      .print = [](const void* a) { return print_attrs(as<T>(a)); },
      .parse = [](std::string_view s) { return parse_attrs<T>(s); },
      // Bodies hold no named extents: an axis states a number.
      .bind = [](const void* a, extent_t (*)(void*, extent_t), void*) -> attrs_ref {
        return std::make_shared<T>(as<T>(a));
      },
  };
  return d;
}

detail::outcome scalar_shape(const void*, detail::shapes) { return {}; }

template <class A>
detail::type_outcome operand_types(const void* attrs, detail::dtypes t) {
  const auto& a = as<A>(attrs);
  detail::type_outcome o;
  o.out = a.body->type.element;
  for (int k = 0; k < t.size() && o.ok; ++k)
    if (t[k] != any_dtype && t[k] != a.operands[static_cast<std::size_t>(k)])
      o.refuse() << "operand " << k + 1 << " is " << name(t[k]) << ", its body takes "
                 << name(a.operands[static_cast<std::size_t>(k)]);
  return o;
}

}  // namespace

const op_def& argument_definition() {
  static const op_def d{.name = "argument",
                        .kind = op_kind::leaf,
                        .min_operands = 0,
                        .max_operands = 0,
                        .attrs = &attrs_definition<argument_attrs>(),
                        .shape = scalar_shape,
                        .types = [](const void* a, detail::dtypes) -> detail::type_outcome {
                          return {.out = as<argument_attrs>(a).type};
                        }};
  return d;
}
const op_def& index_load_definition() {
  static const op_def d{.name = "index_load",
                        .kind = op_kind::leaf,
                        .min_operands = 0,
                        .max_operands = 1,
                        .attrs = &attrs_definition<index_load_attrs>(),
                        .shape = [](const void* attrs, detail::shapes s) -> detail::outcome {
                          const auto& a = as<index_load_attrs>(attrs);
                          const int n = static_cast<int>(a.indices.size());
                          detail::outcome o;
                          if (s.size() == 1 && !s[0].any() && s[0].rank != n)
                            o.refuse() << n << " indices for rank " << s[0].rank;
                          return o;
                        },
                        .types = [](const void* a, detail::dtypes) -> detail::type_outcome {
                          return {.out = as<index_load_attrs>(a).type};
                        }};
  return d;
}
const op_def& index_value_definition() {
  static const op_def d{.name = "index_value",
                        .kind = op_kind::leaf,
                        .min_operands = 0,
                        .max_operands = 0,
                        .attrs = &attrs_definition<index_value_attrs>(),
                        .shape = scalar_shape,
                        .types = [](const void*, detail::dtypes) -> detail::type_outcome { return {.out = i64}; }};
  return d;
}
const op_def& index_reduce_definition() {
  static const op_def d{.name = "index_reduce",
                        .kind = op_kind::reduction,
                        .attrs = &attrs_definition<index_reduce_attrs>(),
                        .shape = scalar_shape,
                        .types = [](const void*, detail::dtypes t) -> detail::type_outcome { return {.out = t[0]}; }};
  return d;
}
const op_def& compute_definition() {
  static const op_def d{
      .name = "compute",
      .kind = op_kind::reduction,
      .min_operands = 0,
      .max_operands = 64,
      .attrs = &attrs_definition<compute_attrs>(),
      .shape = [](const void* a, detail::shapes s) { return extents_of(as<compute_attrs>(a), s).result; },
      .types = operand_types<compute_attrs>,
      .compute = lower_compute,
      .native = [](const void*, detail::dtypes) -> native_fn { return run_compute; }};
  return d;
}

namespace {

std::vector<node_ref> expand_elementwise(const void* attrs, std::span<const node_ref> operands, const loc& where) {
  const auto& a = as<elementwise_attrs>(attrs);
  std::unordered_map<const node*, node_ref> made;
  for (const node* n : post_order({&a.body, 1})) {
    if (n->op == &argument_definition()) {
      made[n] = operands[static_cast<std::size_t>(n->attributes<argument_attrs>().operand)];
    } else if (n->operands.empty()) {
      made[n] = node_ref(n);
    } else {
      std::vector<node_ref> in;
      for (const node_ref& o : n->operands) in.push_back(made.at(o.get()));
      made[n] = make_node(*n->op, n->attrs, std::move(in), where);
    }
  }
  return {made.at(a.body.get())};
}

}  // namespace

const op_def& elementwise_definition() {
  static const op_def d{.name = "elementwise",
                        .kind = op_kind::library,
                        .min_operands = 1,
                        .max_operands = 4,
                        .attrs = &attrs_definition<elementwise_attrs>(),
                        .shape = [](const void*, detail::shapes s) { return detail::broadcast_all(s); },
                        .types = operand_types<elementwise_attrs>,
                        .expand = expand_elementwise};
  return d;
}

bool same_body(const node& a, const node& b) {
  if (&a == &b) return true;
  if (a.hash != b.hash) return false;
  const node_ref roots[] = {node_ref(&a), node_ref(&b)};
  const auto x = post_order({roots, 1}), y = post_order({roots + 1, 1});
  if (x.size() != y.size()) return false;
  std::unordered_map<const node*, const node*> same;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const node &p = *x[i], &q = *y[i];
    if (p.op != q.op || p.type != q.type || p.operands.size() != q.operands.size() ||
        !p.op->attrs->equal(p.attrs.get(), q.attrs.get()))
      return false;
    for (std::size_t k = 0; k < p.operands.size(); ++k)
      if (same.at(p.operands[k].get()) != q.operands[k].get()) return false;
    same[&p] = &q;
  }
  return true;
}

node_ref expanded_body(const node_ref& body, std::string_view what) {
  // Each round writes out the library operators that are there; what they are written in may hold others.
  node_ref now = body;
  for (bool again = true; again;) {
    again = false;
    node_table table;
    std::unordered_map<const node*, node_ref> made;
    for (const node* n : post_order({&now, 1})) {
      std::vector<node_ref> in;
      for (const node_ref& o : n->operands) in.push_back(made.at(o.get()));
      const bool leaf = n->op == &argument_definition() || n->op == &index_load_definition() ||
                        n->op == &index_value_definition() || n->op == &constant_definition();
      if (n->type.shape != dims{} || n->results() != 1 ||
          !(leaf || n->op->kind == op_kind::map || n->op->kind == op_kind::library ||
            n->op == &index_reduce_definition()))
        throw argument_error(std::string(what) + ": '" + std::string(n->op->name) + "' is no function of scalars; at " +
                             n->where.file() + ":" + std::to_string(n->where.line()));
      if (leaf) {
        made[n] = table.unique(node_ref(n));
      } else if (n->op->kind == op_kind::library) {
        made[n] = n->op->expand(n->attrs.get(), in, n->where).at(0);
        again = true;
      } else {
        made[n] = table.make(*n->op, n->attrs, std::move(in), n->where);
      }
    }
    now = made.at(now.get());
  }
  return now;
}

}  // namespace tenon::ir

namespace tenon::detail {

namespace {
bool is_identifier(std::string_view s) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !s.empty() && letter(s[0]) &&
         std::all_of(s.begin(), s.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}
}  // namespace

node_ref emit_scalar_argument(int index, const node_ref& operand, const loc& where) {
  const ir::argument_attrs attrs{index, operand ? operand->type.element : any_dtype};
  return ir::make_node(ir::argument_definition(), std::make_shared<ir::argument_attrs>(attrs), {}, where);
}

node_ref emit_elementwise(std::string_view name, const node_ref& body, const node_ref* operands, int n,
                          const loc& where) {
  const std::string what = "elementwise " + std::string(name);
  const std::string place = std::string("; at ") + where.file() + ":" + std::to_string(where.line());
  if (!is_identifier(name))
    throw argument_error(what + ": the name is not made of letters, digits, underscores" + place);
  if (!body) throw argument_error(what + ": the function returned an empty tensor handle" + place);
  bool used[4]{};
  for (const ir::node* x : ir::post_order({&body, 1})) {
    if (x->op == &ir::argument_definition()) used[x->attributes<ir::argument_attrs>().operand] = true;
    if (x->operands.empty() && x->op != &ir::argument_definition() && x->op != &ir::constant_definition()) {
      const std::string_view given = ir::leaf_name(*x);
      throw argument_error(what + ": the function uses '" + std::string(given.empty() ? x->op->name : given) +
                           "', which is no argument of it" + place);
    }
  }
  // The result's shape follows from the body when it uses all of them.
  for (int k = 0; k < n; ++k)
    if (!used[k])
      throw argument_error(what + ": the function does not use its argument " + std::to_string(k + 1) + place);
  ir::elementwise_attrs attrs{std::string(name), {}, ir::expanded_body(body, what)};
  std::vector<node_ref> in(operands, operands + n);
  for (const node_ref& o : in) attrs.operands.push_back(o ? o->type.element : any_dtype);
  return ir::make_node(ir::elementwise_definition(), std::make_shared<ir::elementwise_attrs>(std::move(attrs)),
                       std::move(in), where);
}

}  // namespace tenon::detail
