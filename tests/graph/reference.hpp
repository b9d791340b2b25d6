// The unoptimised native result of a graph, node by node, and how far another correct compilation may be from it.
//
// The tolerance is measured, not assumed (Monte Carlo arithmetic, after Parker 1997): the graph is computed again
// several times, each time with every computed float off by some units in its last place. Where such errors change an
// element, they say by how much an optimised graph may differ; where they turn a comparison, a rounding or a NaN, it
// may be anything. What only moves elements or is made of integers has no tolerance at all.
#pragma once
#include <cstdio>
#include <unordered_map>
#include <unordered_set>

#include "graph/native_call.hpp"
#include "graph/passes.hpp"
#include "random_graph.hpp"

namespace tenon::test {

class reference {
 public:
  reference(const ir::graph& g, const std::vector<data>& in) {
    const ir::graph plain = ir::expand_library(g);
    exact_ = evaluate(plain, in, 0);
    // A unit of a short float moves few of its neighbours: chance needs more runs to see each of them.
    const bool halves = std::ranges::any_of(ir::post_order(plain.outputs), [](const ir::node* n) {
      return n->type.element == f16 || n->type.element == bf16;
    });
    int run = 0;
    while (run < (halves ? 3 : 1) * perturbed_runs) others_.push_back(evaluate(plain, in, ++run));
    while (wide_.size() < wide_runs) wide_.push_back(evaluate(plain, in, ++run, margin));
  }

  const std::vector<data>& exact() const { return exact_; }
  /// Elements that were compared and those that nothing could be said of, so far.
  mutable std::int64_t compared = 0, open = 0;

