// Convolutions of 3 x 3 taps and stride 1 with constant weights, from products of transformed tiles (winograd.hpp):
//   parallel for units: blocks of columns (output channels) x blocks of tiles
//     for tiles of the block, channels: data[points][tile] = input . patch . input^T, zeros beyond the border
//     for points, row tiles, panels of the block: products[points][tile] = data[points][tile] * weights[points]
//     for tiles of the block, columns: result of the tile = output . products . output^T, and the epilogue
// The weights are transformed when the callable is built. Taken where a model of its time, weights read included, says
// that it is faster than the plain contraction; never where `machine_model::winograd` forbids it.
#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "schedule/pack.hpp"
#include "schedule/product.hpp"
#include "schedule/register_tile.hpp"
#include "schedule/winograd.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

constexpr int taps = winograd_taps;
// By which the model counts cycles. Products run at nine tenths of what the machine can; what does not stay in the
// second-level cache comes at this many bytes a cycle.
constexpr double of_the_peak = 0.9, bytes_a_cycle = 3.5, not_hidden = 0.2;

extent_t ceil_div(extent_t a, extent_t b) { return (a + b - 1) / b; }

/// A spatial axis of the convolution.
struct spatial {
  int axis, loop;         ///< of the computation; of the sum: its taps
  std::size_t dimension;  ///< of what is read
};

/// The convolution as the rule needs it.
struct filter {
  std::array<spatial, 2> along;
  int channels = -1;  ///< loop of the sum
};

std::optional<filter> match_filter(computation& c, const product& p) {
  if (!is_float(p.sum->type) || size_of(p.sum->type) < 4 || p.a.value != p.a.load || p.b.value != p.b.load) return {};
  if (!is_constant_operand(c, p) || batch_axis(p) >= 0 || p.sum->loops() != 3) return {};
  const std::vector<expr_ref> variables = variables_of(c, p.sum);
  filter f;
  std::size_t found = 0;
  for (std::size_t d = 0; d < p.a.load->indices().size(); ++d) {
    const affine_form form = affine(c.kernel.make(), p.a.load->indices()[d], variables);
    int axis = -1, loop = -1;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (form.coefficients[i]->is_constant(0)) continue;
      if (!form.coefficients[i]->is_constant(1)) return {};
      const auto of_axis = std::ranges::find(c.axes, variables[i], &computation::axis::variable);
      int& place = of_axis != c.axes.end() ? axis : loop;
      if (place >= 0) return {};
      place = of_axis != c.axes.end()
                  ? static_cast<int>(of_axis - c.axes.begin())
                  : static_cast<int>(i + static_cast<std::size_t>(p.sum->loops()) - variables.size());
    }
    if (loop < 0) continue;
    if (axis < 0) {
      if (f.channels >= 0 || !p.a.reduction[static_cast<std::size_t>(loop)]->is_constant(1)) return {};
      f.channels = loop;
    } else {
      if (found == 2 || !p.sum->loop_extent(loop)->is_constant(taps)) return {};
      f.along[found++] = {axis, loop, d};
    }
  }
  if (found != 2 || f.channels < 0) return {};
  return f;
}

class builder {
 public:
  builder(computation& c, const product& p, const filter& f, const machine_model& m, launch& l)
      : c_(c), a_(c.kernel.make()), p_(p), f_(f), m_(m), launch_(l) {
    lanes_ = m.vector_bits / 8 / size_of(p.sum->type);
    channels_ = c.at_call(p.sum->loop_extent(f.channels));
    columns_ = axis(p.column).size;
    for (int d = 0; d < static_cast<int>(c.axes.size()); ++d)
      if (d != p.column && d != f.along[0].axis && d != f.along[1].axis && axis(d).size != 1) outer_.push_back(d);
  }

  /// Chooses the size of the tiles; false when the plain contraction is faster, by the time that one thread takes.
  bool worthwhile() {
    if (channels_ < lanes_ || columns_ < lanes_ || lanes_ < 2) return false;
    double least = direct_cycles();
    for (int outputs : {2, 4}) {
      outputs_ = outputs;
      choose_blocks(1);
      if (cycles_ >= least) continue;
      least = cycles_;
      chosen_ = outputs;
    }
    outputs_ = chosen_;
    return chosen_ != 0;
  }

