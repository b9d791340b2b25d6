// The invariants of kernels, checked one statement at a time with what is in scope there.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "loop/evaluate.hpp"
#include "loop/text.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ir {
namespace {

constexpr std::int64_t max_local_bytes = 4096;
constexpr std::int64_t max_unrolled = 4096;
constexpr int max_lanes = 64;

class verifier {
 public:
  explicit verifier(const kernel& k) : k_(k), names_(k) {}

  void run() {
    if (!k_.body) fail(nullptr, "there is no body");
    check_names();
    check_buffers();
    check_parallel();
    statement(*k_.body);
  }

 private:
  [[noreturn]] void fail(const stmt* s, const std::string& what) const {
    std::string text = fmt::format("kernel {}: {}", k_.name, what);
    if (s) {
      text += "\n" + to_string(k_, *s);
      text.pop_back();
    }
    throw compile_error(std::move(text));
  }
  std::string text(expr_ref e) const { return to_string(e, &names_); }
  const std::string& name_of(const buffer& b) const { return names_.buffers[b.id]; }

  void check_names() const {
    std::set<std::string> seen;
    for (const std::string& s : k_.symbols)
      if (!seen.insert(s).second) fail(nullptr, fmt::format("two symbols are named {}", s));
    seen.clear();
    for (const buffer& b : k_.buffers)
      if (!seen.insert(b.name).second) fail(nullptr, fmt::format("two buffers are named {}", b.name));
  }

  void check_buffers() {
    bool locals = false;
    for (std::size_t i = 0; i < k_.buffers.size(); ++i) {
      const buffer& b = k_.buffers[i];
      if (b.id != static_cast<std::int64_t>(i))
        fail(nullptr, fmt::format("buffer {} has id {} and stands at {}", b.name, b.id, i));
      const auto bad = [&](const std::string& what) { fail(nullptr, fmt::format("buffer {}: {}", b.name, what)); };
      if (b.type == any_dtype) bad("its element type is not known");
      if (locals && b.where == scope::parameter) bad("a parameter stands after a local buffer");
      locals |= b.where != scope::parameter;
      if (b.where == scope::scratch && !b.strides.empty()) bad("it has strides; scratch buffers are contiguous");
      if (!b.strides.empty() && b.strides.size() != b.extents.size())
        bad(fmt::format("{} strides for {} extents", b.strides.size(), b.extents.size()));
      for (auto* list : {&b.extents, &b.strides})
        for (expr_ref e : *list) {
          const std::string_view what = list == &b.extents ? "extent" : "stride";
          if (!e) bad(fmt::format("an {} is missing", what));
          expression(e, nullptr, fmt::format("{} of buffer {}", what, b.name));
          if (e->type != i64) bad(fmt::format("the {} {} is {}, not i64", what, text(e), name(e->type)));
          if (contains(e, [](expr_ref x) { return x->is(expr_kind::load); }))
            bad(fmt::format("the {} {} reads memory", what, text(e)));
          if (what == "extent" && e->is(expr_kind::constant) && e->payload < 0)
            bad(fmt::format("the extent {} is negative", e->payload));
        }
      if (b.overlap < 0 || (b.overlap && b.where != scope::parameter))
        bad(fmt::format("an overlap {}; parameters have overlaps, of 0 and more", b.overlap));
      if (b.where == scope::local) check_local(b);
    }
  }

  void check_local(const buffer& b) const {
    std::int64_t bytes = size_of(b.type);
    for (expr_ref e : b.extents) {
      if (!e->is(expr_kind::constant))
        fail(nullptr, fmt::format("local buffer {}: the extent {} is no constant", b.name, text(e)));
      if (__builtin_mul_overflow(bytes, e->payload, &bytes)) bytes = INT64_MAX;
    }
    if (!b.strides.empty())
      fail(nullptr, fmt::format("local buffer {}: it has strides; local buffers are contiguous", b.name));
    if (bytes > max_local_bytes)
      fail(nullptr, fmt::format("local buffer {}: {} bytes, at most {} are allowed", b.name, bytes, max_local_bytes));
  }

