#include "tenon/ops/matmul.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/growing.hpp"
#include "ops/define.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {
namespace {

/// The operand's index for result index `i`: 0 where its extent is 1 and the result's may be another.
template <class C, class X>
X broadcast_index(C& c, const X& extent, const X& out_extent, const X& i) {
  if (c.same(extent, out_extent)) return i;
  if (c.same(extent, c.to_index(1))) return c.to_index(0);
  return c.select(extent == c.to_index(1), c.to_index(0), i);
}

}  // namespace

template <>
struct meaning<matmul_op> : matmul_op {
  template <class C, class I>
  static auto compute(C& c, const attrs&, const I& i) {
    const int ra = c.rank(0), rb = c.rank(1), lead = c.out_rank() - (ra > 1) - (rb > 1);
    I a, b;
    for (int d = 0; d < lead; ++d) {
      if (const int at = d - (lead - (ra - 2)); ra > 2 && at >= 0)
        a.push_back(broadcast_index(c, c.extent(0, at), c.out_extent(d), i[d]));
      if (const int at = d - (lead - (rb - 2)); rb > 2 && at >= 0)
        b.push_back(broadcast_index(c, c.extent(1, at), c.out_extent(d), i[d]));
    }
    if (ra > 1) a.push_back(i[lead]);
    return c.reduce(C::reducer::sum, I{c.extent(0, ra - 1)}, [&](const I& k) {
      I x = a, y = b;
      x.push_back(k[0]);
      y.push_back(k[0]);
      if (rb > 1) y.push_back(i[lead + (ra > 1)]);
      const auto left = c.load_wide(0, x);  // in this order with every compiler: operands are named by their first use
      return left * c.load_wide(1, y);
    });
  }
};
template <>
struct meaning<einsum_op> : einsum_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    outcome o;
    const einsum_terms t(o, at);
    I extents;
    for (int r = 0; r < t.reduced.rank; ++r) {
      for (int k = 0; k < t.operands; ++k)
        if (const int d = t.in[k].find(t.reduced.letters[r]); d >= 0) {
          extents.push_back(c.extent(k, d));
          break;
        }
    }
    return c.reduce(C::reducer::sum, extents, [&](const I& r) {
      auto indices = [&](int k) {
        I x;
        for (int d = 0; d < t.in[k].rank; ++d) {
          const int in_out = t.out.find(t.in[k].letters[d]);
          x.push_back(in_out >= 0 ? i[in_out] : r[t.reduced.find(t.in[k].letters[d])]);
        }
        return x;
      };
      auto product = c.load_wide(0, indices(0));
      for (int k = 1; k < t.operands; ++k) product = product * c.load_wide(k, indices(k));
      return product;
    });
  }
};

}  // namespace tenon::ops

namespace tenon {
std::string_view einsum_attrs::view() const {
  return {spec, static_cast<std::size_t>(size < capacity ? size : capacity)};
}
}  // namespace tenon