  stmt_ref build() {
    choose_blocks(m_.threads);
    const winograd w(outputs_, taps);
    w_ = &w;
    panels_.columns = axis(p_.column).extent;
    panels_.count = panels_.narrow()
                        ? a_.index(1)
                        : a_.div(a_.add(panels_.columns, a_.index(panels_.width - 1)), a_.index(panels_.width));
    // Tiles of all images, one after the other.
    std::vector<expr_ref> extents;
    for (int d : outer_) extents.push_back(axis(d).extent);
    for (const spatial& s : f_.along)
      extents.push_back(a_.div(a_.add(axis(s.axis).extent, a_.index(outputs_ - 1)), a_.index(outputs_)));
    tile_ = fuse_loops(a_, extents);
    const bound_indices place(a_, tile_);
    place_ = &place;
    for (std::size_t i = 0; i < outer_.size(); ++i) at_.emplace_back(axis(outer_[i]).variable, tile_.indices[i]);
    for (std::size_t i = 0; i < 2; ++i) first_[i] = a_.mul(tile_.indices[outer_.size() + i], a_.index(outputs_));

    const expr_ref per_block = symbol("tiles_per_block", tiles_per_block_),
                   most_panels = symbol("panels_per_block", panels_per_block_);
    const auto blocks = [&](expr_ref all, expr_ref size) {
      return a_.div(a_.add(all, a_.sub(size, a_.index(1))), size);
    };
    fused_loop units = fuse_loops(a_, {blocks(panels_.count, most_panels), blocks(tile_.extent, per_block)});
    const bound_indices unit(a_, units);
    panel_begin_ = a_.mul(units.indices[0], most_panels);
    panel_end_ = a_.min(a_.add(panel_begin_, most_panels), panels_.count);
    // The last block ends with the last tile: it repeats tiles of the one before.
    begin_ = a_.min(a_.mul(units.indices[1], per_block), a_.sub(tile_.extent, per_block));
    end_ = a_.add(begin_, per_block);

    const expr_ref points = a_.index(w.points() * w.points()), channels = p_.sum->loop_extent(f_.channels);
    // A vector between the points: power-of-two distances would put all of them in the same sets of a cache.
    const auto plane = [&](expr_ref width) { return a_.add(a_.mul(per_block, width), a_.index(lanes_)); };
    data_ = c_.kernel.add_buffer("data", p_.sum->type, scope::scratch, {points, plane(channels)});
    products_ = c_.kernel.add_buffer("products", p_.sum->type, scope::scratch,
                                     {most_panels, points, plane(a_.index(panels_.width))});
    pack_weights(points);
    const stmt_ref body = make_block({transform_input(), multiply(per_block), transform_output()});
    return make_stmt(loop{units.variable, a_.index(0), units.extent, loop_kind::parallel, 1, unit.around(body)});
  }

 private:
  const computation::axis& axis(int d) const { return c_.axes[static_cast<std::size_t>(d)]; }
  expr_ref symbol(const char* name, extent_t value) {
    c_.kernel.symbols.push_back(name);
    c_.symbol_values.push_back(value);
    return a_.symbol(static_cast<std::int64_t>(c_.kernel.symbols.size()) - 1);
  }

