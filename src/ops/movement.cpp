#include <fmt/format.h>

#include "loop/evaluate.hpp"
#include "ops/copy.hpp"
#include "ops/define.hpp"
#include "tenon/core/error.hpp"
#include "tenon/ops/joining.hpp"

namespace tenon {
namespace ir::native {
namespace {

/// The same elements in row-major order under other extents: copied in the operand's order, since the result is
/// contiguous; where it is not, element by element through the definition.
template <class Op, dtype D>
void relabel(const native_call& c) {
  const native_operand &x = c.in[0], &y = c.out[0];
  extent_t s = 1;
  for (int d = y.shape.rank - 1; d >= 0; --d) {
    if (y.shape[d] != 1 && y.strides[d] != s) return compute_all<Op, D, D>(c);
    s *= y.shape[d];
  }
  strided_block to = block_of(y);
  s = 1;
  for (int d = x.shape.rank - 1; d >= 0; --d) {
    to.strides[d] = s;
    s *= x.shape[d];
  }
  copy_block(x.shape, size_of(x.type), to, block_of(x));
}
template <class Op>
struct relabel_override {
  static native_fn choose(const typename Op::attrs&, detail::dtypes t) {
    switch (bits_type(t[0])) {
      case u8:
        return relabel<Op, u8>;
      case u16:
        return relabel<Op, u16>;
      case u32:
        return relabel<Op, u32>;
      default:
        return relabel<Op, u64>;
    }
  }
};

template <class Op>
const typename Op::attrs& attrs_of(const native_call& c) {
  return *static_cast<const typename Op::attrs*>(c.attrs);
}
void copy_from(const native_call& c, const strided_block& from) {
  copy_block(c.out[0].shape, size_of(c.out[0].type), block_of(c.out[0]), from);
}

void run_transpose(const native_call& c) {
  strided_block from = block_of(c.in[0]);
  const int rank = c.in[0].shape.rank;
  for (int d = 0; d < rank; ++d)
    from.strides[d] = c.in[0].strides[ops::transpose_op::source(attrs_of<ops::transpose_op>(c), rank, d)];
  copy_from(c, from);
}
void run_broadcast(const native_call& c) {
  const native_operand& x = c.in[0];
  strided_block from = block_of(x);
  const int lead = c.out[0].shape.rank - x.shape.rank;
  for (int d = 0; d < c.out[0].shape.rank; ++d)
    from.strides[d] = d < lead || x.shape[d - lead] == 1 ? 0 : x.strides[d - lead];
  copy_from(c, from);
}
void run_reverse(const native_call& c) {
  const native_operand& x = c.in[0];
  detail::outcome o;
  const ops::axis_mask m = ops::reduced_axes(o, attrs_of<ops::reverse_op>(c).axes, x.shape.rank);
  strided_block from = block_of(x);
  for (int d = 0; d < x.shape.rank; ++d) {
    if (!m.on[d]) continue;
    from.data += (x.shape[d] - 1) * x.strides[d] * size_of(x.type);
    from.strides[d] = -x.strides[d];
  }
  copy_from(c, from);
}
void run_slice(const native_call& c) {
  const native_operand& x = c.in[0];
  if (c.out[0].shape.count() == 0) return;
  strided_block from = block_of(x);
  for (int d = 0; d < x.shape.rank; ++d) {
    ops::slice_op::range r{};
    if (!ops::slice_op::find(attrs_of<ops::slice_op>(c), x.shape.rank, d, r)) continue;
    extent_t first = r.start < 0 ? r.start + x.shape[d] : r.start;
    if (first < 0) first = 0;
    if (r.step < 0 && first >= x.shape[d]) first = x.shape[d] - 1;
    from.data += first * x.strides[d] * size_of(x.type);
    from.strides[d] = x.strides[d] * r.step;
  }
  copy_from(c, from);
}
void run_concat(const native_call& c) {
  const native_operand& y = c.out[0];
  const int given = attrs_of<ops::concat_op>(c).axis, axis = given < 0 ? given + y.shape.rank : given;
  extent_t begin = 0;
  for (int k = 0; k < c.inputs; ++k) {
    copy_block(c.in[k].shape, size_of(y.type), block_of(y, begin * y.strides[axis]), block_of(c.in[k]));
    begin += c.in[k].shape[axis];
  }
}
void run_pad(const native_call& c) {
  const native_operand &x = c.in[0], &y = c.out[0];
  const pad_attrs& at = attrs_of<ops::pad_op>(c);
  const std::int64_t value = bits_of(y.type, at.value);
  fill_block(y.shape, size_of(y.type), block_of(y), &value);
  extent_t offset = 0;
  for (int d = 0; d < x.shape.rank; ++d) offset += at.before[d] * y.strides[d];
  copy_block(x.shape, size_of(x.type), block_of(y, offset), block_of(x));
}

template <auto Run>
struct fixed_override {
  static native_fn choose(const auto&, detail::dtypes) { return Run; }
};

}  // namespace

template <>
struct override_of<ops::reshape_op> : relabel_override<ops::reshape_op> {};
template <>
struct override_of<ops::flatten_op> : relabel_override<ops::flatten_op> {};
template <>
struct override_of<ops::squeeze_op> : relabel_override<ops::squeeze_op> {};
template <>
struct override_of<ops::unsqueeze_op> : relabel_override<ops::unsqueeze_op> {};
template <>
struct override_of<ops::transpose_op> : fixed_override<run_transpose> {};
template <>
struct override_of<ops::broadcast_to_op> : fixed_override<run_broadcast> {};
template <>
struct override_of<ops::reverse_op> : fixed_override<run_reverse> {};
template <>
struct override_of<ops::slice_op> : fixed_override<run_slice> {};
template <>
struct override_of<ops::concat_op> : fixed_override<run_concat> {};
template <>
struct override_of<ops::pad_op> {
  static native_fn choose(const pad_attrs& at, detail::dtypes t) {
    if (at.mode == pad_mode::constant) return run_pad;
    switch (bits_type(t[0])) {
      case u8:
        return compute_all<ops::pad_op, u8, u8>;
      case u16:
        return compute_all<ops::pad_op, u16, u16>;
      case u32:
        return compute_all<ops::pad_op, u32, u32>;
      default:
        return compute_all<ops::pad_op, u64, u64>;
    }
  }
};

}  // namespace ir::native

namespace detail {

dims attribute_dims(const extents& e, std::string_view op) {
  if (e.v.size() > dims::max_rank)
    throw argument_error(fmt::format("{}: {} extents, the rank is at most {}", op, e.v.size(), dims::max_rank));
  dims d;
  for (extent_t x : e.v) d.push_back(x);
  return d;
}

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

}  // namespace detail
}  // namespace tenon

TENON_DEFINE(reshape_op)
TENON_DEFINE(flatten_op)
TENON_DEFINE(squeeze_op)
TENON_DEFINE(unsqueeze_op)
TENON_DEFINE(transpose_op)
TENON_DEFINE(broadcast_to_op)
TENON_DEFINE(pad_op)
TENON_DEFINE(slice_op)
TENON_DEFINE(concat_op)
TENON_DEFINE(reverse_op)
TENON_DEFINE(tile_op)
TENON_DEFINE(repeat_op)
TENON_DEFINE(roll_op)

namespace tenon::detail {

// Behind the definition of concat_op, which it uses.
node_ref emit_concat(const void* all, std::size_t n, const node_ref& (*node)(const void* all, std::size_t i),
                     const first_axis_attrs& at, const loc& where) {
  std::vector<argument> operands;
  operands.reserve(n);
  for (std::size_t i = 0; i < n; ++i) operands.push_back({node(all, i).get()});
  return emit(definition<ops::concat_op>(), &at, operands.data(), static_cast<int>(n), where);
}

}  // namespace tenon::detail
