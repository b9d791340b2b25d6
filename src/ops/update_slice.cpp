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
struct override_of<ops::update_slice_op> {
  static native_fn choose(const first_axis_attrs&, detail::dtypes) { return run_update; }
};

}  // namespace ir::native
}  // namespace tenon

TENON_DEFINE(slice_at_op)
TENON_DEFINE(update_slice_op)
