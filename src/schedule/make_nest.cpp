// From a computation to its plain loops.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "loop/text.hpp"
#include "schedule/nest.hpp"
#include "schedule/values.hpp"

namespace tenon::scheduling {

using namespace ir;

namespace {

// Symbols become the numbers that they are at this call.
void fix_extents(computation& c) {
  expr_arena& a = c.kernel.make();
  const auto fixed = [&](expr_ref e) {
    return a.rewrite(e, [&](expr_ref x) -> expr_ref {
      if (!x->is(expr_kind::symbol)) return nullptr;
      return a.index(c.symbol_values[static_cast<std::size_t>(x->payload)]);
    });
  };
  for (buffer& b : c.kernel.buffers) {
    for (expr_ref& e : b.extents) e = fixed(e);
    for (expr_ref& e : b.strides) e = fixed(e);
  }
  for (computation::axis& x : c.axes) x.extent = fixed(x.extent);
  c.value = fixed(c.value);
  c.kernel.symbols.clear();
  c.symbol_values.clear();
}

class maker {
 public:
  maker(computation& c, std::string label) : c_(c), a_(c.kernel.make()) {
    n_.kernel = std::move(label);
    reduces_ = reductions_of(c);
  }

  nest run() {
    std::unordered_map<expr_ref, int> axis;
    std::vector<expr_ref> point;
    for (const computation::axis& x : c_.axes) {
      // An axis of one element has a loop, too: loops are the same ones for all extents.
      const expr_ref v = x.variable->is(expr_kind::variable) ? x.variable : a_.fresh_variable();
      axis[v] = add(v, x.size, -1);
      point.push_back(v);
    }
    find_free_variables();
    std::vector<std::pair<expr_ref, expr_ref>> accumulators;
    for (std::size_t r = 0; r < reduces_.size(); ++r) {
      const expr_ref e = reduces_[r];
      nest::reduction d{
          .combine = e->reducer(), .type = e->body()->type, .bytes = size_of(e->body()->type), .axes = {}, .text = {}};
      const expr_ref body[] = {e->body()};
      for (expr_ref x : post_order(body))
        if (x->is(expr_kind::reduce))
          d.needs.push_back(static_cast<int>(std::ranges::find(reduces_, x) - reduces_.begin()));
      if (is_arg(d.combine)) d.bytes += size_of(i64);
      for (const auto& [v, id] : axis)
        if (free_[e].contains(v)) d.axes.push_back(id);
      std::ranges::sort(d.axes);
      for (std::size_t around = 0; around < reduces_.size(); ++around)
        for (int i = 0; i < reduces_[around]->loops(); ++i)
          if (d.inside < 0 && free_[e].contains(reduces_[around]->loop_variable(i)))
            d.inside = static_cast<int>(around);
      const std::string name = fmt::format("acc{}", r);
      d.text = fmt::format("{} {}= {}", name, ir::name(d.combine), text(e->body(), accumulators));
      accumulators.emplace_back(e, a_.fresh_accumulator(e->type));
      n_.reductions.push_back(std::move(d));
    }
    for (std::size_t r = 0; r < reduces_.size(); ++r)
      if (n_.reductions[r].inside < 0) add_loops(static_cast<int>(r));
    describe(point, accumulators);
    find_values(accumulators);
    return std::move(n_);
  }

 private:
  int add(expr_ref v, std::int64_t extent, int reduction) {
    const int id = static_cast<int>(n_.loops.size());
    n_.loops.push_back(
        {.name = variable_name(*v), .extent = extent, .reduction = reduction, .roots = {id}, .replaced = {}});
    n_.order.push_back(id);
    root_[v] = id;
    return id;
  }
  // Outer before inner.
  void add_loops(int r) {
    const expr_ref e = reduces_[static_cast<std::size_t>(r)];
    for (int i = 0; i < e->loops(); ++i) add(e->loop_variable(i), c_.at_call(e->loop_extent(i)), r);
    for (std::size_t inner = 0; inner < reduces_.size(); ++inner)
      if (n_.reductions[inner].inside == r) add_loops(static_cast<int>(inner));
  }
  void find_free_variables() {
    const expr_ref roots[] = {c_.value};
    for (expr_ref e : post_order(roots)) {
      auto& f = free_[e];
      if (e->is(expr_kind::variable)) f.insert(e);
      for (expr_ref o : e->operands) f.insert(free_[o].begin(), free_[o].end());
      if (!e->is(expr_kind::reduce)) continue;
      for (int i = 0; i < e->loops(); ++i) f.erase(e->loop_variable(i));
    }
  }
  std::string text(expr_ref e, std::span<const std::pair<expr_ref, expr_ref>> accumulators) {
    const names all(c_.kernel);
    return to_string(a_.substitute(e, accumulators), &all);
  }
  void describe(const std::vector<expr_ref>& point, std::span<const std::pair<expr_ref, expr_ref>> accumulators) {
    const names all(c_.kernel);
    std::vector<std::string> in;
    std::string out;
    for (const buffer& b : c_.kernel.buffers) {
      std::vector<std::string> extents;
      for (expr_ref e : b.extents) extents.push_back(to_string(e));
      std::string s = fmt::format("{} {}[{}]", all.buffer(b.id), tenon::name(b.type), fmt::join(extents, ","));
      if (b.id == c_.output)
        out = std::move(s);
      else
        in.push_back(std::move(s));
    }
    n_.header = fmt::format("{}({}) -> {}", n_.kernel, fmt::join(in, ", "), out);
    std::vector<std::string> at;
    for (expr_ref v : point) at.push_back(variable_name(*v));
    n_.result.text = fmt::format("{}[{}]", all.buffer(c_.output), fmt::join(at, ", "));
    n_.result_text = fmt::format("{} = {}", n_.result.text, text(c_.value, accumulators));
    n_.result.name = all.buffer(c_.output);
    n_.result.bytes = size_of(c_.kernel.buffers[static_cast<std::size_t>(c_.output)].type);
    n_.result.reads.push_back({-1, {}, n_.result.text});
    for (std::size_t d = 0; d < c_.axes.size(); ++d) {
      n_.result.extents.push_back(c_.axes[d].size);
      n_.result.reads[0].at.push_back({.affine = true, .terms = {{static_cast<int>(d), 1}}});
    }
  }

