// Boxes in images, by plain loops.
#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

struct box {
  real y0, x0, y1, x1;
  real area() const { return std::max<real>(y1 - y0, 0) * std::max<real>(x1 - x0, 0); }
};
real overlap(const box& a, const box& b) {
  const box both{std::max(a.y0, b.y0), std::max(a.x0, b.x0), std::min(a.y1, b.y1), std::min(a.x1, b.x1)};
  const real shared = both.area(), all = a.area() + b.area() - shared;
  return shared > 0 ? shared / all : 0;
}
/// Boxes with corners at multiples of 1/4, so that areas are exact; scores of which some are equal.
values boxes_of(dtype d, const shape_t& s, std::uint64_t seed) {
  values v = filled(d, s, fill::small, seed);
  for (real& x : v.v) x = std::trunc(x * 4) / 4;
  return v;
}

/// Which boxes of `order` are kept.
std::vector<std::size_t> kept_of(const std::vector<box>& all, const std::vector<real>& scores,
                                 const std::vector<std::size_t>& order, real most_overlap, real least_score) {
  std::vector<std::size_t> kept;
  for (std::size_t i : order) {
    if (!(scores[i] > least_score)) continue;
    if (std::ranges::none_of(kept, [&](std::size_t k) { return overlap(all[i], all[k]) > most_overlap; }))
      kept.push_back(i);
  }
  return kept;
}

void add_suppress(table& t) {
  t.push_back(
      {"suppress_overlaps", floats, [](dtype d) {
         cases c;
         const auto by = [&](column w, std::int64_t images, std::int64_t n, const std::string& attrs, std::size_t most,
                             real most_overlap, real least, fill fills = fill::small, int layout = 0) {
           values boxes = boxes_of(d, {images, n, 4}, 321);
           for (std::size_t i = 0; i < boxes.v.size(); i += 4) {
             if (boxes.v[i] > boxes.v[i + 2]) std::swap(boxes.v[i], boxes.v[i + 2]);
             if (boxes.v[i + 1] > boxes.v[i + 3]) std::swap(boxes.v[i + 1], boxes.v[i + 3]);
           }
           c.add(
               w, attrs, {boxes, filled(d, {images, n}, fills, 322)},
               [=](const std::vector<values>& v) {
                 values y(i64, {images, n});
                 for (std::int64_t b = 0; b < images; ++b) {
                   std::vector<box> all;
                   std::vector<real> scores;
                   std::vector<std::size_t> order;
                   for (std::int64_t i = 0; i < n; ++i) {
                     all.push_back({v[0].at({b, i, 0}), v[0].at({b, i, 1}), v[0].at({b, i, 2}), v[0].at({b, i, 3})});
                     scores.push_back(v[1].at({b, i}));
                     order.push_back(static_cast<std::size_t>(i));
                   }
                   std::size_t count = 0;
                   for (std::size_t i : kept_of(all, scores, order, most_overlap, least))
                     if (count++ < most) y.at({b, static_cast<std::int64_t>(i)}) = 1;
                 }
                 return one(y);
               },
               layout);
         };
         const real inf = std::numeric_limits<real>::infinity();
         by(column::random, 3, 20, "{.most = 20, .overlap = 0.25}", 20, 0.25L, -inf);
         by(column::random, 2, 30, "{.most = 5, .overlap = 0.5, .score = 0.25}", 5, 0.5L, 0.25L);
         by(column::empty, 2, 0, "", 1, 0, -inf);
         by(column::size_1, 1, 1, "", 1, 0, -inf);
         by(column::odd, 3, 37, "{.most = 7, .overlap = 0.125}", 7, 0.125L, -inf);
         for (int layout = 1; layout <= 3; ++layout)
           by(column::strided, 2, 9, "{.most = 9, .overlap = 0.25}", 9, 0.25L, -inf, fill::small, layout);
         by(column::nan, 1, 19, "{.most = 19, .score = -1}", 19, 0, -1, fill::nan);
         by(column::infinities, 1, 19, "{.most = 19, .score = -1}", 19, 0, -1, fill::infinities);
         c.refused(column::rank_0, "no axis", "", {filled(d, {4}, fill::small, 1), filled(d, {}, fill::small, 1)});
         c.missing(column::negative_axis, "no axis");
         return c;
       }});
}