namespace tenon::ir::native {
namespace {

// A register tile of rows x columns, both operands packed into panels of the accumulator's type: 4 x 8 are eight
// registers of four floats.
constexpr int tile_rows = 4, tile_columns = 8;
constexpr extent_t depth_block = 256;

template <class W>
struct tile {
  W v[tile_rows][tile_columns];
};
/// Integers wrap: they are multiplied and added as unsigned.
template <class W>
using arithmetic_of = std::conditional_t<std::is_integral_v<W>, std::make_unsigned<W>, std::type_identity<W>>::type;

/// sum over k of a[k][rows] * b[k][columns], added to `t`.
template <class W>
void multiply_panels(const W* __restrict a, const W* __restrict b, extent_t depth, W* __restrict t) {
  typedef W row __attribute__((vector_size(tile_columns * sizeof(W)), aligned(alignof(W))));
  row sum[tile_rows];
  std::memcpy(sum, t, sizeof sum);
  for (extent_t k = 0; k < depth; ++k) {
    const row& right = *reinterpret_cast<const row*>(b + k * tile_columns);
    for (int i = 0; i < tile_rows; ++i) sum[i] += a[k * tile_rows + i] * right;
  }
  std::memcpy(t, sum, sizeof sum);
}

struct matrix {
  const void* data;
  extent_t row, column;  ///< strides in elements
};

template <dtype D, class W, class S = stored_t<D>>
W element(const S* p) {
  return static_cast<W>(convert<accumulator_t<D>>(from_stored(*p)));
}

/// One product [m, k] x [k, n]; `out` with strides.
template <dtype D, dtype E, dtype O>
void multiply(extent_t m, extent_t n, extent_t k, matrix a, matrix b, void* out, extent_t out_row,
              extent_t out_column) {
  using W = arithmetic_of<accumulator_t<D>>;
  using V = accumulator_t<D>;
  const extent_t row_tiles = (m + tile_rows - 1) / tile_rows;
  // All rows of the left operand for one block of the depth, then panels of the right one, one after another.
  const extent_t deepest = std::min(k, depth_block);
  const std::unique_ptr<W[]> left(new W[static_cast<std::size_t>(row_tiles * tile_rows * deepest + 1)]);
  const std::unique_ptr<W[]> right(new W[static_cast<std::size_t>(tile_columns * deepest + 1)]);
  const bool several = k > depth_block;
  // Between blocks of the depth the sums wait in the accumulator's type.
  const std::unique_ptr<W[]> sums(several ? new W[static_cast<std::size_t>(m * n)]() : nullptr);
  const auto* const pa = static_cast<const stored_t<D>*>(a.data);
  const auto* const pb = static_cast<const stored_t<E>*>(b.data);
  auto* to = static_cast<stored_t<O>*>(out);
  extent_t k0 = 0;
  do {
    const extent_t depth = std::min(depth_block, k - k0);
    const bool last = k0 + depth >= k;
    for (extent_t t = 0; t < row_tiles; ++t)
      for (extent_t r = 0; r < depth; ++r)
        for (int i = 0; i < tile_rows; ++i) {
          const extent_t row = t * tile_rows + i;
          left[t * tile_rows * depth + r * tile_rows + i] =
              row < m ? element<D, W>(pa + row * a.row + (k0 + r) * a.column) : W(0);
        }
    for (extent_t j = 0; j < n; j += tile_columns) {
      const int columns = static_cast<int>(std::min<extent_t>(tile_columns, n - j));
      for (extent_t r = 0; r < depth; ++r) {
        const auto* p = pb + (k0 + r) * b.row + j * b.column;
        W* q = right.get() + r * tile_columns;
        for (int c = 0; c < columns; ++c) q[c] = element<E, W>(p + c * b.column);
        for (int c = columns; c < tile_columns; ++c) q[c] = W(0);
      }
      for (extent_t t = 0; t < row_tiles; ++t) {
        tile<W> sum{};
        const int rows = static_cast<int>(std::min<extent_t>(tile_rows, m - t * tile_rows));
        if (k0 > 0)
          for (int i = 0; i < rows; ++i)
            for (int c = 0; c < columns; ++c) sum.v[i][c] = sums[(t * tile_rows + i) * n + j + c];
        multiply_panels(left.get() + t * tile_rows * depth, right.get(), depth, &sum.v[0][0]);
        for (int i = 0; i < rows; ++i) {
          const extent_t row = t * tile_rows + i;
          for (int c = 0; c < columns; ++c) {
            if (last)
              to[row * out_row + (j + c) * out_column] = to_stored<stored_t<O>>(static_cast<V>(sum.v[i][c]));
            else
              sums[row * n + j + c] = sum.v[i][c];
          }
        }
      }
    }
    k0 += depth;
  } while (k0 < k);
}

template <dtype D, dtype E, dtype O>
void run_matmul(const native_call& c) {
  const native_operand &a = c.in[0], &b = c.in[1], &y = c.out[0];
  const int ra = a.shape.rank, rb = b.shape.rank;
  const extent_t m = ra > 1 ? a.shape[ra - 2] : 1, k = a.shape[ra - 1], n = rb > 1 ? b.shape[rb - 1] : 1;
  const int lead = y.shape.rank - (ra > 1) - (rb > 1);
  if (y.shape.count() == 0) return;
  matrix left{nullptr, ra > 1 ? a.strides[ra - 2] : 0, a.strides[ra - 1]};
  matrix right{nullptr, b.strides[rb > 1 ? rb - 2 : 0], rb > 1 ? b.strides[rb - 1] : 0};
  const extent_t out_row = ra > 1 ? y.strides[lead] : 0, out_column = rb > 1 ? y.strides[lead + (ra > 1)] : 0;
  index_list<extent_t> batch;
  for (int d = 0; d < lead; ++d) batch.push_back(y.shape[d]);
  for_each_index(batch, [&](const index_list<extent_t>& i) {
    extent_t at_a = 0, at_b = 0, at_y = 0;
    for (int d = 0; d < lead; ++d) {
      at_y += i[d] * y.strides[d];
      if (const int e = d - (lead - (ra - 2)); ra > 2 && e >= 0 && a.shape[e] != 1) at_a += i[d] * a.strides[e];
      if (const int e = d - (lead - (rb - 2)); rb > 2 && e >= 0 && b.shape[e] != 1) at_b += i[d] * b.strides[e];
    }
    left.data = static_cast<const stored_t<D>*>(a.data) + at_a;
    right.data = static_cast<const stored_t<E>*>(b.data) + at_b;
    multiply<D, E, O>(m, n, k, left, right, static_cast<stored_t<O>*>(y.data) + at_y, out_row, out_column);
  });
}

/// Each result element as one strided walk over the letters that are summed.
template <dtype D, dtype O>
void run_einsum(const native_call& c) {
  using N = num<accumulator_t<D>>;
  using S = stored_t<D>;
  detail::outcome o;
  const ops::einsum_terms terms(o, *static_cast<const einsum_attrs*>(c.attrs));
  const native_operand& y = c.out[0];
  const int kept = terms.out.rank, summed = terms.reduced.rank;
  extent_t extents[2][dims::max_rank]{}, strides[3][2][dims::max_rank]{};
  for (int k = 0; k < c.inputs; ++k)
    for (int d = 0; d < terms.in[k].rank; ++d) {
      const char letter = terms.in[k].letters[d];
      const int side = terms.out.find(letter) < 0, at = side ? terms.reduced.find(letter) : terms.out.find(letter);
      extents[side][at] = c.in[k].shape[d];
      strides[k][side][at] += c.in[k].strides[d];
    }
  index_list<extent_t> out_extents, outer;
  for (int d = 0; d < kept; ++d) out_extents.push_back(extents[0][d]);
  for (int d = 0; d + 1 < summed; ++d) outer.push_back(extents[1][d]);
  const extent_t inner = summed ? extents[1][summed - 1] : 1;
  auto* to = static_cast<stored_t<O>*>(y.data);
  for_each_index(out_extents, [&](const index_list<extent_t>& i) {
    const S* base[3]{};
    for (int k = 0; k < c.inputs; ++k) {
      base[k] = static_cast<const S*>(c.in[k].data);
      for (int d = 0; d < kept; ++d) base[k] += i[d] * strides[k][0][d];
    }
    N all = identity_of<accumulator_t<D>>(reducer::sum);
    for_each_index(outer, [&](const index_list<extent_t>& r) {
      const S* p[3]{};
      extent_t step[3]{};
      for (int k = 0; k < c.inputs; ++k) {
        p[k] = base[k];
        for (int d = 0; d < r.size; ++d) p[k] += r[d] * strides[k][1][d];
        step[k] = summed ? strides[k][1][summed - 1] : 0;
      }
      for (extent_t e = 0; e < inner; ++e) {
        N product = N(element<D, accumulator_t<D>>(p[0] + e * step[0]));
        for (int k = 1; k < c.inputs; ++k) product = product * N(element<D, accumulator_t<D>>(p[k] + e * step[k]));
        all = all + product;
      }
    });
    to[offset_of(y, i)] = to_stored<stored_t<O>>(all.v);
  });
}

}  // namespace

template <>
struct override_of<ops::matmul_op> {
  static native_fn choose(const no_attrs&, detail::dtypes t) {
    if (t[0] != t[1]) return t[0] == u8 ? run_matmul<u8, i8, i32> : run_matmul<i8, u8, i32>;
    return with_dtype(t[0], native_fn{}, [](auto d) -> native_fn {
      constexpr dtype D = decltype(d)::value;
      if constexpr (D == b8)
        return nullptr;
      else
        return run_matmul<D, D, types_for<ops::matmul_op, D>().out>;
    });
  }
};
template <>
struct override_of<ops::einsum_op> {
  static native_fn choose(const einsum_attrs&, detail::dtypes t) {
    return with_dtype(t[0], native_fn{}, [](auto d) -> native_fn {
      constexpr dtype D = decltype(d)::value;
      if constexpr (D == b8)
        return nullptr;
      else
        return run_einsum<D, types_for<ops::einsum_op, D>().out>;
    });
  }
};

}  // namespace tenon::ir::native

