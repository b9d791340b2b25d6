// Sums of products on the tile contraction: a register tile over one row axis and one column axis, everything else in
// one parallel loop.
#include <algorithm>

#include "schedule/rules.hpp"

namespace tenon::schedule {

using namespace ir;
namespace {

expr_ref without_cast(expr_ref e) { return e->is(prim::cast) ? e->operands[0] : e; }

struct operand {
  expr_ref value;                         // as it stands in the product
  std::vector<expr_ref> axis, reduction;  // strides in elements
};

struct product {
  expr_ref sum = nullptr;
  operand a, b;  // a is broadcast along columns, b has unit stride in them
  int row = -1, column = -1;
};

class matcher {
 public:
  explicit matcher(computation& c) : c_(c), a_(c.kernel.make()) {}

  bool match(product& p) {
    const expr_ref roots[] = {c_.value};
    for (expr_ref e : post_order(roots)) {
      if (!e->is(expr_kind::reduce)) continue;
      if (p.sum || e->reducer() != reducer::sum) return false;
      p.sum = e;
    }
    if (!p.sum || !p.sum->body()->is(prim::mul)) return false;
    for (const computation::axis& x : c_.axes)
      if (x.variable->is(expr_kind::variable)) variables_.push_back(x.variable);
    loops_ = p.sum->loops();
    for (int i = 0; i < loops_; ++i) variables_.push_back(p.sum->loop_variable(i));
    operand x, y;
    if (!strides(p.sum->body()->operands[0], x) || !strides(p.sum->body()->operands[1], y)) return false;
    return columns(p, x, y) || columns(p, y, x);
  }

 private:
  bool strides(expr_ref value, operand& o) {
    const expr_ref load = without_cast(value);
    if (!load->is(expr_kind::load) || !load->mask()->is_true()) return false;
    o.value = value;
    const affine_form f = affine(a_, linear_index(a_, c_.kernel.buffers[load->payload], load->indices()), variables_);
    if (!f.ok) return false;
    std::size_t next = 0;
    for (const computation::axis& x : c_.axes)
      o.axis.push_back(x.variable->is(expr_kind::variable) ? f.coefficients[next++] : a_.index(0));
    o.reduction.assign(f.coefficients.end() - loops_, f.coefficients.end());
    return true;
  }

  // A column axis: unit stride in `b` and in the result, absent from `a`. Then a row axis: in `a`, not in `b`.
  bool columns(product& p, const operand& a, const operand& b) {
    const int rank = static_cast<int>(c_.axes.size());
    for (int j = rank - 1; j >= 0; --j) {
      if (c_.axes[j].size == 1 || !b.axis[j]->is_constant(1) || !a.axis[j]->is_constant(0) || !stored_densely(j))
        continue;
      p.a = a;
      p.b = b;
      p.column = j;
      for (int i = rank - 1; i >= 0; --i)
        if (i != j && c_.axes[i].size > 1 && !a.axis[i]->is_constant(0) && b.axis[i]->is_constant(0) &&
            (p.row < 0 || c_.axes[i].size > c_.axes[p.row].size))
          p.row = i;
      return true;
    }
    return false;
  }
  bool stored_densely(int axis) {
    const buffer& y = c_.kernel.buffers[c_.output];
    if (!y.strides.empty()) return y.strides[axis]->is_constant(1);
    for (std::size_t d = axis + 1; d < c_.axes.size(); ++d)
      if (c_.axes[d].size != 1) return false;
    return true;
  }

  computation& c_;
  expr_arena& a_;
  std::vector<expr_ref> variables_;
  int loops_ = 0;
};

// Rows of the register tile by the vectors across it. AVX-512: 12x2 leaves registers for B and broadcasts (measured:
// 95% of the peak); 16 registers hold 6x2, without fma 4x2.
int tile_height(const machine_model& m, int vectors) {
  if (m.registers >= 32) return vectors <= 2 ? 12 : 6;
  if (m.vector_bits >= 256) return vectors == 1 ? 10 : 6;
  return vectors == 1 ? 8 : 4;
}

// Both tails are shifted inwards: the last tile begins so that it ends at the edge, and computes some elements a second
// time, to the same bits. So a kernel holds one tile, whole, and compiles in the time of one.
class builder {
 public:
  builder(computation& c, const product& p, const machine_model& m) : c_(c), a_(c.kernel.make()), p_(p) {
    const int lanes = m.vector_bits / 8 / size_of(p.sum->type);
    columns_ = c.axes[p.column].size;
    const int most = p.row < 0 ? 4 : 2;
    const int vectors = static_cast<int>(std::clamp<extent_t>((columns_ + lanes - 1) / lanes, 1, most));
    width_ = vectors * lanes;
    if (p.row < 0) return;
    // Balanced: 13 rows are two tiles of 7, not one of 12 and one of 1.
    const extent_t rows = c.axes[p.row].size, highest = tile_height(m, vectors);
    const extent_t tiles = (rows + highest - 1) / highest;
    height_ = static_cast<int>((rows + tiles - 1) / tiles);
  }