void add_suppression(table& t) {
  t.push_back(
      {"non_max_suppression", floats, [](dtype d) {
         cases c;
         const auto by = [&](column w, std::int64_t images, std::int64_t classes, std::int64_t n, std::int64_t most,
                             real most_overlap, bool centered = false, int layout = 0) {
           std::string attrs =
               "{.most = " + std::to_string(most) + ", .overlap = " + std::to_string(static_cast<double>(most_overlap));
           values scores = filled(d, {images, classes, n}, fill::small, 324);
           for (real& x : scores.v) x = std::trunc(x * 4) / 4;
           c.add(
               w, attrs + (centered ? ", .centered = true}" : "}"), {boxes_of(d, {images, n, 4}, 323), scores},
               [=](const std::vector<values>& v) {
                 std::vector<values> y = {values(i64, {images * classes * std::min(n, most), 3}), values(i64, {})};
                 std::int64_t row = 0;
                 for (std::int64_t b = 0; b < images; ++b)
                   for (std::int64_t k = 0; k < classes; ++k) {
                     std::vector<box> all;
                     std::vector<real> s;
                     std::vector<std::size_t> order;
                     for (std::int64_t i = 0; i < n; ++i) {
                       const auto at = [&](std::int64_t e) { return v[0].at({b, i, e}); };
                       if (centered)
                         all.push_back({at(1) - at(3) / 2, at(0) - at(2) / 2, at(1) + at(3) / 2, at(0) + at(2) / 2});
                       else
                         all.push_back({std::min(at(0), at(2)), std::min(at(1), at(3)), std::max(at(0), at(2)),
                                        std::max(at(1), at(3))});
                       s.push_back(v[1].at({b, k, i}));
                       order.push_back(static_cast<std::size_t>(i));
                     }
                     std::sort(order.begin(), order.end(),
                               [&](std::size_t p, std::size_t q) { return s[p] != s[q] ? s[p] > s[q] : p < q; });
                     std::vector<std::size_t> kept =
                         kept_of(all, s, order, most_overlap, -std::numeric_limits<real>::infinity());
                     for (std::size_t i = 0; i < kept.size() && i < static_cast<std::size_t>(most); ++i, ++row) {
                       y[0].at({row, 0}) = static_cast<real>(b);
                       y[0].at({row, 1}) = static_cast<real>(k);
                       y[0].at({row, 2}) = static_cast<real>(kept[i]);
                     }
                   }
                 y[1].v[0] = static_cast<real>(row);
                 return y;
               },
               layout);
         };
         by(column::random, 2, 3, 20, 5, 0.25L);
         by(column::random, 1, 2, 30, 100, 0.5L, true);
         by(column::empty, 2, 2, 0, 3, 0.5L);
         by(column::empty, 2, 2, 4, 0, 0.5L);
         by(column::size_1, 1, 1, 1, 1, 0);
         by(column::odd, 1, 3, 37, 7, 0.125L);
         for (int layout = 1; layout <= 3; ++layout) by(column::strided, 2, 2, 9, 4, 0.25L, false, layout);
         for (const column w : {column::nan, column::infinities}) c.missing(w, "boxes and scores are finite");
         c.refused(column::rank_0, "no axis", "", {filled(d, {4}, fill::small, 1), filled(d, {}, fill::small, 1)});
         c.refused(column::rank_0, "boxes of three numbers", "",
                   {filled(d, {1, 2, 3}, fill::small, 1), filled(d, {1, 1, 2}, fill::small, 1)});
         c.missing(column::negative_axis, "no axis");
         return c;
       }});
}

