// Maps that read something along another axis than they write: by tiles of both axes, transposed in registers.
//   parallel: the other axes, blocks of `across`, blocks of the last axis
//     for tiles of `across` in the block
//       vectorized: lanes along the last axis
//         unrolled: tile[u] = load at across = first + u          (becomes vectors along `across`, transposed)
//         for u: result[.., first + u, .., last] = value, with tile[u] for the load
// What is left of a block is read as the last whole tile of the axis, of which the last rows are used.
#include <algorithm>
#include <bit>

#include "schedule/rules.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

// Elements of a block along each axis. A block whose result goes past the caches is one vector wide: its lanes read
// their rows on and on, and each line of the result is written whole and once.
constexpr std::int64_t block_extent = 256, streamed_across = 1024;
constexpr int line_bytes = 64;
// Rows of a tile: as many registers hold it where a row fills one.
constexpr int most_rows = 32;

class tiles {
 public:
  tiles(computation& c, const machine_model& m) : c_(c), a_(c.kernel.make()), m_(m) {}

  bool schedule() {
    for (const computation::axis& x : c_.axes)
      if (x.variable->is(expr_kind::variable)) axes_.push_back(&x);
    if (axes_.size() < 2) return false;
    last_ = axes_.back();
    if (!find_loads()) return false;
    const extent_t lanes = vector_lanes();
    const int result_bytes = size_of(c_.kernel.buffers[static_cast<std::size_t>(c_.output)].type);
    double bytes = result_bytes;
    for (const computation::axis* x : axes_) bytes *= static_cast<double>(c_.at_least(x->extent));
    streamed_ = bytes >= static_cast<double>(streamed_from) && last_->size * result_bytes >= line_bytes;
    width_ = streamed_ ? line_bytes / result_bytes : tile_extent(lanes, last_->size);
    count_ = static_cast<int>(std::bit_floor(static_cast<std::uint64_t>(std::min(lanes, across_->size))));
    if (width_ < 2 || count_ < 2) return false;
    c_.kernel.body = build();
    return true;
  }

 private:
  // Strides of a load in two variables; not ok where its address is no affine function of them.
  affine_form strides(expr_ref load, expr_ref u, expr_ref v) {
    const expr_ref variables[] = {u, v};
    return affine(a_, linear_index(a_, c_.kernel.buffers[static_cast<std::size_t>(load->payload)], load->indices()),
                  variables);
  }
  // The axis that the first such load has unit stride along, and all that have it along the same.
  bool find_loads() {
    const std::vector<expr_ref> all = post_order(std::span(&c_.value, 1));
    for (expr_ref e : all) {
      if (e->is(expr_kind::reduce)) return false;
      if (e->is(expr_kind::apply) && !e->is(prim::cast) && !is_index(e)) ++operations_;
    }
    for (expr_ref e : all) {
      if (!e->is(expr_kind::load)) continue;
      for (const computation::axis* x : axes_) {
        if (x == last_ || (across_ && x != across_)) continue;
        const affine_form f = strides(e, x->variable, last_->variable);
        // Shuffles read every second to fourth element of a row.
        if (!f.ok || !f.coefficients[0]->is_constant(1) || small(f.coefficients[1])) continue;
        across_ = x;
        loads_.push_back(e);
        break;
      }
    }
    return across_;
  }
  static bool is_index(expr_ref e) { return e->is_index || e->type == b8; }
  static bool small(expr_ref stride) {
    return stride->is(expr_kind::constant) && stride->payload >= -1 && stride->payload <= 4;
  }

  // Of a map that only moves: as many as a register holds. Else as many as it computes.
  extent_t vector_lanes() const {
    int bytes = size_of(c_.kernel.buffers[static_cast<std::size_t>(c_.output)].type);
    for (expr_ref e : loads_) bytes = std::max(bytes, size_of(e->type));
    return operations_ ? lanes_for(c_, m_) : std::min(m_.vector_bits / 8 / bytes, most_rows);
  }
  static int tile_extent(extent_t lanes, extent_t size) {
    const auto needed = static_cast<std::uint64_t>(std::clamp<extent_t>(size, 1, lanes));
    return static_cast<int>(std::bit_ceil(needed));
  }