  /// One parallel loop at most, and it is the whole body: every thread runs all that is outside of it.
  void check_parallel() const {
    visit(k_.body, [&](const stmt& s) {
      const loop* l = std::get_if<loop>(&s.v);
      if (!l || l->kind != loop_kind::parallel || &s == k_.body.get()) return;
      const block* b = std::get_if<block>(&k_.body->v);
      if (b && b->list.size() == 1 && b->list[0].get() == &s) return;
      fail(&s, "a parallel loop is not the outermost statement of the kernel");
    });
  }

  // --- expressions ---------------------------------------------------------------------------------------------------
  /// Types, ranks and scopes of everything in `root`; what was checked in this scope is not looked at twice.
  void expression(expr_ref root, const stmt* s, std::string_view role) {
    if (!root) fail(s, fmt::format("the {} is missing", role));
    for (expr_ref e : post_order(std::span(&root, 1))) {
      switch (e->kind) {
        case expr_kind::constant:
          break;
        case expr_kind::variable:
          if (!scope_.contains(e))
            fail(s, fmt::format("{} is used outside of what binds it, in the {}", variable_name(*e), role));
          break;
        case expr_kind::symbol:
          if (e->payload < 0 || e->payload >= static_cast<std::int64_t>(k_.symbols.size()))
            fail(s, fmt::format("there is no symbol {}; the kernel has {}", e->payload, k_.symbols.size()));
          break;
        case expr_kind::load:
          access(e->payload, e->indices(), e->mask(), s, "load");
          load_type(e, s);
          break;
        case expr_kind::reduce:
          fail(s, fmt::format("a reduction is still an expression: {}", text(e)));
        case expr_kind::apply:
          if (const std::string p = type_problem(e->op, e->type, e->operands); !p.empty())
            fail(s, fmt::format("{}, in {}", p, text(e)));
      }
    }
  }
  void load_type(expr_ref e, const stmt* s) const {
    const buffer& b = k_.buffers[e->payload];
    if (e->type != b.type)
      fail(s, fmt::format("a load gives {} from buffer {} of {}", name(e->type), name_of(b), name(b.type)));
  }
  void typed(expr_ref e, dtype t, const stmt* s, std::string_view role) {
    expression(e, s, role);
    if (e->type != t) fail(s, fmt::format("the {} {} is {}, not {}", role, text(e), name(e->type), name(t)));
  }

  const buffer& find_buffer(std::int64_t id, const stmt* s) const {
    if (id < 0 || id >= static_cast<std::int64_t>(k_.buffers.size()))
      fail(s, fmt::format("there is no buffer {}; the kernel has {}", id, k_.buffers.size()));
    return k_.buffers[id];
  }

  /// A load from or a store to a buffer; the operands' own types were checked before.
  void access(std::int64_t id, std::span<const expr_ref> indices, expr_ref mask, const stmt* s, std::string_view what) {
    const buffer& b = find_buffer(id, s);
    if (b.where == scope::local && !declared_.contains(id))
      fail(s, fmt::format("a {} of local buffer {} outside of its declaration's block", what, name_of(b)));
    if (indices.size() != b.extents.size())
      fail(s, fmt::format("a {} with {} indices of buffer {}, whose rank is {}", what, indices.size(), name_of(b),
                          b.extents.size()));
    for (std::size_t d = 0; d < indices.size(); ++d) {
      expr_ref i = indices[d];
      if (i->type != i64)
        fail(s, fmt::format("index {} of a {} of buffer {} is {}, not i64: {}", d, what, name_of(b), name(i->type),
                            text(i)));
      if (!i->is(expr_kind::constant) || !mask->is_true()) continue;
      if (i->payload < 0 || (b.extents[d]->is(expr_kind::constant) && i->payload >= b.extents[d]->payload))
        fail(s, fmt::format("index {} of a {} of buffer {} is {}, its extent is {}", d, what, name_of(b), i->payload,
                            text(b.extents[d])));
    }
    if (mask->type != b8) fail(s, fmt::format("the mask {} of a {} is {}, not b8", text(mask), what, name(mask->type)));
  }

