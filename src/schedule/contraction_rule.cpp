// Sums of products on the tile contraction:
//   parallel for units: batches x blocks of columns x blocks of rows
//     what windows read is copied with its border, where they have one
//     b's panels of the block are packed, where that pays
//     for outer rows, row tiles and panels of the block: one register tile over the whole reduction
// A convolution's rows are those of the result's images; the axis outside of them is that of outer rows.
#include <algorithm>

#include "schedule/pack.hpp"
#include "schedule/padded_block.hpp"
#include "schedule/product.hpp"
#include "schedule/register_tile.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

// Pieces for each thread of a call that has several: what one finishes late, another takes.
constexpr extent_t units_per_thread = 4;
// With fewer rows than this, b is read so few times that a copy of it does not pay.
constexpr extent_t least_rows_to_pack = 160;
// A panel is no larger than this: it lies in the scratch of each worker.
constexpr std::int64_t most_panel_bytes = 8 << 20;

extent_t ceil_div(extent_t a, extent_t b) { return (a + b - 1) / b; }

class builder {
 public:
  builder(computation& c, const product& p, const machine_model& m, launch& l)
      : c_(c), a_(c.kernel.make()), p_(p), m_(m), launch_(l) {
    lanes_ = m.vector_bits / 8 / size_of(p.sum->type);
    columns_ = axis(p.column).size;
    for (int i = 0; i < p.sum->loops(); ++i) depth_ *= c.at_call(p.sum->loop_extent(i));
    sort_axes();
    constant_ = is_constant_operand(c, p);
    pack_ = !constant_ && must_pack();
    const register_tile t = choose_register_tile(m, {.rows = row_extent(),
                                                     .columns = columns_,
                                                     .depth = depth_,
                                                     .lanes = lanes_,
                                                     .row_stride = row_stride(),
                                                     .step_stride = constant_ || pack_ ? 0 : step_stride()});
    height_ = t.rows;
    panels_.width = t.vectors * lanes_;
    panels_.columns = axis(p.column).extent;
    panels_.columns_at_call = columns_;
    panels_.count = panels_.narrow() ? a_.index(1) : tiles(panels_.columns, panels_.width);
  }

  /// Without unit stride in the columns b must be packed; at a call, few rows are better off with the loop rule.
  bool worthwhile() const { return p_.unit_columns || constant_ || (rows_ >= 8 && may_pack()); }

