// Maps and reductions: each reduction at the outermost loop where all that it depends on is known, so that reductions
// share the loops outside them; the unit-stride axis vectorised; the outer axes parallel.
#include <algorithm>
#include <bit>
#include <string>
#include <unordered_set>

#include "graph/loop_order.hpp"
#include "loop/evaluate.hpp"
#include "schedule/interleave.hpp"
#include "schedule/next_row.hpp"
#include "schedule/rules.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

// Elements of one parallel piece of a map without outer axes.
constexpr std::int64_t block_elements = 16384;
// Longer rows keep the processor busy one at a time.
constexpr std::int64_t short_row = 2048;
// Reduction loops of known size become straight code up to this many copies.
constexpr std::int64_t unrolled_at_most = 32;

bool mentions(expr_ref e, expr_ref part) {
  return contains(e, [&](expr_ref x) { return x == part; });
}
// Whether what varies with the variables costs more to compute again than to read from a cache.
bool is_costly(expr_ref e, const std::vector<expr_ref>& variables) {
  return contains(e, [&](expr_ref x) {
    if (!x->is(expr_kind::apply) || x->op < prim::exp || x->op > prim::erf) return false;
    return std::ranges::any_of(variables, [&](expr_ref v) { return mentions(x, v); });
  });
}

class nest {
 public:
  nest(computation& c, const machine_model& m)
      : c_(c), m_(m), a_(c.kernel.make()), lanes_(lanes_for(c, m)), row_bytes_(m.l2_bytes / 2) {
    for (const computation::axis& x : c.axes)
      if (x.variable->is(expr_kind::variable)) axes_.push_back(&x);
    for (expr_ref e : post_order(c.values()))
      if (e->is(expr_kind::reduce)) reductions_.push_back(e);
    stored_.resize(c.also.size());
    find_free_variables();
    order_axes();
    for (expr_ref r : reductions_) level_[r] = level_of(r);
    vector_axis_ = !axes_.empty() && lanes_ > 1 && !rows_are_dense();
  }