  // ---- the model
  extent_t images() const {
    extent_t n = 1;
    for (int d : outer_) n *= axis(d).size;
    return n;
  }
  double reading(double weight_bytes) const {
    return weight_bytes > static_cast<double>(m_.l2_bytes) / 2 ? weight_bytes / bytes_a_cycle : 0;
  }
  // Products while weights are read: the shorter of the two hides behind the longer, but not all of it.
  double multiplying(double products, double reads) const {
    const double sums = products / lanes_ / (of_the_peak * m_.products_a_cycle);
    return std::max(sums, reads) + not_hidden * std::min(sums, reads);
  }
  double direct_cycles() const {
    const double weights = static_cast<double>(taps * taps * channels_ * columns_);
    const extent_t positions = images() * axis(f_.along[0].axis).size * axis(f_.along[1].axis).size;
    return multiplying(static_cast<double>(positions) * weights, reading(weights * size_of(p_.sum->type)));
  }
  // The size of blocks: how many tiles and panels a unit has, for the least time with so many threads.
  void choose_blocks(int threads) {
    const int points = (outputs_ + taps - 1) * (outputs_ + taps - 1), size = size_of(p_.sum->type);
    const extent_t tiles =
        images() * ceil_div(axis(f_.along[0].axis).size, outputs_) * ceil_div(axis(f_.along[1].axis).size, outputs_);
    const register_tile t = choose_register_tile(m_, {.rows = tiles,
                                                      .columns = columns_,
                                                      .depth = channels_,
                                                      .lanes = lanes_,
                                                      .row_stride = channels_ * size,
                                                      .step_stride = 0});
    height_ = t.rows;  // of no block: it decides in which order sums are added
    panels_.width = t.vectors * lanes_;
    panels_.columns_at_call = columns_;
    const extent_t panels = panels_.narrow() ? 1 : ceil_div(columns_, panels_.width);
    // Cycles for a vector of channels of one tile, either way.
    const double transform = outputs_ == 4 ? 130 : 45;
    const double weight_bytes = static_cast<double>(points * channels_ * panels * panels_.width * size);
    cycles_ = std::numeric_limits<double>::infinity();
    for (extent_t column_blocks = 1; column_blocks <= panels; ++column_blocks)
      for (extent_t tile_blocks = 1; tile_blocks <= tiles; ++tile_blocks) {
        const extent_t per_block = ceil_div(tiles, tile_blocks), panels_each = ceil_div(panels, column_blocks);
        if (ceil_div(tiles, per_block) != tile_blocks || ceil_div(panels, panels_each) != column_blocks) continue;
        const extent_t scratch = per_block * points * (channels_ + panels_each * panels_.width) * size;
        const extent_t units = column_blocks * tile_blocks;
        if (per_block < height_ || (scratch > m_.l2_bytes * 3 / 4 && per_block > height_)) continue;
        const double width = static_cast<double>(panels_each * panels_.width), rows = static_cast<double>(per_block);
        const double transforms = transform * rows * (static_cast<double>(channels_) + width) / lanes_;
        const double products = rows * points * static_cast<double>(channels_) * width;
        const double each =
            transforms + multiplying(products, reading(weight_bytes) / static_cast<double>(column_blocks));
        const double all = each * static_cast<double>(ceil_div(units, threads));
        if (all >= cycles_) continue;
        cycles_ = all;
        tiles_per_block_ = per_block;
        panels_per_block_ = panels_each;
      }
  }

  // ---- weights
  void pack_weights(expr_ref points) {
    product one = p_;  // the sum over channels alone, at each point
    one.order = {f_.channels};
    launch_.packed.push_back(pack_constant(c_, one, panels_));
    constant_packing& made = launch_.packed.back();
    made.winograd_outputs = outputs_;
    for (std::size_t i = 0; i < 2; ++i)
      made.tap_strides[i] = c_.at_call(p_.b.reduction[static_cast<std::size_t>(f_.along[i].loop)]);
    weights_ = static_cast<std::int64_t>(made.parameter);
    std::vector<expr_ref>& extents = c_.kernel.buffers[made.parameter].extents;
    extents.insert(extents.begin(), points);
  }

