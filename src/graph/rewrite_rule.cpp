// Rewrite rules: both sides are ordinary graphs whose inputs are the variables.
//
//   relu(relu(%x)) >> relu(%x)      on      %1 = relu(%0), %2 = relu(%1)      gives      %2 = relu(%0)
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>
#include <unordered_map>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "ops/leaf.hpp"
#include "tenon/graph/pass.hpp"

namespace tenon {
namespace {

using namespace ir;
using bindings = std::unordered_map<std::string_view, node_ref>;  // of variables, by name

bool is_variable(const node& n) { return n.op == &input_definition(); }

bool takes(const value_type& stated, const value_type& given) {
  if (stated.element != any_dtype && stated.element != given.element) return false;
  if (stated.shape.any()) return true;
  if (stated.shape.rank != given.shape.rank) return false;
  for (int i = 0; i < stated.shape.rank; ++i)
    if (stated.shape[i] >= 0 && stated.shape[i] != given.shape[i]) return false;
  return true;
}

/// Whether `n` is an instance of `pattern`; a pattern is small, so it is walked by recursion.
bool match(const node& pattern, const node_ref& n, bindings& bound) {
  if (is_variable(pattern)) {
    if (!takes(pattern.type, n->type)) return false;
    const auto [it, fresh] = bound.try_emplace(leaf_name(pattern), n);
    return fresh || it->second == n || same_structure(*it->second, *n);
  }
  if (pattern.op != n->op || pattern.operands.size() != n->operands.size() ||
      !pattern.op->attrs->equal(pattern.attrs.get(), n->attrs.get()))
    return false;
  for (std::size_t i = 0; i < pattern.operands.size(); ++i)
    if (!match(*pattern.operands[i], n->operands[i], bound)) return false;
  return true;
}

node_ref instance(const node_ref& pattern, const bindings& bound, const loc& where) {
  std::unordered_map<const node*, node_ref> done;
  for (const node* p : post_order({&pattern, 1})) {
    if (is_variable(*p)) {
      done[p] = bound.at(leaf_name(*p));
      continue;
    }
    std::vector<node_ref> operands;
    for (const node_ref& o : p->operands) operands.push_back(done.at(o.get()));
    done[p] = make_node(*p->op, p->attrs, std::move(operands), where);
  }
  return done.at(pattern.get());
}

std::vector<const node*> variables(const node_ref& side) {
  std::vector<const node*> v;
  for (const node* n : post_order({&side, 1}))
    if (is_variable(*n)) v.push_back(n);
  return v;
}

// ---- the check of a rule
constexpr int trials = 600;
constexpr extent_t some_extents[] = {1, 2, 3, 4, 6};
constexpr dtype some_types[] = {f32, f32, f32, f64, f16, i32, i64, u8, b8};

dims random_shape(std::mt19937& random, int rank) {
  dims d;
  for (int i = 0; i < rank; ++i) d.push_back(some_extents[random() % std::size(some_extents)]);
  return d;
}
/// Values that operands of one operator often are: equal, broadcast, or of any other extents.
value_type random_type(std::mt19937& random, const value_type& stated, const value_type& common) {
  value_type t = stated;
  if (t.element == any_dtype) t.element = random() % 8 ? common.element : some_types[random() % std::size(some_types)];
  if (t.shape.any()) {
    t.shape = common.shape;
    const int rank = common.shape.rank;
    switch (random() % 4) {
      case 0:
        t.shape = random_shape(random, rank);
        break;
      case 1:
        for (int i = 0; i < rank; ++i)
          if (random() % 2) t.shape[i] = 1;
        break;
      case 2:
        t.shape = random_shape(random, static_cast<int>(random() % 5));
        break;
      default:
        break;
    }
  }
  for (int i = 0; i < t.shape.rank; ++i)
    if (t.shape[i] < 0) t.shape[i] = i < common.shape.rank ? common.shape[i] : 2;
  return t;
}

void check(const node_ref& from, const node_ref& to, const loc& where) {
  const auto at = [&] { return fmt::format("; at {}:{}", where.file(), where.line()); };
  if (!from || !to) throw argument_error("rule: a side is an empty tensor handle" + at());
  if (is_variable(*from))
    throw argument_error("rule: the left side is a variable alone: it would match every value" + at());
  const std::vector<const node*> left = variables(from);
  for (const node* v : variables(to))
    if (std::ranges::none_of(left, [&](const node* l) { return leaf_name(*l) == leaf_name(*v); }))
      throw argument_error(
          fmt::format("rule: the right side has variable {}, which the left side lacks{}", leaf_name(*v), at()));
  std::mt19937 random(1);
  int fitted = 0;
  for (int trial = 0; trial < trials; ++trial) {
    const value_type common{some_types[random() % std::size(some_types)],
                            random_shape(random, static_cast<int>(random() % 5))};
    bindings bound;
    std::string operands;
    for (const node* v : left) {
      const value_type t = random_type(random, v->type, common);
      bound.try_emplace(leaf_name(*v), make_input(leaf_name(*v), t.element, t.shape, where));
    }
    for (const auto& [name, n] : bound)
      operands += fmt::format("{}{} {}", operands.empty() ? "" : ", ", name, ir::to_string(n->type));
    node_ref a;
    try {
      a = instance(from, bound, where);
    } catch (const error&) {
      continue;  // not what the left side takes
    }
    ++fitted;
    std::string other;
    try {
      const node_ref b = instance(to, bound, where);
      if (b->type == a->type) continue;
      other = ir::to_string(b->type);
    } catch (const error& e) {
      other = fmt::format("refused ({})", e.what());
    }
    throw argument_error(fmt::format("rule: for {} the left side is {} and the right side {}{}", operands,
                                     ir::to_string(a->type), other, at()));
  }
  if (!fitted)
    throw argument_error(fmt::format(
        "rule: none of {} operands fits the left side; state the variables' types: input<f32, 2, 3>(\"x\"){}", trials,
        at()));
}

// A rule that matches its own result again is applied again, this often at one node.
constexpr int most_in_place = 16;

}  // namespace

rewrite_rule rule(detail::rule_sides sides, const loc& where) {
  check(sides.from, sides.to, where);
  return {std::move(sides.from), std::move(sides.to)};
}

struct graph_pass::rules final : graph_pass::body {
  explicit rules(std::vector<rewrite_rule> l) : list(std::move(l)) {}

  graph run(const graph& g) const override {
    return rewrite(g, [&](node_table&, const node_ref& n) {
      node_ref now;
      for (int i = 0; i < most_in_place; ++i) {
        node_ref next = once(now ? now : n);
        if (!next) break;
        now = std::move(next);
      }
      return now;
    });
  }

 private:
  node_ref once(const node_ref& n) const {
    for (const rewrite_rule& r : list) {
      bindings bound;
      if (!match(*r.from(), n, bound)) continue;
      node_ref made = instance(r.to(), bound, n->where);
      if (made->type != n->type)
        throw compile_error(fmt::format("rule of {}:{}: {} becomes {}; the value is made at {}:{}",
                                        r.from()->where.file(), r.from()->where.line(), ir::to_string(n->type),
                                        ir::to_string(made->type), n->where.file(), n->where.line()));
      if (!same_structure(*made, *n)) return made;
    }
    return {};
  }
  std::vector<rewrite_rule> list;
};

graph_pass::graph_pass(std::string name, rewrite_rule r)
    : graph_pass(std::move(name), new rules(std::vector{std::move(r)})) {}
graph_pass::graph_pass(std::string name, std::initializer_list<rewrite_rule> l)
    : graph_pass(std::move(name), new rules(std::vector(l))) {}

}  // namespace tenon
