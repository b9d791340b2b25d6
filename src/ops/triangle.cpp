#include "tenon/ops/triangle.hpp"

#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<tril_op> : tril_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int row = c.rank(0) - 2;
    return c.load_if(i[row + 1] <= i[row] + c.to_index(at.diagonal), 0, i, c.constant(0));
  }
};
template <>
struct meaning<triu_op> : triu_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int row = c.rank(0) - 2;
    return c.load_if(i[row + 1] >= i[row] + c.to_index(at.diagonal), 0, i, c.constant(0));
  }
};
template <>
struct meaning<diag_op> : diag_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const auto lower = c.to_index(below(at)), side = c.to_index(right(at));
    if (c.rank(0) == 2) return c.load(0, I{i[0] + lower, i[0] + side});
    const typename C::mask there = i[0] + side == i[1] + lower;
    return c.load_if(there & (i[0] >= lower) & (i[1] >= side), 0, I{i[0] - lower}, c.constant(0));
  }
};
template <>
struct meaning<eye_op> : eye_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int row = c.out_rank() - 2;
    return c.from_mask(i[row + 1] == i[row] + c.to_index(at.diagonal));
  }
};

}  // namespace tenon::ops

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
