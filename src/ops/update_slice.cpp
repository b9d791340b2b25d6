#include "tenon/ops/update_slice.hpp"

#include <algorithm>

#include "core/with_dtype.hpp"
#include "ops/copy.hpp"
#include "ops/define.hpp"

namespace tenon {
namespace ir::native {
namespace {

std::int64_t integer_at(const native_operand& o) {
  return with_dtype(o.type, std::int64_t{}, [&](auto d) {
    if constexpr (is_integer(decltype(d)::value))
      return static_cast<std::int64_t>(*static_cast<const stored_t<decltype(d)::value>*>(o.data));
    else
      return std::int64_t{};
  });
}

void run_update(const native_call& c) {
  const native_operand &x = c.in[0], &y = c.in[1], &out = c.out[0];
  const int size = size_of(x.type), given = static_cast<const first_axis_attrs*>(c.attrs)->axis;
  const int axis = given < 0 ? given + x.shape.rank : given;
  if (out.data != x.data) copy_block(x.shape, size, block_of(out), block_of(x));
  const std::int64_t first = std::min(std::max<std::int64_t>(integer_at(c.in[2]), 0), x.shape[axis] - y.shape[axis]);
  copy_block(y.shape, size, block_of(out, first * out.strides[axis]), block_of(y));
}

}  // namespace

template <>
struct override_of<ops::update_slice_op> : function_override<run_update> {};

}  // namespace ir::native
}  // namespace tenon

namespace tenon::ops {

template <>
struct meaning<slice_at_op> : slice_at_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis;
    I x = i;
    x[axis] = i[axis] + first_of(c, 1, c.extent(0, axis), c.out_extent(axis));
    return c.load(0, x);
  }
};
template <>
struct meaning<update_slice_op> : update_slice_op {
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
    I rows;
    for (int d = 0; d + 1 < rank; ++d) rows.push_back(p.extent(1, d));
    p.outer(rows, [&](const I& row) {
      const auto first = p.local_index(first_of(p, 2, p.extent(0, axis), p.extent(1, axis))).get();
      p.lanes(p.to_index(0), p.extent(1, rank - 1), [&](const typename P::index& t) {
        I from = row;
        from.push_back(t);
        I to = from;
        to[axis] = from[axis] + first;
        p.store(0, to, p.load(1, from));
      });
    });
  }
};

}  // namespace tenon::ops

TENON_DEFINE(slice_at_op)
TENON_DEFINE(update_slice_op)