  stmt_ref build() {
    std::vector<const computation::axis*> others;
    std::vector<expr_ref> extents;
    for (const computation::axis* x : axes_)
      if (x != across_ && x != last_) others.push_back(x), extents.push_back(x->extent);
    const std::int64_t block_across = streamed_ ? streamed_across : block_extent;
    const std::int64_t block_last = streamed_ ? width_ : block_extent;
    const auto blocks = [&](expr_ref extent, std::int64_t size) {
      return a_.div(a_.add(extent, a_.index(size - 1)), a_.index(size));
    };
    extents.push_back(blocks(across_->extent, block_across));
    extents.push_back(blocks(last_->extent, block_last));
    const fused_loop f = fuse_loops(a_, extents);
    const auto range = [&](const computation::axis& x, expr_ref number, std::int64_t size) {
      const expr_ref begin = a_.mul(number, a_.index(size));
      return std::pair(begin, a_.min(a_.add(begin, a_.index(size)), x.extent));
    };
    const auto [begin, end] = range(*across_, f.indices[others.size()], block_across);
    last_range_ = range(*last_, f.indices[others.size() + 1], block_last);
    std::vector<stmt_ref> list;
    const expr_ref count = a_.index(count_), tile = a_.fresh_variable();
    const expr_ref whole = a_.div(a_.sub(end, begin), count);
    const expr_ref first = a_.add(begin, a_.mul(tile, count)), rest = a_.add(begin, a_.mul(whole, count));
    list.push_back(make_stmt(loop{tile, a_.index(0), whole, loop_kind::serial, 1, rows(first, first, count)}));
    const stmt_ref shifted = rows(a_.sub(across_->extent, count), rest, a_.sub(end, rest));
    // A number is what it was at this call: not below the tile's.
    const expr_ref narrow = a_.less(across_->extent, count);
    const stmt_ref left = narrow->is(expr_kind::constant)
                              ? shifted
                              : make_stmt(branch{narrow, rows(nullptr, rest, a_.sub(end, rest)), shifted});
    if (!a_.mod(across_->extent, count)->is_constant(0))
      list.push_back(make_stmt(branch{a_.less(rest, end), left, nullptr}));
    std::vector<std::pair<expr_ref, expr_ref>> at;
    for (std::size_t d = 0; d < others.size(); ++d) at.emplace_back(others[d]->variable, f.indices[d]);
    const stmt_ref body =
        map_all_operands(make_block(std::move(list)), [&](expr_ref e) { return a_.substitute(e, at); });
    return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, body});
  }

  // `rows` rows from `first` across, over the block's part of the last axis, out of the tile that begins at `from`, or,
  // where that is null, element by element.
  stmt_ref rows(expr_ref from, expr_ref first, expr_ref rows) {
    std::vector<stmt_ref> list;
    std::unordered_map<expr_ref, expr_ref> of;
    const expr_ref count = a_.index(count_), row = a_.fresh_variable();
    const auto placed = [&](expr_ref e, expr_ref at) {
      const std::pair<expr_ref, expr_ref> by[] = {{across_->variable, at}};
      return a_.substitute(e, by);
    };
    for (expr_ref e : loads_) {
      if (!from) break;
      const std::string name = "tile" + std::to_string(++tiles_);
      const std::int64_t tile = c_.kernel.add_buffer(name, e->type, scope::local, {count});
      const expr_ref u = a_.fresh_variable(), in_tile = a_.add(row, a_.sub(first, from));
      const stmt_ref read = make_stmt(store{tile, {u}, placed(e, a_.add(from, u)), a_.boolean(true)});
      list.push_back(make_stmt(declare{tile}));
      list.push_back(make_stmt(loop{u, a_.index(0), count, loop_kind::unrolled, 1, read}));
      of[e] = a_.load(e->type, tile, std::span(&in_tile, 1));
    }
    const expr_ref at = a_.add(first, row);
    std::vector<expr_ref> point;
    for (const computation::axis& x : c_.axes) point.push_back(placed(x.variable, at));
    // Tiles first: they are found by the loads as they were.
    const expr_ref value = placed(with_tiles(of), at);
    list.push_back(make_stmt(loop{row, a_.index(0), rows, loop_kind::serial, 1,
                                  make_stmt(store{c_.output, point, value, a_.boolean(true), streamed_})}));
    // Each tile has a loop variable of its own.
    const expr_ref lane = a_.fresh_variable();
    const std::pair<expr_ref, expr_ref> own[] = {{last_->variable, lane}};
    const stmt_ref body =
        map_all_operands(make_stmt(block{std::move(list)}), [&](expr_ref e) { return a_.substitute(e, own); });
    return make_stmt(loop{lane, last_range_.first, last_range_.second, loop_kind::vectorized, width_, body});
  }
  expr_ref with_tiles(const std::unordered_map<expr_ref, expr_ref>& of) {
    return a_.rewrite(c_.value, [&](expr_ref e) {
      const auto i = of.find(e);
      return i == of.end() ? nullptr : i->second;
    });
  }

  computation& c_;
  expr_arena& a_;
  const machine_model& m_;
  std::vector<const computation::axis*> axes_;
  const computation::axis *last_ = nullptr, *across_ = nullptr;
  std::vector<expr_ref> loads_;
  std::int64_t operations_ = 0;
  bool streamed_ = false;  // whole lines, past the caches
  int width_ = 0, count_ = 0, tiles_ = 0;
  std::pair<expr_ref, expr_ref> last_range_;
};

}  // namespace

bool schedule_transpose(computation& c, const machine_model& m) { return tiles(c, m).schedule(); }

}  // namespace tenon::scheduling
