#include "tenon/ops/joining.hpp"

#include <fmt/format.h>

#include "ops/copy.hpp"
#include "ops/define.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ops {

template <>
struct meaning<concat_op> : concat_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis;
    auto value = c.constant(0);
    // From the last operand to the first: each is read where the index is below its end, else what comes after it.
    typename C::index begin[max_operands] = {c.to_index(0)};
    for (int k = 1; k < c.operands(); ++k) begin[k] = begin[k - 1] + c.extent(k - 1, axis);
    for (int k = c.operands() - 1; k >= 0; --k) {
      I x = i;
      x[axis] = i[axis] - begin[k];
      if (c.operands() == 1) return c.load(0, x);
      auto inside = i[axis] < begin[k] + c.extent(k, axis);
      value = c.load_if(k == 0 ? inside : inside & (i[axis] >= begin[k]), k, x, value);
    }
    return value;
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {
namespace {

void run_concat(const native_call& c) {
  const native_operand& y = c.out[0];
  const int given = attrs_of<ops::concat_op>(c).axis, axis = given < 0 ? given + y.shape.rank : given;
  extent_t begin = 0;
  for (int k = 0; k < c.inputs; ++k) {
    copy_block(c.in[k].shape, size_of(y.type), block_of(y, begin * y.strides[axis]), block_of(c.in[k]));
    begin += c.in[k].shape[axis];
  }
}
}  // namespace

template <>
struct override_of<ops::concat_op> : function_override<run_concat> {};

}  // namespace tenon::ir::native

TENON_DEFINE(concat_op)

namespace tenon::detail {

std::vector<slice_attrs> split_slices(const value_base& x, int parts, int axis, const loc& w) {
  const dims& d = shape_of(x.node());
  outcome o;
  std::string why;
  const int a = d.any() ? 0 : normal_axis(o, axis, d.rank);
  if (!o.ok)
    why = o.why.view();
  else if (parts < 1)
    why = fmt::format("{} parts", parts);
  else if (d.any() || d[a] < 0)
    why = fmt::format("the extent of axis {} is not known", axis);
  else if (d[a] % parts != 0)
    why = fmt::format("extent {} does not split into {}", d[a], parts);
  else if (d[a] > slice_end)
    why = fmt::format("extent {} > {}", d[a], slice_end);
  if (!why.empty()) {
    text t;
    t << d;
    throw shape_error(fmt::format("split: {}; {}; at {}:{}", why, t.view(), w.file(), w.line()));
  }
  std::vector<slice_attrs> r;
  const int each = static_cast<int>(d[a]) / parts;
  for (int i = 0; i < parts; ++i)
    r.push_back({.start = {i * each}, .stop = {(i + 1) * each}, .step = {}, .axes = {axis}});
  return r;
}

// Behind the definition of concat_op, which it uses.
node_ref emit_concat(const void* all, std::size_t n, const node_ref& (*node)(const void* all, std::size_t i),
                     const first_axis_attrs& at, const loc& where) {
  std::vector<argument> operands;
  operands.reserve(n);
  for (std::size_t i = 0; i < n; ++i) operands.push_back({node(all, i).get()});
  return emit(definition<ops::concat_op>(), &at, operands.data(), static_cast<int>(n), where);
}

}  // namespace tenon::detail
