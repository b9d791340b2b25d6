// Windows of known size over rows whose innermost axis every tap reads side by side (channels): depthwise convolution,
// pooling.
//   parallel for units: outer axes x blocks of rows x blocks of a row, and one more for what the row's ends cut
//     vectorized for channels
//       for rows of the block: what their windows share is still in the first-level cache
//         for taps: a branch where the window may leave the outer axes
//           for positions of the block: one step of each sum; what taps share is loaded once
// Windows may go over the few channels of a group as well, several groups to a vector: grouped convolution.
// Inside a block no window leaves the row; the positions at its ends are a block of their own, where a tap that leaves
// it is left out, or is behind a branch of its own.
#include <algorithm>
#include <bit>
#include <optional>

#include "loop/evaluate.hpp"
#include "ops/leaf.hpp"
#include "schedule/rules.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

// Taps become straight code; a group's channels are as many times more.
constexpr std::int64_t most_taps_of_channels = 32, most_taps_of_groups = 128;
constexpr extent_t bytes_of_dot_product = 4;
// Rows of a block: with more, the next channels would find less of what they share a line with.
constexpr extent_t most_rows = 8;
// Pieces for each thread of a call that has several.
constexpr extent_t units_per_thread = 4;

class builder {
 public:
  builder(computation& c, const machine_model& m, launch* l)
      : c_(c), a_(c.kernel.make()), m_(m), launch_(l), lanes_(lanes_for(c, m)) {
    for (const computation::axis& x : c.axes)
      if (x.variable->is(expr_kind::variable)) axes_.push_back(&x);
    collect();
    if (!axes_.empty()) find_groups();
  }

  bool has_groups() {
    return std::ranges::any_of(loads_, [&](expr_ref e) { return reads_groups(e); });
  }
  bool matches() {
    if (axes_.size() < 2 || lanes_ < 2 || reductions_.empty() || channel().size < lanes_ / 2) return false;
    for (expr_ref r : reductions_) {
      if (is_arg(r->reducer()) || taps_of(r) > most_taps()) return false;
      for (expr_ref other : reductions_)
        if (other != r && contains(r->body(), [&](expr_ref e) { return e == other; })) return false;
      if (!has_one_mask(r)) return false;
    }
    for (const computation::result& r : c_.also)
      if (!std::ranges::equal(r.indices, c_.axes, {}, {}, &computation::axis::variable)) return false;
    for (expr_ref e : loads_) {
      if (reads_groups(e)) continue;
      const std::optional<extent_t> step = channel_step(e);
      if (!step || (*step != 0 && *step != 1 && !packable(e))) return false;
    }
    return find_ends();
  }

