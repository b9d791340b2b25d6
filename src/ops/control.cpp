#include "ops/control.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "graph/passes.hpp"
#include "ops/define.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/arithmetic.hpp"
#include "tenon/ops/compare.hpp"
#include "tenon/ops/indexing.hpp"
#include "tenon/ops/movement.hpp"
#include "tenon/ops/update_slice.hpp"

namespace tenon::ir {
namespace {

template <class Error = shape_error, class... A>
[[noreturn]] void refuse(const node& n, fmt::format_string<A...> text, A&&... a) {
  throw Error(fmt::format("{}: {}; at {}:{}", n.op->name, fmt::format(text, std::forward<A>(a)...), n.where.file(),
                          n.where.line()));
}

bool same_element(dtype a, dtype b) { return a == b || a == any_dtype || b == any_dtype; }
bool may_be_equal(const dims& a, const dims& b) {
  if (a.any() || b.any()) return true;
  if (a.rank != b.rank) return false;
  for (int d = 0; d < a.rank; ++d)
    if (a[d] >= 0 && b[d] >= 0 && a[d] != b[d]) return false;
  return true;
}
// What is known of a value that is both.
value_type both(const value_type& a, const value_type& b) {
  value_type r = a;
  if (r.element == any_dtype) r.element = b.element;
  if (r.shape.any()) r.shape = b.shape;
  for (int d = 0; d < r.shape.rank && !b.shape.any(); ++d)
    if (r.shape[d] < 0) r.shape[d] = b.shape[d];
  return r;
}
// `a` and `b` in words, with what they are.
void agree(const node& n, std::string_view a, const value_type& is, std::string_view b, const value_type& other) {
  if (!same_element(is.element, other.element))
    refuse<type_error>(n, "{} is {}, {} {}", a, to_string(is), b, to_string(other));
  if (!may_be_equal(is.shape, other.shape)) refuse(n, "{} is {}, {} {}", a, to_string(is), b, to_string(other));
}

// One element along the first axis.
value_type element_of(const node& n, int operand) {
  value_type t = n.operand(operand).type;
  if (t.shape.any()) return t;
  if (t.shape.rank == 0) refuse(n, "operand {} is {}: there is no axis to scan", operand + 1, to_string(t));
  dims rest;
  for (int d = 1; d < t.shape.rank; ++d) rest.push_back(t.shape[d]);
  t.shape = rest;
  return t;
}
// The common extent of the scanned axes.
extent_t steps_of(const node& n, const control_attrs& a) {
  extent_t steps = dyn;
  int first = 0;
  for (int i = a.states; i < a.states + a.scanned; ++i) {
    const dims& s = n.operand(i).type.shape;
    if (s.any()) continue;
    if (steps >= 0 && s[0] >= 0 && s[0] != steps)
      refuse(n, "extents {} != {} of the first axes of operands {} and {}", steps, s[0], first + 1, i + 1);
    if (steps < 0) {
      steps = s[0];
      first = i;
    }
  }
  return steps;
}

std::vector<value_type> types_of(std::span<const node_ref> nodes) {
  std::vector<value_type> t;
  for (const node_ref& n : nodes) t.push_back(n->type);
  return t;
}

// Makes the bodies those of the operands' types: what they were traced with may know less.
void take_operands(node& n, std::size_t bodies, const std::vector<value_type>& given) {
  const auto& a = n.attributes<control_attrs>();
  if (a.bodies.size() != bodies) refuse<argument_error>(n, "it has {} bodies, not {}", a.bodies.size(), bodies);
  bool same = true;
  for (const graph& body : a.bodies) {
    if (body.inputs.size() != given.size())
      refuse<argument_error>(n, "a body takes {} values, not the {} that are given", body.inputs.size(), given.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
      const value_type& taken = body.inputs[i]->type;
      same = same && taken == given[i];
      agree(n, fmt::format("value {}", i + 1), given[i], "a body takes", taken);
    }
  }
  if (same) return;
  control_attrs made = a;
  for (graph& body : made.bodies) body = specialize(body, given);
  n.attrs = std::make_shared<const control_attrs>(std::move(made));
}

void check_states(const node& n, const control_attrs& a, int least) {
  const int operands = static_cast<int>(n.operands.size());
  if (a.states < least || a.scanned < 0 || a.states > operands || a.scanned > operands - a.states)
    refuse<argument_error>(n, "{} states and {} scanned values of {} operands", a.states, a.scanned, operands);
}
void check_condition(const node& n, const value_type& t) {
  if (!same_element(t.element, b8)) refuse<type_error>(n, "the condition is {}, not b8[]", to_string(t));
  if (!may_be_equal(t.shape, {})) refuse(n, "the condition is {}, not b8[]", to_string(t));
}
void set_results(node& n, const std::vector<value_type>& t) {
  n.type = t.front();
  n.more.assign(t.begin() + 1, t.end());
}
// The body's first outputs are the next states.
std::vector<value_type> next_states(const node& n, const graph& body, int states) {
  std::vector<value_type> r;
  for (int i = 0; i < states; ++i) {
    const value_type &is = n.operand(i).type, &made = body.outputs[static_cast<std::size_t>(i)]->type;
    agree(n, fmt::format("state {}", i + 1), is, "its body makes", made);
    r.push_back(is);
  }
  return r;
}

void infer_while(node& n) {
  check_states(n, n.attributes<control_attrs>(), 1);
  take_operands(n, 2, types_of(n.operands));
  const auto& a = n.attributes<control_attrs>();
  const graph &condition = a.bodies[0], &body = a.bodies[1];
  if (condition.outputs.size() != 1)
    refuse<argument_error>(n, "the condition has {} results, not 1", condition.outputs.size());
  check_condition(n, condition.outputs[0]->type);
  if (body.outputs.size() != static_cast<std::size_t>(a.states))
    refuse<argument_error>(n, "there are {} states, and the body makes {}", a.states, body.outputs.size());
  set_results(n, next_states(n, body, a.states));
}

void infer_if(node& n) {
  check_condition(n, n.operand(0).type);
  take_operands(n, 2, types_of(std::span(n.operands).subspan(1)));
  const auto& a = n.attributes<control_attrs>();
  const std::vector<node_ref>&yes = a.bodies[0].outputs, &no = a.bodies[1].outputs;
  if (yes.size() != no.size() || yes.empty())
    refuse<argument_error>(n, "one branch makes {} results, the other {}", yes.size(), no.size());
  std::vector<value_type> r;
  for (std::size_t i = 0; i < yes.size(); ++i) {
    agree(n, fmt::format("result {}", i + 1), yes[i]->type, "in the other branch", no[i]->type);
    r.push_back(both(yes[i]->type, no[i]->type));
  }
  set_results(n, r);
}

void infer_scan(node& n) {
  const auto& given = n.attributes<control_attrs>();
  check_states(n, given, 0);
  if (given.scanned == 0) refuse<argument_error>(n, "nothing is scanned");
  std::vector<value_type> taken = types_of(n.operands);
  for (int i = given.states; i < given.states + given.scanned; ++i)
    taken[static_cast<std::size_t>(i)] = element_of(n, i);
  const extent_t steps = steps_of(n, given);
  take_operands(n, 1, taken);
  const auto& a = n.attributes<control_attrs>();
  const graph& body = a.bodies[0];
  if (body.outputs.size() < static_cast<std::size_t>(a.states))
    refuse<argument_error>(n, "there are {} states, and the body makes {} values", a.states, body.outputs.size());
  std::vector<value_type> r = next_states(n, body, a.states);
  for (std::size_t i = r.size(); i < body.outputs.size(); ++i) {
    value_type t = body.outputs[i]->type;
    if (!t.shape.any()) {
      if (t.shape.rank == dims::max_rank) refuse(n, "what is collected is {}: its rank would be 9", to_string(t));
      dims all{steps};
      for (extent_t e : t.shape) all.push_back(e);
      t.shape = all;
    }
    r.push_back(t);
  }
  if (r.empty()) refuse<argument_error>(n, "the body makes nothing");
  set_results(n, r);
}

// Written as `while`: what is collected is state that each step writes one row of.
//   scan(s, x)   ->   while(0, s, zeros[steps, ...], x): t < steps; t + 1, body(s, x[t]), update_slice(ys, y, t)
std::vector<node_ref> expand_scan(const void* attrs, std::span<const node_ref> operands, const loc& where) {
  const auto& a = *static_cast<const control_attrs*>(attrs);
  const graph& body = a.bodies[0];
  const auto states = static_cast<std::size_t>(a.states), scanned = static_cast<std::size_t>(a.scanned);
  const extent_t steps = operands[states]->type.shape[0];
  std::vector<node_ref> given{make_scalar(i64, 0, where)};
  given.insert(given.end(), operands.begin(), operands.begin() + a.states);
  for (std::size_t i = states; i < body.outputs.size(); ++i) {
    const value_type& t = body.outputs[i]->type;
    dims all{steps};
    for (extent_t e : t.shape) all.push_back(e);
    given.push_back(broadcast_to(any_tensor(make_scalar(t.element, 0, where)), extents(all), where).node());
  }
  const std::size_t results = given.size();
  if (steps == 0) return {given.begin() + 1, given.end()};
  given.insert(given.end(), operands.begin() + a.states, operands.end());

  std::vector<node_ref> in;
  for (std::size_t i = 0; i < given.size(); ++i)
    in.push_back(make_input(fmt::format("value_{}", i + 1), given[i]->type.element, given[i]->type.shape, where));
  const any_tensor t(in[0]);
  const any_tensor at = a.reverse ? any_tensor(sub(steps - 1, t, where)) : t;
  std::vector<node_ref> taken(in.begin() + 1, in.begin() + 1 + a.states);
  for (std::size_t i = results; i < results + scanned; ++i)
    taken.push_back(gather(any_tensor(in[i]), at, {.axis = 0}, where).node());
  taken.insert(taken.end(), in.begin() + static_cast<std::ptrdiff_t>(results + scanned), in.end());
  const std::vector<node_ref> made = inlined(body, taken);

  control_attrs loop{.bodies = {{in, {less(t, steps, where).node()}}, {in, {add(t, 1, where).node()}}},
                     .states = static_cast<int>(results)};
  std::vector<node_ref>& next = loop.bodies[1].outputs;
  next.insert(next.end(), made.begin(), made.begin() + a.states);
  for (std::size_t i = states; i < made.size(); ++i)
    next.push_back(
        update_slice(any_tensor(in[1 + i]), unsqueeze(any_tensor(made[i]), {0}, where), at, {.axis = 0}, where).node());
  const node_ref n =
      make_node(while_definition(), std::make_shared<const control_attrs>(std::move(loop)), std::move(given), where);
  std::vector<node_ref> r;
  for (int i = 1; i < n->results(); ++i) r.push_back(make_result(n, i, where));
  return r;
}

const attrs_def& control_attrs_definition() {
  static constexpr attrs_def def{
      .copy = [](const void* a) -> attrs_ref {
        return std::make_shared<const control_attrs>(*static_cast<const control_attrs*>(a));
      },
      .hash =
          [](const void* p) {
            const auto& a = *static_cast<const control_attrs*>(p);
            std::uint64_t h = detail::mix(static_cast<std::uint64_t>(a.states), static_cast<std::uint64_t>(a.scanned));
            h = detail::mix(h, static_cast<std::uint64_t>(a.reverse));
            for (const graph& body : a.bodies)
              for (const auto* list : {&body.inputs, &body.outputs})
                for (const node_ref& n : *list) h = detail::mix(h, n->hash);
            return h;
          },
      .equal =
          [](const void* a, const void* b) {
            return *static_cast<const control_attrs*>(a) == *static_cast<const control_attrs*>(b);
          },
      .print = [](const void* a) { return print_attrs(*static_cast<const control_attrs*>(a)); },
      .parse = [](std::string_view s) -> attrs_ref {
        return std::make_shared<const control_attrs>(parse_attrs<control_attrs>(s));
      },
      .bind = [](const void* a, extent_t (*value_of)(void*, extent_t), void* context) -> attrs_ref {
        control_attrs bound = *static_cast<const control_attrs*>(a);
        for (graph& body : bound.bodies) body = bind_extents(body, value_of, context);
        return std::make_shared<const control_attrs>(std::move(bound));
      }};
  return def;
}

op_def control_definition(std::string_view name, op_kind kind) {
  op_def d;
  d.name = name;
  d.kind = kind;
  d.max_operands = std::numeric_limits<int>::max();
  d.attrs = &control_attrs_definition();
  return d;
}

}  // namespace

bool operator==(const control_attrs& a, const control_attrs& b) {
  return a.states == b.states && a.scanned == b.scanned && a.reverse == b.reverse &&
         std::ranges::equal(a.bodies, b.bodies, [](const graph& x, const graph& y) { return equal(x, y); });
}

const op_def& while_definition() {
  static const op_def d = control_definition("while", op_kind::program);
  return d;
}
const op_def& if_definition() {
  static const op_def d = control_definition("if", op_kind::program);
  return d;
}
const op_def& scan_definition() {
  static const op_def d = [] {
    op_def r = control_definition("scan", op_kind::library);
    r.expand = expand_scan;
    r.is_ready = [](const node& n) {
      return n.type.shape.is_static() &&
             std::ranges::all_of(n.more, [](const value_type& t) { return t.shape.is_static(); }) &&
             n.operand(n.attributes<control_attrs>().states).type.shape.is_static();
    };
    return r;
  }();
  return d;
}

bool has_bodies(const op_def& d) { return d.attrs == &control_attrs_definition(); }
void infer_control(node& n) {
  if (n.op == &while_definition()) return infer_while(n);
  n.op == &if_definition() ? infer_if(n) : infer_scan(n);
}
bool is_update(const node& n) { return n.op == &detail::definition<ops::update_slice_op>(); }

std::span<const graph> bodies_of(const node& n) {
  if (!has_bodies(n)) return {};
  return n.attributes<control_attrs>().bodies;
}

}  // namespace tenon::ir