  /// Whether `got` is a result that another correct compilation may give; `why` says where not. `finite`: where the
  /// reference is no number, anything is right.
  bool accepts(const std::vector<data>& got, bool finite, std::string* why) const {
    for (std::size_t o = 0; o < exact_.size(); ++o) {
      const data &want = exact_[o], &have = got[o];
      if (want.get().dims != have.get().dims || want.get().type != have.get().type) {
        *why = "output " + std::to_string(o) + " has other extents or another type";
        return false;
      }
      for (extent_t i = 0; i < want.get().size; ++i) {
        const double w = element(want, i), h = element(have, i);
        ++compared;
        if (w == h || (std::isnan(w) && std::isnan(h))) continue;
        const double t = tolerance(o, i, w, finite);
        open += std::isinf(t);
        if (std::isinf(t) || std::abs(w - h) <= t) continue;
        char text[160];
        std::snprintf(text, sizeof text, "output %zu element %lld: %.9g, reference %.9g, tolerance %.3g", o,
                      static_cast<long long>(i), h, w, t);
        *why = text;
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr int perturbed_runs = 8;
  /// How many times what the perturbed runs differ by: they are few, and errors of sums are not independent. So much
  /// larger are the errors of the wide runs, for what is no multiple of an error: what floor makes of it, or tan.
  static constexpr double margin = 8;
  static constexpr std::size_t wide_runs = 4;

  static double unit(dtype t) { return t == f64 ? 0x1p-52 : t == f32 ? 0x1p-23 : t == f16 ? 0x1p-10 : 0x1p-7; }

  double tolerance(std::size_t output, extent_t i, double want, bool finite) const {
    if (finite && !std::isfinite(want)) return INFINITY;
    double spread = 0;
    const auto spread_of = [&](const std::vector<std::vector<data>>& runs, double times) {
      for (const std::vector<data>& run : runs) {
        const double v = element(run[output], i);
        if (v == want || (std::isnan(v) && std::isnan(want))) continue;
        const bool open = !std::isfinite(v) || !std::isfinite(want) || !is_float(exact_[output].get().type);
        spread = open ? INFINITY : std::max(spread, times * std::abs(v - want));
      }
    };
    spread_of(others_, margin);
    spread_of(wide_, 1);
    // What underflows may come out as 0 or as a subnormal number.
    const dtype t = exact_[output].get().type;
    return std::isinf(spread) ? spread : is_float(t) ? spread + (t == f16 ? 0x1p-22 : 0x1p-124) : 0;
  }

  /// Errors of run `run`: none, all up, all down, then by chance, each second run the other way from the one before it,
  /// so that one of the two is beyond what it is compared with; of unlike sizes so that those of two operators do not
  /// cancel. The sign of a NaN is anybody's, too. What is too large or too small for f16 may have stayed in f32 in one
  /// kernel.
  static void perturb(data& d, int run, generator& random, double times) {
    const dtype t = d.get().type;
    if (run == 0 || !is_float(t)) return;
    const double size = (t == f64 || t == f32 ? 4 : 1) * times * unit(t);
    for (extent_t i = 0; i < d.get().size; ++i) {
      const double direction = run == 1 ? 1 : run == 2 ? -1 : chance(random, 50) == (run % 2 == 0) ? 1 : -1;
      const double v = element(d, i);
      if (std::isnan(v))
        set_element(d, i, std::copysign(v, direction));
      else if (t == f16 && (v == 0 || std::isinf(v)) && run > 2 && direction > 0)
        set_element(d, i, std::copysign(v == 0 ? 0x1p-24 : 65504, v));
      else if (std::isfinite(v))
        set_element(d, i, v * (1 + direction * size * (50 + below(random, 101)) / 100));
    }
  }

  // How many times the operand it is whose rounding stays where the terms of a function cancel; 0: none do.
  static double cancelled(const ir::node& n) {
    if (n.op->name == "gelu") return 1;          // x (1 + erf)
    if (n.op->name == "hard_swish") return 0.5;  // x (x / 6 + 1/2)
    if (n.op->name == "hard_sigmoid") return std::abs(n.attributes<ops::hard_sigmoid_op::attrs>().alpha);
    return 0;
  }

  static bool all_finite(const data& d) {
    for (extent_t i = 0; i < d.get().size; ++i)
      if (!std::isfinite(element(d, i))) return false;
    return true;
  }

  static std::vector<data> evaluate(const ir::graph& g, const std::vector<data>& in, int run, double times = 1) {
    generator random(static_cast<std::uint64_t>(run / 2));
    std::unordered_map<const ir::node*, std::vector<data>> value;
    // Moved inputs and casts of them: they are rounded in one way.
    std::unordered_set<const ir::node*> exact;
    for (std::size_t i = 0; i < g.inputs.size(); ++i) value[g.inputs[i].get()].push_back(in[i]);
    for (const ir::node* n : ir::post_order(g.outputs)) {
      if (n->op->kind == ir::op_kind::leaf ||
          ((n->op->kind == ir::op_kind::movement || n->op->name == "cast") &&
           std::ranges::all_of(n->operands, [&](const auto& o) { return exact.contains(o.get()); })))
        exact.insert(n);
      if (n->op == &ir::input_definition()) continue;
      std::vector<data>& mine = value[n];
      if (n->op == &ir::constant_definition()) {
        const ir::constant_value& c = ir::constant_of(*n);
        mine.emplace_back(c.type(), c.extents(), nullptr);
        if (c.bytes()) std::memcpy(mine[0].get().data, c.data(), c.bytes());
        continue;
      }
      if (n->op->kind == ir::op_kind::projection) {
        mine.push_back(value.at(n->operands[0].get())[static_cast<std::size_t>(ir::projected_index(*n))]);
        continue;
      }
      // Sums round on the way, too: their operands are perturbed, also those that nothing computed but moves.
      const bool sums = n->op->kind == ir::op_kind::reduction || n->op->kind == ir::op_kind::contraction ||
                        n->op->kind == ir::op_kind::program;
      std::vector<data> copies;
      copies.reserve(n->operands.size());
      std::vector<void*> buffers;
      alignas(64) static char nothing[64];
      for (const auto& o : n->operands) {
        data* d = &value.at(o.get())[0];
        const bool as_given = exact.contains(o.get()) || o->op->kind == ir::op_kind::movement;
        if (sums && run > 2 && as_given) {
          copies.push_back(*d);
          d = &copies.back();
          perturb(*d, run, random, times);
        }
        buffers.push_back(d->get().data ? d->get().data : nothing);
      }
      for (int i = 0; i < n->results(); ++i) {
        const ir::value_type& t = i == 0 ? n->type : n->more[static_cast<std::size_t>(i - 1)];
        mine.emplace_back(t.element, t.shape, nullptr);
        buffers.push_back(mine.back().get().data ? mine.back().get().data : nothing);
      }
      ir::plan_native (*n)(buffers.data());
      // The errors of a sum in order grow with the root of its length.
      const double terms = n->op->kind == ir::op_kind::reduction && n->type.shape.count() > 0
                               ? static_cast<double>(n->operands[0]->type.shape.count()) / n->type.shape.count()
                               : 1;
      if (n->op->kind != ir::op_kind::movement && !exact.contains(n))
        for (data& d : mine) perturb(d, run, random, times * std::max(1.0, std::sqrt(terms) / 8));
      if (const double times_x = cancelled(*n); run > 0 && times_x != 0 && is_float(n->type.element))
        for (extent_t i = 0; i < mine[0].get().size; ++i) {
          const double v = element(mine[0], i), x = element(value.at(n->operands[0].get())[0], i);
          if (std::isfinite(v) && std::isfinite(x))
            set_element(mine[0], i, v + (run % 2 ? 1 : -1) * times_x * std::abs(x) * unit(n->type.element) / 2);
        }
      // A sum may begin with 0 or with its first term: the sign of a sum that is 0 is open.
      if (run > 0 && (n->op->kind == ir::op_kind::reduction || n->op->kind == ir::op_kind::contraction) &&
          is_float(n->type.element))
        for (extent_t i = 0; i < mine[0].get().size; ++i)
          if (element(mine[0], i) == 0) set_element(mine[0], i, run % 2 ? -0.0 : 0.0);
      // All of them, none of them, some: what looks at all elements sees each.
      const auto anything = [&] { return (run % 3 == 0 ? chance(random, 50) : run % 2 == 1) ? NAN : 0.0; };
      // Nothing is known of the tangent of what is not known to a tenth.
      if (run > 0 && n->op->name == "tan")
        for (extent_t i = 0; i < mine[0].get().size; ++i)
          if (!(std::abs(element(value.at(n->operands[0].get())[0], i)) * unit(n->type.element) < 0.025))
            set_element(mine[0], i, anything());
      // A pivot that rounding left over may be 0.
      if (run > 0 && n->op->name == "lu_factor") {
        const data& a = value.at(n->operands[0].get())[0];
        const extent_t order = a.get().dims[a.get().dims.rank - 1], square = order * order;
        for (extent_t m = 0; m < a.get().size; m += square) {
          double largest = 0;
          for (extent_t i = m; i < m + square; ++i) largest = std::max(largest, std::abs(element(a, i)));
          for (extent_t i = m; i < m + square; i += order + 1)
            if (std::abs(element(mine[0], i)) < 64 * static_cast<double>(order) * unit(a.get().type) * largest)
              set_element(mine[0], i, chance(random, 50) ? 0 : element(mine[0], i));
        }
      }
      // Whether products with zeros of the padding are made or skipped is open (ops/conv.hpp).
      const auto finite = [&](std::size_t operand) { return all_finite(value.at(n->operands[operand].get())[0]); };
      if (run > 0 && n->op->name.starts_with("conv") &&
          !(finite(1) && (finite(0) || !n->op->name.starts_with("conv_transpose"))))
        for (extent_t i = 0; i < mine[0].get().size; ++i) set_element(mine[0], i, anything());
    }
    std::vector<data> out;
    for (const auto& o : g.outputs) out.push_back(value.at(o.get())[0]);
    return out;
  }

  std::vector<data> exact_;
  std::vector<std::vector<data>> others_, wide_;
};

}  // namespace tenon::test