  // ---- code
  // sum over k of row[k] * x[k].
  expr_ref weighted(const std::vector<double>& row, std::span<const expr_ref> x) {
    expr_ref sum = nullptr;
    for (std::size_t k = 0; k < row.size(); ++k) {
      if (row[k] == 0) continue;
      const expr_ref factor = a_.constant(p_.sum->type, row[k]);
      if (!sum)
        sum = row[k] == 1 ? x[k] : a_.mul(factor, x[k]);
      else if (row[k] == 1 || row[k] == -1)
        sum = row[k] == 1 ? a_.add(sum, x[k]) : a_.sub(sum, x[k]);
      else
        sum = m_.fma ? a_.apply(prim::fma, factor, x[k], sum) : a_.add(sum, a_.mul(factor, x[k]));
    }
    return sum;
  }
  // matrix . x: rows that differ in signs alone (those of the points p and -p) share their even and their odd part.
  std::vector<expr_ref> applied(const winograd::matrix& matrix, std::span<const expr_ref> x) {
    std::vector<expr_ref> r;
    for (std::size_t i = 0; i < matrix.size(); ++i) {
      std::vector<double> even = matrix[i], odd(even.size());
      bool pair = i + 1 < matrix.size();
      for (std::size_t k = 0; pair && k < even.size(); ++k) {
        pair = std::abs(matrix[i][k]) == std::abs(matrix[i + 1][k]);
        if (matrix[i][k] != matrix[i + 1][k]) std::swap(even[k], odd[k]);
      }
      const auto empty = [](const std::vector<double>& v) {
        return std::ranges::all_of(v, [](double e) { return e == 0; });
      };
      if (!pair || empty(even) || empty(odd)) {
        r.push_back(weighted(matrix[i], x));
        continue;
      }
      const expr_ref e = weighted(even, x), o = weighted(odd, x);
      r.push_back(a_.add(e, o));
      r.push_back(a_.sub(e, o));
      ++i;
    }
    return r;
  }
  // matrix . x . matrix^T in two steps; what the first leaves is kept in variables of their own, which `list` sets.
  std::vector<std::vector<expr_ref>> applied_twice(const winograd::matrix& matrix,
                                                   const std::vector<std::vector<expr_ref>>& x,
                                                   std::vector<stmt_ref>& list) {
    const std::size_t n = x.size();
    std::vector<std::vector<expr_ref>> half(matrix.size(), std::vector<expr_ref>(n)), r;
    for (std::size_t j = 0; j < n; ++j) {
      std::vector<expr_ref> column;
      for (std::size_t k = 0; k < n; ++k) column.push_back(x[k][j]);
      const std::vector<expr_ref> made = applied(matrix, column);
      for (std::size_t i = 0; i < made.size(); ++i) half[i][j] = kept(made[i], list);
    }
    for (const std::vector<expr_ref>& row : half) r.push_back(applied(matrix, row));
    return r;
  }
  expr_ref kept(expr_ref value, std::vector<stmt_ref>& list) {
    const std::int64_t b =
        c_.kernel.add_buffer("t" + std::to_string(c_.kernel.buffers.size()), value->type, scope::local, {});
    list.push_back(make_stmt(declare{b}));
    list.push_back(make_stmt(store{b, {}, value, a_.boolean(true)}));
    return a_.load(value->type, b, {});
  }
  expr_ref in_block(expr_ref tile, expr_ref width, expr_ref element) {
    return a_.add(a_.mul(a_.sub(tile, begin_), width), element);
  }
  stmt_ref over_tiles(stmt_ref body) {
    return make_stmt(loop{tile_.variable, begin_, end_, loop_kind::serial, 1, place_->around(std::move(body))});
  }

  // One of both forms of a tile, by whether it lies inside whole.
  template <class F>
  static stmt_ref either(expr_ref whole, F form) {
    if (whole->is(expr_kind::constant)) return form(whole->is_true());
    return make_stmt(branch{whole, form(true), form(false)});
  }

