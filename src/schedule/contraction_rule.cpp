// Sums of products on the tile contraction:
//   parallel for units: batches x blocks of columns x blocks of rows
//     an operand of windows (windowed_operand.hpp) is computed
//     what windows read is copied with its border, where they have one
//     for parts of the reduction (one, or as much as the caches hold):
//       b's panels of the block are packed, where that pays
//       for outer rows, row tiles and panels of the block: one register tile over the part; what it makes is added to
//         what the parts before left in the result, and the last one finishes it
// A convolution's rows are those of the result's images; the axis outside of them is that of outer rows.
#include <algorithm>
#include <bit>
#include <ranges>

#include "schedule/merge_axes.hpp"
#include "schedule/pack.hpp"
#include "schedule/padded_block.hpp"
#include "schedule/product.hpp"
#include "schedule/register_tile.hpp"
#include "schedule/split_axes.hpp"
#include "schedule/windowed_operand.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

// Pieces for each thread of a call that has several: what one finishes late, another takes.
constexpr extent_t units_per_thread = 4;
// With fewer rows than this, b is read so few times that a copy of it does not pay.
constexpr extent_t least_rows_to_pack = 64;
// A panel is no larger than this: it lies in the scratch of each worker.
constexpr std::int64_t most_panel_bytes = 8 << 20;
// Rows of tiles among which it is divided to ask for what the next part copies.
constexpr extent_t most_shares = 8;

extent_t ceil_div(extent_t a, extent_t b) { return (a + b - 1) / b; }

class builder {
 public:
  builder(computation& c, const product& p, windowed_operand* windows, const machine_model& m, launch& l)
      : c_(c), a_(c.kernel.make()), p_(p), windows_(windows), m_(m), launch_(l) {
    lanes_ = m.vector_bits / 8 / size_of(p.sum->type);
    columns_ = axis(p.column).size;
    for (int i = 0; i < p.sum->loops(); ++i) depth_ *= c.at_call(p.sum->loop_extent(i));
    sort_axes();
    constant_ = is_constant_operand(c, p);
    turns_columns_ = bordered_ == &p_.b && !p_.unit_columns && columns_step_alone();
    panels_.group = choose_group();
    steps_ = c.at_call(innermost());
    if (grouped() && p.sum->loops() > 1 && !reads_groups()) bordered_ = &p_.a;
    widens_a_ = widens(p.a) && columns_ > 4 * lanes_;
    widens_b_ = widens(p.b) && (!constant_ || p.unit_columns) && rows_ >= least_rows_to_pack && may_pack();
    if (widens_b_) constant_ = false;
    pack_ = !constant_ && (must_pack() || grouped() || widens_b_);
    const register_tile t = choose_register_tile(m, tiles_of(row_extent()));
    // A tile is no larger than what it is cut from ever is.
    height_ = p.row < 0 ? t.rows : static_cast<int>(std::min<extent_t>(t.rows, c.at_least(axis(p.row).extent)));
    const extent_t least_columns = c.at_least(axis(p.column).extent);
    const bool fits = t.vectors * lanes_ <= least_columns || !c.grows(axis(p.column).extent);
    panels_.width = (fits ? t.vectors : static_cast<int>(least_columns / lanes_)) * lanes_;
    panels_.columns = axis(p.column).extent;
    panels_.columns_at_call = columns_;
    panels_.count = panels_.narrow() ? a_.index(1) : tiles(panels_.columns, panels_.width);
    part_ = {a_.index(0), innermost(), innermost()};
    steps_per_part_ = choose_part();
  }

  /// Without unit stride in the columns b must be packed; at a call, few rows are better off with the loop rule.
  bool worthwhile() const {
    return panels_.width > 0 && !(bordered_ && windows_grow()) &&
           (p_.unit_columns || turns_columns_ || constant_ || (rows_ >= 8 && may_pack()));
  }

  /// Whether what the product loses when it is cut into strips of windows is no more than what they save. Tiles end
  /// with each row; all of b goes by for each of them; and what lies between the kernels is written and read, where the
  /// second-level cache does not hold it at so many bytes a cycle. Tiles of another form are no match for the model.
  bool takes_strips() const {
    constexpr double not_seen = 0.02, bytes_a_cycle = 64;
    // With 16 registers, MobileNetV2 took 2% longer in strips, although its layers alone did not.
    if (m_.registers < 32) return false;
    if (windows_->row_bytes(c_) > m_.l2_bytes / 4 || depth_ * columns_ * size_of(p_.b.load->type) > m_.l2_bytes / 2)
      return false;
    const register_tile cut = choose_register_tile(m_, tiles_of(row_extent())),
                        whole = choose_register_tile(m_, tiles_of(rows_));
    if (cut.vectors != whole.vectors || 4 * cut.rows < 3 * whole.rows) return false;
    const auto outer_rows = static_cast<double>(rows_) / static_cast<double>(row_extent());
    const double between = outer_rows * static_cast<double>(windows_->row_bytes(c_));
    const bool stays = between + static_cast<double>(windows_->bytes_read(c_)) <= static_cast<double>(m_.l2_bytes);
    const double saved = stays ? 0 : 2 * between / bytes_a_cycle;
    return outer_rows * cut.cycles <= whole.cycles * (1 + not_seen) + saved;
  }

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

