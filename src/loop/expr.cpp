#include "loop/expr.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "loop/evaluate.hpp"
#include "loop/simplify.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ir {
namespace {

std::uint64_t hash_of_node(const expr& e) {
  std::uint64_t h = detail::mix(static_cast<std::uint64_t>(e.kind) << 16 | static_cast<std::uint64_t>(e.op) << 8 |
                                    static_cast<std::uint64_t>(e.type),
                                static_cast<std::uint64_t>(e.payload));
  for (expr_ref x : e.operands) h = detail::mix(h, x->hash);
  return h;
}

}  // namespace

bool expr_arena::same::operator()(expr_ref a, expr_ref b) const {
  return a->kind == b->kind && a->op == b->op && a->type == b->type && a->payload == b->payload &&
         a->operands == b->operands;
}

expr_ref expr_arena::make(expr e) {
  e.hash = hash_of_node(e);
  if (auto it = table_.find(&e); it != table_.end()) return *it;
  note_range(e);
  all_.push_back(std::move(e));
  table_.insert(&all_.back());
  return &all_.back();
}

expr_ref expr_arena::make_apply(prim p, dtype type, std::span<const expr_ref> x) {
  return make({.kind = expr_kind::apply, .op = p, .type = type, .payload = 0, .operands = {x.begin(), x.end()}});
}

expr_ref expr_arena::constant(dtype t, double v) { return constant_bits(t, bits_of(t, v)); }
expr_ref expr_arena::integer(dtype t, std::int64_t v) {
  if (is_float(t)) return constant_bits(t, bits_of(t, static_cast<double>(v)));
  return constant_bits(t, v);
}
expr_ref expr_arena::constant_bits(dtype t, std::int64_t bits) {
  return make({.kind = expr_kind::constant, .type = t, .payload = canonical_bits(t, bits), .operands = {}});
}
expr_ref expr_arena::variable(dtype t, std::int64_t id) {
  if (id >= 0)
    next_variable_ = std::max(next_variable_, id + 1);
  else
    next_accumulator_ = std::max(next_accumulator_, -id);
  return make({.kind = expr_kind::variable, .type = t, .payload = id, .operands = {}});
}
expr_ref expr_arena::symbol(std::int64_t id) {
  return make({.kind = expr_kind::symbol, .type = i64, .payload = id, .operands = {}});
}

expr_ref expr_arena::load(dtype t, std::int64_t buffer, std::span<const expr_ref> indices, expr_ref mask) {
  if (!mask) mask = boolean(true);
  if (mask->is(expr_kind::constant) && mask->type == b8 && mask->payload == 0) return constant_bits(t, 0);
  expr e{.kind = expr_kind::load, .type = t, .payload = buffer, .operands = {indices.begin(), indices.end()}};
  e.operands.push_back(mask);
  return make(std::move(e));
}

expr_ref expr_arena::apply(prim p, std::span<const expr_ref> x) {
  if (static_cast<int>(x.size()) != arity(p) || p == prim::cast || p == prim::bitcast)
    throw compile_error(x.size() == 1 ? fmt::format("apply({}): use cast or bitcast, which state the type", name(p))
                                      : fmt::format("apply({}): {} operands, not {}", name(p), x.size(), arity(p)));
  if (p >= prim::floor && p <= prim::trunc && is_integer(x[0]->type)) return x[0];
  const dtype type = result_type(p, x[0]->type, x.size() > 1 ? x[1]->type : x[0]->type);
  // What is ill-typed stays as it is, for the verifier to show.
  if (well_typed(p, type, x))
    if (expr_ref r = simplify(*this, p, x)) return r;
  return make_apply(p, type, x);
}

expr_ref expr_arena::cast(dtype t, expr_ref e) {
  if (e->type == t) return e;
  if (e->is(expr_kind::constant) && t != any_dtype && e->type != any_dtype)
    return constant_bits(t, evaluate(prim::cast, t, e->type, std::span(&e->payload, 1)));
  if (e->is(prim::cast) && cast_of_cast_is_cast(t, e->type, e->operands[0]->type)) return cast(t, e->operands[0]);
  if (e->type == b8 && t == b8) return e;
  return make_apply(prim::cast, t, std::span(&e, 1));
}
expr_ref expr_arena::bitcast(dtype t, expr_ref e) {
  if (e->type == t) return e;
  const bool fits = well_typed(prim::bitcast, t, std::span(&e, 1));
  if (fits && e->is(expr_kind::constant)) return constant_bits(t, e->payload);
  if (fits && e->is(prim::bitcast) && well_typed(prim::bitcast, e->type, e->operands))
    return bitcast(t, e->operands[0]);
  return make_apply(prim::bitcast, t, std::span(&e, 1));
}

expr_ref expr_arena::reduce(ir::reducer r, std::span<const std::pair<expr_ref, expr_ref>> loops, expr_ref body) {
  expr e{.kind = expr_kind::reduce,
         .type = is_arg(r) ? i64 : body->type,
         .payload = static_cast<std::int64_t>(r),
         .operands = {}};
  for (auto [variable, extent] : loops) {
    e.operands.push_back(variable);
    e.operands.push_back(extent);
  }
  e.operands.push_back(body);
  return make(std::move(e));
}

expr_ref expr_arena::with_operands(expr_ref e, std::span<const expr_ref> x) {
  if (std::ranges::equal(e->operands, x)) return e;
  if (e->is(expr_kind::load)) return load(e->type, e->payload, x.first(x.size() - 1), x.back());
  if (e->is(prim::cast)) return cast(e->type, x[0]);
  if (e->is(prim::bitcast)) return bitcast(e->type, x[0]);
  if (e->is(expr_kind::apply)) return apply(e->op, x);
  expr copy{.kind = e->kind, .type = e->type, .payload = e->payload, .operands = {x.begin(), x.end()}};
  if (e->is(expr_kind::reduce) && !is_arg(e->reducer())) copy.type = x.back()->type;
  return make(std::move(copy));
}

