// Images [n, c, h, w]: resize, grid_sample, roi_align, depth_to_space and its inverse, lrn. Not part of tenon.hpp:
// include it beside. They are written in other operators, in src/ops/image.cpp.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/reals.hpp"

namespace tenon {

enum class resize_mode : unsigned char { nearest, linear, cubic };
inline constexpr std::string_view resize_mode_names[] = {"nearest", "linear", "cubic"};
constexpr value_names names_of(resize_mode) { return {resize_mode_names, 3}; }
/// Where an element of the result lies in the operand; the words are ONNX's (`crop` is tf_crop_and_resize,
/// half_pixel_nn tf_half_pixel_for_nn).
enum class resize_coordinates : unsigned char {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  half_pixel_nn,
  crop
};
inline constexpr std::string_view resize_coordinates_names[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_nn", "crop"};
constexpr value_names names_of(resize_coordinates) { return {resize_coordinates_names, 7}; }
/// Which element is the nearest one: of two equally near ones the lower, the upper; or always that.
enum class resize_rounding : unsigned char { prefer_floor, prefer_ceil, floor, ceil };
inline constexpr std::string_view resize_rounding_names[] = {"prefer_floor", "prefer_ceil", "floor", "ceil"};
constexpr value_names names_of(resize_rounding) { return {resize_rounding_names, 4}; }

/// Of `resize`: the new extents, one for each axis; how; the scales that the coordinates follow (none: of the extents);
/// the cubic's parameter; whether taps outside the image are left out (else the edge counts); of `crop` the region, its
/// starts and ends as parts of each axis, and the value outside of the image.
struct resize_attrs {
  dims to{};
  resize_mode mode = resize_mode::nearest;
  resize_coordinates coordinates = resize_coordinates::half_pixel;
  resize_rounding rounding = resize_rounding::prefer_floor;
  reals scale{};
  double cubic = -0.75;
  bool exclude_outside = false;
  reals region{};
  double outside = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("to", s.to);
    v("mode", s.mode);
    v("coordinates", s.coordinates);
    v("rounding", s.rounding);
    v("scale", s.scale);
    v("cubic", s.cubic);
    v("exclude_outside", s.exclude_outside);
    v("region", s.region);
    v("outside", s.outside);
  }
  friend constexpr bool operator==(const resize_attrs&, const resize_attrs&) = default;
};

/// What `grid_sample` reads outside of the image: 0, the edge, the mirror image.
enum class sample_padding : unsigned char { zeros, border, reflection };
inline constexpr std::string_view sample_padding_names[] = {"zeros", "border", "reflection"};
constexpr value_names names_of(sample_padding) { return {sample_padding_names, 3}; }
/// Of `grid_sample`: nearest, linear or cubic; what is outside; whether -1 and 1 are the centres of the corner elements
/// (else their outer edges).
struct grid_sample_attrs {
  resize_mode mode = resize_mode::linear;
  sample_padding padding = sample_padding::zeros;
  bool align_corners = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("mode", s.mode);
    v("padding", s.padding);
    v("align_corners", s.align_corners);
  }
  friend constexpr bool operator==(const grid_sample_attrs&, const grid_sample_attrs&) = default;
};
/// Of `roi_align`: extents of the result, samples of each of its elements along an axis, the image's scale, whether
/// coordinates are shifted by half an element, whether the largest sample is taken (else the mean).
struct roi_align_attrs {
  int height = 1, width = 1, samples = 1;
  double scale = 1;
  bool half_pixel = true, max = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("height", s.height);
    v("width", s.width);
    v("samples", s.samples);
    v("scale", s.scale);
    v("half_pixel", s.half_pixel);
    v("max", s.max);
  }
  friend constexpr bool operator==(const roi_align_attrs&, const roi_align_attrs&) = default;
};
/// Of `depth_to_space` and `space_to_depth`: the block's extent, and whether the channel of the image comes before the
/// place in the block (ONNX mode CRD; else DCR).
struct block_attrs {
  int block = 1;
  bool channel_first = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("block", s.block);
    v("channel_first", s.channel_first);
  }
  friend constexpr bool operator==(const block_attrs&, const block_attrs&) = default;
};
/// Of `lrn`: how many channels, and alpha, beta and bias.
struct lrn_attrs {
  int size = 1;
  double alpha = 1e-4, beta = 0.75, bias = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("size", s.size);
    v("alpha", s.alpha);
    v("beta", s.beta);
    v("bias", s.bias);
  }
  friend constexpr bool operator==(const lrn_attrs&, const lrn_attrs&) = default;
};