    const expr_ref panel = a_.fresh_variable(), row_tile = a_.fresh_variable(), outer_row = a_.fresh_variable(),
                   part = a_.fresh_variable();
    expr_ref parts = nullptr;
    if (in_parts()) {
      const blocks all(*this, innermost(), steps_per_part_, "steps_per_part");
      const auto [begin, end] = all.range(a_, part);
      part_ = {begin, a_.sub(end, begin), all.most};
      parts = all.count;
    }
    std::vector<stmt_ref> before, each_outer_row;
    if (bordered_) {
      std::vector<padded_block::range> inside;
      if (outer_ >= 0)
        inside.push_back({axis(outer_).variable, outer_begin, a_.sub(outer_end, outer_begin), outer.most});
      if (bordered_ == &p_.a && p_.row >= 0) inside.push_back(range_of_rows(tile_begin, tile_end, rows.most));
      if (bordered_ == &p_.b) inside.push_back(whole(axis(p_.column).variable, axis(p_.column).extent));
      for (int i : p_.order) {
        const bool in_groups = bordered_ == &p_.a && i == p_.order.back();
        const expr_ref extent = in_groups ? in_whole_groups(p_.sum->loop_extent(i)) : p_.sum->loop_extent(i);
        inside.push_back(whole(p_.sum->loop_variable(i), extent));
        inside.back().is_more = in_groups && c_.at_call(extent) != c_.at_call(p_.sum->loop_extent(i));
      }
      const expr_ref dense = turns_columns_ ? axis(p_.column).variable : nullptr;
      const padded_block made = copy_padded(c_, bordered_->load, inside, lanes_, at_, dense);
      before.push_back(made.fill);
      *bordered_ = *match_operand(c_, p_.sum, a_.cast(bordered_->value->type, made.load));
    }
    if (windows_) {
      const auto made = windows_->make(c_, m_, launch_, outer_begin, outer_end, outer.most, at_);
      before.push_back(made.fill);
      p_.a = *match_operand(c_, p_.sum, made.load);
    }
    if (outer_ >= 0) at_.emplace_back(axis(outer_).variable, outer_row);
    tile_place at{row_tile, tile_begin, panel, panel};
    if (constant_) {
      launch_.packed.push_back(pack_constant(c_, p_, panels_));
      at.packed = static_cast<std::int64_t>(launch_.packed.back().parameter);
      if (const int d = batch_axis(p_); d >= 0) at.batch = a_.substitute(axis(d).variable, at_);
    } else if (pack_) {
      const dtype type = widens_b_ ? p_.sum->type : p_.b.load->type;
      local_pack made = pack_block(c_, p_, type, panels_, panel_begin, panel_end, columns.most, part_, lanes_, at_);
      at.packed = made.buffer;
      at.packed_panel = a_.sub(panel, panel_begin);
      (outer_ >= 0 && in_b(outer_) ? each_outer_row : before).push_back(std::move(made.fill));
    }
    std::vector<stmt_ref> each_row_tile;
    if (widens_a_ || (grouped() && !bordered_ && !reads_groups())) {
      const dtype type = widens_a_ ? p_.sum->type : p_.a.load->type;
      local_pack made = copy_rows(c_, p_, type, first_row(row_tile), height_, part_, panels_.group, 4 * lanes_, at_);
      at.copied = made.buffer;
      each_row_tile.push_back(std::move(made.fill));
    }
    stmt_ref s = in_parts() ? tile_of_part(at, part, parts) : tile(at, c_.value, results_beside(), false);
    each_row_tile.push_back(make_stmt(loop{panel, panel_begin, panel_end, loop_kind::serial, 1, s}));
    s = make_block(std::move(each_row_tile));
    s = make_stmt(loop{row_tile, tile_begin, tile_end, loop_kind::serial, 1, s});
    each_outer_row.push_back(s);
    s = make_block(std::move(each_outer_row));
    if (outer_ >= 0) s = make_stmt(loop{outer_row, outer_begin, outer_end, loop_kind::serial, 1, s});
    before.push_back(s);
    s = make_block(std::move(before));
    if (in_parts()) s = make_stmt(loop{part, a_.index(0), parts, loop_kind::serial, 1, s});
    return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, unit.around(std::move(s))});
  }

 private:
  const computation::axis& axis(int d) const { return c_.axes[static_cast<std::size_t>(d)]; }
  tile_problem tiles_of(extent_t rows) const {
    return {.rows = rows,
            .columns = columns_,
            .depth = ceil_div(depth_, panels_.group),
            .lanes = lanes_,
            .parts = grouped() && !has_dot_product() ? 2 : 1,
            .more_rows = grouped() && shifts() ? 1 : 0,
            .row_stride = row_stride_of_tile(),
            .step_stride = constant_ || pack_ ? 0 : step_stride()};
  }
  expr_ref tiles(expr_ref extent, int size) {
    return size == 1 ? extent : a_.div(a_.add(extent, a_.index(size - 1)), a_.index(size));
  }
  bool in_b(int d) const { return !p_.b.axis[static_cast<std::size_t>(d)]->is_constant(0); }
  // Whether what a window reads lies elsewhere at another call.
  bool windows_grow() const {
    const auto grow = [&](expr_ref e) { return c_.grows(e); };
    bool all = c_.grows(axis(p_.column).extent) || (p_.row >= 0 && c_.grows(axis(p_.row).extent));
    for (int i = 0; i < p_.sum->loops(); ++i) all = all || grow(p_.sum->loop_extent(i));
    for (const product::operand* o : {&p_.a, &p_.b})
      all = all || std::ranges::any_of(o->axis, grow) || std::ranges::any_of(o->reduction, grow);
    return all;
  }
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
  // Whether b's windows follow each other element by element along one dimension of its buffer: the copy with its
  // border can have that dimension dense.
  bool columns_step_alone() {
    const expr_ref column[] = {axis(p_.column).variable};
    int dimensions = 0;
    for (expr_ref i : p_.b.load->indices()) {
      const affine_form f = affine(a_, i, column);
      if (!f.ok) return false;
      if (f.coefficients[0]->is_constant(0)) continue;
      if (!f.coefficients[0]->is_constant(1)) return false;
      ++dimensions;
    }
    return dimensions == 1;
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
  // The copy with its border for `n` outer rows: its elements, and what lies between a tile's rows in it.
  struct padded_size {
    extent_t elements = 1, row_stride = 0;
  };
  padded_size padded(extent_t n) const {
    padded_size all;
    const std::vector<expr_ref> variables = variables_of(c_, p_.sum);
    const expr_ref row = p_.row < 0 ? nullptr : axis(p_.row).variable;
    for (expr_ref i : std::views::reverse(bordered_->load->indices())) {
      const affine_form f = affine(a_, i, variables);
      extent_t reach = 1;
      const auto add = [&](expr_ref variable, extent_t extent) {
        const auto at = std::ranges::find(variables, variable);
        if (at == variables.end()) return;
        const extent_t step = c_.at_call(f.coefficients[at - variables.begin()]);
        if (variable == row) all.row_stride += step * all.elements;
        reach += step * (extent - 1);
      };
      if (outer_ >= 0) add(axis(outer_).variable, n);
      const int own = bordered_ == &p_.a ? p_.row : p_.column;
      if (own >= 0) add(axis(own).variable, axis(own).size);
      for (int r = 0; r < p_.sum->loops(); ++r) add(p_.sum->loop_variable(r), c_.at_call(p_.sum->loop_extent(r)));
      all.elements *= reach;
    }
    return all;
  }
  // Whether units are blocks of outer rows, for which something is made.
  bool by_outer_rows() const { return bordered_ || windows_; }
  std::int64_t bytes_made_for(extent_t outer_rows) const {
    return windows_ ? outer_rows * windows_->row_bytes(c_)
                    : padded(outer_rows).elements * size_of(bordered_->load->type);
  }
  // The copy with its border stays in a quarter of the second-level cache; windows read as much beside their strip.
  std::int64_t most_bytes_made() const { return m_.l2_bytes / (windows_ ? 8 : 4); }
  // The last tile of rows ends at the edge, too.
  expr_ref first_row(expr_ref row_tile) {
    if (p_.row < 0) return a_.index(0);
    if (height_ == 1) return row_tile;
    return a_.min(a_.mul(row_tile, a_.index(height_)), a_.sub(axis(p_.row).extent, a_.index(height_)));
  }

  // ---- 16-bit floats without dot products: copies of what many tiles read are made in the type of the sum, so that no
  // step of a tile widens anything
  bool widens(const product::operand& o) const {
    return !grouped() && p_.sum->type == f32 && is_float(o.load->type) && size_of(o.load->type) == 2 &&
           o.value == a_.cast(f32, o.load) && p_.sum->loops() == 1 && !by_outer_rows();
  }

  // ---- dot products of groups of steps: bytes in fours, bf16 in pairs where the machine has an instruction for them
  bool grouped() const { return panels_.group > 1; }
  int choose_group() {
    const dtype a = p_.a.load->type, b = p_.b.load->type;
    const bool both_cast = p_.a.value != p_.a.load && p_.b.value != p_.b.load;
    if (!both_cast || bordered_ == &p_.b || depth_ < 8 || (!constant_ && (rows_ < 8 || !may_pack()))) return 1;
    const auto byte = [](dtype d) { return d == i8 || d == u8; };
    if (byte(a) && byte(b) && p_.sum->type == i32) return lies_along_a() ? 4 : 1;
    const bool pairs = a == bf16 && b == bf16 && p_.sum->type == f32 && m_.dot_bf16;
    // Several loops' groups are filled up with what lies beside them, which may be no number.
    return pairs && lies_along_a() && (p_.sum->loops() == 1 || c_.at_call(innermost()) % 2 == 0) ? 2 : 1;
  }
  // Makes the loop along which a's elements lie side by side the innermost; a single one may be copied to be so.
  bool lies_along_a() {
    if (p_.sum->loops() == 1) return true;
    for (auto i = p_.order.end(); i != p_.order.begin();)
      if (p_.a.reduction[static_cast<std::size_t>(*--i)]->is_constant(1)) {
        std::rotate(i, i + 1, p_.order.end());
        return true;
      }
    return false;
  }
  expr_ref in_whole_groups(expr_ref steps) {
    return grouped() ? a_.mul(groups_of(a_, steps, panels_.group), a_.index(panels_.group)) : steps;
  }
  // One instruction a step; else each operand is split in two before.
  bool has_dot_product() const {
    if (p_.a.load->type == bf16) return m_.dot_bf16;
    return m_.dot_bytes && (p_.a.load->type == i8 || p_.b.load->type == i8);
  }
  // The instruction wants one operand without signs: it is moved there, and what that adds is summed as one more row.
  bool shifts() const { return has_dot_product() && p_.a.load->type == i8 && p_.b.load->type == i8; }
  // Whether a has whole groups side by side as it lies.
  bool reads_groups() const {
    return p_.a.reduction[static_cast<std::size_t>(p_.order.back())]->is_constant(1) && steps_ % panels_.group == 0 &&
           !c_.grows(innermost());
  }

  bool may_pack() const {
    const extent_t widest = std::min<extent_t>(columns_, extent_t{6} * lanes_);  // of a tile of several rows
    return depth_ * widest * size_of(p_.b.load->type) <= most_panel_bytes;
  }
  // b is copied when it must be, or when it is read many times and does not lie well.
  bool must_pack() const {
    if (!p_.unit_columns) return !turns_columns_;
    return rows_ >= least_rows_to_pack && p_.sum->loops() == 1 && may_pack() &&
           (depth_ > steps_in_l2(m_, step_stride()) || crosses_lines()) && !overlapping_windows();
  }
  // Each vector of b touches two lines, so often that a copy pays: soon where two products wait for loads in a cycle.
  bool crosses_lines() const {
    constexpr std::int64_t line = 64;
    return step_stride() % line != 0 && rows_ >= (m_.products_a_cycle > 1 ? least_rows_to_pack : 500);
  }
  std::int64_t bytes(const product::operand& o, ir::expr_ref elements) const {
    return c_.at_call(elements) * size_of(o.load->type);
  }
  std::int64_t step_stride() const { return bytes(p_.b, p_.b.reduction.back()); }
  std::int64_t row_stride() const { return p_.row < 0 ? 0 : bytes(p_.a, p_.a.axis[static_cast<std::size_t>(p_.row)]); }
  // The same as tiles read it.
  std::int64_t row_stride_of_tile() const {
    return bordered_ != &p_.a ? row_stride() : padded(1).row_stride * size_of(p_.a.load->type);
  }
  // Whether b, as it lies, comes from behind the second-level cache.
  bool beyond_l2() const {
    return !overlapping_windows() &&
           (depth_ * columns_ * size_of(p_.b.load->type) > m_.l2_bytes / 2 || depth_ > steps_in_l2(m_, step_stride()));
  }
  // What to ask for ahead where b lies apart behind the second-level cache: a later step, or in parts, whose steps are
  // few, the same step of a later panel.
  std::pair<expr_ref, expr_ref> ahead(expr_ref panel, expr_ref step) {
    constexpr extent_t cycles_to_l3 = 400;
    const extent_t products = std::max<extent_t>(1, extent_t{height_} * panels_.width / lanes_);
    const extent_t steps = std::clamp<extent_t>(cycles_to_l3 / products, 4, 32);
    if (in_parts()) return {a_.add(panel, a_.index(ceil_div(steps, steps_per_part_))), step};
    return {panel, a_.add(step, a_.index(steps))};
  }
  // A convolution's windows read each element several times: its panels would be much larger than what they come from.
  bool overlapping_windows() const {
    extent_t elements = 1;
    const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(p_.b.load->payload)];
    for (expr_ref e : b.extents) elements *= c_.at_call(e);
    return depth_ * columns_ > elements;
  }

  expr_ref innermost() const { return p_.sum->loop_extent(p_.order.back()); }
  bool in_parts() const { return steps_per_part_ < steps_; }
  // b is read from memory a few rows at a time along their length: as many streams as processors foresee by themselves.
  // Each part reads and writes the whole result, which stays in the second-level cache.
  bool along_rows() const {
    return !constant_ && !pack_ && rows_ < least_rows_to_pack && beyond_l2() &&
           rows_ * columns_ * size_of(p_.sum->type) < m_.l2_bytes / 4;
  }
  // How many steps of the innermost loop one tile sums at once. The rows of a stay in the first-level cache, and b,
  // where it is read in place, in the second-level one; few rows have little to keep, and read a few of b's rows at a
  // time, along their length, as they lie in memory.
  extent_t choose_part() const {
    if (grouped() || by_outer_rows() || p_.sum->type != c_.kernel.buffers[static_cast<std::size_t>(c_.output)].type)
      return steps_;
    const bool in_place = !constant_ && !pack_;
    if (along_rows()) return even_parts(rows_ <= 2 ? 8 : 24, 4);
    // So few tiles read a row's steps that what parts cost, the result's way there and back, is more.
    constexpr extent_t few_panels = 4;
    if (!in_place && columns_ <= few_panels * panels_.width) return steps_;
    extent_t most = m_.l1_bytes / 2 / size_of(widens_a_ ? p_.sum->type : p_.a.load->type) / height_;
    if (in_place && beyond_l2()) most = std::min(most, steps_in_l2(m_, step_stride()) / 2);
    most = std::max<extent_t>(most / std::max<extent_t>(1, depth_ / std::max<extent_t>(steps_, 1)), 64);
    return even_parts(most, 16);
  }
  // At most `most` steps, rounded up to a multiple; a little more than that is one part.
  extent_t even_parts(extent_t most, extent_t multiple) const {
    const extent_t parts = ceil_div(steps_, most + most / 4);
    return parts <= 1 ? steps_ : ceil_div(ceil_div(steps_, parts), multiple) * multiple;
  }

  // Blocks are symbols: one kernel serves all sizes. Where they lie does not touch the order of any sum.
  void choose_blocks() {
    extent_t batches = 1;
    for (int d : batches_) batches *= axis(d).size;
    for (int d : far_) batches *= axis(d).size;
    const extent_t outer = outer_ < 0 ? 1 : axis(outer_).size;
    extent_t most_outer = outer;
    while (by_outer_rows() && most_outer > 1 && bytes_made_for(most_outer) > most_bytes_made())
      most_outer = ceil_div(most_outer, 2);
    const extent_t panels = panels_.narrow() ? 1 : ceil_div(columns_, panels_.width);
    const extent_t row_tiles = ceil_div(row_extent(), height_);
    // A block of b stays in half of the second-level cache while rows of a go by.
    const extent_t steps = depth_ / std::max<extent_t>(steps_, 1) * std::min(steps_, steps_per_part_);
    const extent_t panel_bytes = steps * panels_.width * size_of(widens_b_ ? p_.sum->type : p_.b.load->type);
    const extent_t most_panels =
        windows_ ? panels  // each block of columns would compute them again
                 : std::clamp<extent_t>(m_.l2_bytes / 2 / std::max<extent_t>(panel_bytes, 1), 1, panels);
    const extent_t units = m_.threads > 1 ? units_per_thread * m_.threads : 1;
    double least = 0;
    for (extent_t column_blocks = ceil_div(panels, most_panels); column_blocks <= panels;) {
      const extent_t per_block = ceil_div(panels, column_blocks);
      const extent_t wanted = ceil_div(units, batches * ceil_div(panels, per_block));
      const extent_t outer_blocks = std::clamp<extent_t>(wanted, ceil_div(outer, most_outer), outer);
      const extent_t row_blocks =
          outer_ >= 0 && by_outer_rows() ? 1 : std::clamp<extent_t>(ceil_div(wanted, outer_blocks), 1, row_tiles);
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
      if (per_block == 1 || windows_) break;
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
    expr_ref row_tile, first_row_tile, panel, packed_panel, batch = nullptr;
    std::int64_t packed = -1;  // buffer of b's panels
    std::int64_t copied = -1;  // buffer of a's rows
  };
  // The sum so far is the result's value until the last part makes the computation's of it.
  stmt_ref tile_of_part(const tile_place& where, expr_ref part, expr_ref parts) {
    std::vector<expr_ref> point;
    for (const computation::axis& x : c_.axes) point.push_back(x.variable);
    const expr_ref before = a_.load(p_.sum->type, c_.output, point, a_.less(a_.index(0), part));
    const expr_ref sum = a_.add(before, p_.sum);
    const auto of_all = [&](expr_ref e) {
      return a_.rewrite(e, [&](expr_ref x) { return x == p_.sum ? sum : nullptr; });
    };
    const expr_ref is_last = a_.apply(prim::less_equal, a_.sub(parts, a_.index(1)), part);
    std::vector<contraction::result> also;
    for (const computation::result& r : c_.also) also.push_back({r.buffer, r.indices, of_all(r.value), is_last});
    stmt_ref more =
        tile(where, a_.select(a_.less(part, a_.sub(parts, a_.index(1))), sum, of_all(c_.value)), also, true);
    return along_rows() ? more : make_block({ask_for_result(where), more});
  }
  // The lines of the result that the tile will add to: they are on their way while it sums.
  stmt_ref ask_for_result(const tile_place& where) {
    const expr_ref in_tile = a_.fresh_variable();
    std::vector<stmt_ref> lines;
    constexpr int line_bytes = 64;
    for (int column = 0; column < panels_.width; column += line_bytes / size_of(p_.sum->type)) {
      auto at = at_;
      at.emplace_back(axis(p_.column).variable, a_.add(panels_.first(a_, where.panel), a_.index(column)));
      if (p_.row >= 0) at.emplace_back(axis(p_.row).variable, a_.add(first_row(where.row_tile), in_tile));
      std::vector<expr_ref> indices;
      for (const computation::axis& x : c_.axes) indices.push_back(a_.substitute(x.variable, at));
      lines.push_back(make_stmt(prefetch{c_.output, std::move(indices)}));
    }
    return make_stmt(loop{in_tile, a_.index(0), a_.index(height_), loop_kind::serial, 1, make_block(std::move(lines))});
  }
  // `once`: what another tile has made is not stored again; the last ones reach back into those before them.
  stmt_ref tile(const tile_place& where, expr_ref value, const std::vector<contraction::result>& also, bool once) {
    contraction t;
    t.row = a_.fresh_variable();
    t.column = a_.fresh_variable();
    t.tile_rows = height_;
    t.tile_columns = panels_.width;
    // A narrow tile's width is compiled in, so there is one path: masked or not.
    t.columns = a_.index(std::min<extent_t>(columns_, panels_.width));
    t.accumulator = a_.fresh_accumulator(p_.sum->type);
    const expr_ref row = a_.add(first_row(where.row_tile), t.row);
    const expr_ref column = a_.add(panels_.first(a_, where.panel), t.column);
    std::vector<expr_ref> reduction, steps;
    for (int i : p_.order) {
      const bool inner = i == p_.order.back();
      reduction.push_back(a_.fresh_variable());
      steps.push_back(inner ? a_.add(part_.begin, reduction.back()) : reduction.back());
      t.reduction.push_back({reduction.back(), inner ? part_.extent : p_.sum->loop_extent(i)});
    }
    expr_ref in_group = nullptr;
    if (grouped()) {
      t.reduction.back().extent = groups_of(a_, part_.extent, panels_.group);
      in_group = a_.fresh_variable();
      t.reduction.push_back({in_group, a_.index(panels_.group)});
      steps.back() = a_.add(a_.mul(reduction.back(), a_.index(panels_.group)), in_group);
    }
    const auto place = [&](expr_ref in_column, const std::vector<expr_ref>& in_steps) {
      auto at = at_;
      at.emplace_back(axis(p_.column).variable, in_column);
      if (p_.row >= 0) at.emplace_back(axis(p_.row).variable, row);
      for (std::size_t i = 0; i < in_steps.size(); ++i)
        at.emplace_back(p_.sum->loop_variable(p_.order[i]), in_steps[i]);
      return at;
    };
    const auto at = place(column, steps);
    t.a = a_.substitute(p_.a.value, at);
    if (where.copied >= 0) {
      const expr_ref in_copy[] = {t.row, a_.sub(steps.back(), part_.begin)};
      const dtype type = c_.kernel.buffers[static_cast<std::size_t>(where.copied)].type;
      t.a = a_.cast(p_.a.value->type, a_.load(type, where.copied, in_copy));
    }
    if (where.packed >= 0) {
      // A constant is packed as a whole, a block of b by parts.
      std::vector<expr_ref> in_panel = constant_ && !grouped() ? steps : reduction;
      const auto operand = [&] {
        return packed_operand(c_, p_, where.packed, where.batch, where.packed_panel, in_panel, t.column, in_group);
      };
      t.b = operand();
      const int element_bytes = size_of(p_.b.load->type) * panels_.group;
      const extent_t depth = ceil_div(depth_, panels_.group);
      if (const int later = packed_steps_ahead(m_, panels_, depth, element_bytes); constant_ && later > 0) {
        in_panel.back() = a_.add(in_panel.back(), a_.index(later));
        const expr_ref ahead = operand();
        t.prefetch = ahead->is(prim::cast) ? ahead->operands[0] : ahead;
      } else if (constant_ && later == 0 && rows_follow_each_other()) {
        t.prefetch = of_next_rows(where.row_tile, reduction.back());
      }
      // What the next part will copy comes near while this one computes: a share of it with each row of tiles. Where
      // two products are done in a cycle, that would take their place.
      if (pack_ && in_parts() && p_.unit_columns && m_.products_a_cycle == 1) {
        const expr_ref share = a_.index(static_cast<extent_t>(
            std::bit_floor(static_cast<std::uint64_t>(std::clamp<extent_t>(tiles_per_block_, 1, most_shares)))));
        const expr_ref later = a_.min(a_.add(part_.begin, part_.most), a_.sub(innermost(), part_.most));
        const expr_ref mine = a_.min(a_.sub(where.row_tile, where.first_row_tile), a_.sub(share, a_.index(1)));
        steps.back() = a_.add(a_.add(later, a_.div(a_.mul(mine, part_.most), share)), a_.div(reduction.back(), share));
        t.prefetch = a_.substitute(p_.b.load, place(column, steps));
      }
    } else {
      t.b = a_.substitute(p_.b.value, at);
      if (along_rows()) {
        if (follows_in_memory()) t.prefetch = of_next_part(where, t.column, reduction.back(), place);
      } else if (beyond_l2()) {
        const auto [panel, step] = ahead(where.panel, steps.back());
        steps.back() = step;
        t.prefetch = a_.substitute(p_.b.load, place(a_.add(panels_.first(a_, panel), t.column), steps));
      }
    }
    if (once) {
      t.mask = a_.apply(prim::less_equal, a_.mul(where.panel, a_.index(panels_.width)), column);
      if (height_ > 1)
        t.mask = a_.both(a_.apply(prim::less_equal, a_.mul(where.row_tile, a_.index(height_)), row), t.mask);
      if (t.mask->is_true()) t.mask = nullptr;
    }
    t.buffer = c_.output;
    for (const computation::axis& x : c_.axes) t.indices.push_back(a_.substitute(x.variable, at));
    const auto of_tile = [&](expr_ref e) {
      return a_.substitute(a_.rewrite(e, [&](expr_ref x) { return x == p_.sum ? t.accumulator : nullptr; }), at);
    };
    t.value = of_tile(value);
    for (const contraction::result& r : also) {
      const expr_ref mask = !t.mask ? r.mask : r.mask ? a_.both(r.mask, t.mask) : t.mask;
      t.also.push_back({r.buffer, t.indices, of_tile(r.value), mask});
    }
    return make_stmt(std::move(t));
  }
  // Whether the rows of b, which one unit reads all of, lie one after the other.
  bool follows_in_memory() const {
    return p_.sum->loops() == 1 && panels_per_block_ * panels_.width >= columns_ && !c_.grows(axis(p_.column).extent) &&
           step_stride() == columns_ * size_of(p_.b.load->type);
  }
  // The next part of b, from its beginning to its end as it lies in memory, a share with each tile: that is what the
  // processor's own prefetcher goes on with by itself. `place`: where a column and steps are.
  template <class F>
  expr_ref of_next_part(const tile_place& where, expr_ref in_column, expr_ref step, const F& place) {
    const expr_ref share = a_.index(std::clamp<extent_t>(tiles_per_block_, 1, most_shares));
    const expr_ref mine = a_.min(a_.sub(where.row_tile, where.first_row_tile), a_.sub(share, a_.index(1)));
    const expr_ref before = a_.add(a_.mul(where.panel, part_.most), a_.div(a_.mul(mine, part_.most), share));
    const expr_ref column = a_.mul(a_.add(before, a_.div(step, share)), a_.index(panels_.width));
    return a_.substitute(p_.b.load, place(a_.add(column, in_column), std::vector{a_.add(part_.begin, part_.most)}));
  }
  // Whether the rows of tiles lie one after the other, and each is read by one tile alone.
  bool rows_follow_each_other() const {
    return panels_.narrow() && !grouped() && !widens_a_ && !bordered_ && !in_parts() && height_ > 1 &&
           p_.sum->loops() == 1 &&
           c_.kernel.buffers[static_cast<std::size_t>(p_.a.load->payload)].where == scope::parameter &&
           row_stride() == steps_ * size_of(p_.a.load->type);
  }
  // The rows of the next tile, some lines with each step of this one: all of them begin apart, so that no prefetcher
  // has them where the tile does.
  expr_ref of_next_rows(expr_ref row_tile, expr_ref step) {
    constexpr int line = 64;
    const int in_line = line / size_of(p_.a.load->type);
    auto at = at_;
    const expr_ref last = a_.sub(axis(p_.row).extent, a_.index(1));
    at.emplace_back(axis(p_.row).variable, a_.min(a_.add(first_row(row_tile), a_.index(height_)), last));
    const extent_t lines_a_step = ceil_div(panels_.width, in_line);  // as many as emitted: those of a row of b
    at.emplace_back(p_.sum->loop_variable(0), a_.mul(step, a_.index(lines_a_step * in_line)));
    return a_.substitute(p_.a.load, at);
  }
  std::vector<contraction::result> results_beside() const {
    std::vector<contraction::result> all;
    for (const computation::result& r : c_.also) all.push_back({r.buffer, r.indices, r.value, nullptr});
    return all;
  }

  computation& c_;
  expr_arena& a_;
  product p_;
  windowed_operand* windows_;  // what `a` is, where it is no load; null
  const machine_model& m_;
  launch& launch_;
  int lanes_ = 1, height_ = 1;
  bool widens_a_ = false, widens_b_ = false;
  bool constant_ = false, pack_ = false;  // b is packed: when the callable is built, at each call
  bool turns_columns_ = false;            // b's copy with its border has unit stride in the columns, b has not
  product::operand* bordered_ = nullptr;  // the one whose windows leave its buffer
  std::vector<int> batches_, far_;        // axes of units: in b, in rows only
  int outer_ = -1;                        // the axis of outer rows
  extent_t rows_ = 1, columns_ = 1;       // rows with all that b is the same for
  extent_t depth_ = 1, steps_ = 1;        // all steps, and those of the innermost loop
  panels panels_;
  depth_block part_;  // of the innermost loop
  extent_t steps_per_part_ = 1;
  extent_t panels_per_block_ = 1, outer_per_block_ = 1, tiles_per_block_ = 1;
  std::vector<std::pair<expr_ref, expr_ref>> at_;
};

}  // namespace