  stmt_ref build() {
    const int rank = static_cast<int>(axes_.size());
    const int outer = vector_axis_ ? lane_axis_ : rank;
    if (rank == 0) return inside(0);
    if (const int vectors = columns_at_once(); vectors > 1 || (vectors == 1 && lane_axis_ + 1 < rank))
      return columns(vectors);
    if (outer == 0) return blocks();
    // No trip makes a reduction again that others share with it.
    int shared = outer;
    for (const auto& [r, level] : level_)
      if (ready(r, level)) shared = std::min(shared, level);
    for (const computation::result& r : c_.also) shared = std::min(shared, level_of(r));
    if (shared == 0) return inside(0);
    int fused = 1;
    for (std::int64_t trips = axes_[0]->size; fused < shared && trips < enough_trips; ++fused)
      trips *= axes_[fused]->size;
    std::vector<expr_ref> extents;
    for (int d = 0; d < fused; ++d) extents.push_back(axes_[d]->extent);
    const fused_loop f = fuse_loops(a_, extents);
    std::vector<std::pair<expr_ref, expr_ref>> at;
    for (int d = 0; d < fused; ++d) at.emplace_back(axes_[d]->variable, f.indices[d]);
    stmt_ref body = substituted(inside(fused), at);
    const int rows = rows_at_once(body, f);
    body = ask_for_next_row(c_, m_, body, f.variable, f.extent, rows);
    if (rows == 1) return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, body});
    // Blocks of rows; the last one may have fewer.
    const expr_ref size = a_.index(rows), b = a_.fresh_variable(), first = a_.mul(b, size);
    std::vector<expr_ref> values;
    for (int j = 0; j < rows; ++j) values.push_back(a_.add(first, a_.index(j)));
    const stmt_ref rest = make_stmt(loop{f.variable, first, f.extent, loop_kind::serial, 1, body});
    const stmt_ref whole = interleave(c_.kernel, body, f.variable, values);
    const expr_ref count = a_.div(a_.add(f.extent, a_.index(rows - 1)), size);
    return make_stmt(loop{b, a_.index(0), count, loop_kind::parallel, 1,
                          make_stmt(branch{a_.less(values.back(), f.extent), whole, rest})});
  }

 private:
  // Each reduction goes over axes that the result has, too: those it keeps are put outside, in the order of memory.
  //   softmax over axis 1 of [n, c, w]: n, w, c
  void order_axes() {
    loop_order loops(axes_.size());
    for (expr_ref r : reductions_)
      if (is_free(r)) loops.put_outside([&](std::size_t d) { return free_[r].contains(axes_[d]->variable); });
    const std::vector<const computation::axis*> in_memory = axes_;
    for (std::size_t place = 0; place < axes_.size(); ++place) {
      axes_[place] = in_memory[loops[place]];
      if (loops[place] + 1 == axes_.size()) lane_axis_ = static_cast<int>(place);
    }
  }
  // Vectors of columns that are worked on side by side where every reduction goes over what lies around them: one has
  // nothing to do while its sum's last step ends, and reads too little of each line and page. 0: it may not be.
  int columns_at_once() {
    if (!vector_axis_ || reductions_.empty()) return 0;
    const int inside_lanes = lane_axis_ + 1;
    for (expr_ref r : reductions_) {
      std::int64_t copies = 1;
      for (int i = 0; i < r->loops(); ++i) {
        const expr_ref extent = r->loop_extent(i);
        copies *= extent->is(expr_kind::constant) ? extent->payload : unrolled_at_most + 1;
      }
      const bool own = level_[r] >= inside_lanes && ready(r, level_[r]);
      if (!own || is_arg(r->reducer()) || copies <= unrolled_at_most) return 0;
    }
    for (const computation::result& r : c_.also)
      if (level_of(r) < inside_lanes) return 0;
    const std::int64_t vectors = c_.at_least(axes_[static_cast<std::size_t>(lane_axis_)]->extent) / lanes_,
                       most = side_by_side / std::ssize(reductions_);
    if (vectors < 1) return 0;
    auto chosen = std::bit_floor(static_cast<std::uint64_t>(std::clamp<std::int64_t>(most, 1, vectors)));
    // What goes on inside is more than a reading of the input: that all threads have some of it counts for more.
    std::int64_t outer = 1;
    for (int d = 0; d < lane_axis_; ++d) outer *= c_.at_least(axes_[static_cast<std::size_t>(d)]->extent);
    const auto trips = [&] { return outer * vectors / static_cast<std::int64_t>(chosen); };
    while (inside_lanes < std::ssize(axes_) && chosen > 2 && trips() < enough_trips) chosen /= 2;
    return static_cast<int>(chosen);
  }
  // Blocks of columns, the last one shifted inwards.
  //   before: vectorized j: { sum; for i: sum += x[i, j]; y[j] = sum }
  //   after:  parallel b: vectorized l: { sum0, sum1, ..; for i: { sum0 += x[i, first + l]; sum1 += x[i, first + lanes
  //   + l]; .. }
  //                                       y[first + l] = sum0; .. }
  // Loops inside of the lanes stay there.
  stmt_ref columns(int vectors) {
    const auto outer = static_cast<std::size_t>(lane_axis_);
    const computation::axis& x = *axes_[outer];
    const expr_ref width = a_.index(vectors * lanes_), lane = a_.fresh_variable();
    std::vector<expr_ref> extents, values;
    for (std::size_t d = 0; d < outer; ++d) extents.push_back(axes_[d]->extent);
    extents.push_back(a_.div(a_.add(x.extent, a_.sub(width, a_.index(1))), width));
    const fused_loop f = fuse_loops(a_, extents);
    const expr_ref first = a_.min(a_.mul(f.indices.back(), width), a_.sub(x.extent, width));
    for (int j = 0; j < vectors; ++j) values.push_back(a_.add(first, a_.add(lane, a_.index(j * lanes_))));
    kept_lane_ = lane;
    row_bytes_ /= vectors;
    const stmt_ref whole = interleave(c_.kernel, inside(lane_axis_ + 1), x.variable, values);
    std::vector<std::pair<expr_ref, expr_ref>> at;
    for (std::size_t d = 0; d < outer; ++d) at.emplace_back(axes_[d]->variable, f.indices[d]);
    const stmt_ref body = make_stmt(loop{lane, a_.index(0), a_.index(lanes_), loop_kind::vectorized, lanes_, whole});
    return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, substituted(body, at)});
  }
  // Rows that are worked on side by side: a short one spends most of its time waiting for the ends of its reductions.
  // How its sums are grouped is the same for whole blocks and for the rest, so that equal rows give equal results.
  int rows_at_once(const stmt_ref& body, const fused_loop& f) {
    if (reductions_.empty() || lanes_ == 1 || !can_interleave(body, f.variable)) return 1;
    std::int64_t longest = 0;
    for (expr_ref r : reductions_) {
      std::int64_t count = 1;
      for (int i = 0; i < r->loops(); ++i)
        count *= std::clamp<std::int64_t>(c_.at_call(r->loop_extent(i)), 1, short_row);
      longest = std::max(longest, count);
    }
    const int rows = longest <= lanes_ ? 4 : longest < short_row ? 2 : 1;
    return c_.at_call(f.extent) >= enough_trips * rows ? rows : 1;
  }
  // What each reduction mentions without binding it itself.
  void find_free_variables() {
    std::unordered_map<expr_ref, std::unordered_set<expr_ref>> free;
    for (expr_ref e : post_order(c_.values())) {
      auto& f = free[e];
      if (e->is(expr_kind::variable)) f.insert(e);
      for (expr_ref o : e->operands) f.insert(free[o].begin(), free[o].end());
      if (!e->is(expr_kind::reduce)) continue;
      for (int i = 0; i < e->loops(); ++i) f.erase(e->loop_variable(i));
      free_[e] = f;
    }
  }
  // Loops that a reduction must be inside of: all up to the innermost axis that it mentions.
  int level_of(expr_ref r) {
    int level = 0;
    for (std::size_t d = 0; d < axes_.size(); ++d)
      if (free_[r].contains(axes_[d]->variable)) level = static_cast<int>(d) + 1;
    return level;
  }
  // The same of what is stored beside the result.
  int level_of(const computation::result& r) const {
    int level = 0;
    for (std::size_t d = 0; d < axes_.size(); ++d)
      if (std::ranges::find(r.indices, axes_[d]->variable) != r.indices.end()) level = static_cast<int>(d) + 1;
    return level;
  }
  // The stride of a load in one variable: 0 or 1, else -1.
  int stride(expr_ref load, expr_ref variable) {
    const expr_ref v[] = {variable};
    const affine_form f = affine(a_, linear_index(a_, c_.kernel.buffers[load->payload], load->indices()), v);
    return !f.ok ? -1 : f.coefficients[0]->is_constant(0) ? 0 : f.coefficients[0]->is_constant(1) ? 1 : -1;
  }
  template <class F>
  void each_load(expr_ref root, F f) {
    const expr_ref roots[] = {root};
    for (expr_ref e : post_order(roots))
      if (e->is(expr_kind::load)) f(e);
  }
  // Whether a reduction inside the axis of the lanes reads its rows with unit stride and the axis with a larger one:
  // then lanes go along the rows.
  bool rows_are_dense() {
    bool dense = false;
    for (expr_ref r : reductions_) {
      if (level_[r] <= lane_axis_) continue;
      each_load(r->body(), [&](expr_ref e) {
        if (stride(e, axes_[static_cast<std::size_t>(lane_axis_)]->variable) != -1) return;
        for (int i = 0; i < r->loops(); ++i)
          dense |= stride(e, r->loop_variable(i)) == 1 && long_enough(r->loop_extent(i));
      });
    }
    return dense;
  }
  bool long_enough(expr_ref extent) { return c_.at_call(extent) * 2 > lanes_; }

  stmt_ref substituted(const stmt_ref& s, const std::vector<std::pair<expr_ref, expr_ref>>& at) {
    if (at.empty()) return s;
    return map_operands_deep(s, [&](expr_ref e) { return a_.substitute(e, at); });
  }
  static stmt_ref map_operands_deep(const stmt_ref& s, const std::function<expr_ref(expr_ref)>& f) {
    if (!s) return s;
    stmt_ref own = map_operands(s, f);
    stmt copy = *own;
    if (auto* b = std::get_if<block>(&copy.v)) {
      for (stmt_ref& x : b->list) x = map_operands_deep(x, f);
    } else if (auto* l = std::get_if<loop>(&copy.v)) {
      l->body = map_operands_deep(l->body, f);
    } else if (auto* c = std::get_if<branch>(&copy.v)) {
      c->then = map_operands_deep(c->then, f);
      c->otherwise = map_operands_deep(c->otherwise, f);
    } else {
      return own;
    }
    return make_stmt(std::move(copy));
  }

  // Everything inside the first `level` axes.
  stmt_ref inside(int level) {
    std::vector<stmt_ref> list;
    const int rank = static_cast<int>(axes_.size());
    for (expr_ref r : reductions_) {
      if (done_.contains(r) || !ready(r, level)) continue;
      reduce(r, list, !vector_axis_ || level <= lane_axis_);
    }
    for (std::size_t i = 0; i < c_.also.size(); ++i) {
      const computation::result& r = c_.also[i];
      if (stored_[i] || level_of(r) > level) continue;
      stored_[i] = true;
      const bool streamed = level == rank && r.indices.size() == c_.axes.size() && is_streamed();
      list.push_back(make_stmt(store{r.buffer, r.indices, resolved(r.value), a_.boolean(true), streamed}));
    }
    if (level == rank) {
      list.push_back(make_stmt(store{c_.output, point(), resolved(c_.value), a_.boolean(true), is_streamed()}));
    } else {
      const bool vector = vector_axis_ && level == lane_axis_;
      const computation::axis& x = *axes_[static_cast<std::size_t>(level)];
      list.push_back(
          make_stmt(loop{x.variable, a_.index(0), x.extent, vector ? loop_kind::vectorized : loop_kind::serial,
                         vector ? lanes_ : 1, inside(level + 1)}));
    }
    return make_block(std::move(list));
  }
  bool is_streamed() const {
    std::int64_t bytes = size_of(c_.kernel.buffers[c_.output].type);
    for (const computation::axis* x : axes_) {
      const std::int64_t size = c_.at_least(x->extent);
      if (size <= 0) return false;
      bytes = std::min(bytes, streamed_from) * size;
    }
    return vector_axis_ && bytes >= streamed_from;
  }
  // A map with one axis: blocks in parallel, each a vector loop with its own end.
  stmt_ref blocks() {
    std::vector<stmt_ref> list;
    for (expr_ref r : reductions_)
      if (ready(r, 0)) return inside(0);  // a reduction of everything comes first: one piece
    for (const computation::result& r : c_.also)
      if (level_of(r) == 0) return inside(0);
    const computation::axis& x = *axes_[0];
    const expr_ref size = a_.index(block_elements), b = a_.fresh_variable();
    const expr_ref begin = a_.mul(b, size), end = a_.min(a_.add(begin, size), x.extent);
    const stmt_ref body = make_stmt(loop{x.variable, begin, end, loop_kind::vectorized, lanes_, inside(1)});
    const expr_ref count = a_.div(a_.add(x.extent, a_.index(block_elements - 1)), size);
    return make_stmt(loop{b, a_.index(0), count, loop_kind::parallel, 1, body});
  }

  // All reductions inside it that do not need its own loops are done, and its axes are open.
  bool ready(expr_ref r, int level) { return level_[r] <= level && is_free(r); }
  // One that mentions the loops of a reduction around it is made inside that one.
  bool is_free(expr_ref r) {
    for (expr_ref around : reductions_)
      for (int i = 0; i < around->loops(); ++i)
        if (free_[r].contains(around->loop_variable(i))) return false;
    return true;
  }

  // Whether `inner`, in the body of `r`, mentions the loops of another reduction in between.
  bool belongs_further_inside(expr_ref inner, expr_ref r) {
    for (expr_ref between : reductions_) {
      if (between == inner || between == r || !mentions(r->body(), between) || !mentions(between, inner)) continue;
      for (int i = 0; i < between->loops(); ++i)
        if (free_[inner].contains(between->loop_variable(i))) return true;
    }
    return false;
  }
  void reduce(expr_ref r, std::vector<stmt_ref>& list, bool may_vectorize) {
    done_.insert(r);
    const bool arg = is_arg(r->reducer());
    const dtype t = arg ? r->body()->type : r->type;
    const std::string number = std::to_string(done_.size());
    const std::int64_t best = c_.kernel.add_buffer("best" + number, t, scope::local, {});
    if (arg) c_.kernel.add_buffer("at" + number, i64, scope::local, {});
    list.push_back(make_stmt(declare{best}));
    if (arg) list.push_back(make_stmt(declare{best + 1}));
    list.push_back(make_stmt(store{best, {}, start(r->reducer(), t), a_.boolean(true)}));
    if (arg) list.push_back(make_stmt(store{best + 1, {}, a_.index(0), a_.boolean(true)}));

    // The innermost loop is one with unit stride where there is one.
    std::vector<int> order;
    for (int i = 0; i < r->loops(); ++i) order.push_back(i);
    int dense = -1;
    bool scattered = false;
    each_load(r->body(), [&](expr_ref e) {
      for (int i = 0; i < r->loops(); ++i)
        if (stride(e, r->loop_variable(i)) == 1) dense = i;
    });
    if (dense >= 0) {
      std::rotate(order.begin() + dense, order.begin() + dense + 1, order.end());
      each_load(r->body(), [&](expr_ref e) { scattered |= stride(e, r->loop_variable(dense)) == -1; });
    }
    const bool vector = may_vectorize && lanes_ > 1 && dense >= 0 && !scattered && long_enough(r->loop_extent(dense));

    std::vector<stmt_ref> body;
    for (expr_ref inner : reductions_)
      if (!done_.contains(inner) && mentions(r->body(), inner) && !belongs_further_inside(inner, r))
        reduce(inner, body, may_vectorize && !vector);
    const expr_ref position = arg ? r->loop_variable(0) : nullptr;
    const bool simple = body.empty();
    body.push_back(make_stmt(update{r->reducer(), best, {}, resolved(r->body()), a_.boolean(true), position}));
    if (may_vectorize || kept_lane_) keep(r, body);
    stmt_ref s = make_block(std::move(body));
    std::int64_t copies = simple ? 1 : unrolled_at_most + 1;
    for (std::size_t k = order.size(); k-- > 0;) {
      const int i = order[k];
      const expr_ref extent = r->loop_extent(i);
      const bool lanes = vector && k + 1 == order.size();
      // Windows of known size have no loops.
      copies = !lanes && extent->is(expr_kind::constant) ? copies * extent->payload : unrolled_at_most + 1;
      const loop_kind kind = lanes                        ? loop_kind::vectorized
                             : copies <= unrolled_at_most ? loop_kind::unrolled
                                                          : loop_kind::serial;
      copies = std::min(copies, unrolled_at_most + 1);
      s = make_stmt(loop{r->loop_variable(i), a_.index(0), extent, kind, lanes ? lanes_ : 1, s});
    }
    list.push_back(std::move(s));
    made_[r] = a_.load(arg ? i64 : t, arg ? best + 1 : best, {});
  }
  // What the loops of a reduction compute at some cost and later loops over the same indices need again is kept for
  // them, while it fits in the cache.
  //   before: for i: best sum= exp(x[i]);                   for i: y[i] = exp(x[i]) / best
  //   after:  for i: { best sum= exp(x[i]); row[i] = ... }  for i: y[i] = row[i] / best
  void keep(expr_ref r, std::vector<stmt_ref>& body) {
    std::vector<expr_ref> own, extents;
    std::int64_t count = 1;
    for (int i = 0; i < r->loops(); ++i) {
      own.push_back(r->loop_variable(i));
      extents.push_back(r->loop_extent(i));
      count *= std::max<std::int64_t>(c_.at_call(extents.back()), 1);
      if (count > row_bytes_) return;
    }
    // Each lane has its own.
    const auto in_row = [&](std::vector<expr_ref> at) {
      if (kept_lane_) at.push_back(kept_lane_);
      return at;
    };
    std::vector<expr_ref> sizes = extents;
    if (kept_lane_) {
      sizes.push_back(a_.index(lanes_));
      count *= lanes_;
    }
    const auto users = loops_like(r, extents);
    const expr_ref roots[] = {r->body()};
    std::vector<expr_ref> order = post_order(roots);
    std::unordered_set<expr_ref> inside;  // of what is kept
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      const expr_ref e = *it;
      if (inside.contains(e)) {
        inside.insert(e->operands.begin(), e->operands.end());
        continue;
      }
      if (!e->is(expr_kind::apply) || count * size_of(e->type) > row_bytes_) continue;
      const expr_ref value = resolved(e);
      const bool varies = std::ranges::all_of(own, [&](expr_ref v) { return mentions(value, v); });
      if (!varies || !is_costly(value, own)) continue;
      std::int64_t row = -1;
      for (const auto& [at, root] : users) {
        const expr_ref there = a_.substitute(e, pairs(own, at));
        if (!mentions(root, there)) continue;
        if (row < 0)
          row = c_.kernel.add_buffer("row" + std::to_string(c_.kernel.buffers.size()), e->type, scope::scratch, sizes);
        made_[there] = a_.load(e->type, row, in_row(at));
      }
      if (row < 0) continue;
      body.push_back(make_stmt(store{row, in_row(own), value, a_.boolean(true)}));
      inside.insert(e->operands.begin(), e->operands.end());
    }
  }
  static std::vector<std::pair<expr_ref, expr_ref>> pairs(const std::vector<expr_ref>& from,
                                                          const std::vector<expr_ref>& to) {
    std::vector<std::pair<expr_ref, expr_ref>> p;
    for (std::size_t i = 0; i < from.size(); ++i) p.emplace_back(from[i], to[i]);
    return p;
  }
  // What runs after a reduction over the same extents, inside the same axes: with what variables, and what it computes.
  std::vector<std::pair<std::vector<expr_ref>, expr_ref>> loops_like(expr_ref r, const std::vector<expr_ref>& extents) {
    std::vector<std::pair<std::vector<expr_ref>, expr_ref>> found;
    for (expr_ref other : reductions_) {
      if (done_.contains(other) || level_[other] != level_[r]) continue;
      std::vector<expr_ref> at, sizes;
      for (int i = 0; i < other->loops(); ++i) {
        at.push_back(other->loop_variable(i));
        sizes.push_back(other->loop_extent(i));
      }
      if (sizes == extents) found.emplace_back(std::move(at), other->body());
    }
    std::vector<expr_ref> at, sizes;
    for (std::size_t d = static_cast<std::size_t>(level_[r]); d < axes_.size(); ++d) {
      at.push_back(axes_[d]->variable);
      sizes.push_back(axes_[d]->extent);
    }
    if (sizes == extents) found.emplace_back(std::move(at), c_.value);
    return found;
  }
  expr_ref start(reducer r, dtype t) {
    const reducer best = r == reducer::argmax ? reducer::max : r == reducer::argmin ? reducer::min : r;
    return a_.constant_bits(t, identity(best, t));
  }
  // The expression with finished reductions replaced by their results, the outermost first: what is inside one that is
  // finished is not looked at.
  expr_ref resolved(expr_ref root) {
    std::unordered_map<expr_ref, expr_ref> map;
    std::vector<std::pair<expr_ref, bool>> stack{{root, false}};
    while (!stack.empty()) {
      const auto [e, operands_done] = stack.back();
      stack.pop_back();
      if (map.contains(e)) continue;
      if (const auto it = made_.find(e); it != made_.end()) {
        map[e] = it->second;
      } else if (!operands_done) {
        stack.emplace_back(e, true);
        for (expr_ref o : e->operands) stack.emplace_back(o, false);
      } else {
        std::vector<expr_ref> operands;
        for (expr_ref o : e->operands) operands.push_back(map.at(o));
        map[e] = a_.with_operands(e, operands);
      }
    }
    return map.at(root);
  }
  std::vector<expr_ref> point() const {
    std::vector<expr_ref> p;
    for (const computation::axis& x : c_.axes) p.push_back(x.variable);
    return p;
  }

  computation& c_;
  const machine_model& m_;
  expr_arena& a_;
  int lanes_;
  std::int64_t row_bytes_;  // that a row kept between loops may have
  bool vector_axis_ = false;
  int lane_axis_ = -1;                          // the innermost one in memory
  expr_ref kept_lane_ = nullptr;                // of a block of columns: what is kept, is kept for each lane
  std::vector<const computation::axis*> axes_;  // by loop, the outermost first
  std::vector<expr_ref> reductions_;            // inner before outer
  std::vector<bool> stored_;                    // of what is stored beside the result
  std::unordered_map<expr_ref, std::unordered_set<expr_ref>> free_;
  std::unordered_map<expr_ref, int> level_;
  std::unordered_set<expr_ref> done_;
  std::unordered_map<expr_ref, expr_ref> made_;
};

}  // namespace

void schedule_loops(computation& c, const machine_model& m) { c.kernel.body = nest(c, m).build(); }

}  // namespace tenon::scheduling