namespace ops {

template <domain Takes>
struct image_over : unary_over<Takes> {
  static constexpr op_kind kind_of = op_kind::library;
};

/// The image (or any tensor) under other extents, its elements interpolated along each axis. Taps outside count as the
/// edge. Integers are interpolated in f32 and truncated. ONNX Resize (without antialias).
struct resize_op : image_over<domain::numbers> {
  using attrs = resize_attrs;
  static constexpr const char* name = "resize";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = at.to;
    if (s[0].any()) return o;
    if (at.to.rank != s[0].rank) {
      o.refuse() << "extents " << at.to << " for rank " << s[0].rank;
      return o;
    }
    if ((at.scale.size && at.scale.size != s[0].rank) || (at.region.size && at.region.size != 2 * s[0].rank)) {
      o.refuse() << at.scale.size << " scales and " << at.region.size << " bounds for rank " << s[0].rank;
      return o;
    }
    if (at.coordinates == resize_coordinates::crop && at.region.size == 0) o.refuse() << "no region";
    for (int i = 0; i < s[0].rank && o.ok; ++i) {
      if (at.to[i] == dyn) o.out[i] = s[0][i];
      if (s[0][i] == 0 && at.to[i] > 0) o.refuse() << "axis " << i << " has no elements";
      if (at.scale.size && !(at.scale[i] > 0)) o.refuse() << "scale of axis " << i << " is not positive";
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
};

/// The image [n, c, h, w] read at the places [n, y, x, 2] of a grid, which has (x, y) with -1 and 1 as the edges. ONNX
/// GridSample.
struct grid_sample_op : image_over<domain::floats> {
  using attrs = grid_sample_attrs;
  static constexpr const char* name = "grid_sample";
  static constexpr int operands = 2, max_operands = 2;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    if (s[0].rank != 4 || s[1].rank != 4) {
      o.refuse() << "ranks " << s[0].rank << " and " << s[1].rank << ", not 4";
      return o;
    }
    if (s[1][3] >= 0 && s[1][3] != 2)
      o.refuse() << "places of " << s[1][3] << " coordinates";
    else if (s[0][0] >= 0 && s[1][0] >= 0 && s[0][0] != s[1][0])
      o.refuse() << "extents " << s[0][0] << " != " << s[1][0];
    o.out = dims{s[0][0], s[0][1], s[1][1], s[1][2]};
    return o;
  }
  static constexpr dims unknown(shapes s) { return shape(attrs{}, s).out; }
};

/// Operators of images [n, c, h, w], regions [r, 4] of them and the batch index [r] of each: [r, c, height, width].
/// `what` names the regions in refusals.
struct regions_op : image_over<domain::floats> {
  static constexpr int operands = 3, max_operands = 3;
  static constexpr dtype operand_type(int k, dtype main) { return k == 2 ? i64 : main; }
  static constexpr outcome of_regions(shapes s, std::string_view what, int height, int width) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    if (s[0].rank != 4 || s[1].rank != 2 || s[2].rank != 1)
      o.refuse() << "ranks " << s[0].rank << ", " << s[1].rank << " and " << s[2].rank << ", not 4, 2 and 1";
    else if (s[1][1] >= 0 && s[1][1] != 4)
      o.refuse() << what << " of " << s[1][1] << " numbers";
    else if (s[1][0] >= 0 && s[2][0] >= 0 && s[1][0] != s[2][0])
      o.refuse() << s[1][0] << " " << what << " and " << s[2][0] << " indices";
    else
      o.out = dims{s[1][0], s[0][1], height, width};
    return o;
  }
  static constexpr dims unknown(shapes s) { return s.any() ? detail::any_dims() : dims{dyn, dyn, dyn, dyn}; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    const dtype floats[] = {t[0], t[1]};
    type_outcome o = one_type(domain::floats, {floats, 2});
    if (o.ok && !in_domain(domain::integers, t[2])) o.refuse() << "indices of " << tenon::name(t[2]);
    return o;
  }
};
/// Regions [r, 4] (x, y of two corners) of images [n, c, h, w], which the batch indices [r] choose, as [r, c, height,
/// width]: the mean (or the largest) of samples^2 interpolated elements. ONNX RoiAlign (sampling_ratio above 0).
struct roi_align_op : regions_op {
  using attrs = roi_align_attrs;
  static constexpr const char* name = "roi_align";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o = of_regions(s, "regions", at.height, at.width);
    if (at.height < 1 || at.width < 1 || at.samples < 1)
      (o = {}).refuse() << "height " << at.height << ", width " << at.width << ", samples " << at.samples;
    return o;
  }
};