template <>
const tenon::ir::op_def& tenon::detail::definition<tenon::ops::matmul_op>();

namespace tenon::ir {

// Machines multiply bytes without a sign by bytes with one. Before a constant, signed ones are moved by half of their
// range, once for all columns; what that adds to the sums is the constant's own sums, known when they are made:
//   x w = (x + 128) w - 128 sum(w)
template <>
struct legal_form<ops::matmul_op> {
  static node_ref of(const node& n) {
    constexpr extent_t few_rows = 8;  // which are not worth a pass over them
    constexpr int middle = 128;
    const value_type &x = n.operand(0).type, &w = n.operand(1).type;
    if (x.element != i8 || w.element != i8 || n.operand(1).op != &constant_definition()) return {};
    if (x.shape.rank < 2 || w.shape.rank < 2 || detail::at_most(x.shape[x.shape.rank - 2]) < few_rows) return {};
    const any_tensor left(n.operands[0]), right(n.operands[1]);
    const any_tensor moved = cast(any_tensor(cast(left, i32) + middle), u8);
    const any_tensor added = sum(cast(right, i32), {.axes = {-2}, .keep = true}) * middle;
    std::vector<node_ref> made;
    collect(made, any_tensor(matmul(moved, right) - added));
    place(made, n.operands, n.where);
    return made.at(0);
  }
};

}  // namespace tenon::ir

TENON_DEFINE(matmul_op)
TENON_DEFINE(einsum_op)