void add_crop(table& t) {
  t.push_back(
      {"crop_and_resize", floats,
       [](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t x, std::int64_t boxes, std::int64_t height, std::int64_t width,
                             bool nearest = false, fill fills = fill::small, int layout = 0) {
           // Corners at multiples of 1/8 in [-1/4, 5/4], so that places are exact for small images.
           values corners = filled(d, {boxes, 4}, fill::small, 325);
           for (real& v : corners.v) v = std::trunc(v * 3) / 8 + 0.5L;
           values batch(i64, {boxes});
           for (std::int64_t i = 0; i < boxes; ++i) batch.at({i}) = static_cast<real>(i * 7 % x[0]);
           c.add(
               w,
               "{.height = " + std::to_string(height) + ", .width = " + std::to_string(width) +
                   (nearest ? ", .nearest = true, .outside = 3}" : ", .outside = 3}"),
               {filled(d, x, fills, 326), corners, batch},
               [=](const std::vector<values>& v) {
                 values y(d, {boxes, x[1], height, width});
                 const auto place = [](real first, real last, std::int64_t i, std::int64_t size, std::int64_t n) {
                   const auto reach = static_cast<real>(n - 1);
                   return size > 1 ? first * reach +
                                         static_cast<real>(i) * (last - first) * reach / static_cast<real>(size - 1)
                                   : (first + last) / 2 * reach;
                 };
                 for_each(y.shape, [&](const shape_t& i) {
                   const auto corner = [&](std::int64_t k) { return v[1].at({i[0], k}); };
                   const real py = place(corner(0), corner(2), i[2], height, x[2]);
                   const real px = place(corner(1), corner(3), i[3], width, x[3]);
                   if (py < 0 || px < 0 || py > static_cast<real>(x[2] - 1) || px > static_cast<real>(x[3] - 1)) {
                     y.set(i, 3, 0);
                     return;
                   }
                   const auto image = static_cast<std::int64_t>(v[2].at({i[0]}));
                   const auto at = [&](real p, real q) {
                     return v[0].at({image, i[1], static_cast<std::int64_t>(p), static_cast<std::int64_t>(q)});
                   };
                   if (nearest) {
                     y.set(i, at(std::nearbyint(py), std::nearbyint(px)), 0);
                     return;
                   }
                   const real fy = std::floor(py), fx = std::floor(px), wy = py - fy, wx = px - fx;
                   const real gy = std::min(fy + 1, static_cast<real>(x[2] - 1)),
                              gx = std::min(fx + 1, static_cast<real>(x[3] - 1));
                   const real upper = at(fy, fx) + (at(fy, gx) - at(fy, fx)) * wx;
                   const real lower = at(gy, fx) + (at(gy, gx) - at(gy, fx)) * wx;
                   y.set(i, upper + (lower - upper) * wy, 64 * epsilon(d));
                 });
                 return one(y);
               },
               layout);
         };
         by(column::random, {2, 3, 9, 9}, 5, 5, 3);
         by(column::random, {2, 3, 9, 5}, 4, 3, 5, true);
         by(column::random, {1, 2, 5, 9}, 3, 1, 1);
         by(column::empty, {1, 2, 5, 5}, 0, 2, 2);
         by(column::size_1, {1, 1, 1, 1}, 1, 1, 1);
         by(column::odd, {3, 5, 17, 9}, 7, 5, 9);
         for (int layout = 1; layout <= 3; ++layout)
           by(column::strided, {2, 2, 5, 9}, 3, 3, 3, false, fill::small, layout);
         by(column::nan, {1, 1, 5, 5}, 3, 5, 5, true, fill::nan);
         by(column::infinities, {1, 1, 5, 5}, 3, 5, 5, true, fill::infinities);
         c.refused(column::rank_0, "no axis", "",
                   {filled(d, {}, fill::small, 1), filled(d, {4}, fill::small, 1), filled(i64, {}, fill::small, 1)});
         c.missing(column::negative_axis, "no axis");
         return c;
       },
       [](dtype d) {
         return call{column::random,
                     "",
                     {filled(d, {1, 1, 2, 2}, fill::small, 1), filled(d, {1, 4}, fill::small, 1),
                      filled(i64, {1}, fill::small, 1)},
                     {}};
       }});
}

}  // namespace

void add_boxes(table& t) {
  add_suppress(t);
  add_suppression(t);
  add_crop(t);
}

}  // namespace conformance