  stmt_ref transform_input() {
    const auto n = static_cast<std::size_t>(w_->points());
    const expr_ref channel = a_.fresh_variable(), channels = p_.sum->loop_extent(f_.channels);
    const buffer from = c_.kernel.buffers[static_cast<std::size_t>(p_.a.load->payload)];
    // The patch begins at the first tap of the tile's first output.
    auto at = at_;
    at.emplace_back(p_.sum->loop_variable(f_.channels), channel);
    for (std::size_t i = 0; i < 2; ++i) {
      at.emplace_back(axis(f_.along[i].axis).variable, first_[i]);
      at.emplace_back(p_.sum->loop_variable(f_.along[i].loop), a_.index(0));
    }
    std::vector<expr_ref> corner;
    for (expr_ref i : p_.a.load->indices()) corner.push_back(a_.substitute(i, at));
    const auto inside = [&](std::size_t i, expr_ref place) {
      return a_.both(a_.apply(prim::less_equal, a_.index(0), place),
                     a_.less(place, from.extents[f_.along[i].dimension]));
    };
    const auto patches = [&](bool whole) {
      std::vector<std::vector<expr_ref>> x(n, std::vector<expr_ref>(n));
      for (std::size_t k = 0; k < n; ++k)
        for (std::size_t j = 0; j < n; ++j) {
          std::vector<expr_ref> place = corner;
          expr_ref mask = a_.boolean(true);
          const std::array<std::size_t, 2> by{k, j};
          for (std::size_t i = 0; i < 2; ++i) {
            expr_ref& e = place[f_.along[i].dimension];
            e = a_.add(e, a_.index(static_cast<std::int64_t>(by[i])));
            if (!whole) mask = a_.both(mask, inside(i, e));
          }
          const bool never = mask->is(expr_kind::constant) && !mask->is_true();
          x[k][j] = never ? a_.constant(p_.a.load->type, 0) : a_.load(p_.a.load->type, p_.a.load->payload, place, mask);
        }
      std::vector<stmt_ref> list;
      const auto v = applied_twice(w_->input, x, list);
      for (std::size_t k = 0; k < n; ++k)
        for (std::size_t j = 0; j < n; ++j)
          list.push_back(make_stmt(
              store{data_,
                    {a_.index(static_cast<std::int64_t>(k * n + j)), in_block(tile_.variable, channels, channel)},
                    v[k][j],
                    a_.boolean(true)}));
      return make_stmt(
          loop{channel, a_.index(0), channels, loop_kind::vectorized, lanes_, make_block(std::move(list))});
    };
    expr_ref whole = a_.boolean(true);
    for (std::size_t i = 0; i < 2; ++i) {
      const expr_ref e = corner[f_.along[i].dimension];
      whole =
          a_.both(whole, a_.both(a_.apply(prim::less_equal, a_.index(0), e),
                                 a_.less(a_.add(e, a_.index(w_->points() - 1)), from.extents[f_.along[i].dimension])));
    }
    return over_tiles(either(whole, patches));
  }

  stmt_ref multiply(expr_ref per_block) {
    const expr_ref point = a_.fresh_variable(), panel = a_.fresh_variable(), row_tile = a_.fresh_variable(),
                   channels = p_.sum->loop_extent(f_.channels), r = a_.fresh_variable();
    contraction t;
    t.row = a_.fresh_variable();
    t.column = a_.fresh_variable();
    t.tile_rows = height_;
    t.tile_columns = panels_.width;
    t.columns = a_.index(std::min<extent_t>(columns_, panels_.width));
    t.accumulator = a_.fresh_accumulator(p_.sum->type);
    t.reduction.push_back({r, channels});
    const expr_ref row =
        a_.add(a_.min(a_.mul(row_tile, a_.index(height_)), a_.sub(per_block, a_.index(height_))), t.row);
    const expr_ref a[] = {point, a_.add(a_.mul(row, channels), r)}, b[] = {point, panel, r, t.column};
    t.a = a_.load(p_.sum->type, data_, a);
    t.b = a_.load(p_.sum->type, weights_, b);
    t.buffer = products_;
    t.indices = {a_.sub(panel, panel_begin_), point, a_.add(a_.mul(row, a_.index(panels_.width)), t.column)};
    t.value = t.accumulator;
    // Those of all points lie one after the other.
    if (const int steps =
            packed_steps_ahead(m_, panels_, channels_ * w_->points() * w_->points(), size_of(p_.sum->type))) {
      const expr_ref ahead[] = {point, panel, a_.add(r, a_.index(steps)), t.column};
      t.prefetch = a_.load(p_.sum->type, weights_, ahead);
    }
    const expr_ref row_tiles = a_.div(a_.add(per_block, a_.index(height_ - 1)), a_.index(height_));
    stmt_ref s = make_stmt(std::move(t));
    s = make_stmt(loop{panel, panel_begin_, panel_end_, loop_kind::serial, 1, s});
    s = make_stmt(loop{row_tile, a_.index(0), row_tiles, loop_kind::serial, 1, s});
    return make_stmt(loop{point, a_.index(0), a_.index(w_->points() * w_->points()), loop_kind::serial, 1, s});
  }