  /// A place that is written: its operands, the buffer, and that it may be written.
  const buffer& target(std::int64_t id, const std::vector<expr_ref>& indices, expr_ref mask, const stmt& s,
                       std::string_view what) {
    for (expr_ref e : indices) expression(e, &s, "index");
    expression(mask, &s, "mask");
    access(id, indices, mask, &s, what);
    const buffer& b = k_.buffers[id];
    if (b.where == scope::parameter && !b.written)
      fail(&s, fmt::format("a {} to buffer {}, which the kernel only reads", what, name_of(b)));
    return b;
  }

  // --- statements ----------------------------------------------------------------------------------------------------
  void statement(const stmt& s) {
    std::visit([&](auto& x) { check(x, s); }, s.v);
  }
  void nested(const stmt_ref& s) {
    if (!s) return;
    const auto before = declared_;
    statement(*s);
    declared_ = before;
  }

  void check(const block& b, const stmt&) {
    const auto before = declared_;
    for (const stmt_ref& x : b.list) {
      if (!x) fail(nullptr, "a block holds a missing statement");
      statement(*x);
    }
    declared_ = before;
  }

  void check(const declare& d, const stmt& s) {
    const buffer& b = find_buffer(d.buffer, &s);
    if (b.where != scope::local)
      fail(&s, fmt::format("a declaration of {}, which is {}", name_of(b),
                           b.where == scope::scratch ? "scratch" : "a parameter"));
    if (!declared_.emplace(d.buffer, lane_).second || !ever_declared_.insert(d.buffer).second)
      fail(&s, fmt::format("a second declaration of {}", name_of(b)));
  }

  void bind(expr_ref v, const stmt& s, std::string_view role, dtype t = i64) {
    if (!v || !v->is(expr_kind::variable)) fail(&s, fmt::format("the {} is no variable", role));
    if (v->type != t) fail(&s, fmt::format("the {} {} is {}, not {}", role, text(v), name(v->type), name(t)));
    if (!scope_.insert(v).second) fail(&s, fmt::format("{} is bound twice", variable_name(*v)));
  }

  void check(const loop& l, const stmt& s) {
    typed(l.begin, i64, &s, "lower bound");
    typed(l.end, i64, &s, "upper bound");
    if (lane_) {
      if (l.kind == loop_kind::vectorized) fail(&s, "a vectorized loop inside of a vectorized loop");
      uniform(l.begin, s, "lower bound");
      uniform(l.end, s, "upper bound");
    }
    const bool zero = l.begin->is_constant(0);
    if (l.begin->is(expr_kind::constant) && l.begin->payload < 0)
      fail(&s, fmt::format("the lower bound {} is negative", l.begin->payload));
    if (l.kind == loop_kind::parallel && !zero)
      fail(&s, fmt::format("a parallel loop begins at {}, not at 0", text(l.begin)));
    if (l.kind == loop_kind::unrolled) {
      const affine_form n = affine(*k_.arena, k_.arena->sub(l.end, l.begin), {});
      if (!n.rest->is(expr_kind::constant))
        fail(&s, fmt::format("an unrolled loop has a trip count that is no constant: {}", text(n.rest)));
      if (n.rest->payload > max_unrolled)
        fail(&s, fmt::format("an unrolled loop has {} trips, at most {} are allowed", n.rest->payload, max_unrolled));
    }
    if (l.kind == loop_kind::vectorized && (l.width < 1 || l.width > max_lanes || (l.width & (l.width - 1))))
      fail(&s, fmt::format("a vectorized loop of {} lanes; a power of two up to {} is expected", l.width, max_lanes));
    if (!l.body) fail(&s, "a loop without a body");
    bind(l.variable, s, "loop variable");
    if (l.kind == loop_kind::vectorized) {
      lane_ = l.variable;
      lanes_read_what_they_update(s);
    }
    nested(l.body);
    if (lane_ == l.variable) lane_ = nullptr;
    scope_.erase(l.variable);
  }

