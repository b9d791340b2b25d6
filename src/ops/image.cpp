#include "tenon/ops/image.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {
namespace {
using ir::any_tensor;

any_tensor constant_of(dtype d, const dims& s, const std::vector<double>& v) {
  const loc here = std::source_location::current();
  const any_tensor wide(ir::make_constant(f64, s, v.data(), here));
  return cast(wide, d);
}
any_tensor indices_of(const std::vector<std::int64_t>& v) {
  return any_tensor(
      ir::make_constant(i64, dims{static_cast<extent_t>(v.size())}, v.data(), std::source_location::current()));
}

// ---- resize

/// Where element `i` of an axis lies in the operand: the axis had `in` elements and has `out`.
double coordinate(const resize_attrs& at, int axis, std::int64_t i, std::int64_t in, std::int64_t out) {
  const auto n = static_cast<double>(in), m = static_cast<double>(out), x = static_cast<double>(i);
  const double scale = at.scale.size ? at.scale[axis] : m / n;
  switch (at.coordinates) {
    case resize_coordinates::half_pixel:
      return (x + 0.5) / scale - 0.5;
    case resize_coordinates::half_pixel_symmetric:
      return n / 2 * (1 - m / (scale * n)) + (x + 0.5) / scale - 0.5;
    case resize_coordinates::pytorch_half_pixel:
      return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
    case resize_coordinates::align_corners: {
      const double steps = at.scale.size ? scale * n - 1 : m - 1;
      return steps == 0 || out == 1 ? 0 : x * (n - 1) / steps;
    }
    case resize_coordinates::asymmetric:
      return x / scale;
    case resize_coordinates::half_pixel_nn:
      return (x + 0.5) / scale;
    default: {
      const double start = at.region[axis], end = at.region[at.region.size / 2 + axis];
      return out > 1 ? start * (n - 1) + x * (end - start) * (n - 1) / (m - 1) : (start + end) * (n - 1) / 2;
    }
  }
}
/// Keys' cubic convolution (R. Keys, "Cubic convolution interpolation for digital image processing", 1981) at distance
/// d.
double cubic_weight(double a, double d) {
  d = std::abs(d);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}
double nearest(resize_rounding r, double x) {
  switch (r) {
    case resize_rounding::floor:
      return std::floor(x);
    case resize_rounding::ceil:
      return std::ceil(x);
    case resize_rounding::prefer_floor:
      return std::ceil(x - 0.5);
    default:
      return std::floor(x + 0.5);
  }
}
/// Element i of the result's axis is the sum over k of weight[k][i] * x[index[k][i]].
struct taps {
  std::vector<std::vector<std::int64_t>> index;
  std::vector<std::vector<double>> weight;
  std::vector<char> inside;  ///< of `crop`
};
taps taps_of(const resize_attrs& at, int axis, std::int64_t in, std::int64_t out) {
  const int count = at.mode == resize_mode::nearest ? 1 : at.mode == resize_mode::linear ? 2 : 4;
  taps t;
  t.index.resize(static_cast<std::size_t>(count));
  t.weight.resize(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < out; ++i) {
    const double x = coordinate(at, axis, i, in, out);
    t.inside.push_back(x >= 0 && x <= static_cast<double>(in - 1));
    const double first = at.mode == resize_mode::nearest  ? nearest(at.rounding, x)
                         : at.mode == resize_mode::linear ? std::floor(x)
                                                          : std::floor(x) - 1;
    double w[4]{1}, sum = 0;
    for (int k = 0; k < count; ++k) {
      const double p = first + k;
      if (at.mode == resize_mode::linear) w[k] = 1 - std::abs(x - p);
      if (at.mode == resize_mode::cubic) w[k] = cubic_weight(at.cubic, x - p);
      if (at.exclude_outside && (p < 0 || p > static_cast<double>(in - 1))) w[k] = 0;
      sum += w[k];
    }
    for (int k = 0; k < count; ++k) {
      const auto at_k = static_cast<std::size_t>(k);
      t.index[at_k].push_back(static_cast<std::int64_t>(std::clamp(first + k, 0.0, static_cast<double>(in - 1))));
      t.weight[at_k].push_back(at.exclude_outside && sum != 0 ? w[k] / sum : w[k]);
    }
  }
  return t;
}
/// A vector along `axis` as extents that broadcast with the rank.
dims along(int axis, int rank, extent_t n) {
  dims d{n};
  for (int i = axis + 1; i < rank; ++i) d.push_back(1);
  return d;
}

detail::node_ref expand_resize(const resize_attrs& at, const detail::node_ref& node) {
  const any_tensor x(node);
  const dims from = detail::shape_of(node);
  if (!from.is_static()) return {};
  const dtype type = detail::type_of(node);
  const bool interpolates = at.mode != resize_mode::nearest;
  any_tensor y = interpolates && is_integer(type) ? any_tensor(cast(x, f32)) : widened(x);
  const dtype wide = detail::type_of(y.node());
  any_tensor inside;
  for (int d = 0; d < from.rank; ++d) {
    const extent_t to = at.to[d] == dyn ? from[d] : at.to[d];
    if (to == from[d] && at.coordinates != resize_coordinates::crop && (at.scale.size == 0 || at.scale[d] == 1))
      continue;
    const taps t = taps_of(at, d, from[d], to);
    any_tensor sum;
    for (std::size_t k = 0; k < t.index.size(); ++k) {
      any_tensor tap = gather(y, indices_of(t.index[k]), {.axis = d});
      if (interpolates) tap = tap * constant_of(wide, along(d, from.rank, to), t.weight[k]);
      sum = sum.node() ? any_tensor(sum + tap) : tap;
    }
    y = sum;
    if (at.coordinates == resize_coordinates::crop && std::ranges::count(t.inside, 0) != 0) {
      const any_tensor here = constant_of(b8, along(d, from.rank, to), {t.inside.begin(), t.inside.end()});
      inside = inside.node() ? any_tensor(logical_and(inside, here)) : here;
    }
  }
  if (inside.node()) y = select(inside, y, constant_of(wide, {}, {at.outside}));
  return any_tensor(detail::type_of(y.node()) == type ? y : any_tensor(cast(y, type))).node();
}

// ---- grid_sample

/// An axis of the image that is read at coordinates.
struct sampled_axis {
  extent_t extent;
  sample_padding padding;
  bool align_corners;

