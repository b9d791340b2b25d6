// Movement: join, cut, pad, repeat.
#include "onnx/operators/common.hpp"
#include "tenon/ops/triangle.hpp"

namespace tenon::onnx {
namespace {

void concat_all(node_call& n) {
  std::vector<any_tensor> all;
  for (int i = 0; i < n.inputs(); ++i) all.push_back(n.in(i));
  n.out(concat(all, {.axis = n.few(n.integer("axis", n.version() < 4 ? 1 : 0), "axis")}));
}

void pad_around(node_call& n) {
  const int rank = n.rank(0);
  const std::vector<std::int64_t> pads = n.version() < 2    ? n.integers("paddings")
                                         : n.version() < 11 ? n.integers("pads")
                                                            : n.integers(1);
  pad_attrs at;
  const std::string_view mode = n.text("mode", "constant");
  if (mode == "edge")
    at.mode = pad_mode::edge;
  else if (mode == "reflect")
    at.mode = pad_mode::reflect;
  else if (mode == "wrap")
    at.mode = pad_mode::wrap;
  else if (mode != "constant")
    n.refuse("mode '" + std::string(mode) + "' is not supported");
  if (n.version() < 11) {
    at.value = n.real("value", 0);
  } else if (n.has(2) && at.mode == pad_mode::constant) {
    const std::vector<double> v = n.reals(2);
    if (v.size() != 1) n.refuse("the value is no scalar");
    at.value = v[0];
  }
  std::vector<std::int64_t> axes;
  if (n.has(3))
    axes = n.integers(3);
  else
    for (int i = 0; i < rank; ++i) axes.push_back(i);
  if (pads.size() != 2 * axes.size()) n.refuse("as many pads as twice the axes are needed");
  const ints which = normal_axes(n, axes, rank);
  for (int i = 0; i < rank; ++i) {
    at.before.v[at.before.size++] = 0;
    at.after.v[at.after.size++] = 0;
  }
  // Negative pads cut.
  slice_attrs cut;
  for (int i = 0; i < which.size; ++i) {
    const int before = n.few(pads[static_cast<std::size_t>(i)], "pad");
    const int after = n.few(pads[static_cast<std::size_t>(i + which.size)], "pad");
    at.before.v[which[i]] = std::max(before, 0);
    at.after.v[which[i]] = std::max(after, 0);
    if (before >= 0 && after >= 0) continue;
    cut.axes.v[cut.axes.size++] = which[i];
    cut.start.v[cut.start.size++] = before < 0 ? -before : 0;
    cut.stop.v[cut.stop.size++] = after < 0 ? after : slice_end;
  }
  any_tensor x = n.in(0);
  if (cut.axes.size) x = slice(x, cut);
  if (n.type(0) == b8) return n.out(cast(pad(cast(x, u8), at), b8));
  n.out(pad(x, at));
}

void slice_ranges(node_call& n) {
  const bool operands = n.version() >= 10;
  const auto list = [&](std::string_view attribute_name, int operand) {
    return !operands ? n.integers(attribute_name) : n.has(operand) ? n.integers(operand) : std::vector<std::int64_t>{};
  };
  const std::vector<std::int64_t> starts = list("starts", 1), ends = list("ends", 2),
                                  steps = operands ? list("", 4) : std::vector<std::int64_t>{};
  slice_attrs at;
  at.axes = n.few(list("axes", 3), "axes");
  for (int i = 0; i < at.axes.size; ++i)
    if (at.axes.v[i] < 0) at.axes.v[i] += n.rank(0);
  const auto number = [](std::int64_t v) {
    return static_cast<int>(std::clamp<std::int64_t>(v, -slice_end, slice_end));
  };
  if (starts.size() != ends.size() || starts.size() > static_cast<std::size_t>(dims::max_rank) ||
      (!steps.empty() && steps.size() != starts.size()))
    n.refuse("as many ends and steps as starts are needed");
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const int step = steps.empty() ? 1 : number(steps[i]);
    at.start.v[at.start.size++] = number(starts[i]);
    // Below every index and with a negative step: to the first element.
    const bool to_front = step < 0 && ends[i] < -std::int64_t{1} << 30;
    at.stop.v[at.stop.size++] = to_front ? slice_end : number(ends[i]);
    at.step.v[at.step.size++] = step;
  }
  n.out(slice(n.in(0), at));
}

void split_parts(node_call& n) {
  const int rank = n.rank(0), axis = n.axis("axis", 0, rank);
  std::vector<std::int64_t> parts = n.version() < 13 ? n.integers("split")
                                    : n.has(1)       ? n.integers(1)
                                                     : std::vector<std::int64_t>{};
  if (parts.empty()) {
    const std::int64_t count = n.version() >= 18 ? n.integer("num_outputs", n.outputs()) : n.outputs();
    const extent_t extent = n.shape(0)[axis];
    if (extent < 0) n.refuse("the extent of the axis is not known: give it in onnx_options::extents");
    if (count < 1) n.refuse("no outputs");
    const std::int64_t each = (extent + count - 1) / count;
    for (std::int64_t i = 0; i < count; ++i) parts.push_back(std::clamp<std::int64_t>(extent - i * each, 0, each));
  }
  if (parts.size() != static_cast<std::size_t>(n.outputs())) n.refuse("as many parts as outputs are needed");
  int at = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int end = n.few(std::int64_t{at} + n.few(parts[i], "part"), "end of a part");
    n.out(static_cast<int>(i), slice(n.in(0), {.start = {at}, .stop = {end}, .step = {}, .axes = {axis}}));
    at = end;
  }
}
void tile_by(node_call& n) { n.out(tile(n.in(0), {.repeats = n.few(n.integers(1), "repeats")})); }

void triangle(node_call& n) {
  const std::vector<std::int64_t> k = n.has(1) ? n.integers(1) : std::vector<std::int64_t>{0};
  if (k.size() != 1) n.refuse("k is no scalar");
  const triangle_attrs at{.diagonal = n.few(k[0], "k")};
  n.out(n.integer("upper", 1) != 0 ? any_tensor(triu(n.in(0), at)) : any_tensor(tril(n.in(0), at)));
}

/// The first lengths[b] elements of each sequence backwards, the rest as they are.
void reverse_sequence(node_call& n) {
  const dims d = n.shape(0);
  const int time = n.axis("time_axis", 0, d.rank), batch = n.axis("batch_axis", 1, d.rank);
  if (time == batch || n.rank(1) != 1) n.refuse("the axes of time and batch are the same, or the lengths no vector");
  if (!d.is_static()) n.refuse("the extents are not known: give them in onnx_options::extents");
  ints axes;
  for (int i = batch + 1; i < d.rank; ++i) axes.v[axes.size++] = i - batch;
  any_tensor length = cast(n.in(1), i64);
  if (axes.size) length = unsqueeze(length, axes);
  const any_tensor t = n.make<ops::iota_op>({.type = i64, .to = d, .axis = time}, {});
  const any_tensor from = select(less(t, length), length - t - 1, t);
  n.out(gather_elements(n.in(0), from, {.axis = time}));
}

constexpr mapping table[] = {
    {"Concat", concat_all},  {"Pad", pad_around},    {"ReverseSequence", reverse_sequence},
    {"Slice", slice_ranges}, {"Split", split_parts}, {"Tile", tile_by},
    {"Trilu", triangle},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> movement_operators() { return table; }

}  // namespace tenon::onnx