  stmt_ref build() {
    compile_in_groups();
    pack_constants();
    const bool rows = axes_.size() > 2 && rows_overlap();
    const int outer = static_cast<int>(axes_.size()) - (rows ? 3 : 2);
    const row_blocks blocks = cut_row();
    std::vector<expr_ref> extents;
    for (int d = 0; d < outer; ++d) extents.push_back(axes_[static_cast<std::size_t>(d)]->extent);
    const expr_ref per_block = rows ? symbol("rows_per_block", rows_of_block()) : nullptr;
    if (rows) extents.push_back(a_.div(a_.add(outer_row().extent, a_.sub(per_block, a_.index(1))), per_block));
    extents.push_back(blocks.ends ? a_.add(blocks.count, a_.index(1)) : blocks.count);
    fused_loop f = fuse_loops(a_, extents);
    const bound_indices unit_indices(a_, f);
    if (rows) {
      const expr_ref begin = a_.mul(f.indices[static_cast<std::size_t>(outer)], per_block);
      go_over_rows(begin, a_.min(a_.add(begin, per_block), outer_row().extent));
    }
    for (int d = 0; d < outer; ++d)
      at_.emplace_back(axes_[static_cast<std::size_t>(d)]->variable, f.indices[static_cast<std::size_t>(d)]);
    const stmt_ref body = block_of_row(blocks, f.indices.back());
    return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, unit_indices.around(body)});
  }

  /// One block of outer rows, stored from its first one on.
  stmt_ref build_strip(expr_ref begin, expr_ref end, std::span<const std::pair<expr_ref, expr_ref>> at) {
    compile_in_groups();
    pack_constants();
    strip_begin_ = begin;
    const bool rows_inside = rows_overlap();
    const expr_ref one = a_.fresh_variable();
    if (rows_inside)
      go_over_rows(begin, end);
    else
      at_.emplace_back(outer_row().variable, one);
    at_.insert(at_.end(), at.begin(), at.end());
    const row_blocks blocks = cut_row();
    const expr_ref unit = a_.fresh_variable();
    const expr_ref count = blocks.ends ? a_.add(blocks.count, a_.index(1)) : blocks.count;
    const stmt_ref s = make_stmt(loop{unit, a_.index(0), count, loop_kind::serial, 1, block_of_row(blocks, unit)});
    return rows_inside ? s : make_stmt(loop{one, begin, end, loop_kind::serial, 1, s});
  }

 private:
  void collect() {
    reductions_.clear();
    loads_.clear();
    loop_extents_.clear();
    for (expr_ref e : post_order(c_.values())) {
      if (e->is(expr_kind::reduce)) reductions_.push_back(e);
      if (e->is(expr_kind::load)) loads_.push_back(e);
    }
    for (expr_ref r : reductions_)
      for (int i = 0; i < r->loops(); ++i) loop_extents_.push_back(r->loop_extent(i));
  }
  // The positions of a row, in blocks of the same size; what the row's ends cut is one more.
  struct row_blocks {
    extent_t positions;
    bool short_row, ends;
    expr_ref count;
  };
  row_blocks cut_row() {
    const bool short_row = row().extent->is(expr_kind::constant) && row().size <= register_block();
    const extent_t whole = row().size - left_ - right_;
    const extent_t positions = short_row ? whole : balanced(whole, register_block());
    const expr_ref size = a_.index(positions);
    const expr_ref count = short_row ? a_.index(0) : a_.div(a_.add(inside_of_row(), a_.sub(size, a_.index(1))), size);
    return {positions, short_row, short_row || left_ + right_ > 0, count};
  }
  expr_ref inside_of_row() { return a_.sub(row().extent, a_.index(left_ + right_)); }
  stmt_ref block_of_row(const row_blocks& blocks, expr_ref unit) {
    // The last block ends where the last whole window is.
    const expr_ref size = a_.index(blocks.positions);
    const expr_ref first = a_.add(a_.min(a_.mul(unit, size), a_.sub(inside_of_row(), size)), a_.index(left_));
    std::vector<place> block, at_ends;
    for (extent_t p = 0; p < left_; ++p) at_ends.push_back({a_.index(p), false});
    for (extent_t i = 0; i < blocks.positions; ++i) {
      if (blocks.short_row)  // all of it at once
        at_ends.push_back({a_.index(left_ + i), true});
      else
        block.push_back({a_.add(first, a_.index(i)), true});
    }
    for (extent_t p = right_; p > 0; --p) at_ends.push_back({a_.sub(row().extent, a_.index(p)), false});
    const stmt_ref body = block.empty() ? nullptr : channels(block);
    if (!blocks.ends) return body;
    const stmt_ref rest = channels(at_ends);
    return body ? make_stmt(branch{a_.less(unit, blocks.count), body, rest}) : rest;
  }
  void go_over_rows(expr_ref begin, expr_ref end) {
    row_begin_ = begin;
    row_end_ = end;
    at_.emplace_back(outer_row().variable, a_.fresh_variable());
  }
  const computation::axis& channel() const { return *axes_.back(); }
  const computation::axis& row() const { return *axes_[axes_.size() - 2]; }
  const computation::axis& outer_row() const { return *axes_[axes_.size() - 3]; }
  expr_ref symbol(const char* name, extent_t value) {
    c_.kernel.symbols.push_back(name);
    c_.symbol_values.push_back(value);
    return a_.symbol(static_cast<std::int64_t>(c_.kernel.symbols.size()) - 1);
  }
  static extent_t balanced(extent_t all, extent_t most) {
    const extent_t pieces = (all + most - 1) / most;
    return (all + pieces - 1) / pieces;
  }
  // Whether the windows of neighbouring rows have all but one row of taps in common.
  bool rows_overlap() {
    const std::size_t at = axes_.size() - 3;
    return std::ranges::any_of(loads_, [&](expr_ref e) {
      const affine_form f = form(e);
      const auto taps = f.coefficients.begin() + static_cast<std::ptrdiff_t>(axes_.size());
      return f.ok && !f.coefficients[at]->is_constant(0) &&
             std::find(taps, f.coefficients.end() - 1, f.coefficients[at]) != f.coefficients.end() - 1;
    });
  }
  extent_t rows_of_block() {
    extent_t others = 1;
    for (std::size_t d = 0; d + 3 < axes_.size(); ++d) others *= axes_[d]->size;
    const extent_t wanted = m_.threads > 1 ? (units_per_thread * m_.threads + others - 1) / others : 1;
    return balanced(outer_row().size, std::clamp<extent_t>(outer_row().size / wanted, 1, most_rows));
  }
  std::int64_t most_taps() const { return group_ ? most_taps_of_groups : most_taps_of_channels; }
  std::int64_t taps_of(expr_ref r) const {
    const std::int64_t too_many = most_taps() + 1;
    std::int64_t taps = 1;
    for (int i = 0; i < r->loops(); ++i)
      taps = group_ || r->loop_extent(i)->is(expr_kind::constant)
                 ? std::min(too_many, taps * c_.at_call(r->loop_extent(i)))
                 : too_many;
    return taps;
  }
  // Positions whose sums are in registers together; half of the registers are for what is read. Groups have more sums
  // for each vector that they shuffle.
  extent_t register_block() const {
    const extent_t all = group_ ? m_.registers * 3 / 8 : m_.registers / 4;
    return std::max<extent_t>(1, all / static_cast<extent_t>(reductions_.size()));
  }

  // ---- masks
  // The condition under which a term counts; the constant true when it always does.
  expr_ref mask_of(expr_ref body) {
    expr_ref mask = a_.boolean(true);
    const expr_ref roots[] = {body};
    for (expr_ref e : post_order(roots)) {
      const expr_ref own = e->is(expr_kind::load)             ? e->mask()
                           : e == body && e->is(prim::select) ? e->operands[0]
                                                              : mask;
      if (!own->is_true()) mask = own;
    }
    return mask;
  }
  static std::vector<expr_ref> conditions(expr_ref mask) {
    std::vector<expr_ref> all, open{mask};
    while (!open.empty()) {
      const expr_ref e = open.back();
      open.pop_back();
      if (e->is(prim::logical_and))
        open.insert(open.end(), e->operands.rbegin(), e->operands.rend());
      else if (!e->is_true())
        all.push_back(e);
    }
    return all;
  }
  expr_ref with(expr_ref e, const std::vector<expr_ref>& known, bool value) {
    return a_.rewrite(
        e, [&](expr_ref x) { return std::ranges::find(known, x) != known.end() ? a_.boolean(value) : nullptr; });
  }
  // Where the mask is false, a term changes nothing; where it is true, nothing else is masked.
  bool has_one_mask(expr_ref r) {
    const expr_ref mask = mask_of(r->body());
    if (mask->is_true()) return true;
    if (contains(mask, [&](expr_ref x) { return x == channel().variable; })) return false;
    const std::vector<expr_ref> all = conditions(mask);
    if (!mask_of(with(r->body(), all, true))->is_true()) return false;
    const expr_ref off = with(r->body(), {all.front()}, false);
    const auto identity_of = a_.constant_bits(r->type, identity(r->reducer(), r->type));
    const bool zero = r->reducer() == reducer::sum && off->is(prim::mul) &&
                      std::ranges::any_of(off->operands, [](expr_ref e) { return is_masked_off(e); });
    return zero || off == identity_of;
  }
  static bool is_masked_off(expr_ref e) {
    if (e->is(prim::cast)) e = e->operands[0];
    if (e->is(expr_kind::load)) return e->mask()->is(expr_kind::constant) && !e->mask()->is_true();
    return e->is(expr_kind::constant) && e->payload == 0;
  }
  bool mentions_row(expr_ref e) {
    return contains(e, [&](expr_ref x) { return x == row().variable; });
  }

  // How many positions at both ends have taps outside of the row. The conditions are affine, so those between have
  // none.
  bool find_ends() {
    std::vector<expr_ref> all;
    for (expr_ref r : reductions_)
      for (expr_ref e : conditions(mask_of(r->body()))) {
        if (!mentions_row(e)) continue;
        if (!(e->is(prim::less) || e->is(prim::less_equal))) return false;
        for (expr_ref side : e->operands) {
          const expr_ref v[] = {row().variable};
          if (!affine(a_, side, v).ok) return false;
        }
        for (std::size_t d = 0; d + 2 < axes_.size(); ++d)
          if (contains(e, [&](expr_ref x) { return x == axes_[d]->variable; })) return false;
        each_tap(r, [&](const auto& tap) { all.push_back(a_.substitute(e, tap)); });
      }
    auto whole = [&](extent_t p) {
      const std::pair<expr_ref, expr_ref> at[] = {{row().variable, a_.index(p)}};
      return std::ranges::all_of(all, [&](expr_ref e) { return c_.at_call(a_.substitute(e, at)) != 0; });
    };
    left_ = right_ = 0;
    while (left_ < row().size && left_ < most_ends && !whole(left_)) ++left_;
    while (right_ < row().size - left_ && right_ < most_ends && !whole(row().size - 1 - right_)) ++right_;
    return left_ < most_ends && right_ < most_ends && left_ + right_ < row().size;
  }

  // ---- groups: what is read at channel / n * m + k, with k < m, are n lanes' elements of blocks of m. A vector of
  // whole groups is one of whole blocks, which the code generator loads as they lie, and shuffles.
  void find_groups() {
    group_variable_ = a_.fresh_variable();
    for (expr_ref r : reductions_)
      for (expr_ref e : post_order(std::span(&r, 1)))
        if (e->is(prim::div) && e->operands[0] == channel().variable && e->operands[1]->is(expr_kind::constant))
          group_ = e;  // where there are several, what is read at another has no form
  }
  bool reads_groups(expr_ref load) {
    if (!group_ || load->indices().empty()) return false;
    const extent_t together = group_->operands[1]->payload;
    if (together >= lanes_ || lanes_ % together != 0) return false;
    for (expr_ref i : load->indices().first(load->indices().size() - 1))
      if (contains(i, [&](expr_ref x) { return x == channel().variable; })) return false;
    const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(load->payload)];
    if (!b.strides.empty() && !b.strides.back()->is_constant(1)) return false;
    const affine_form f = form(load->indices().back());
    if (!f.ok || !f.rest->is_constant(0) || !f.coefficients.back()->is(expr_kind::constant)) return false;
    const extent_t block = f.coefficients.back()->payload;
    if (block < 1 || block > 2 * together || !std::has_single_bit(static_cast<std::uint64_t>(block)) ||
        c_.at_call(b.extents.back()) % block != 0)
      return false;
    if (size_of(load->type) == 1 && block > bytes_of_dot_product) return false;  // contractions sum them at once
    // Nothing else is added but a number of the reduction that goes over the block.
    extent_t inside = 1;
    for (std::size_t v = 0; v + 1 < f.coefficients.size(); ++v) {
      if (f.coefficients[v]->is_constant(0)) continue;
      if (!f.coefficients[v]->is_constant(1) || v < axes_.size() || inside != 1) return false;
      inside = c_.at_call(loop_extents_[v - axes_.size()]);
    }
    return inside <= block;
  }
  // The code generator has to see that blocks are whole.
  void compile_in_groups() {
    for (expr_ref e : loads_) {
      if (!reads_groups(e)) continue;
      expr_ref& extent = c_.kernel.buffers[static_cast<std::size_t>(e->payload)].extents.back();
      extent = a_.index(c_.at_call(extent));
    }
  }

  // Of an index, or of where a load reads: in the axes, the loops of reductions, and the group.
  affine_form form(expr_ref e) {
    if (e->is(expr_kind::load))
      e = linear_index(a_, c_.kernel.buffers[static_cast<std::size_t>(e->payload)], e->indices());
    std::vector<expr_ref> variables;
    for (const computation::axis* x : axes_) variables.push_back(x->variable);
    for (expr_ref r : reductions_)
      for (int i = 0; i < r->loops(); ++i) variables.push_back(r->loop_variable(i));
    variables.push_back(group_variable_);
    return affine(a_, a_.rewrite(e, [&](expr_ref x) { return x == group_ ? group_variable_ : nullptr; }), variables);
  }

  // ---- weights: a constant that is the same everywhere but for channels and taps is read in rows of channels, one a
  // tap
  std::optional<extent_t> channel_step(expr_ref load) {
    const affine_form f = form(load);
    if (!f.ok || !f.coefficients.back()->is_constant(0)) return {};
    return c_.at_call(f.coefficients[axes_.size() - 1]);
  }
  bool packable(expr_ref load) {
    const node* stored = c_.parameters[static_cast<std::size_t>(load->payload)].stored;
    if (!stored || stored->op != &constant_definition()) return false;
    if (!load->mask()->is_true() || reductions_.size() != 1) return false;
    const affine_form f = form(load);
    for (std::size_t d = 0; d + 1 < axes_.size(); ++d)
      if (!f.coefficients[d]->is_constant(0)) return false;
    return std::ranges::count_if(loads_, [&](expr_ref e) { return e->payload == load->payload; }) == 1;
  }
  void pack_constants() {
    std::vector<std::pair<expr_ref, expr_ref>> packed;
    for (expr_ref e : loads_) {
      const extent_t step = channel_step(e).value_or(1);  // none: groups
      if (step == 0 || step == 1) continue;
      const affine_form f = form(e);
      const expr_ref r = reductions_.front();
      constant_packing made;
      made.parameter = static_cast<std::size_t>(e->payload);
      made.width = static_cast<int>(channel().size);
      made.columns = channel().size;
      made.column_stride = step;
      made.offset = c_.at_call(f.rest);
      std::vector<expr_ref> extents, indices;
      for (int i = 0; i < r->loops(); ++i) {
        made.reduction.emplace_back(c_.at_call(r->loop_extent(i)),
                                    c_.at_call(f.coefficients[axes_.size() + static_cast<std::size_t>(i)]));
        extents.push_back(a_.index(made.reduction.back().first));
        indices.push_back(r->loop_variable(i));
      }
      extents.push_back(group_ ? a_.index(channel().size) : channel().extent);
      indices.push_back(channel().variable);
      buffer& b = c_.kernel.buffers[static_cast<std::size_t>(e->payload)];
      b.extents = std::move(extents);
      b.strides.clear();
      packed.emplace_back(e, a_.load(e->type, e->payload, indices));
      launch_->packed.push_back(std::move(made));
    }
    const auto rewritten = [&](expr_ref x) {
      const auto it = std::ranges::find(packed, x, &std::pair<expr_ref, expr_ref>::first);
      return it == packed.end() ? nullptr : it->second;
    };
    c_.value = a_.rewrite(c_.value, rewritten);
    for (computation::result& r : c_.also) r.value = a_.rewrite(r.value, rewritten);
    collect();
  }

  // ---- code
  // The reduction's loops as taps go through them: first those that outer conditions depend on, which taps share.
  std::vector<int> tap_order(expr_ref r) {
    std::vector<int> first, others;
    const std::vector<expr_ref> all = conditions(mask_of(r->body()));
    for (int i = 0; i < r->loops(); ++i) {
      const bool decides = std::ranges::any_of(all, [&](expr_ref e) {
        return !mentions_row(e) && contains(e, [&](expr_ref x) { return x == r->loop_variable(i); });
      });
      (decides ? first : others).push_back(i);
    }
    first.insert(first.end(), others.begin(), others.end());
    return first;
  }
  // Calls f with the reduction's loops at each tap, in order.
  template <class F>
  void each_tap(expr_ref r, F f) {
    std::vector<std::int64_t> tap(static_cast<std::size_t>(r->loops()));
    const std::vector<int> order = tap_order(r);
    for (std::int64_t left = taps_of(r); left-- > 0;) {
      std::vector<std::pair<expr_ref, expr_ref>> at;
      for (int i = 0; i < r->loops(); ++i)
        at.emplace_back(r->loop_variable(i), a_.index(tap[static_cast<std::size_t>(i)]));
      f(at);
      for (std::size_t j = order.size(); j-- > 0;) {
        const int i = order[j];
        if (++tap[static_cast<std::size_t>(i)] < c_.at_call(r->loop_extent(i))) break;
        tap[static_cast<std::size_t>(i)] = 0;
      }
    }
  }
  struct place {
    expr_ref position;
    bool whole;  // its windows do not leave the row
  };
  // All channels at some positions of a row.
  stmt_ref channels(const std::vector<place>& positions) {
    auto placed = [&](expr_ref e, std::size_t i) {
      auto at = at_;
      at.emplace_back(row().variable, positions[i].position);
      return a_.substitute(e, at);
    };
    std::vector<stmt_ref> list;
    std::vector<std::vector<std::int64_t>> sums(reductions_.size());
    for (std::size_t k = 0; k < reductions_.size(); ++k) {
      const expr_ref r = reductions_[k];
      for (std::size_t i = 0; i < positions.size(); ++i) {
        sums[k].push_back(
            c_.kernel.add_buffer("sum" + std::to_string(c_.kernel.buffers.size()), r->type, scope::local, {}));
        list.push_back(make_stmt(declare{sums[k][i]}));
        list.push_back(store_local(sums[k][i], a_.constant_bits(r->type, identity(r->reducer(), r->type))));
      }
      // Taps under the same condition share a branch.
      expr_ref open = a_.boolean(true);
      std::vector<stmt_ref> steps;
      auto close = [&] {
        stmt_ref s = make_block(std::exchange(steps, {}));
        if (s) list.push_back(open->is_true() ? s : make_stmt(branch{open, s, nullptr}));
      };
      const std::vector<expr_ref> masks = conditions(mask_of(r->body()));
      const expr_ref unmasked_all = with(r->body(), masks, true);
      each_tap(r, [&](const auto& tap) {
        auto all = [&](std::size_t i, bool of_row) {
          expr_ref condition = a_.boolean(true);
          for (expr_ref e : masks)
            if (mentions_row(e) == of_row) condition = a_.both(condition, placed(a_.substitute(e, tap), i));
          return condition;
        };
        const expr_ref condition = all(0, false);
        // Outside of what is read, wherever the window is.
        if (condition->is(expr_kind::constant) && !condition->is_true()) return;
        if (condition != open) {
          close();
          open = condition;
        }
        const expr_ref unmasked = a_.substitute(unmasked_all, tap);
        for (std::size_t i = 0; i < positions.size(); ++i) {
          const expr_ref in_row = positions[i].whole ? a_.boolean(true) : all(i, true);
          const stmt_ref s = step(r, sums[k][i], placed(unmasked, i));
          if (in_row->is_true())
            steps.push_back(s);
          else if (!in_row->is(expr_kind::constant))
            steps.push_back(make_stmt(branch{in_row, s, nullptr}));
        }
      });
      close();
    }
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const auto summed = [&](expr_ref e) {
        for (std::size_t k = 0; k < reductions_.size(); ++k)
          if (e == reductions_[k]) return a_.load(e->type, sums[k][i], {});
        return expr_ref();
      };
      std::vector<expr_ref> point;
      for (const computation::axis& x : c_.axes) point.push_back(placed(x.variable, i));
      if (strip_begin_) {
        point.erase(point.begin(), point.end() - 3);
        point.front() = a_.sub(point.front(), strip_begin_);
      }
      const auto put = [&](std::int64_t to, expr_ref value) {
        list.push_back(make_stmt(store{to, point, placed(a_.rewrite(value, summed), i), a_.boolean(true)}));
      };
      for (const computation::result& r : c_.also) put(r.buffer, r.value);
      put(c_.output, c_.value);
    }
    stmt_ref s = make_block(std::move(list));
    if (row_begin_) s = make_stmt(loop{at_.front().second, row_begin_, row_end_, loop_kind::serial, 1, s});
    // The masked rest would be as much straight code again, and so would be each vector of a few of a known number.
    const bool whole_vectors = group_ && channel().size % lanes_ == 0 && channel().size > 4 * extent_t{lanes_};
    const expr_ref end = whole_vectors ? a_.index(channel().size) : channel().extent;
    return make_stmt(loop{channel().variable, a_.index(0), end, loop_kind::vectorized, lanes_, s});
  }
  stmt_ref store_local(std::int64_t buffer, expr_ref value) {
    return make_stmt(store{buffer, {}, value, a_.boolean(true)});
  }
  stmt_ref step(expr_ref r, std::int64_t sum, expr_ref term) {
    if (r->reducer() == reducer::sum && is_float(r->type) && m_.fma && term->is(prim::mul)) {
      const expr_ref x[] = {term->operands[0], term->operands[1], a_.load(r->type, sum, {})};
      return store_local(sum, a_.apply(prim::fma, x));
    }
    return make_stmt(update{r->reducer(), sum, {}, term, a_.boolean(true), nullptr});
  }

  static constexpr extent_t most_ends = 8;  // each is code of its own
  computation& c_;
  expr_arena& a_;
  const machine_model& m_;
  launch* launch_;  // null: nothing is built
  int lanes_;
  extent_t left_ = 0, right_ = 0;
  expr_ref row_begin_ = nullptr, row_end_ = nullptr;  // of the axis outside of the row, where a block has some
  expr_ref strip_begin_ = nullptr;                    // of the outer rows that are stored
  std::vector<const computation::axis*> axes_;
  std::vector<expr_ref> reductions_, loads_, loop_extents_;
  expr_ref group_ = nullptr, group_variable_ = nullptr;  // a quotient of the channel that something is read at
  std::vector<std::pair<expr_ref, expr_ref>> at_;
};

}  // namespace

bool schedule_windows(computation& c, const machine_model& m, launch& l) {
  builder b(c, m, &l);
  if (!b.matches()) return false;
  c.kernel.body = b.build();
  return true;
}

bool are_windows_of_groups(computation& c, const machine_model& m) {
  builder b(c, m, nullptr);
  return b.has_groups() && b.matches();
}

bool are_windows_of_strips(computation& c, const machine_model& m) {
  const auto is_loop = [](const computation::axis& x) { return x.variable->is(expr_kind::variable); };
  return c.axes.size() >= 3 && std::all_of(c.axes.end() - 3, c.axes.end(), is_loop) && c.also.empty() &&
         builder(c, m, nullptr).matches();
}

stmt_ref windows_of_strip(computation& c, const machine_model& m, launch& l, expr_ref begin, expr_ref end,
                          std::span<const std::pair<expr_ref, expr_ref>> at) {
  builder b(c, m, &l);
  b.matches();  // finds the ends of rows
  return b.build_strip(begin, end, at);
}

}  // namespace tenon::scheduling
