#include "tenon/ops/relabel.hpp"

#include <fmt/format.h>

#include "ops/copy.hpp"
#include "ops/define.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ops {

template <std::derived_from<relabel_op> Op>
struct meaning<Op> : Op {
  static constexpr bool is_view = true;  // no kernel is needed
  template <class C, class I>
  static auto compute(C& c, const auto&, const I& i) {
    // Equal extents at the front and at the back keep their index; only what is between them goes through a row-major
    // position. Extents of 1 do not take part.
    int in[dims::max_rank]{}, out[dims::max_rank]{}, n = 0, m = 0;
    for (int d = 0; d < c.rank(0); ++d)
      if (!c.same(c.extent(0, d), c.to_index(1))) in[n++] = d;
    for (int d = 0; d < c.out_rank(); ++d)
      if (!c.same(c.out_extent(d), c.to_index(1))) out[m++] = d;
    I x;
    for (int d = 0; d < c.rank(0); ++d) x.push_back(c.to_index(0));
    int front = 0;
    for (; front < n && front < m && c.same(c.extent(0, in[front]), c.out_extent(out[front])); ++front)
      x[in[front]] = i[out[front]];
    for (; n > front && m > front && c.same(c.extent(0, in[n - 1]), c.out_extent(out[m - 1])); --n, --m)
      x[in[n - 1]] = i[out[m - 1]];
    auto position = c.to_index(0);
    for (int d = front; d < m; ++d) position = position * c.out_extent(out[d]) + i[out[d]];
    for (int d = n - 1; d > front; --d) {
      x[in[d]] = position % c.extent(0, in[d]);
      position = position / c.extent(0, in[d]);
    }
    if (n > front) x[in[front]] = position;
    return c.load(0, x);
  }
};
template <>
struct meaning<transpose_op> : transpose_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int rank = c.rank(0);
    I x;
    for (int k = 0; k < rank; ++k)  // axis k of the operand is the one that some axis of the result takes
      for (int d = 0; d < i.size; ++d)
        if (source(at, rank, d) == k) x.push_back(i[d]);
    return c.load(0, x);
  }
};
template <>
struct meaning<broadcast_to_op> : broadcast_to_op {
  template <class C, class I>
  static auto compute(C& c, const attrs&, const I& i) {
    I x;
    const int lead = c.out_rank() - c.rank(0);
    for (int d = 0; d < c.rank(0); ++d) {
      const auto extent = c.extent(0, d), out = c.out_extent(lead + d);
      x.push_back(c.same(extent, out)             ? i[lead + d]
                  : c.same(extent, c.to_index(1)) ? c.to_index(0)
                                                  : c.select(extent == c.to_index(1), c.to_index(0), i[lead + d]));
    }
    return c.load(0, x);
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {
namespace {

/// The same elements in row-major order under other extents: copied in the operand's order, since the result is
/// contiguous; where it is not, element by element through the definition.
template <class Op, dtype D>
void relabel(const native_call& c) {
  const native_operand &x = c.in[0], &y = c.out[0];
  extent_t s = 1;
  for (int d = y.shape.rank - 1; d >= 0; --d) {
    if (y.shape[d] != 1 && y.strides[d] != s) return compute_all<Op, D, D>(c);
    s *= y.shape[d];
  }
  strided_block to = block_of(y);
  s = 1;
  for (int d = x.shape.rank - 1; d >= 0; --d) {
    to.strides[d] = s;
    s *= x.shape[d];
  }
  copy_block(x.shape, size_of(x.type), to, block_of(x));
}
template <class Op>
struct relabel_override {
  static native_fn choose(const typename Op::attrs&, detail::dtypes t) {
    switch (bits_type(t[0])) {
      case u8:
        return relabel<Op, u8>;
      case u16:
        return relabel<Op, u16>;
      case u32:
        return relabel<Op, u32>;
      default:
        return relabel<Op, u64>;
    }
  }
};

void run_transpose(const native_call& c) {
  strided_block from = block_of(c.in[0]);
  const int rank = c.in[0].shape.rank;
  for (int d = 0; d < rank; ++d)
    from.strides[d] = c.in[0].strides[ops::transpose_op::source(attrs_of<ops::transpose_op>(c), rank, d)];
  copy_from(c, from);
}
void run_broadcast(const native_call& c) {
  const native_operand& x = c.in[0];
  strided_block from = block_of(x);
  const int lead = c.out[0].shape.rank - x.shape.rank;
  for (int d = 0; d < c.out[0].shape.rank; ++d)
    from.strides[d] = d < lead || x.shape[d - lead] == 1 ? 0 : x.strides[d - lead];
  copy_from(c, from);
}
}  // namespace

template <>
struct override_of<ops::reshape_op> : relabel_override<ops::reshape_op> {};
template <>
struct override_of<ops::flatten_op> : relabel_override<ops::flatten_op> {};
template <>
struct override_of<ops::squeeze_op> : relabel_override<ops::squeeze_op> {};
template <>
struct override_of<ops::unsqueeze_op> : relabel_override<ops::unsqueeze_op> {};
template <>
struct override_of<ops::transpose_op> : function_override<run_transpose> {};
template <>
struct override_of<ops::broadcast_to_op> : function_override<run_broadcast> {};

}  // namespace tenon::ir::native

namespace tenon::detail {

dims attribute_dims(const extents& e, std::string_view op) {
  if (e.size > dims::max_rank)
    throw argument_error(fmt::format("{}: {} extents, the rank is at most {}", op, e.size, dims::max_rank));
  dims d;
  for (extent_t x : e) d.push_back(x);
  return d;
}

}  // namespace tenon::detail

TENON_DEFINE(reshape_op)
TENON_DEFINE(flatten_op)
TENON_DEFINE(squeeze_op)
TENON_DEFINE(unsqueeze_op)
TENON_DEFINE(transpose_op)
TENON_DEFINE(broadcast_to_op)
