#include "schedule/calls.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

namespace tenon::scheduling {

using namespace ir;

namespace {

class reader {
 public:
  reader(const computation& c, const launch& l) : c_(c), a_(*c.kernel.arena), launch_(l) {}

  std::vector<std::string> run() {
    walk(c_.kernel.body, {});
    if (tile_)
      describe_tile();
    else
      describe_loops();
    if (products_)
      calls_.push_back(fmt::format("(made of products of transformed tiles, {} x {} at a time)", products_->tile_rows,
                                   products_->tile_columns));
    if (streamed_) calls_.emplace_back("(results are stored past the caches)");
    return std::move(calls_);
  }

 private:
  using path = std::vector<const loop*>;

  void walk(const stmt_ref& s, const path& around) {
    if (!s) return;
    if (const auto* b = std::get_if<block>(&s->v)) {
      for (const stmt_ref& x : b->list) walk(x, around);
    } else if (const auto* l = std::get_if<loop>(&s->v)) {
      path inside = around;
      inside.push_back(l);
      loops_.push_back(l);
      walk(l->body, inside);
    } else if (const auto* b = std::get_if<branch>(&s->v)) {
      walk(b->then, around);
      walk(b->otherwise, around);
    } else if (const auto* t = std::get_if<contraction>(&s->v)) {
      if (t->buffer != c_.output) products_ = t;
      if (t->buffer == c_.output && t->indices.size() == c_.axes.size() && !tile_) {
        tile_ = t;
        tile_around_ = around;
      }
    } else if (const auto* w = std::get_if<store>(&s->v)) {
      streamed_ |= w->streamed;
      // The longest way to a store of the result names the loops.
      if (w->buffer == c_.output && (result_.empty() || around.size() > around_result_.size())) {
        result_ = w->indices;
        around_result_ = around;
      }
      if (w->buffer != c_.output) filled_.try_emplace(w->buffer, around);
    } else if (const auto* d = std::get_if<declare>(&s->v)) {
      filled_[d->buffer] = around;
    }
  }

  static bool mentions(expr_ref e, expr_ref v) {
    return contains(e, [&](expr_ref x) { return x == v; });
  }
  std::string axis(std::size_t d) const { return fmt::format("i{}", d); }
  std::optional<std::size_t> axis_of(const std::vector<expr_ref>& indices, expr_ref v) const {
    for (std::size_t d = 0; d < indices.size(); ++d)
      if (mentions(indices[d], v)) return d;
    return {};
  }
  const buffer& buffer_of(std::int64_t id) const { return c_.kernel.buffers[static_cast<std::size_t>(id)]; }
  std::int64_t symbol(std::string_view name) const {
    const auto at = std::ranges::find(c_.kernel.symbols, name);
    return at == c_.kernel.symbols.end() ? 0
                                         : c_.symbol_values[static_cast<std::size_t>(at - c_.kernel.symbols.begin())];
  }
  std::int64_t trips(const loop& l) const {
    const expr_ref n = a_.sub(l.end, l.begin);
    const bool fixed = !contains(n, [](expr_ref x) { return x->is(expr_kind::variable); });
    return fixed ? c_.at_call(n) : -1;
  }