namespace {
// The product as the rule builds it, and the windows that it reads.
struct matched {
  product p;
  std::optional<windowed_operand> windows;
};
std::optional<matched> match(computation& c, const machine_model& m) {
  std::optional<windowed_operand> windows = windowed_operand::take(c, m);
  std::optional<product> p = match_product(c);
  if (!windows) return p ? std::optional(matched{*p, {}}) : std::nullopt;
  // Its rows are those of the windows; nothing else changes what is computed for an outer row.
  if (p && p->a.value == p->a.load && p->a.load->payload == windows->buffer() && p->column + 1 == std::ssize(c.axes) &&
      p->b.load->mask()->is_true() && std::ranges::all_of(std::views::iota(0, p->column), [&](int d) {
        return p->b.axis[static_cast<std::size_t>(d)]->is_constant(0);
      })) {
    p->row = windows->row();
    return matched{*p, std::move(windows)};
  }
  windows->undo(c);
  return {};
}
}  // namespace

bool schedule_contraction(computation& c, const machine_model& m, launch& l) {
  auto found = match(c, m);
  if (!found) return false;
  windowed_operand* const windows = found->windows ? &*found->windows : nullptr;
  builder b(c, found->p, windows, m, l);
  if (!b.worthwhile()) {
    if (windows) windows->undo(c);
    return false;
  }
  if (windows) {  // each of their elements is computed once
    l.operations = 0;
    l.nanoseconds = 0;
    predict(c, m, l);
    windows->predict(c, m, l);
  }
  c.kernel.body = b.build();
  return true;
}

strips windows_in_strips(computation c, const machine_model& m) {
  merge_axes(c);
  split_axes(c);
  auto found = match(c, m);
  if (!found || !found->windows) return strips::impossible;
  launch l;
  const builder b(c, found->p, &*found->windows, m, l);
  return !b.worthwhile() ? strips::impossible : b.takes_strips() ? strips::good : strips::costly;
}

}  // namespace tenon::scheduling
