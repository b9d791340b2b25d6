#include "tenon/ops/attention.hpp"

#include <cmath>

#include "ops/define.hpp"

namespace tenon::ops {

double default_attention_scale(extent_t depth) { return 1 / std::sqrt(static_cast<double>(depth)); }

}  // namespace tenon::ops

namespace tenon::ir::native {

// Movement, but what it puts in depends on the type.
template <>
struct override_of<ops::causal_mask_op> {
  static native_fn choose(const causal_mask_attrs&, detail::dtypes t) {
    return with_dtype(t[0], native_fn{},
                      [](auto d) { return function_for<ops::causal_mask_op, decltype(d)::value>(); });
  }
};

}  // namespace tenon::ir::native

TENON_DEFINE(causal_mask_op)
TENON_DEFINE(scaled_dot_product_attention_op)