/// Blocks of channels as blocks of the image: [n, c b b, h, w] as [n, c, h b, w b]. ONNX DepthToSpace.
struct depth_to_space_op : image_over<domain::any> {
  using attrs = block_attrs;
  static constexpr const char* name = "depth_to_space";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.block < 1) o.refuse() << "block " << at.block << " < 1";
    if (s[0].any() || !o.ok) return o;
    const extent_t b = at.block;
    if (s[0].rank != 4)
      o.refuse() << "rank " << s[0].rank << " != 4";
    else if (s[0][1] >= 0 && s[0][1] % (b * b) != 0)
      o.refuse() << s[0][1] << " channels in blocks of " << b << " x " << b;
    else if (b != 1)
      o.out =
          dims{s[0][0], s[0][1] < 0 ? dyn : s[0][1] / (b * b), s[0][2] < 0 ? dyn : detail::bounded_product(s[0][2], b),
               s[0][3] < 0 ? dyn : detail::bounded_product(s[0][3], b)};
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
};
/// Blocks of the image as channels: [n, c, h, w] as [n, b b c, h / b, w / b]. ONNX SpaceToDepth.
struct space_to_depth_op : image_over<domain::any> {
  using attrs = block_attrs;
  static constexpr const char* name = "space_to_depth";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.block < 1) o.refuse() << "block " << at.block << " < 1";
    if (s[0].any() || !o.ok) return o;
    const extent_t b = at.block;
    if (s[0].rank != 4) {
      o.refuse() << "rank " << s[0].rank << " != 4";
      return o;
    }
    for (int d = 2; d < 4 && o.ok; ++d)
      if (s[0][d] >= 0 && s[0][d] % b != 0) o.refuse() << "extent " << s[0][d] << " in blocks of " << b;
    if (b != 1)
      o.out = dims{s[0][0], s[0][1] < 0 ? dyn : detail::bounded_product(s[0][1], b * b),
                   s[0][2] < 0 ? dyn : s[0][2] / b, s[0][3] < 0 ? dyn : s[0][3] / b};
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
};

/// x / (bias + alpha / size * the sum of squares of the `size` channels around)^beta. ONNX LRN.
struct lrn_op : image_over<domain::floats> {
  using attrs = lrn_attrs;
  static constexpr const char* name = "lrn";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.size < 1)
      o.refuse() << "size " << at.size << " < 1";
    else if (!s[0].any() && s[0].rank < 2)
      o.refuse() << "rank " << s[0].rank << " < 2";
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};

}  // namespace ops

/// resize(x, {.to = {1, 3, 64, 64}, .mode = resize_mode::linear}).
inline constexpr detail::attr_fn<ops::resize_op> resize{};
inline constexpr detail::attr_fn<ops::grid_sample_op> grid_sample{};
inline constexpr detail::attr_fn<ops::roi_align_op> roi_align{};
inline constexpr detail::attr_fn<ops::depth_to_space_op> depth_to_space{};
inline constexpr detail::attr_fn<ops::space_to_depth_op> space_to_depth{};
inline constexpr detail::attr_fn<ops::lrn_op> lrn{};

}  // namespace tenon