  /// In a vectorized loop, one value for all lanes: free of the loop's variable and of what lives once a lane.
  void uniform(expr_ref e, const stmt& s, std::string_view role) const {
    const bool varies = contains(e, [&](expr_ref x) {
      if (x == lane_) return true;
      const auto it = x->is(expr_kind::load) ? declared_.find(x->payload) : declared_.end();
      return it != declared_.end() && it->second == lane_;
    });
    if (varies)
      fail(&s, fmt::format("the {} {} differs between the lanes of the vectorized loop over {}", role, text(e),
                           text(lane_)));
  }

  /// A buffer that keeps one partial result a lane has no value until the loop ends.
  void lanes_read_what_they_update(const stmt& outer) const {
    const loop& l = std::get<loop>(outer.v);
    const auto varies = [&](expr_ref e) { return contains(e, [&](expr_ref x) { return x == l.variable; }); };
    std::set<std::int64_t> partial;
    std::set<std::int64_t> inside;
    visit(l.body, [&](const stmt& s) {
      if (auto* d = std::get_if<declare>(&s.v)) inside.insert(d->buffer);
      if (auto* u = std::get_if<update>(&s.v))
        if (!inside.contains(u->buffer) && std::ranges::none_of(u->indices, varies)) {
          partial.insert(u->buffer);
          if (is_arg(u->combine)) partial.insert(u->buffer + 1);
        }
    });
    if (partial.empty()) return;
    visit(l.body, [&](const stmt& s) {
      visit_operands(s, [&](expr_ref e) {
        for (expr_ref x : post_order(std::span(&e, 1)))
          if (x->is(expr_kind::load) && partial.contains(x->payload))
            fail(&s, fmt::format(
                         "a load of buffer {}, of which the vectorized loop over {} keeps one partial result a lane",
                         names_.buffer(x->payload), text(l.variable)));
      });
      if (auto* w = std::get_if<store>(&s.v))
        if (partial.contains(w->buffer))
          fail(&s,
               fmt::format("a store to buffer {}, of which the vectorized loop over {} keeps one partial result a lane",
                           names_.buffer(w->buffer), text(l.variable)));
    });
  }

  void check(const store& w, const stmt& s) {
    const buffer& b = target(w.buffer, w.indices, w.mask, s, "store");
    typed(w.value, b.type, &s, "value");
  }

  void check(const update& w, const stmt& s) {
    const buffer& b = target(w.buffer, w.indices, w.mask, s, "update");
    typed(w.value, b.type, &s, "value");
    const bool logical = w.combine == reducer::all || w.combine == reducer::any;
    if (logical ? b.type != b8 : (b.type == b8 || compute_type(b.type) != b.type))
      fail(&s, fmt::format("{} does not combine values of {}", name(w.combine), name(b.type)));
    if (!is_arg(w.combine)) {
      if (w.position) fail(&s, fmt::format("{} takes no position", name(w.combine)));
      return;
    }
    if (!w.position) fail(&s, fmt::format("{} needs a position", name(w.combine)));
    typed(w.position, i64, &s, "position");
    const buffer& p = target(w.buffer + 1, w.indices, w.mask, s, "position's update");
    if (p.type != i64)
      fail(&s, fmt::format("the positions of {} go to buffer {} of {}, not i64", name(w.combine), name_of(p),
                           name(p.type)));
  }

  void check(const prefetch& p, const stmt& s) {
    const buffer& b = find_buffer(p.buffer, &s);
    if (b.where != scope::parameter) fail(&s, fmt::format("a prefetch of {}, which is no parameter", name_of(b)));
    if (p.indices.size() != b.extents.size())
      fail(&s, fmt::format("a prefetch with {} indices of buffer {}, whose rank is {}", p.indices.size(), name_of(b),
                           b.extents.size()));
    for (expr_ref e : p.indices) typed(e, i64, &s, "index");
  }

