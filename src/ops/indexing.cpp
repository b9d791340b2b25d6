#include "tenon/ops/indexing.hpp"

#include "ops/define.hpp"

namespace tenon::ir::native {

// The element type is an attribute: there is no operand to take it from.
template <>
struct override_of<ops::iota_op> {
  static native_fn choose(const iota_attrs& at, detail::dtypes) {
    return with_dtype(at.type, native_fn{}, [](auto d) -> native_fn {
      constexpr dtype D = decltype(d)::value;
      if constexpr (D == b8)
        return nullptr;
      else
        return compute_all<ops::iota_op, D, D>;
    });
  }
};

}  // namespace tenon::ir::native

TENON_DEFINE(gather_op)
TENON_DEFINE(gather_elements_op)
TENON_DEFINE(embedding_op)
TENON_DEFINE(iota_op)
TENON_DEFINE(one_hot_op)
