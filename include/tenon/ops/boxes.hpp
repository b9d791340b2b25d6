// Boxes in images: crop_and_resize, non_max_suppression. Not part of tenon.hpp: include it beside. They are written in
// other operators, in src/ops/boxes.cpp.
#pragma once
#include "tenon/ops/dynamic.hpp"
#include "tenon/ops/image.hpp"

namespace tenon {

/// Of `crop_and_resize`: the extents of the result, whether the nearest element is taken (else it is interpolated), and
/// the value outside of the image.
struct crop_attrs {
  int height = 1, width = 1;
  bool nearest = false;
  double outside = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("height", s.height);
    v("width", s.width);
    v("nearest", s.nearest);
    v("outside", s.outside);
  }
  friend constexpr bool operator==(const crop_attrs&, const crop_attrs&) = default;
};
/// Of `suppress_overlaps` and `non_max_suppression`: most boxes of a class in an image; the part of two boxes' union
/// above which their intersection is too large; the score that a box must exceed; whether a box is its centre and
/// extents (x, y, width, height), else two corners (y, x, y, x).
struct suppression_attrs {
  int most = 1;
  double overlap = 0, score = -__builtin_inf();
  bool centered = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("most", s.most);
    v("overlap", s.overlap);
    v("score", s.score);
    v("centered", s.centered);
  }
  friend constexpr bool operator==(const suppression_attrs&, const suppression_attrs&) = default;
};

namespace ops {

/// i: which result.
/// Boxes [r, 4] (y, x of two corners, as parts of the image's height and width less one) of images [n, c, h, w], which
/// the batch indices [r] choose, as [r, c, height, width]. TensorFlow crop_and_resize.
struct crop_and_resize_op : regions_op {
  using attrs = crop_attrs;
  static constexpr const char* name = "crop_and_resize";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o = of_regions(s, "boxes", at.height, at.width);
    if (at.height < 1 || at.width < 1)
      (o = {}).refuse() << "height " << at.height << ", width " << at.width;
    else if (o.ok && !s.any() && (s[0][2] == 0 || s[0][3] == 0))
      o.refuse() << "an image of " << s[0][2] << " x " << s[0][3];
    return o;
  }
};

/// Of boxes [..., n, 4] (y, x of the lower, then of the upper corner) and scores [..., n] in descending order: 1 for a
/// box whose score is high enough and that no kept one before it overlaps too much, up to as many as may be kept; else
/// 0 (i64, [..., n]).
struct suppress_overlaps_op : unary_over<domain::floats> {
  using attrs = suppression_attrs;
  static constexpr const char* name = "suppress_overlaps";
  static constexpr op_kind kind_of = op_kind::program;
  static constexpr int operands = 2, max_operands = 2;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[1];
    if (s.any()) return o;
    const int rank = s[1].rank;
    bool fit = rank >= 1 && s[0].rank == rank + 1 && (s[0][rank] < 0 || s[0][rank] == 4);
    for (int d = 0; fit && d < rank; ++d) fit = s[0][d] < 0 || s[1][d] < 0 || s[0][d] == s[1][d];
    if (!fit) o.refuse() << "boxes " << s[0] << " and scores " << s[1];
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[1]; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::floats, t);
    if (o.ok) o.out = i64;
    return o;
  }
};

/// Boxes [b, n, 4] and scores [b, classes, n]: the boxes that are kept, as (image, class, box) (i64, [most there may
/// be, 3]), by image, class and falling score, and how many. Behind them are zeros. ONNX NonMaxSuppression.
struct non_max_suppression_op : unary_over<domain::floats> {
  using attrs = suppression_attrs;
  static constexpr const char* name = "non_max_suppression";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr int operands = 2, max_operands = 2, results = 2;
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = dims{dyn, 3};
    if (at.most < 0) o.refuse() << "most " << at.most << " < 0";
    if (s.any() || !o.ok) return o;
    const auto differ = [](extent_t a, extent_t b) { return a >= 0 && b >= 0 && a != b; };
    if (s[0].rank != 3 || s[1].rank != 3 || differ(s[0][2], 4) || differ(s[0][0], s[1][0]) ||
        differ(s[0][1], s[1][2])) {
      o.refuse() << "boxes " << s[0] << " and scores " << s[1];
      return o;
    }
    if (s[0].is_static() && s[1].is_static()) {
      const extent_t each = s[1][2] < at.most ? s[1][2] : at.most;
      o.out[0] = dims{s[1][0], s[1][1], each}.count();
    }
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::floats, t);
    o.out = o.more[0] = i64;
    return o;
  }
};

}  // namespace ops

/// crop_and_resize(x, boxes, batch, {.height = 7, .width = 7}).
inline constexpr detail::attr_fn<ops::crop_and_resize_op> crop_and_resize{};
/// The boxes that are kept: [n, 3], n as many as there are.
template <operand B, operand S>
auto non_max_suppression(const B& boxes, const S& scores, const suppression_attrs& at,
                         loc where = std::source_location::current()) {
  const auto all = detail::apply_dynamic<ops::non_max_suppression_op>(where, at, boxes, scores);
  return narrow.with<first_axis_attrs{}>(std::get<0>(all), std::get<1>(all), where);
}

}  // namespace tenon