  // What may be kept nearer to the loops, and how they read it.
  void find_values(std::span<const std::pair<expr_ref, expr_ref>> accumulators) {
    std::vector<expr_ref> results;
    for (const auto& [reduce, accumulator] : accumulators) results.push_back(accumulator);
    const std::vector<readable> all = readable_values(c_, results);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const readable& from = all[i];
      nest::value v{.name = from.name,
                    .text = {},
                    .bytes = size_of(from.function->type),
                    .type = from.function->type,
                    .extents = from.extents,
                    .strides = {},
                    .needs = from.needs,
                    .reads = {}};
      if (from.buffer >= 0) v.strides = strides_of(c_.kernel.buffers[static_cast<std::size_t>(from.buffer)]);
      v.text = text(from.function, accumulators);
      for (std::size_t k = 0; k < from.reads.size(); ++k) {
        const readable::read& r = from.reads[k];
        nest::value::read made{r.reduction, {}, text(r.e, accumulators)};
        for (expr_ref e : r.index) made.at.push_back(in_axes(e));
        v.reads.push_back(std::move(made));
        if (r.reduction >= 0) find_factor(r, {static_cast<int>(i), static_cast<int>(k)});
      }
      for (std::size_t d = 0; d < from.parameters.size(); ++d)
        replace_all(v.text, variable_name(*from.parameters[d]), fmt::format("{{{}}}", d));
      n_.values.push_back(std::move(v));
    }
  }
  // Whether the read stands in a sum of products, by itself or widened.
  void find_factor(const readable::read& r, std::pair<int, int> which) {
    const expr_ref sum = reduces_[static_cast<std::size_t>(r.reduction)], body = sum->body();
    if (sum->reducer() != reducer::sum || !body->is(prim::mul) || !r.e->is(expr_kind::load) || !r.e->mask()->is_true())
      return;
    for (std::size_t f = 0; f < 2; ++f) {
      const expr_ref o = body->operands[f];
      if (o == r.e || (o->is(prim::cast) && o->operands[0] == r.e && accumulator_type(r.e->type) == o->type))
        n_.reductions[static_cast<std::size_t>(r.reduction)].factors[f] = which;
    }
  }
  nest::index in_axes(expr_ref e) {
    std::vector<expr_ref> variables;
    for (const auto& [v, id] : root_) variables.push_back(v);
    const affine_form f = affine(a_, e, variables);
    nest::index r{.affine = f.ok && f.rest->is(expr_kind::constant)};
    if (!r.affine) return r;
    r.offset = f.rest->payload;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (!f.coefficients[i]->is(expr_kind::constant)) return {.affine = false};
      if (f.coefficients[i]->payload != 0) r.terms.emplace_back(root_.at(variables[i]), f.coefficients[i]->payload);
    }
    std::ranges::sort(r.terms);
    return r;
  }
  std::vector<std::int64_t> strides_of(const buffer& b) {
    std::vector<std::int64_t> r(b.extents.size());
    std::int64_t stride = 1;
    for (std::size_t d = r.size(); d-- > 0;) {
      r[d] = b.strides.empty() ? stride : c_.at_call(b.strides[d]);
      stride *= c_.at_call(b.extents[d]);
    }
    return r;
  }
  static void replace_all(std::string& s, const std::string& from, const std::string& to) {
    const auto part_of_name = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
    };
    for (std::size_t at = 0; (at = s.find(from, at)) != std::string::npos;) {
      const std::size_t end = at + from.size();
      if ((at > 0 && part_of_name(s[at - 1])) || (end < s.size() && part_of_name(s[end]))) {
        at = end;
        continue;
      }
      s.replace(at, from.size(), to);
      at += to.size();
    }
  }

  computation& c_;
  expr_arena& a_;
  nest n_;
  std::vector<expr_ref> reduces_;           // inner before outer
  std::unordered_map<expr_ref, int> root_;  // first loops of the axes
  std::unordered_map<expr_ref, std::unordered_set<expr_ref>> free_;
};

}  // namespace

nest make_nest(computation& c, std::string label) {
  if (c.value) {
    fix_extents(c);
    return maker(c, std::move(label)).run();
  }
  nest n;
  n.kernel = std::move(label);
  n.header = n.kernel + ": the operator's own loops";
  n.fixed = true;
  n.result_text = ir::to_string(c.kernel);
  return n;
}

}  // namespace tenon::scheduling