  stmt_ref transform_output() {
    const auto n = static_cast<std::size_t>(w_->points()), m = static_cast<std::size_t>(outputs_);
    const expr_ref panel = a_.fresh_variable(), column = a_.fresh_variable(), width = a_.index(panels_.width);
    const auto inside = [&](std::size_t i, std::size_t by) {
      return a_.less(a_.add(first_[i], a_.index(static_cast<std::int64_t>(by))), axis(f_.along[i].axis).extent);
    };
    const auto results = [&](bool whole) {
      std::vector<std::vector<expr_ref>> x(n, std::vector<expr_ref>(n));
      for (std::size_t k = 0; k < n; ++k)
        for (std::size_t j = 0; j < n; ++j) {
          const expr_ref place[] = {a_.sub(panel, panel_begin_), a_.index(static_cast<std::int64_t>(k * n + j)),
                                    in_block(tile_.variable, width, column)};
          x[k][j] = a_.load(p_.sum->type, products_, place);
        }
      std::vector<stmt_ref> list;
      const auto sums = applied_twice(w_->output, x, list);
      for (std::size_t k = 0; k < m; ++k)
        for (std::size_t j = 0; j < m; ++j) {
          auto at = at_;
          at.emplace_back(axis(p_.column).variable, a_.add(panels_.first(a_, panel), column));
          at.emplace_back(axis(f_.along[0].axis).variable, a_.add(first_[0], a_.index(static_cast<std::int64_t>(k))));
          at.emplace_back(axis(f_.along[1].axis).variable, a_.add(first_[1], a_.index(static_cast<std::int64_t>(j))));
          std::vector<stmt_ref> one;
          const expr_ref sum = kept(sums[k][j], one);
          std::vector<expr_ref> place;
          for (const computation::axis& e : c_.axes) place.push_back(a_.substitute(e.variable, at));
          const auto put = [&](std::int64_t to, expr_ref value) {
            const expr_ref of_sum = a_.rewrite(value, [&](expr_ref e) { return e == p_.sum ? sum : nullptr; });
            one.push_back(make_stmt(store{to, place, a_.substitute(of_sum, at), a_.boolean(true)}));
          };
          for (const computation::result& r : c_.also) put(r.buffer, r.value);
          put(c_.output, c_.value);
          const stmt_ref s = make_block(std::move(one));
          list.push_back(whole ? s : make_stmt(branch{a_.both(inside(0, k), inside(1, j)), s, nullptr}));
        }
      const expr_ref columns = panels_.narrow() ? panels_.columns : width;
      return make_stmt(loop{column, a_.index(0), columns, loop_kind::vectorized, lanes_, make_block(std::move(list))});
    };
    const stmt_ref s = either(a_.both(inside(0, m - 1), inside(1, m - 1)), results);
    return over_tiles(make_stmt(loop{panel, panel_begin_, panel_end_, loop_kind::serial, 1, s}));
  }

  computation& c_;
  expr_arena& a_;
  const product& p_;
  const filter& f_;
  const machine_model& m_;
  launch& launch_;
  const winograd* w_ = nullptr;
  const bound_indices* place_ = nullptr;  // of a tile
  int lanes_ = 1, height_ = 1, outputs_ = 0, chosen_ = 0;
  extent_t channels_ = 1, columns_ = 1, tiles_per_block_ = 1, panels_per_block_ = 1;
  double cycles_ = 0;
  std::vector<int> outer_;  // axes of images
  panels panels_;
  fused_loop tile_;                  // over the tiles of all images
  std::array<expr_ref, 2> first_{};  // the position of a tile
  std::vector<std::pair<expr_ref, expr_ref>> at_;
  expr_ref begin_ = nullptr, end_ = nullptr, panel_begin_ = nullptr, panel_end_ = nullptr;  // of a unit
  std::int64_t data_ = 0, products_ = 0, weights_ = 0;                                      // buffers
};

}  // namespace

bool schedule_winograd(computation& c, const machine_model& m, launch& l) {
  if (!m.winograd) return false;
  const auto p = match_product(c);
  if (!p) return false;
  const auto f = match_filter(c, *p);
  if (!f) return false;
  builder b(c, *p, *f, m, l);
  if (!b.worthwhile()) return false;
  c.kernel.body = b.build();
  return true;
}

}  // namespace tenon::scheduling
