#include "tenon/ops/triangle.hpp"

#include "ops/define.hpp"

namespace tenon::ir::native {

// The element type is an attribute: there is no operand to take it from.
template <>
struct override_of<ops::eye_op> {
  static native_fn choose(const eye_attrs& at, detail::dtypes) {
    return with_dtype(at.type, native_fn{}, [](auto d) -> native_fn {
      constexpr dtype D = decltype(d)::value;
      return compute_all<ops::eye_op, D, D>;
    });
  }
};

}  // namespace tenon::ir::native

TENON_DEFINE(tril_op)
TENON_DEFINE(triu_op)
TENON_DEFINE(diag_op)
TENON_DEFINE(eye_op)