  void describe_tile() {
    const contraction& t = *tile_;
    // One index of the result for each axis.
    const auto row = axis_of(t.indices, t.row), column = axis_of(t.indices, t.column);
    const auto inner = [&](std::optional<std::size_t> d, std::int64_t size) {
      if (!d) return std::string("1");
      if (c_.axes[*d].size <= size) return axis(*d);
      calls_.push_back(fmt::format("split({}, {}{})", axis(*d), size, c_.axes[*d].size % size ? ", shift" : ""));
      return axis(*d) + ".i";
    };
    const std::string rows = inner(row, t.tile_rows), columns = inner(column, t.tile_columns);
    const auto blocked = [&](const std::string& loop, std::string_view name) {
      const std::int64_t size = loop.ends_with(".i") ? symbol(name) : 0;
      const std::string outer = loop.substr(0, loop.size() - 2) + ".o";
      if (size) calls_.push_back(fmt::format("split({}, {})", outer, size));
      return std::pair(size ? outer + ".o" : "", size ? outer + ".i" : loop.ends_with(".i") ? outer : "");
    };
    const auto [column_blocks, column_tiles] = blocked(columns, "panels_per_block");
    const auto [row_blocks, row_tiles] = blocked(rows, "tiles_per_block");
    std::vector<std::string> shared, order;
    for (std::size_t d = 0; d < c_.axes.size(); ++d)
      if (d != row && d != column && c_.axes[d].size > 1) shared.push_back(axis(d));
    for (const std::string& s : {column_blocks, row_blocks})
      if (!s.empty()) shared.push_back(s);
    order = shared;
    for (const std::string& s : {row_tiles, column_tiles})
      if (!s.empty()) order.push_back(s);
    for (std::size_t k = 0; k < t.reduction.size(); ++k) order.push_back(axis(c_.axes.size() + k));
    for (const std::string& s : {rows, columns})
      if (s != "1") order.push_back(s);
    if (order.size() > 1) calls_.push_back(fmt::format("reorder({})", fmt::join(order, ", ")));
    const std::string outermost = parallel_of(shared, tile_around_);
    std::vector<std::int64_t> made;
    visit(c_.kernel.body, [&](const stmt& s) {
      const auto* w = std::get_if<store>(&s.v);
      if (!w || buffer_of(w->buffer).where != scope::scratch || is_copy(w->value)) return;
      if (std::ranges::find(made, w->buffer) == made.end()) made.push_back(w->buffer);
    });
    for (const std::int64_t id : made)
      calls_.push_back(fmt::format("compute_at({}, {})", buffer_of(id).name, outermost));
    const std::int64_t b = load_of(t.b)->payload;
    if (buffer_of(b).where == scope::scratch)
      calls_.push_back(fmt::format("pack({}, {})", packed_from(b, outermost), t.tile_columns));
    for (const constant_packing& p : launch_.packed)
      calls_.push_back(fmt::format("({} is packed when the callable is built, in panels of {})",
                                   buffer_of(static_cast<std::int64_t>(p.parameter)).name, p.width));
    calls_.push_back(fmt::format("tensorize({}, {})  (a tile of {} x {})", rows, columns, t.tile_rows, t.tile_columns));
    if (t.prefetch)
      calls_.push_back(fmt::format("prefetch({})  ({} is asked for)", buffer_of(b).name, to_string(t.prefetch)));
  }
  static bool is_copy(expr_ref e) { return e->is(expr_kind::load) || e->is(expr_kind::constant); }
  static expr_ref load_of(expr_ref e) {
    while (e->is(prim::cast)) e = e->operands[0];
    return e;
  }
  // The operand that a copy is filled from, where, and the dimension along which its panels' columns lie.
  std::string packed_from(std::int64_t copy, const std::string& where) const {
    std::string from;
    visit(c_.kernel.body, [&](const stmt& s) {
      const auto* w = std::get_if<store>(&s.v);
      if (!w || w->buffer != copy || !w->value->is(expr_kind::load)) return;
      const std::vector<expr_ref> indices(w->value->indices().begin(), w->value->indices().end());
      from = fmt::format("{}, {}{}{}", buffer_of(w->value->payload).name, where, where.empty() ? "" : ", ",
                         axis_of(indices, w->indices.back()).value_or(0));
    });
    return from;
  }
  std::string parallel_of(const std::vector<std::string>& loops, const path& around) {
    if (around.empty() || around[0]->kind != loop_kind::parallel || loops.empty()) return "";
    std::string all = loops[0];
    for (std::size_t i = 1; i < loops.size(); ++i) {
      calls_.push_back(fmt::format("fuse({}, {})", all, loops[i]));
      all += "_" + loops[i];
    }
    calls_.push_back(fmt::format("parallel({})  ({} trips)", all, trips(*around[0])));
    return all;
  }