  void check(const branch& b, const stmt& s) {
    typed(b.condition, b8, &s, "condition");
    if (lane_) uniform(b.condition, s, "condition");
    if (!b.then) fail(&s, "a branch without a statement");
    nested(b.then);
    nested(b.otherwise);
  }

  void check(const while_loop& w, const stmt& s) {
    if (lane_) fail(&s, "a while inside of a vectorized loop");
    nested(w.test);
    typed(w.condition, b8, &s, "condition");
    if (!w.body) fail(&s, "a while without a body");
    nested(w.body);
    std::unordered_set<std::int64_t> written;
    for (const stmt_ref& part : {w.test, w.body})
      visit(part, [&](const stmt& x) { visit_written(x, [&](std::int64_t id) { written.insert(id); }); });
    if (!contains(w.condition, [&](expr_ref e) { return e->is(expr_kind::load) && written.contains(e->payload); }))
      fail(&s,
           fmt::format("the condition {} reads nothing that the while writes: it never changes", text(w.condition)));
  }

  // --- the tile contraction ------------------------------------------------------------------------------------------
  static bool mentions(expr_ref e, expr_ref v) {
    return contains(e, [&](expr_ref x) { return x == v; });
  }
  expr_ref operand_load(expr_ref e, const stmt& s, std::string_view role) const {
    expr_ref x = e->is(prim::cast) ? e->operands[0] : e;
    if (!x->is(expr_kind::load)) fail(&s, fmt::format("operand {} is no load or cast of one: {}", role, text(e)));
    return x;
  }
  void operand_type(expr_ref e, dtype sum, const stmt& s, std::string_view role) const {
    const bool widens = sum == accumulator_type(e->type) || (sum == f64 && e->type == f32) ||
                        (is_integer(sum) && is_integer(e->type) && size_of(e->type) < size_of(sum));
    if (e->type != sum && !widens)
      fail(&s, fmt::format("operand {} is {}, which does not widen to the accumulator's {}", role, name(e->type),
                           name(sum)));
  }

