#include "schedule/rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "schedule/build_nest.hpp"
#include "schedule/calls.hpp"
#include "schedule/merge_axes.hpp"
#include "schedule/split_axes.hpp"
#include "schedule/steps.hpp"

namespace tenon::scheduling {

using namespace ir;

int lanes_for(const computation& c, const machine_model& m) {
  // Of argmax, what is compared.
  const bool arg = c.value && c.value->is(expr_kind::reduce) && is_arg(c.value->reducer());
  int bytes = size_of(compute_type(arg ? c.value->body()->type : c.kernel.buffers[c.output].type));
  for (expr_ref e : post_order(c.values())) {
    if (e->is(expr_kind::load)) bytes = std::max(bytes, size_of(compute_type(e->type)));
    if (e->is(expr_kind::apply) && is_float(e->type)) bytes = std::max(bytes, size_of(e->type));
  }
  return std::max(1, m.vector_bits / 8 / std::max(bytes, 1) / (bytes < 4 ? 4 / bytes : 1));
}

fused_loop fuse_loops(expr_arena& a, const std::vector<expr_ref>& extents) {
  fused_loop f;
  f.extent = a.index(1);
  for (expr_ref e : extents) f.extent = a.mul(f.extent, e);
  f.variable = a.fresh_variable();
  expr_ref rest = f.variable;
  for (std::size_t d = 0; d < extents.size(); ++d) {
    if (extents[d]->is_constant(1)) {
      f.indices.push_back(a.index(0));
      continue;
    }
    expr_ref below = a.index(1);
    for (std::size_t e = d + 1; e < extents.size(); ++e) below = a.mul(below, extents[e]);
    const bool last = below->is_constant(1);
    f.indices.push_back(last ? rest : a.div(rest, below));
    if (!last) rest = a.mod(rest, below);
  }
  return f;
}

bound_indices::bound_indices(expr_arena& a, fused_loop& f) : a_(a) {
  for (expr_ref& i : f.indices) {
    if (!i->is(expr_kind::apply)) continue;
    values_.emplace_back(a.fresh_variable(), i);
    i = values_.back().first;
  }
}

stmt_ref bound_indices::around(stmt_ref body) const {
  for (const auto& [variable, value] : values_)
    body = make_stmt(loop{variable, value, a_.add(value, a_.index(1)), loop_kind::serial, 1, std::move(body)});
  return body;
}

namespace {

// The sum of weights over all of a call. An expression counts once for all values of the variables that it depends on:
// it is computed where they are known. A reduction counts for each of its steps.
template <class F>
double weighed(const computation& c, F weight) {
  std::unordered_map<expr_ref, double> extents;
  for (const computation::axis& x : c.axes)
    if (x.variable->is(expr_kind::variable)) extents.emplace(x.variable, static_cast<double>(x.size));
  const std::vector<expr_ref> order = post_order(c.values());
  for (expr_ref e : order)
    for (int i = 0; e->is(expr_kind::reduce) && i < e->loops(); ++i)
      extents.emplace(e->loop_variable(i), static_cast<double>(c.at_call(e->loop_extent(i))));
  double total = 0;
  std::unordered_map<expr_ref, std::set<expr_ref>> depends;
  for (expr_ref e : order) {
    std::set<expr_ref>& on = depends[e];
    if (extents.contains(e)) on.insert(e);
    for (expr_ref o : e->operands) on.insert(depends[o].begin(), depends[o].end());
    double times = 1;
    for (expr_ref v : on) times *= extents.at(v);
    total += weight(e) * times;
    for (int i = 0; e->is(expr_kind::reduce) && i < e->loops(); ++i) on.erase(e->loop_variable(i));
  }
  return total;
}

// Scalar operations of the whole call, each of the same weight.
double operations(const computation& c) {
  if (!c.value) return 0;
  return weighed(c, [](expr_ref e) {
    if (e->is(expr_kind::reduce)) return 1;
    return e->is(expr_kind::apply) && !e->is(prim::cast) && !e->is_index && e->type != b8 ? 1 : 0;
  });
}

// Predicted for one thread.
std::int64_t nanoseconds(const computation& c, const machine_model& m) {
  // A program's trips are not known; each parallel one is taken for a row of some hundred steps.
  if (!c.value) return 1000;
  double work = weighed(c, [](expr_ref e) {
    if (e->is(expr_kind::reduce) || (is_integer(e->type) && !e->is(expr_kind::load))) return 0;
    return e->is(expr_kind::apply) && e->op >= prim::exp && e->op <= prim::erf ? 20 : 1;
  });
  // Each element is stored, also where all of them are one value.
  double stores = 1;
  for (const computation::axis& x : c.axes) stores *= static_cast<double>(x.size);
  work += stores;
  // About two vector operations a nanosecond.
  return static_cast<std::int64_t>(work / (2.0 * lanes_for(c, m)));
}

void append(runtime::formula& f, expr_ref e) {
  using what = runtime::formula::what;
  if (e->is(expr_kind::constant)) return f.add(what::number, e->payload);
  if (e->is(expr_kind::symbol)) return f.add(what::value, e->payload);
  for (expr_ref o : e->operands) append(f, o);
  constexpr std::pair<prim, what> known[] = {{prim::add, what::add}, {prim::sub, what::sub}, {prim::mul, what::mul},
                                             {prim::div, what::div}, {prim::mod, what::mod}, {prim::min, what::min},
                                             {prim::max, what::max}};
  for (const auto& [p, w] : known)
    if (e->is(p)) return f.add(w);
  throw not_for_all_values(fmt::format("{} is no formula of extents", to_string(e)));
}
runtime::formula formula_of(expr_ref e) {
  runtime::formula f;
  append(f, e);
  if (f.depth() > runtime::formula::most_depth)
    throw not_for_all_values(fmt::format("{} has more than {} parts", to_string(e), runtime::formula::most_depth));
  return f;
}
// What a worker needs in the call that needs most.
std::int64_t most_scratch(const computation& c) {
  const expr_ref bytes = c.kernel.scratch_offsets().back();
  if (!c.grows(bytes)) return c.at_call(bytes);
  const runtime::formula f = formula_of(bytes);
  std::vector<std::int64_t> values(c.symbol_values.size());
  std::int64_t most = 0;
  for (extent_t below = 0; below <= c.range.length(); ++below) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = c.symbol_value(i, below);
    most = std::max(most, f(values.data()));
  }
  return most;
}

// What the loops say of the launch.
void complete(launch& l, const computation& c) {
  visit(c.kernel.body, [&](const stmt& s) {
    const auto* p = std::get_if<loop>(&s.v);
    if (!p || p->kind != loop_kind::parallel) return;
    l.extent = c.at_call(p->end);
    if (c.grows(p->end)) l.trips = formula_of(p->end);
  });
  if (!c.value) l.nanoseconds *= l.extent;
  l.scratch = most_scratch(c);
}

}  // namespace