  double low() const { return align_corners ? 0 : -0.5; }
  double high() const { return static_cast<double>(extent) - (align_corners ? 1 : 0.5); }
  /// The mirror image: as often as needed between the two ends.
  any_tensor mirrored(const any_tensor& x) const {
    const double range = high() - low();
    if (range <= 0) return clip(x, {.low = 0, .high = 0});
    const any_tensor t = abs(x - low()) % (2 * range);
    return select(t > range, 2 * range - t, t) + low();
  }
  any_tensor clamped(const any_tensor& x) const { return clip(x, {.low = 0, .high = static_cast<double>(extent - 1)}); }
  /// From [-1, 1] to elements.
  any_tensor position(const any_tensor& g) const {
    const auto n = static_cast<double>(extent);
    return align_corners ? any_tensor((g + 1.0) * ((n - 1) / 2)) : any_tensor(((g + 1.0) * n - 1.0) * 0.5);
  }
  /// Of the whole coordinate, before it is split into taps.
  any_tensor moved(const any_tensor& x) const {
    if (padding == sample_padding::border) return clamped(x);
    return padding == sample_padding::reflection ? mirrored(x) : x;
  }
  /// Of a tap: an element's number as a float.
  any_tensor element(const any_tensor& p) const {
    return clamped(padding == sample_padding::reflection ? mirrored(p) : p);
  }
  any_tensor inside(const any_tensor& p) const { return logical_and(p >= 0, p <= static_cast<double>(extent - 1)); }
};
/// Taps of one axis: elements and their weights.
struct axis_taps {
  std::vector<any_tensor> at, weight;
};
axis_taps taps_at(resize_mode mode, const any_tensor& x) {
  axis_taps t;
  if (mode == resize_mode::nearest) return {{round(x)}, {}};
  const any_tensor first = floor(x), r = x - first;
  if (mode == resize_mode::linear) return {{first, first + 1.0}, {1.0 - r, r}};
  constexpr double a = -0.75;
  const auto outer = [&](const any_tensor& d) -> any_tensor { return ((d * a - 5 * a) * d + 8 * a) * d - 4 * a; };
  const auto inner = [&](const any_tensor& d) -> any_tensor { return (d * (a + 2) - (a + 3)) * d * d + 1.0; };
  return {{first - 1.0, first, first + 1.0, first + 2.0}, {outer(r + 1.0), inner(r), inner(1.0 - r), outer(2.0 - r)}};
}

detail::node_ref expand_grid_sample(const grid_sample_attrs& at, const detail::node_ref& node,
                                    const detail::node_ref& grid_node) {
  const dims d = detail::shape_of(node), g = detail::shape_of(grid_node);
  if (!d.is_static() || !g.is_static()) return {};
  const any_tensor x(node), grid = widened(any_tensor(grid_node));
  const auto coordinate_of = [&](int i) -> any_tensor {  // [n, 1, y x]
    const any_tensor c = slice(grid, {.start = {i}, .stop = {i + 1}, .step = {}, .axes = {3}});
    return reshape(c, extents(dims{g[0], 1, g[1] * g[2]}));
  };
  const sampled_axis across{d[3], at.padding, at.align_corners}, down{d[2], at.padding, at.align_corners};
  any_tensor cx = across.position(coordinate_of(0)), cy = down.position(coordinate_of(1));
  if (at.mode != resize_mode::cubic) {
    cx = across.moved(cx);
    cy = down.moved(cy);
  }
  const axis_taps tx = taps_at(at.mode, cx), ty = taps_at(at.mode, cy);
  const any_tensor flat = reshape(x, extents(dims{d[0], d[1], d[2] * d[3]}));
  any_tensor sum;
  for (std::size_t j = 0; j < ty.at.size(); ++j)
    for (std::size_t i = 0; i < tx.at.size(); ++i) {
      const any_tensor row = cast(down.element(ty.at[j]), i64), column = cast(across.element(tx.at[i]), i64);
      const any_tensor place = broadcast_to(row * d[3] + column, extents(dims{d[0], d[1], g[1] * g[2]}));
      any_tensor v = widened(any_tensor(gather_elements(flat, place, {.axis = 2})));
      if (at.padding == sample_padding::zeros)
        v = select(logical_and(down.inside(ty.at[j]), across.inside(tx.at[i])), v, 0);
      if (!tx.weight.empty()) v = v * (ty.weight[j] * tx.weight[i]);
      sum = sum.node() ? any_tensor(sum + v) : v;
    }
  return any_tensor(narrowed(any_tensor(reshape(sum, extents(dims{d[0], d[1], g[1], g[2]}))), x)).node();
}

// ---- roi_align

/// The taps of samples along one axis, [r, outputs * samples]: two elements and their weights, 0 outside of the image.
struct region_axis {
  any_tensor low, high, weight_low, weight_high;
};
region_axis samples_along(const any_tensor& start, const any_tensor& end, int outputs, const roi_align_attrs& at,
                          extent_t extent) {
  const double shift = at.half_pixel ? 0.5 : 0;
  const any_tensor from = start * at.scale - shift, to = end * at.scale - shift;
  any_tensor size = to - from;
  if (!at.half_pixel) size = maximum(size, 1);
  std::vector<double> part;
  for (int i = 0; i < outputs * at.samples; ++i) part.push_back((i + 0.5) / (outputs * at.samples));
  const dtype d = detail::type_of(start.node());
  const any_tensor x = from + size * constant_of(d, dims{static_cast<extent_t>(part.size())}, part);
  const auto last = static_cast<double>(extent - 1);
  // Up to one element outside counts as the edge, what is further is 0.
  const any_tensor inside = logical_and(x >= -1.0, x <= last + 1);
  const any_tensor within = clip(x, {.low = 0, .high = last});
  const any_tensor low = floor(within), high = minimum(low + 1.0, last), r = within - low;
  return {cast(low, i64), cast(high, i64), select(inside, 1.0 - r, 0), select(inside, r, 0)};
}

detail::node_ref expand_roi_align(const roi_align_attrs& at, const detail::node_ref& node,
                                  const detail::node_ref& regions_node, const detail::node_ref& batch_node) {
  const dims d = detail::shape_of(node), r = detail::shape_of(regions_node);
  if (!d.is_static() || !r.is_static()) return {};
  const any_tensor x(node), regions = widened(any_tensor(regions_node)), batch = cast(any_tensor(batch_node), i64);
  const auto corner = [&](int i) -> any_tensor {  // [r, 1]
    return slice(regions, {.start = {i}, .stop = {i + 1}, .step = {}, .axes = {1}});
  };
  const region_axis across = samples_along(corner(0), corner(2), at.width, at, d[3]);
  const region_axis down = samples_along(corner(1), corner(3), at.height, at, d[2]);
  const std::int64_t channels = d[1];
  std::vector<std::int64_t> count;
  for (std::int64_t c = 0; c < channels; ++c) count.push_back(c);
  // The plane of each region and channel, [r, c, 1, 1].
  const any_tensor plane = unsqueeze(unsqueeze(batch, {1}) * channels + indices_of(count), {2, 3});
  const any_tensor flat = reshape(x, {dyn});
  const auto tap = [&](const any_tensor& row, const any_tensor& wr, const any_tensor& column,
                       const any_tensor& wc) -> any_tensor {
    const any_tensor place = (plane * d[2] + unsqueeze(row, {1, 3})) * d[3] + unsqueeze(column, {1, 2});
    return widened(any_tensor(gather(flat, place, {.axis = 0}))) * (unsqueeze(wr, {1, 3}) * unsqueeze(wc, {1, 2}));
  };
  const any_tensor samples = tap(down.low, down.weight_low, across.low, across.weight_low) +
                             tap(down.low, down.weight_low, across.high, across.weight_high) +
                             tap(down.high, down.weight_high, across.low, across.weight_low) +
                             tap(down.high, down.weight_high, across.high, across.weight_high);
  const any_tensor blocks = reshape(samples, extents(dims{r[0], d[1], at.height, at.samples, at.width, at.samples}));
  const reduce_attrs of_block{.axes = {3, 5}, .keep = false};
  const any_tensor y = at.max ? any_tensor(tenon::max(blocks, of_block)) : any_tensor(mean(blocks, of_block));
  return any_tensor(narrowed(y, x)).node();
}

// ---- blocks, and channels around

detail::node_ref expand_depth_to_space(const block_attrs& at, const detail::node_ref& node) {
  const dims d = detail::shape_of(node);
  if (!d.is_static()) return {};
  const extent_t b = at.block, c = d[1] / (b * b);
  const any_tensor split = reshape(
      any_tensor(node), extents(at.channel_first ? dims{d[0], c, b, b, d[2], d[3]} : dims{d[0], b, b, c, d[2], d[3]}));
  const any_tensor moved = transpose(split, at.channel_first ? ints{0, 1, 4, 2, 5, 3} : ints{0, 3, 4, 1, 5, 2});
  return any_tensor(reshape(moved, extents(dims{d[0], c, d[2] * b, d[3] * b}))).node();
}
detail::node_ref expand_space_to_depth(const block_attrs& at, const detail::node_ref& node) {
  const dims d = detail::shape_of(node);
  if (!d.is_static()) return {};
  const extent_t b = at.block;
  const any_tensor split = reshape(any_tensor(node), extents(dims{d[0], d[1], d[2] / b, b, d[3] / b, b}));
  const any_tensor moved = transpose(split, at.channel_first ? ints{0, 1, 3, 5, 2, 4} : ints{0, 3, 5, 1, 2, 4});
  return any_tensor(reshape(moved, extents(dims{d[0], d[1] * b * b, d[2] / b, d[3] / b}))).node();
}

detail::node_ref expand_lrn(const lrn_attrs& at, const detail::node_ref& node) {
  const any_tensor x = widened(any_tensor(node));
  const dims d = detail::shape_of(node);
  if (d.count() == 0) return node;  // there is nothing for a window to be over
  const int rank = d.rank, before = (at.size - 1) / 2, after = at.size - 1 - before;
  pad_attrs around;
  pool_attrs channels;  // a window along the channels alone
  for (int i = 0; i < rank; ++i) {
    around.before.v[around.before.size++] = i == 1 ? before : 0;
    around.after.v[around.after.size++] = i == 1 ? after : 0;
    if (i > 0) channels.window.v[channels.window.size++] = i == 1 ? at.size : 1;
  }
  const any_tensor padded = pad(any_tensor(x * x), around);
  const any_tensor squares(detail::apply_dynamic<sum_pool_op>(std::source_location::current(), channels, padded));
  const any_tensor y = x / pow(squares * (at.alpha / at.size) + at.bias, at.beta);
  return any_tensor(narrowed(y, any_tensor(node))).node();
}

}  // namespace

template <>
struct meaning<resize_op> : resize_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    return X(expand_resize(at, x.node()));
  }
};
template <>
struct meaning<grid_sample_op> : grid_sample_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& grid) {
    return X(expand_grid_sample(at, x.node(), grid.node()));
  }
};
template <>
struct meaning<roi_align_op> : roi_align_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& regions, const X& batch) {
    return X(expand_roi_align(at, x.node(), regions.node(), batch.node()));
  }
};
template <>
struct meaning<depth_to_space_op> : depth_to_space_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    return X(expand_depth_to_space(at, x.node()));
  }
};
template <>
struct meaning<space_to_depth_op> : space_to_depth_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    return X(expand_space_to_depth(at, x.node()));
  }
};
template <>
struct meaning<lrn_op> : lrn_op {
  template <class X>
  static X expand(const attrs& at, const X& x) {
    return X(expand_lrn(at, x.node()));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(resize_op)
TENON_DEFINE(grid_sample_op)
TENON_DEFINE(roi_align_op)
TENON_DEFINE(depth_to_space_op)
TENON_DEFINE(space_to_depth_op)
TENON_DEFINE(lrn_op)