  // The loops around the result: what of each axis they run over.
  void describe_loops() {
    std::map<const loop*, std::string> names;
    for (std::size_t d = 0; d < result_.size(); ++d) name_loops(d, names);
    std::size_t sums = c_.axes.size();
    for (const loop* l : loops_) {
      if (names.contains(l)) continue;
      bool reduces = false;
      visit(l->body, [&](const stmt& s) { reduces |= std::holds_alternative<update>(s.v); });
      names[l] = reduces ? fmt::format("i{}", sums++) : "copy";
    }
    if (around_result_.size() > 1) {
      std::vector<std::string> order;
      for (const loop* l : around_result_) order.push_back(names[l]);
      calls_.push_back(fmt::format("reorder({})", fmt::join(order, ", ")));
    }
    for (const auto& [id, around] : filled_) {
      const buffer& b = buffer_of(id);
      if (b.where == scope::parameter || around.empty()) continue;
      calls_.push_back(fmt::format("compute_at({}, {})", b.name, names[around.back()]));
    }
    std::vector<std::string> said;
    const auto say = [&](std::string call) {
      if (std::ranges::find(said, call) != said.end()) return;
      said.push_back(call);
      calls_.push_back(std::move(call));
    };
    for (const loop* l : loops_) {
      if (l->kind == loop_kind::parallel) say(fmt::format("parallel({})  ({} trips)", names[l], trips(*l)));
      if (l->kind == loop_kind::vectorized) say(fmt::format("vectorize({}, {})", names[l], l->width));
      if (l->kind == loop_kind::unrolled) say(fmt::format("unroll({})", names[l]));
    }
    for (const constant_packing& p : launch_.packed)
      say(fmt::format("({} is packed when the callable is built, in panels of {})",
                      buffer_of(static_cast<std::int64_t>(p.parameter)).name, p.width));
  }
  void name_loops(std::size_t d, std::map<const loop*, std::string>& names) {
    std::vector<std::pair<std::int64_t, const loop*>> parts;  // by factor, the largest outermost
    for (const loop* l : around_result_) {
      if (!mentions(result_[d], l->variable)) continue;
      const affine_form f = affine(a_, result_[d], std::span(&l->variable, 1));
      const bool number = f.ok && f.coefficients[0]->is(expr_kind::constant);
      const std::int64_t factor = number ? f.coefficients[0]->payload : 0;
      const auto by_factor = &std::pair<std::int64_t, const loop*>::first;
      parts.emplace(std::ranges::upper_bound(parts, factor, std::greater<>{}, by_factor), factor, l);
    }
    std::string name = axis(d);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto& [factor, l] = parts[i];
      std::string own = name;
      if (i + 1 < parts.size() && factor > 1) {
        calls_.push_back(fmt::format("split({}, {})", name, factor));
        own = name + ".o";
        name += ".i";
      }
      const auto known = names.find(l);
      if (known == names.end()) {
        names[l] = own;
      } else if (known->second != own) {
        calls_.push_back(fmt::format("fuse({}, {})", known->second, own));
        known->second += "_" + own;
      }
    }
  }

  const computation& c_;
  expr_arena& a_;
  const launch& launch_;
  std::vector<std::string> calls_;
  std::vector<const loop*> loops_;  // outer before inner
  const contraction *tile_ = nullptr, *products_ = nullptr;
  path tile_around_, around_result_;
  std::vector<expr_ref> result_;
  std::map<std::int64_t, path> filled_;  // where buffers of the kernel's own begin
  bool streamed_ = false;
};

}  // namespace

std::vector<std::string> calls_of(const computation& c, const launch& l) {
  if (!c.value) return {};
  return reader(c, l).run();
}

}  // namespace tenon::scheduling
