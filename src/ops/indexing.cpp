#include "tenon/ops/indexing.hpp"

#include "ops/define.hpp"

namespace tenon::ops {
namespace {

/// Element x of operand 0, its index of `axis` replaced by `position` (negative ones count from the end); 0 where
/// that is outside.
template <class C, class I, class X>
auto load_at(C& c, I x, int axis, const X& position) {
  const auto n = c.extent(0, axis), zero = c.to_index(0);
  const auto p = c.select(position < zero, position + n, position);
  x[axis] = p;
  return c.load_if((p >= zero) & (p < n), 0, x, c.constant(0));
}

}  // namespace

template <>
struct meaning<gather_op> : gather_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis, n = c.rank(1);
    I x, j;
    for (int d = 0; d < c.rank(0); ++d) x.push_back(d < axis ? i[d] : d == axis ? c.to_index(0) : i[d + n - 1]);
    for (int d = 0; d < n; ++d) j.push_back(i[axis + d]);
    return load_at(c, x, axis, c.load_index(1, j));
  }
};
template <>
struct meaning<gather_elements_op> : gather_elements_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis;
    return load_at(c, i, axis, c.load_index(1, i));
  }
};
template <>
struct meaning<embedding_op> : embedding_op {
  template <class X>
  static X expand(const attrs&, const X& indices, const X& table) {
    return detail::apply<gather_op>(std::source_location::current(), table, indices);
  }
};
template <>
struct meaning<iota_op> : iota_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    return c.to_value(i[at.axis < 0 ? at.axis + c.out_rank() : at.axis]);
  }
};
template <>
struct meaning<one_hot_op> : one_hot_op {
  template <class X>
  static X expand(const attrs& at, const X& indices) {
    const int rank = detail::shape_of(indices.node()).rank + 1, axis = at.axis < 0 ? at.axis + rank : at.axis;
    const std::source_location here = std::source_location::current();
    iota_attrs classes{.type = i64, .to = {at.depth}};
    for (int i = axis + 1; i < rank; ++i) classes.to.push_back(1);
    const X wide = tenon::cast(X(tenon::unsqueeze(indices, {axis})), i64);
    const X position = tenon::select(wide < 0, wide + at.depth, wide);
    const X counts(detail::emit(detail::definition<iota_op>(), &classes, nullptr, 0, here));
    return tenon::cast(X(tenon::equal(position, counts)), at.type);
  }
};

}  // namespace tenon::ops

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