expr_ref expr_arena::rewrite(expr_ref root, const std::function<expr_ref(expr_ref)>& f) {
  std::unordered_map<expr_ref, expr_ref> map;
  // What `f` has already seen: a node that collapses to an operand must not be rewritten twice.
  std::unordered_map<expr_ref, bool> done;
  std::vector<expr_ref> operands;
  for (expr_ref e : post_order(std::span(&root, 1))) {
    operands.clear();
    for (expr_ref x : e->operands) operands.push_back(map.at(x));
    expr_ref r = with_operands(e, operands);
    if (r == e || !done.contains(r))
      if (expr_ref other = f(r)) r = other;
    done[r] = true;
    map[e] = r;
  }
  return map.at(root);
}

expr_ref expr_arena::substitute(expr_ref root, std::span<const std::pair<expr_ref, expr_ref>> variables) {
  std::unordered_map<expr_ref, expr_ref> map;
  std::vector<expr_ref> operands;
  for (expr_ref e : post_order(std::span(&root, 1))) {
    expr_ref r = nullptr;
    for (auto& [from, to] : variables)
      if (from == e) r = to;
    if (!r) {
      operands.clear();
      for (expr_ref x : e->operands) operands.push_back(map.at(x));
      r = with_operands(e, operands);
    }
    map[e] = r;
  }
  return map.at(root);
}

std::vector<expr_ref> post_order(std::span<const expr_ref> roots) {
  std::vector<expr_ref> order;
  std::unordered_map<expr_ref, bool> seen;
  std::vector<std::pair<expr_ref, std::size_t>> stack;
  for (expr_ref root : roots) {
    if (!root || !seen.emplace(root, true).second) continue;
    stack.emplace_back(root, 0);
    while (!stack.empty()) {
      auto& [e, next] = stack.back();
      if (next == e->operands.size()) {
        order.push_back(e);
        stack.pop_back();
      } else if (expr_ref x = e->operands[next++]; seen.emplace(x, true).second) {
        stack.emplace_back(x, 0);
      }
    }
  }
  return order;
}

bool contains(expr_ref e, const std::function<bool(expr_ref)>& f) {
  for (expr_ref x : post_order(std::span(&e, 1)))
    if (f(x)) return true;
  return false;
}

affine_form affine(expr_arena& arena, expr_ref root, std::span<const expr_ref> variables) {
  const std::size_t n = variables.size();
  // No coefficients: free of the variables. `rest` null: zero.
  struct form {
    bool ok = true;
    std::vector<expr_ref> coefficients;
    expr_ref rest = nullptr;
  };
  const auto plus = [&](expr_ref a, expr_ref b, bool minus) {
    if (!b) return a;
    if (!a) return minus ? arena.apply(prim::neg, b) : b;
    return minus ? arena.sub(a, b) : arena.add(a, b);
  };
  std::unordered_map<expr_ref, form> forms;
  for (expr_ref e : post_order(std::span(&root, 1))) {
    form f;
    if (auto at = std::ranges::find(variables, e); at != variables.end()) {
      f.coefficients.resize(n);
      f.coefficients[at - variables.begin()] = arena.index(1);
      forms[e] = std::move(f);
      continue;
    }
    bool free = true;
    for (expr_ref x : e->operands) {
      const form& g = forms.at(x);
      free &= g.ok && g.coefficients.empty();
      f.ok &= g.ok;
    }
    if (free) {
      f.rest = e;
    } else if (f.ok && e->type == i64 && (e->is(prim::add) || e->is(prim::sub))) {
      f = forms.at(e->operands[0]);
      const form& g = forms.at(e->operands[1]);
      f.coefficients.resize(n);
      for (std::size_t i = 0; i < g.coefficients.size(); ++i)
        f.coefficients[i] = plus(f.coefficients[i], g.coefficients[i], e->is(prim::sub));
      f.rest = plus(f.rest, g.rest, e->is(prim::sub));
    } else if (f.ok && e->type == i64 && e->is(prim::neg)) {
      const form& g = forms.at(e->operands[0]);
      f.coefficients.resize(n);
      for (std::size_t i = 0; i < n; ++i) f.coefficients[i] = plus(nullptr, g.coefficients[i], true);
      f.rest = plus(nullptr, g.rest, true);
    } else if (f.ok && e->type == i64 && e->is(prim::mul)) {
      int constant = forms.at(e->operands[0]).coefficients.empty() ? 0 : 1;
      const form& g = forms.at(e->operands[1 - constant]);
      expr_ref factor = e->operands[constant];
      f.ok = forms.at(factor).coefficients.empty();
      f.coefficients.resize(n);
      for (std::size_t i = 0; f.ok && i < g.coefficients.size(); ++i)
        if (g.coefficients[i]) f.coefficients[i] = arena.mul(g.coefficients[i], factor);
      if (f.ok && g.rest) f.rest = arena.mul(g.rest, factor);
    } else {
      f.ok = false;
    }
    forms[e] = std::move(f);
  }
  form& f = forms.at(root);
  affine_form r;
  r.ok = f.ok && root->type == i64;
  if (!r.ok) return r;
  f.coefficients.resize(n);
  for (expr_ref c : f.coefficients) r.coefficients.push_back(c ? c : arena.index(0));
  r.rest = f.rest ? f.rest : arena.index(0);
  return r;
}

}  // namespace tenon::ir