void predict(const computation& c, const machine_model& m, launch& l) {
  l.operations += operations(c);
  l.nanoseconds += nanoseconds(c, m);
}

launch schedule_default(computation& c, const machine_model& m) {
  launch l;
  if (c.value) {
    merge_axes(c);
    if (c.grows() || !are_windows_of_groups(c, m)) split_axes(c);
  }
  predict(c, m, l);
  const bool one = c.also.empty();
  const bool has_rule = c.value && ((one && schedule_attention(c, m, l)) ||
                                    (!c.grows() && schedule_winograd(c, m, l)) || schedule_contraction(c, m, l) ||
                                    (!c.grows() && schedule_windows(c, m, l)) || (one && schedule_transpose(c, m)));
  if (c.value && !has_rule) schedule_loops(c, m);
  complete(l, c);
  l.calls = calls_of(c, l);
  return l;
}

launch schedule_recorded(computation& c, const machine_model& m, const record& r, const std::string& label,
                         bool fused) {
  launch l;
  l.operations = operations(c);
  nest n = make_nest(c, label);
  for (const step& s : r.steps) {
    if (s.kernel != n.kernel) continue;
    l.calls.push_back(to_string(n, s));
    apply(n, s);
  }
  l.nanoseconds = nanoseconds(c, m);
  build_nest(c, n, fused);
  complete(l, c);
  return l;
}

}  // namespace tenon::scheduling
