// Shapes: what reads them, and movement under other axes.
#include <algorithm>
#include <cmath>

#include "onnx/operators/common.hpp"
#include "tenon/ops/triangle.hpp"

namespace tenon::onnx {
namespace {

void constant(node_call& n) {
  if (const attribute* a = n.find("value_int")) return n.out(n.constant(i64, {}, &a->integer));
  if (const attribute* a = n.find("value_float")) return n.out(n.constant(f32, {}, &a->real));
  if (const attribute* a = n.find("value_ints")) {
    const std::vector<std::int64_t> l = a->integers();
    return n.out(n.constant(i64, {static_cast<extent_t>(l.size())}, l.data()));
  }
  if (const attribute* a = n.find("value_floats")) {
    const std::vector<float> l = a->reals();
    return n.out(n.constant(f32, {static_cast<extent_t>(l.size())}, l.data()));
  }
  n.out(any_tensor(ir::make_constant(n.tensor("value"), n.where())));
}
void constant_of_shape(node_call& n) {
  any_tensor v = n.scalar(f32, 0);
  if (n.find("value")) {
    const ir::constant_value c = n.tensor("value");
    if (c.extents().count() != 1) n.refuse("the value has more than one element");
    v = reshaped(any_tensor(ir::make_constant(c, n.where())), {});
  }
  n.out(broadcast_to(v, extents(dims_of(n, n.extents(0)))));
}
void expand(node_call& n) {
  // The result is the broadcast of both shapes: an extent of 1 asked for keeps the operand's.
  const dims from = n.shape(0), asked = dims_of(n, n.extents(1));
  detail::outcome o;
  const dims to = detail::broadcast(o, from, asked);
  if (!o.ok) n.refuse(std::string(o.why.view()));
  n.out(broadcast_to(n.in(0), extents(to)));
}
void eye_like(node_call& n) {
  const dims d = n.shape(0);
  if (d.rank != 2) n.refuse("rank " + std::to_string(d.rank) + " != 2");
  const std::int64_t wanted = n.integer("dtype", 0);
  const dtype to = wanted ? element_type(wanted) : n.type(0);
  if (to == any_dtype) n.refuse("of " + element_name(wanted));
  n.out(n.make<ops::eye_op>({.type = to, .to = d, .diagonal = n.few(n.integer("k", 0), "k")}, {}));
}
void flatten_to(node_call& n) {
  const int axis = n.few(n.integer("axis", 1), "axis");
  n.out(flatten(n.in(0), {.axis = axis}));
}
/// The product of extents; a single name stays one.
std::vector<extent_t> count(const dims& d) {
  ops::extent_product p;
  for (extent_t e : d) p.times(e);
  const bool one_name = p.symbols.rank == 1 && p.numbers == 1;
  return {p.unknown || (p.symbols.rank && !one_name) ? unknown_extent : one_name ? p.symbols[0] : p.numbers};
}
void range(node_call& n) {
  const std::vector<double> start = n.reals(0), limit = n.reals(1), delta = n.reals(2);
  if (start.size() != 1 || limit.size() != 1 || delta.size() != 1 || delta[0] == 0) n.refuse("no range");
  const double steps = std::ceil((limit[0] - start[0]) / delta[0]);
  constexpr double most = 1e12;
  if (!(steps < most)) n.refuse("the range has too many elements");
  const dtype d = n.type(0);
  const any_tensor i = n.make<ops::iota_op>({.type = d, .to = {steps > 0 ? static_cast<extent_t>(steps) : 0}}, {});
  n.out(i * n.in(2) + n.in(0));
}
void reshape_to(node_call& n) {
  const dims from = n.shape(0);
  const bool zero_is_zero = n.version() >= 14 && n.integer("allowzero", 0) != 0;
  n.ignore({"consumed_inputs"});
  std::vector<extent_t> wanted = n.version() < 5 ? n.integers("shape") : n.extent_list(1);
  // One extent follows from the others, so one that nobody can say does too.
  if (std::ranges::count(wanted, unknown_extent) == 1 && !std::ranges::count(wanted, dyn))
    std::ranges::replace(wanted, unknown_extent, dyn);
  else if (std::ranges::count(wanted, unknown_extent))
    n.extents(1);  // says what is missing
  dims to = dims_of(n, wanted);
  for (int i = 0; i < to.rank; ++i)
    if (to[i] == 0 && !zero_is_zero) {
      if (i >= from.rank) n.refuse("extent 0 on axis " + std::to_string(i) + " of rank " + std::to_string(from.rank));
      to[i] = from[i];
    }
  n.out(reshaped(n.in(0), to));
}
void shape_of(node_call& n) {
  const dims d = n.shape(0);
  const auto at = [&](std::int64_t i) {
    return static_cast<int>(std::clamp<std::int64_t>(i < 0 ? i + d.rank : i, 0, d.rank));
  };
  const int start = at(n.integer("start", 0)), end = at(n.integer("end", d.rank));
  std::vector<extent_t> list(d.e + start, d.e + std::max(start, end));
  std::ranges::replace(list, dyn, unknown_extent);
  n.out(list);
}
void size_of_value(node_call& n) { n.out(count(n.shape(0)), true); }
std::vector<std::int64_t> axes_of(node_call& n) {
  return n.version() < 13 ? n.integers("axes") : n.has(1) ? n.integers(1) : std::vector<std::int64_t>{};
}
void squeeze_axes(node_call& n) {
  const std::vector<std::int64_t> axes = axes_of(n);
  if (axes.empty()) return n.out(squeeze(n.in(0)));
  n.out(squeeze(n.in(0), normal_axes(n, axes, n.rank(0))));
}
void unsqueeze_axes(node_call& n) {
  const std::vector<std::int64_t> axes = axes_of(n);
  if (axes.empty()) n.refuse("no axes");
  n.out(unsqueeze(n.in(0), normal_axes(n, axes, n.rank(0) + static_cast<int>(axes.size()))));
}
void transpose_axes(node_call& n) {
  ints axes = n.few("perm");
  const int rank = n.rank(0);
  if (axes.size == 0)
    for (int i = rank; i-- > 0;) axes.v[axes.size++] = i;
  n.out(rank == 0 ? n.in(0) : any_tensor(transpose(n.in(0), axes)));
}

constexpr mapping table[] = {
    {"Constant", constant},
    {"ConstantOfShape", constant_of_shape},
    {"Expand", expand},
    {"EyeLike", eye_like},
    {"Flatten", flatten_to},
    {"Identity", [](node_call& n) { n.out(n.in(0)); }},
    {"Range", range},
    {"Reshape", reshape_to},
    {"Shape", shape_of},
    {"Size", size_of_value},
    {"Squeeze", squeeze_axes},
    {"Transpose", transpose_axes},
    {"Unsqueeze", unsqueeze_axes},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> shape_operators() { return table; }

}  // namespace tenon::onnx
