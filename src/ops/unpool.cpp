#include "tenon/ops/unpool.hpp"

#include "ops/define.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/ops.hpp"
#include "tenon/ops/scatter.hpp"

namespace tenon::ops {

using ir::any_tensor;

detail::node_ref expand_lp_pool(const lp_pool_attrs& at, const detail::node_ref& node) {
  const any_tensor x = abs(widened(any_tensor(node)));
  const auto summed = [&](const any_tensor& v) {
    return any_tensor(detail::apply_dynamic<sum_pool_op>(std::source_location::current(), at.pooling(), v));
  };
  const any_tensor y = at.p == 1   ? summed(x)
                       : at.p == 2 ? any_tensor(sqrt(summed(x * x)))
                                   : any_tensor(pow(summed(pow(x, at.p)), 1.0 / at.p));
  return any_tensor(narrowed(y, any_tensor(node))).node();
}

detail::node_ref expand_max_unpool(const max_unpool_attrs& at, const detail::node_ref& node,
                                   const detail::node_ref& positions) {
  const any_tensor zero(ir::make_scalar(detail::type_of(node), 0, std::source_location::current()));
  const any_tensor flat = broadcast_to(zero, extents(dims{at.to.count()}));
  const any_tensor placed =
      scatter_elements(flat, reshape(any_tensor(positions), {dyn}), reshape(any_tensor(node), {dyn}), {.axis = 0});
  return any_tensor(reshape(placed, extents(at.to))).node();
}

}  // namespace tenon::ops

TENON_DEFINE(lp_pool_op)
TENON_DEFINE(adaptive_avg_pool_op)
TENON_DEFINE(adaptive_max_pool_op)
TENON_DEFINE(max_pool_positions_op)
TENON_DEFINE(max_unpool_op)