  stmt_ref build() {
    // Column tiles outside row tiles: the panel of b stays in cache while rows go by.
    std::vector<expr_ref> extents;
    std::vector<int> outer;
    for (int d = 0; d < static_cast<int>(c_.axes.size()); ++d)
      if (d != p_.row && d != p_.column && c_.axes[d].size != 1) {
        outer.push_back(d);
        extents.push_back(c_.axes[d].extent);
      }
    const expr_ref column_extent = c_.axes[p_.column].extent;
    const expr_ref row_extent = p_.row < 0 ? a_.index(1) : c_.axes[p_.row].extent;
    const bool narrow = columns_ <= width_;  // one column tile, masked unless it fits exactly
    extents.push_back(narrow ? a_.index(1) : tiles(column_extent, width_));
    extents.push_back(tiles(row_extent, height_));
    const fused_loop f = fuse_loops(a_, extents);
    for (std::size_t i = 0; i < outer.size(); ++i) replaced_.emplace_back(c_.axes[outer[i]].variable, f.indices[i]);
    const expr_ref first_column = narrow ? a_.index(0) : first(f.indices[outer.size()], column_extent, width_);
    const expr_ref first_row = first(f.indices[outer.size() + 1], row_extent, height_);
    return make_stmt(loop{f.variable, a_.index(0), f.extent, loop_kind::parallel, 1, tile(first_row, first_column)});
  }

 private:
  expr_ref tiles(expr_ref extent, int size) {
    return size == 1 ? extent : a_.div(a_.add(extent, a_.index(size - 1)), a_.index(size));
  }
  expr_ref first(expr_ref tile, expr_ref extent, int size) {
    if (size == 1) return tile;
    return a_.min(a_.mul(tile, a_.index(size)), a_.sub(extent, a_.index(size)));
  }

  stmt_ref tile(expr_ref first_row, expr_ref first_column) {
    contraction t;
    t.row = a_.fresh_variable();
    t.column = a_.fresh_variable();
    t.tile_rows = height_;
    t.tile_columns = width_;
    // A narrow tile's width is compiled in, so there is one path: masked or not.
    t.columns = a_.index(std::min<extent_t>(columns_, width_));
    t.accumulator = a_.fresh_accumulator(p_.sum->type);
    auto at = replaced_;
    at.emplace_back(c_.axes[p_.column].variable, a_.add(first_column, t.column));
    if (p_.row >= 0) at.emplace_back(c_.axes[p_.row].variable, a_.add(first_row, t.row));
    // The longest reduction loop is the innermost: short windows are loops around it.
    std::vector<int> order(static_cast<std::size_t>(p_.sum->loops()));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
    auto extent = [&](int x) { return c_.at_call(p_.sum->loop_extent(x)); };
    std::sort(order.begin(), order.end(),
              [&](int x, int y) { return std::pair(extent(x), x) < std::pair(extent(y), y); });
    for (int i : order) {
      const expr_ref v = a_.fresh_variable();
      at.emplace_back(p_.sum->loop_variable(i), v);
      t.reduction.push_back({v, p_.sum->loop_extent(i)});
    }
    t.a = a_.substitute(p_.a.value, at);
    t.b = a_.substitute(p_.b.value, at);
    t.buffer = c_.output;
    for (const computation::axis& x : c_.axes) t.indices.push_back(a_.substitute(x.variable, at));
    const expr_ref in_terms_of_sum =
        a_.rewrite(c_.value, [&](expr_ref e) { return e == p_.sum ? t.accumulator : nullptr; });
    t.value = a_.substitute(in_terms_of_sum, at);
    return make_stmt(std::move(t));
  }

  computation& c_;
  expr_arena& a_;
  const product& p_;
  extent_t columns_ = 0;
  int width_ = 0, height_ = 1;
  std::vector<std::pair<expr_ref, expr_ref>> replaced_;
};

}  // namespace

bool schedule_contraction(computation& c, const machine_model& m) {
  product p;
  if (!matcher(c).match(p)) return false;
  c.kernel.body = builder(c, p, m).build();
  return true;
}

}  // namespace tenon::schedule
