#include "tenon/ops/movement.hpp"

#include <fmt/format.h>

#include "loop/evaluate.hpp"
#include "ops/copy.hpp"
#include "ops/define.hpp"

namespace tenon {
namespace ir::native {
namespace {

/// The same elements in row-major order under other extents: copied in the operand's order, since the result is
/// contiguous; where it is not, element by element through the definition.
void relabel(const native_call& c) {
  const native_operand &x = c.in[0], &y = c.out[0];
  strided_block to = block_of(y);
  extent_t s = 1;
  for (int d = y.shape.rank - 1; d >= 0; --d) {
    if (y.shape[d] != 1 && y.strides[d] != s) return run_strided(c);
    s *= y.shape[d];
  }
  s = 1;
  for (int d = x.shape.rank - 1; d >= 0; --d) {
    to.strides[d] = s;
    s *= x.shape[d];
  }
  copy_block(x.shape, size_of(x.type), to, block_of(x));
}

}  // namespace
}  // namespace ir::native
}  // namespace tenon