  void check_function(const contraction& c, const stmt& s) const {
    if (!c.function->is(expr_kind::symbol)) fail(&s, fmt::format("the function {} is no symbol", text(c.function)));
    if (c.reduction.size() != 1) fail(&s, fmt::format("a function sums over one axis, not {}", c.reduction.size()));
    for (const expr_ref e : {c.a, c.b})
      if (!e->is(expr_kind::load) || e->type != c.accumulator->type || !e->mask()->is_true())
        fail(&s, fmt::format("a function reads plain {}, not {}", name(c.accumulator->type), text(e)));
  }
  void check(const contraction& c, const stmt& s) {
    if (lane_) fail(&s, "a contraction inside of a vectorized loop");
    if (c.tile_rows < 1 || c.tile_columns < 1 || c.tile_rows > c.most_rows || c.tile_columns > c.most_columns)
      fail(&s, fmt::format("a tile of {} x {}; 1 to {} rows and 1 to {} columns are expected", c.tile_rows,
                           c.tile_columns, c.most_rows, c.most_columns));
    typed(c.columns, i64, &s, "number of columns");
    if (c.columns->is(expr_kind::constant) && (c.columns->payload < 1 || c.columns->payload > c.tile_columns))
      fail(&s, fmt::format("{} columns of a tile of {}", c.columns->payload, c.tile_columns));
    std::vector<expr_ref> bound;
    const auto enter = [&](expr_ref v, std::string_view role) {
      bind(v, s, role);
      bound.push_back(v);
    };
    for (const contraction::axis& a : c.reduction) {  // an extent may depend on the axes outside of it
      typed(a.extent, i64, &s, "extent of the reduction");
      enter(a.variable, "variable of the reduction");
    }
    enter(c.row, "row");
    enter(c.column, "column");
    expression(c.a, &s, "operand a");
    expression(c.b, &s, "operand b");
    operand_load(c.a, s, "a");
    expr_ref b = operand_load(c.b, s, "b");
    if (mentions(c.a, c.column)) fail(&s, fmt::format("operand a depends on the column {}", text(c.column)));
    if (mentions(c.b, c.row)) fail(&s, fmt::format("operand b depends on the row {}", text(c.row)));
    column_stride(b, c, s);
    if (!c.accumulator || !c.accumulator->is(expr_kind::variable)) fail(&s, "the accumulator is no variable");
    const dtype sum = c.accumulator->type;
    if (compute_type(sum) != sum || sum == b8 || sum == any_dtype)
      fail(&s, fmt::format("the accumulator {} is {}, which has no arithmetic", text(c.accumulator), name(sum)));
    if (sum == i64 && c.accumulator->payload >= 0)
      fail(&s, fmt::format("the accumulator {} is a loop variable's name; fresh_accumulator makes one",
                           text(c.accumulator)));
    if (c.prefetch) {
      expression(c.prefetch, &s, "prefetch");
      if (!c.prefetch->is(expr_kind::load) ||
          (c.prefetch->payload != b->payload &&
           k_.buffers[static_cast<std::size_t>(c.prefetch->payload)].where != scope::parameter))
        fail(&s, fmt::format("what is prefetched is a load neither of b's buffer nor of a parameter: {}",
                             text(c.prefetch)));
      if (mentions(c.prefetch, c.row)) fail(&s, fmt::format("the prefetch depends on the row {}", text(c.row)));
    }
    operand_type(c.a, sum, s, "a");
    operand_type(c.b, sum, s, "b");
    if (c.function) check_function(c, s);
    for (const contraction::axis& x : c.reduction) scope_.erase(x.variable);
    bind(c.accumulator, s, "accumulator", sum);
    bound.push_back(c.accumulator);
    const auto check_result = [&](std::int64_t to, const std::vector<expr_ref>& at, expr_ref value, expr_ref mask) {
      const buffer& b = target(to, at, mask ? mask : k_.arena->boolean(true), s, "store");
      for (expr_ref e : at)
        if (mentions(e, c.accumulator)) fail(&s, "an index depends on the accumulator");
      typed(value, b.type, &s, "value");
    };
    check_result(c.buffer, c.indices, c.value, c.mask);
    for (const contraction::result& r : c.also) check_result(r.buffer, r.indices, r.value, r.mask);
    for (expr_ref v : bound) scope_.erase(v);
  }

  /// 1, or the size of the group that the last axis of the reduction runs over with unit stride.
  void column_stride(expr_ref load, const contraction& c, const stmt& s) const {
    const buffer& b = k_.buffers[load->payload];
    const expr_ref at = linear_index(*k_.arena, b, load->indices());
    const affine_form f = affine(*k_.arena, at, std::span(&c.column, 1));
    if (f.ok && f.coefficients[0]->is_constant(1)) return;
    const expr_ref both[] = {c.column, c.reduction.empty() ? c.row : c.reduction.back().variable};
    const affine_form g = affine(*k_.arena, at, both);
    const bool grouped = g.ok && g.coefficients[1]->is_constant(1) && !c.reduction.empty() &&
                         c.reduction.back().extent->is(expr_kind::constant) &&
                         g.coefficients[0] == c.reduction.back().extent;
    if (!grouped)
      fail(&s, fmt::format("operand b does not have unit stride in the column {}, but {}", text(c.column),
                           f.ok ? text(f.coefficients[0]) : "no affine index"));
  }

  const kernel& k_;
  names names_;
  std::unordered_set<expr_ref> scope_;
  /// Local buffers in scope, with the vectorized loop (or null) that they live inside of.
  std::unordered_map<std::int64_t, expr_ref> declared_;
  std::set<std::int64_t> ever_declared_;
  expr_ref lane_ = nullptr;
};

}  // namespace

void verify(const kernel& k) { verifier(k).run(); }

}  // namespace tenon::ir