  stmt_ref build() {
    choose_blocks();
    const expr_ref row_tiles = p_.row < 0 ? a_.index(1) : tiles(axis(p_.row).extent, height_);
    const blocks columns(*this, panels_.count, panels_per_block_, "panels_per_block");
    const blocks outer(*this, outer_ < 0 ? a_.index(1) : axis(outer_).extent, outer_per_block_, "outer_per_block");
    const blocks rows(*this, row_tiles, tiles_per_block_, "tiles_per_block");
    std::vector<expr_ref> extents;
    for (int d : batches_) extents.push_back(axis(d).extent);
    extents.push_back(columns.count);
    for (int d : far_) extents.push_back(axis(d).extent);
    extents.push_back(outer.count);
    extents.push_back(rows.count);
    fused_loop f = fuse_loops(a_, extents);
    const bound_indices unit(a_, f);
    auto index = f.indices.begin();
    for (int d : batches_) at_.emplace_back(axis(d).variable, *index++);
    const auto [panel_begin, panel_end] = columns.range(a_, *index++);
    for (int d : far_) at_.emplace_back(axis(d).variable, *index++);
    const auto [outer_begin, outer_end] = outer.range(a_, *index++);
    const auto [tile_begin, tile_end] = rows.range(a_, *index++);

    const expr_ref panel = a_.fresh_variable(), row_tile = a_.fresh_variable(), outer_row = a_.fresh_variable();
    std::vector<stmt_ref> before, each_outer_row;
    if (bordered_) {
      std::vector<padded_block::range> inside;
      if (outer_ >= 0)
        inside.push_back({axis(outer_).variable, outer_begin, a_.sub(outer_end, outer_begin), outer.most});
      if (bordered_ == &p_.a && p_.row >= 0) inside.push_back(range_of_rows(tile_begin, tile_end, rows.most));
      if (bordered_ == &p_.b) inside.push_back(whole(axis(p_.column).variable, axis(p_.column).extent));
      for (int i = 0; i < p_.sum->loops(); ++i)
        inside.push_back(whole(p_.sum->loop_variable(i), p_.sum->loop_extent(i)));
      const padded_block made = copy_padded(c_, bordered_->load, inside, lanes_, at_);
      before.push_back(made.fill);
      *bordered_ = *match_operand(c_, p_.sum, a_.cast(bordered_->value->type, made.load));
    }
    if (outer_ >= 0) at_.emplace_back(axis(outer_).variable, outer_row);
    tile_place at{first_row(row_tile), panel, panel};
    if (constant_) {
      launch_.packed.push_back(pack_constant(c_, p_, panels_));
      at.packed = static_cast<std::int64_t>(launch_.packed.back().parameter);
      if (const int d = batch_axis(p_); d >= 0) at.batch = a_.substitute(axis(d).variable, at_);
    } else if (pack_) {
      local_pack made = pack_block(c_, p_, panels_, panel_begin, panel_end, columns.most, lanes_, at_);
      at.packed = made.buffer;
      at.packed_panel = a_.sub(panel, panel_begin);
      (outer_ >= 0 && in_b(outer_) ? each_outer_row : before).push_back(std::move(made.fill));
    }
    stmt_ref s = tile(at);
    s = make_stmt(loop{panel, panel_begin, panel_end, loop_kind::serial, 1, s});
    s = make_stmt(loop{row_tile, tile_begin, tile_end, loop_kind::serial, 1, s});
    each_outer_row.push_back(s);
    s = make_block(std::move(each_outer_row));
    if (outer_ >= 0) s = make_stmt(loop{outer_row, outer_begin, outer_end, loop_kind::serial, 1, s});
    before.push_back(s);
    return make_stmt(
        loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, unit.around(make_block(std::move(before)))});
  }

 private:
  const computation::axis& axis(int d) const { return c_.axes[static_cast<std::size_t>(d)]; }
  expr_ref tiles(expr_ref extent, int size) {
    return size == 1 ? extent : a_.div(a_.add(extent, a_.index(size - 1)), a_.index(size));
  }
  bool in_b(int d) const { return !p_.b.axis[static_cast<std::size_t>(d)]->is_constant(0); }
  extent_t row_extent() const { return p_.row < 0 ? 1 : axis(p_.row).size; }
  // Axes beside rows and columns: b's own, and those that only rows have. The last of these lies next to the rows:
  // blocks go over several of its positions, so that b is read once for all of them, and what their windows share of
  // the copy with its border.
  void sort_axes() {
    for (product::operand* o : {&p_.a, &p_.b})
      if (!o->load->mask()->is_true()) bordered_ = o;
    for (int d = 0; d < static_cast<int>(c_.axes.size()); ++d)
      if (d != p_.row && d != p_.column && axis(d).size != 1) (in_b(d) ? batches_ : far_).push_back(d);
    std::vector<int>& last = far_.empty() && bordered_ ? batches_ : far_;
    if (!last.empty()) {
      outer_ = last.back();
      last.pop_back();
    }
    rows_ = row_extent();
    for (int d : far_) rows_ *= axis(d).size;
    if (outer_ >= 0 && !in_b(outer_)) rows_ *= axis(outer_).size;
  }
  padded_block::range whole(expr_ref variable, expr_ref extent) { return {variable, a_.index(0), extent, extent}; }
  // The rows of tiles [begin, end): all of them where blocks are cut along the outer rows.
  padded_block::range range_of_rows(expr_ref begin, expr_ref end, expr_ref most) {
    const expr_ref extent = axis(p_.row).extent, variable = axis(p_.row).variable;
    if (outer_ >= 0) return whole(variable, extent);
    const auto rows_in = [&](expr_ref n) { return a_.min(a_.mul(n, a_.index(height_)), extent); };
    const expr_ref first = first_row(begin);
    return {variable, first, a_.sub(rows_in(end), first), rows_in(most)};
  }
  // Elements of the copy with its border for `n` outer rows.
  extent_t padded_elements(extent_t n) const {
    extent_t all = 1;
    const std::vector<expr_ref> variables = variables_of(c_, p_.sum);
    for (expr_ref i : bordered_->load->indices()) {
      const affine_form f = affine(a_, i, variables);
      extent_t reach = 1;
      const auto add = [&](expr_ref variable, extent_t extent) {
        const auto at = std::ranges::find(variables, variable);
        if (at != variables.end()) reach += c_.at_call(f.coefficients[at - variables.begin()]) * (extent - 1);
      };
      if (outer_ >= 0) add(axis(outer_).variable, n);
      const int own = bordered_ == &p_.a ? p_.row : p_.column;
      if (own >= 0) add(axis(own).variable, axis(own).size);
      for (int r = 0; r < p_.sum->loops(); ++r) add(p_.sum->loop_variable(r), c_.at_call(p_.sum->loop_extent(r)));
      all *= reach;
    }
    return all;
  }
  // The last tile of rows ends at the edge, too.
  expr_ref first_row(expr_ref row_tile) {
    if (p_.row < 0) return a_.index(0);
    if (height_ == 1) return row_tile;
    return a_.min(a_.mul(row_tile, a_.index(height_)), a_.sub(axis(p_.row).extent, a_.index(height_)));
  }

  bool may_pack() const {
    const extent_t widest = std::min<extent_t>(columns_, extent_t{6} * lanes_);  // of a tile of several rows
    return depth_ * widest * size_of(p_.b.load->type) <= most_panel_bytes;
  }
  // b is copied when it must be, or when it is read many times and does not stay in the cache as it lies.
  bool must_pack() const {
    if (!p_.unit_columns) return true;
    return rows_ >= least_rows_to_pack && p_.sum->loops() == 1 && may_pack() &&
           depth_ > steps_in_l2(m_, step_stride()) && !overlapping_windows();
  }
  std::int64_t bytes(const product::operand& o, ir::expr_ref elements) const {
    return c_.at_call(elements) * size_of(o.load->type);
  }
  std::int64_t step_stride() const { return bytes(p_.b, p_.b.reduction.back()); }
  std::int64_t row_stride() const { return p_.row < 0 ? 0 : bytes(p_.a, p_.a.axis[static_cast<std::size_t>(p_.row)]); }
  // How far ahead b is asked for where it lies apart and comes from behind the second-level cache.
  int steps_ahead() const {
    constexpr extent_t cycles_to_l3 = 400;
    const extent_t products = extent_t{height_} * panels_.width / lanes_;
    const bool beyond_l2 =
        depth_ * columns_ * size_of(p_.b.load->type) > m_.l2_bytes / 2 || depth_ > steps_in_l2(m_, step_stride());
    return beyond_l2 && !overlapping_windows() ? static_cast<int>(std::clamp<extent_t>(cycles_to_l3 / products, 4, 32))
                                               : 0;
  }
  // A convolution's windows read each element several times: its panels would be much larger than what they come from.
  bool overlapping_windows() const {
    extent_t elements = 1;
    const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(p_.b.load->payload)];
    for (expr_ref e : b.extents) elements *= c_.at_call(e);
    return depth_ * columns_ > elements;
  }

  // Blocks are symbols: one kernel serves all sizes. Where they lie does not touch the order of any sum.
  void choose_blocks() {
    extent_t batches = 1;
    for (int d : batches_) batches *= axis(d).size;
    for (int d : far_) batches *= axis(d).size;
    const extent_t outer = outer_ < 0 ? 1 : axis(outer_).size;
    // The copy with its border stays in a quarter of the second-level cache.
    extent_t most_outer = outer;
    while (bordered_ && most_outer > 1 &&
           padded_elements(most_outer) * size_of(bordered_->load->type) > m_.l2_bytes / 4)
      most_outer = ceil_div(most_outer, 2);
    const extent_t panels = panels_.narrow() ? 1 : ceil_div(columns_, panels_.width);
    const extent_t row_tiles = ceil_div(row_extent(), height_);
    // A block of b stays in half of the second-level cache while rows of a go by.
    const extent_t panel_bytes = depth_ * panels_.width * size_of(p_.b.load->type);
    const extent_t most_panels = std::clamp<extent_t>(m_.l2_bytes / 2 / std::max<extent_t>(panel_bytes, 1), 1, panels);
    const extent_t units = m_.threads > 1 ? units_per_thread * m_.threads : 1;
    double least = 0;
    for (extent_t column_blocks = ceil_div(panels, most_panels); column_blocks <= panels;) {
      const extent_t per_block = ceil_div(panels, column_blocks);
      const extent_t wanted = ceil_div(units, batches * ceil_div(panels, per_block));
      const extent_t outer_blocks = std::clamp<extent_t>(wanted, ceil_div(outer, most_outer), outer);
      const extent_t row_blocks =
          outer_ >= 0 && bordered_ ? 1 : std::clamp<extent_t>(ceil_div(wanted, outer_blocks), 1, row_tiles);
      // Elements that move: a again for every block of columns; b, written too when it is packed, for every one of
      // rows.
      const double moved =
          static_cast<double>(rows_) * static_cast<double>(ceil_div(panels, per_block)) +
          (pack_ ? 3.0 : 1.0) * static_cast<double>(columns_) * static_cast<double>(row_blocks * outer_blocks);
      if (least == 0 || moved < least) {
        least = moved;
        panels_per_block_ = per_block;
        outer_per_block_ = ceil_div(outer, outer_blocks);
        tiles_per_block_ = ceil_div(row_tiles, row_blocks);
      }
      if (per_block == 1) break;
      // The next smaller size of a block.
      column_blocks = ceil_div(panels, per_block - 1);
    }
  }

  // A range cut into blocks of the same size but for the last.
  struct blocks {
    blocks(builder& b, expr_ref count_of_all, extent_t size, const char* name) : all(count_of_all) {
      if (all->is_constant(1)) {
        most = count = all;
        return;
      }
      most = b.a_.symbol(static_cast<std::int64_t>(b.c_.kernel.symbols.size()));
      b.c_.kernel.symbols.push_back(name);
      b.c_.symbol_values.push_back(size);
      count = b.a_.div(b.a_.add(all, b.a_.sub(most, b.a_.index(1))), most);
    }
    std::pair<expr_ref, expr_ref> range(expr_arena& a, expr_ref index) const {
      if (all->is_constant(1)) return {a.index(0), all};
      const expr_ref begin = a.mul(index, most);
      return {begin, a.min(a.add(begin, most), all)};
    }
    expr_ref all, most, count;
  };

  // Where one tile's operands and result are.
  struct tile_place {
    expr_ref first_row, panel, packed_panel, batch = nullptr;
    std::int64_t packed = -1;  // buffer of b's panels
  };
  stmt_ref tile(const tile_place& where) {
    contraction t;
    t.row = a_.fresh_variable();
    t.column = a_.fresh_variable();
    t.tile_rows = height_;
    t.tile_columns = panels_.width;
    // A narrow tile's width is compiled in, so there is one path: masked or not.
    t.columns = a_.index(std::min<extent_t>(columns_, panels_.width));
    t.accumulator = a_.fresh_accumulator(p_.sum->type);
    auto at = at_;
    at.emplace_back(axis(p_.column).variable, a_.add(panels_.first(a_, where.panel), t.column));
    if (p_.row >= 0) at.emplace_back(axis(p_.row).variable, a_.add(where.first_row, t.row));
    std::vector<expr_ref> reduction;
    for (int i : p_.order) {
      reduction.push_back(a_.fresh_variable());
      at.emplace_back(p_.sum->loop_variable(i), reduction.back());
      t.reduction.push_back({reduction.back(), p_.sum->loop_extent(i)});
    }
    t.a = a_.substitute(p_.a.value, at);
    t.b = where.packed < 0 ? a_.substitute(p_.b.value, at)
                           : packed_operand(c_, p_, where.packed, where.batch, where.packed_panel, reduction, t.column);
    if (where.packed < 0) t.prefetch = steps_ahead();
    if (constant_) t.prefetch = packed_steps_ahead(m_, panels_, depth_, size_of(p_.b.load->type));
    t.buffer = c_.output;
    for (const computation::axis& x : c_.axes) t.indices.push_back(a_.substitute(x.variable, at));
    const expr_ref in_terms_of_sum =
        a_.rewrite(c_.value, [&](expr_ref e) { return e == p_.sum ? t.accumulator : nullptr; });
    t.value = a_.substitute(in_terms_of_sum, at);
    return make_stmt(std::move(t));
  }

  computation& c_;
  expr_arena& a_;
  product p_;
  const machine_model& m_;
  launch& launch_;
  int lanes_ = 1, height_ = 1;
  bool constant_ = false, pack_ = false;         // b is packed: when the callable is built, at each call
  product::operand* bordered_ = nullptr;         // the one whose windows leave its buffer
  std::vector<int> batches_, far_;               // axes of units: in b, in rows only
  int outer_ = -1;                               // the axis of outer rows
  extent_t rows_ = 1, columns_ = 1, depth_ = 1;  // rows with all that b is the same for
  panels panels_;
  extent_t panels_per_block_ = 1, outer_per_block_ = 1, tiles_per_block_ = 1;
  std::vector<std::pair<expr_ref, expr_ref>> at_;
};

}  // namespace

bool schedule_contraction(computation& c, const machine_model& m, launch& l) {
  const auto p = match_product(c);
  if (!p) return false;
  builder b(c, *p, m, l);
  if (!b.worthwhile()) return false;
  c.kernel.body = b.build();
  return true;
}

}  // namespace tenon::scheduling
