// Images.
#include "tenon/ops/image.hpp"

#include <fmt/format.h>

#include <cmath>

#include "onnx/operators/common.hpp"
#include "tenon/ops/boxes.hpp"

namespace tenon::onnx {
namespace {

/// The value that a word of ONNX stands for.
template <class E>
struct word {
  std::string_view name;
  E value;
};
template <class E, std::size_t N>
E chosen(node_call& n, std::string_view attribute_name, std::string_view otherwise, const word<E> (&words)[N]) {
  const std::string_view given = n.text(attribute_name, otherwise);
  for (const word<E>& w : words)
    if (w.name == given) return w.value;
  n.refuse(fmt::format("{} '{}' is not supported", attribute_name, given));
}

constexpr word<resize_mode> modes[] = {{"nearest", resize_mode::nearest},
                                       {"linear", resize_mode::linear},
                                       {"bilinear", resize_mode::linear},
                                       {"cubic", resize_mode::cubic},
                                       {"bicubic", resize_mode::cubic}};
constexpr word<resize_coordinates> coordinates[] = {{"half_pixel", resize_coordinates::half_pixel},
                                                    {"half_pixel_symmetric", resize_coordinates::half_pixel_symmetric},
                                                    {"pytorch_half_pixel", resize_coordinates::pytorch_half_pixel},
                                                    {"align_corners", resize_coordinates::align_corners},
                                                    {"asymmetric", resize_coordinates::asymmetric},
                                                    {"tf_half_pixel_for_nn", resize_coordinates::half_pixel_nn},
                                                    {"tf_crop_and_resize", resize_coordinates::crop}};
constexpr word<resize_rounding> roundings[] = {{"round_prefer_floor", resize_rounding::prefer_floor},
                                               {"round_prefer_ceil", resize_rounding::prefer_ceil},
                                               {"floor", resize_rounding::floor},
                                               {"ceil", resize_rounding::ceil}};
constexpr word<sample_padding> paddings[] = {
    {"zeros", sample_padding::zeros}, {"border", sample_padding::border}, {"reflection", sample_padding::reflection}};

/// The extents that scales lead to; axes that keep theirs may have any.
void scale_by(node_call& n, resize_attrs& at, const std::vector<double>& scales, const ints& axes) {
  const dims d = n.shape(0);
  if (scales.size() != static_cast<std::size_t>(axes.size)) n.refuse("as many scales as axes are needed");
  at.scale.size = d.rank;
  for (double& s : at.scale.v) s = 1;
  for (int i = 0; i < axes.size; ++i) {
    const double s = scales[static_cast<std::size_t>(i)];
    at.scale.v[axes[i]] = s;
    if (s == 1) continue;
    if (!(s > 0)) n.refuse("a scale is not positive");
    if (d[axes[i]] < 0) n.refuse("an extent to be scaled is not known: give it in onnx_options::extents");
    const double to = std::floor(static_cast<double>(d[axes[i]]) * s);
    constexpr double largest = 1e12;
    if (!(to < largest)) n.refuse("a scaled extent is too large");
    at.to[axes[i]] = static_cast<extent_t>(to);
  }
}
void resize_image(node_call& n) {
  const dims d = n.shape(0);
  resize_attrs at;
  at.to = d;
  at.mode = chosen(n, "mode", "nearest", modes);
  const bool new_form = n.version() >= 11;
  at.coordinates = chosen(n, "coordinate_transformation_mode", new_form ? "half_pixel" : "asymmetric", coordinates);
  at.rounding = chosen(n, "nearest_mode", new_form ? "round_prefer_floor" : "floor", roundings);
  at.cubic = n.real("cubic_coeff_a", -0.75f);
  at.exclude_outside = n.integer("exclude_outside", 0) != 0;
  at.outside = n.real("extrapolation_value", 0);
  if (n.integer("antialias", 0) != 0) n.refuse("antialias is not supported");
  if (n.text("keep_aspect_ratio_policy", "stretch") != "stretch") n.refuse("keep_aspect_ratio_policy is not supported");
  std::vector<std::int64_t> given = n.integers("axes");
  if (given.empty())
    for (int i = 0; i < d.rank; ++i) given.push_back(i);
  const ints axes = normal_axes(n, given, d.rank);
  const auto numbers = [&](int i) { return n.has(i) ? n.reals(i) : std::vector<double>{}; };
  const std::vector<double> region =
      new_form && at.coordinates == resize_coordinates::crop ? numbers(1) : std::vector<double>{};
  const std::vector<double> scales = numbers(new_form ? 2 : 1);
  if (at.coordinates == resize_coordinates::crop) {
    if (region.size() != 2 * static_cast<std::size_t>(axes.size)) n.refuse("two bounds for each axis are needed");
    at.region.size = 2 * d.rank;
    for (int i = 0; i < d.rank; ++i) at.region.v[d.rank + i] = 1;
    for (int i = 0; i < axes.size; ++i) {
      at.region.v[axes[i]] = region[static_cast<std::size_t>(i)];
      at.region.v[d.rank + axes[i]] = region[static_cast<std::size_t>(axes.size + i)];
    }
  }
  if (!scales.empty()) {
    scale_by(n, at, scales, axes);
  } else {
    const std::vector<std::int64_t> sizes = n.has(3) ? n.integers(3) : std::vector<std::int64_t>{};
    if (sizes.size() != static_cast<std::size_t>(axes.size)) n.refuse("as many sizes as axes are needed");
    for (int i = 0; i < axes.size; ++i) at.to[axes[i]] = sizes[static_cast<std::size_t>(i)];
  }
  n.out(resize(n.in(0), at));
}
/// Upsample, the form before Resize: scales as an attribute before set 9.
void upsample(node_call& n) {
  resize_attrs at;
  at.to = n.shape(0);
  at.mode = chosen(n, "mode", "nearest", modes);
  at.coordinates = resize_coordinates::asymmetric;
  at.rounding = resize_rounding::floor;
  std::vector<double> scales;
  if (n.version() >= 9)
    scales = n.reals(1);
  else if (const attribute* a = n.find("scales"))
    for (float s : a->reals()) scales.push_back(s);
  ints axes;
  for (int i = 0; i < at.to.rank; ++i) axes.v[axes.size++] = i;
  scale_by(n, at, scales, axes);
  n.out(resize(n.in(0), at));
}
void sample_grid(node_call& n) {
  n.out(grid_sample(n.in(0), n.in(1),
                    {.mode = chosen(n, "mode", n.version() < 20 ? "bilinear" : "linear", modes),
                     .padding = chosen(n, "padding_mode", "zeros", paddings),
                     .align_corners = n.integer("align_corners", 0) != 0}));
}
void align_regions(node_call& n) {
  roi_align_attrs at;
  at.height = n.few(n.integer("output_height", 1), "output_height");
  at.width = n.few(n.integer("output_width", 1), "output_width");
  at.samples = n.few(n.integer("sampling_ratio", 0), "sampling_ratio");
  at.scale = n.real("spatial_scale", 1);
  at.half_pixel =
      n.text("coordinate_transformation_mode", n.version() < 16 ? "output_half_pixel" : "half_pixel") == "half_pixel";
  at.max = n.text("mode", "avg") == "max";
  if (at.samples < 1) n.refuse("sampling_ratio 0: as many samples as each region's extents say");
  n.out(roi_align(n.in(0), n.in(1), n.in(2), at));
}
void suppress(node_call& n) {
  const auto number = [&](int i, double otherwise) {
    if (!n.has(i)) return otherwise;
    const std::vector<double> v = n.reals(i);
    if (v.size() != 1) n.refuse("input " + std::to_string(i) + " is no scalar");
    return v[0];
  };
  suppression_attrs at;
  const double most = number(2, 0);
  at.most = most > 0 ? static_cast<int>(std::min<double>(most, slice_end)) : 0;
  at.overlap = number(3, 0);
  at.score = number(4, at.score);
  at.centered = n.integer("center_point_box", 0) != 0;
  n.out(non_max_suppression(n.in(0), n.in(1), at));
}
block_attrs block_of(node_call& n) {
  return {.block = n.few(n.integer("blocksize", 0), "blocksize"), .channel_first = n.text("mode", "DCR") == "CRD"};
}
void local_response(node_call& n) {
  n.out(lrn(n.in(0), {.size = n.few(n.integer("size", 0), "size"),
                      .alpha = n.real("alpha", 1e-4f),
                      .beta = n.real("beta", 0.75f),
                      .bias = n.real("bias", 1)}));
}

constexpr mapping table[] = {
    {"DepthToSpace", [](node_call& n) { n.out(depth_to_space(n.in(0), block_of(n))); }},
    {"GridSample", sample_grid},
    {"LRN", local_response},
    {"NonMaxSuppression", suppress},
    {"Resize", resize_image},
    {"RoiAlign", align_regions},
    {"SpaceToDepth", [](node_call& n) { n.out(space_to_depth(n.in(0), block_of(n))); }},
    {"Upsample", upsample},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> image_operators() { return table; }

}  // namespace tenon::onnx
