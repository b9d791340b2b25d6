// Images and rare pooling: each element as a sum over its taps, in long double.
#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

struct tap {
  std::int64_t at = 0;
  real weight = 1;
  bool outside = false;
};
real cubic(real a, real d) {
  d = std::fabs(d);
  if (d <= 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  return d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a : 0;
}
/// The taps of coordinate x on an axis of n elements; those outside keep their number.
std::vector<tap> taps(const std::string& mode, real x) {
  const auto floor = static_cast<std::int64_t>(std::floor(x));
  if (mode == "nearest") return {{static_cast<std::int64_t>(std::ceil(x - 0.5L))}};
  if (mode == "linear") return {{floor, 1 - (x - static_cast<real>(floor))}, {floor + 1, x - static_cast<real>(floor)}};
  std::vector<tap> r;
  for (std::int64_t p = floor - 1; p <= floor + 2; ++p) r.push_back({p, cubic(-0.75L, x - static_cast<real>(p))});
  return r;
}

void add_resize(table& t) {
  t.push_back({"resize", numbers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t to, std::string mode, std::string coordinates,
                                     fill fills = fill::small, int layout = 0) {
                   c.add(
                       w, "{.to = " + text(to) + ", .mode = " + mode + ", .coordinates = " + coordinates + "}",
                       {filled(d, x, fills, 221)},
                       [=](const std::vector<values>& in) {
                         const auto along = [&](std::size_t axis, std::int64_t i) {
                           if (x[axis] == to[axis]) return std::vector<tap>{{i}};
                           const auto n = static_cast<real>(x[axis]), m = static_cast<real>(to[axis]);
                           const auto o = static_cast<real>(i);
                           const real p = coordinates == "half_pixel"   ? (o + 0.5L) * n / m - 0.5L
                                          : coordinates == "asymmetric" ? o * n / m
                                          : to[axis] == 1               ? 0
                                                                        : o * (n - 1) / (m - 1);
                           std::vector<tap> all = taps(mode, p);
                           for (tap& k : all) k.at = std::clamp<std::int64_t>(k.at, 0, x[axis] - 1);
                           return all;
                         };
                         values y(d, to);
                         for_each(to, [&](const shape_t& i) {
                           real sum = 0, size = 0;
                           const std::function<void(std::size_t, shape_t, real)> add = [&](std::size_t axis,
                                                                                           shape_t from, real weight) {
                             if (axis == to.size()) {
                               const real v = in[0].at(from);
                               sum += v * weight;
                               size += std::fabs(v * weight);
                               return;
                             }
                             for (const tap& k : along(axis, i[axis])) {
                               shape_t next = from;
                               next.push_back(k.at);
                               add(axis + 1, next, weight * k.weight);
                             }
                           };
                           add(0, {}, 1);
                           if (mode == "nearest")
                             y.at(i) = sum;
                           else
                             y.set(i, sum, std::isfinite(sum) ? 40 * epsilon(d) * size + tiny(d) : 0);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {2, 3, 4, 5}, {2, 3, 8, 7}, "nearest", "half_pixel");
                 by(column::random, {1, 2, 5, 6}, {1, 2, 3, 9}, "nearest", "asymmetric");
                 if (tenon::is_float(d))
                   for (const char* mode : {"linear", "cubic"})
                     for (const char* at : {"half_pixel", "align_corners", "asymmetric"}) {
                       by(column::random, {1, 2, 5, 6}, {1, 2, 9, 4}, mode, at);
                       by(column::random, {7}, {3}, mode, at);
                     }
                 by(column::empty, {0, 2, 3}, {0, 2, 6}, "nearest", "half_pixel");
                 by(column::rank_0, {}, {}, "nearest", "half_pixel");
                 by(column::size_1, {1, 1}, {3, 2}, "nearest", "half_pixel");
                 by(column::odd, {7, 11}, {13, 37}, tenon::is_float(d) ? "linear" : "nearest", "half_pixel");
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {3, 5}, {6, 4}, tenon::is_float(d) ? "linear" : "nearest", "half_pixel",
                      fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {30}, {45}, "nearest", "half_pixel", fill::nan);
                   by(column::infinities, {30}, {45}, "nearest", "half_pixel", fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_grid_sample(table& t) {
  t.push_back({"grid_sample", floats, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t grid, std::string mode, std::string padding,
                                     bool corners, fill fills = fill::small, int layout = 0) {
                   values places = filled(d, grid, fill::small, 222);
                   for (real& v : places.v) v = rounded(d, v * 0.625L);  // some beyond the edges
                   c.add(
                       w,
                       "{.mode = " + mode + ", .padding = " + padding +
                           ", .align_corners = " + (corners ? "true" : "false") + "}",
                       {filled(d, x, fills, 223), places},
                       [=](const std::vector<values>& in) {
                         const auto mirrored = [&](real p, std::int64_t n) {
                           const real low = corners ? 0 : -0.5L;
                           const real high = static_cast<real>(n) - (corners ? 1 : 0.5L);
                           while (p < low || p > high) p = p < low ? 2 * low - p : 2 * high - p;
                           return p;
                         };
                         const auto along = [&](real g, std::int64_t n) {
                           const auto e = static_cast<real>(n);
                           real p = corners ? (g + 1) / 2 * (e - 1) : ((g + 1) * e - 1) / 2;
                           if (mode != "cubic") {
                             if (padding == "border") p = std::clamp<real>(p, 0, e - 1);
                             if (padding == "reflection") p = mirrored(p, n);
                           }
                           std::vector<tap> all;
                           if (mode == "nearest")
                             all = {{static_cast<std::int64_t>(std::nearbyint(p))}};
                           else
                             all = taps(mode, p);
                           for (tap& k : all) {
                             k.outside = padding == "zeros" && (k.at < 0 || k.at >= n);
                             if (padding == "reflection")
                               k.at = static_cast<std::int64_t>(mirrored(static_cast<real>(k.at), n));
                             k.at = std::clamp<std::int64_t>(k.at, 0, n - 1);
                           }
                           return all;
                         };
                         values y(d, {x[0], x[1], grid[1], grid[2]});
                         for_each(y.shape, [&](const shape_t& i) {
                           real sum = 0, size = 0;
                           for (const tap& r : along(in[1].at({i[0], i[2], i[3], 1}), x[2]))
                             for (const tap& k : along(in[1].at({i[0], i[2], i[3], 0}), x[3])) {
                               const real v = r.outside || k.outside ? 0 : in[0].at({i[0], i[1], r.at, k.at});
                               sum += v * (r.weight * k.weight);
                               size += std::fabs(v);
                             }
                           // The weights come from coordinates, which are rounded themselves.
                           y.set(i, sum, std::isfinite(sum) ? 400 * epsilon(d) * (size + 1) : 0);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 for (const char* padding : {"zeros", "border", "reflection"})
                   for (const bool corners : {false, true}) {
                     by(column::random, {2, 3, 5, 6}, {2, 4, 3, 2}, "linear", padding, corners);
                     if (d == f32 || d == f64)
                       by(column::random, {1, 2, 6, 5}, {1, 3, 4, 2}, "cubic", padding, corners);
                   }
                 by(column::empty, {0, 3, 5, 6}, {0, 4, 3, 2}, "linear", "zeros", false);
                 by(column::empty, {1, 3, 5, 6}, {1, 0, 3, 2}, "linear", "zeros", false);
                 c.refused(column::rank_0, "no image", "",
                           {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 2)});
                 by(column::size_1, {1, 1, 1, 1}, {1, 1, 1, 2}, "linear", "border", true);
                 by(column::odd, {1, 3, 7, 11}, {1, 5, 13, 2}, "linear", "zeros", true);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {1, 2, 5, 7}, {1, 3, 3, 2}, "linear", "zeros", false, fill::small, layout);
                 by(column::nan, {1, 2, 5, 6}, {1, 3, 4, 2}, "linear", "border", false, fill::nan);
                 by(column::infinities, {1, 2, 5, 6}, {1, 3, 4, 2}, "linear", "border", false, fill::infinities);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_roi_align(table& t) {
  t.push_back(
      {"roi_align", floats, [](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t x, std::int64_t regions, int height, int width, int samples, bool half,
                             bool largest, int layout = 0, fill fills = fill::small) {
           values corners = filled(d, {regions, 4}, fill::positive, 224), batch(i64, {regions});
           for (std::size_t r = 0; r < static_cast<std::size_t>(regions); ++r) {
             for (std::size_t k = 2; k < 4; ++k)
               corners.v[4 * r + k] = rounded(d, corners.v[4 * r + k] + corners.v[4 * r + k - 2]);
             batch.v[r] = static_cast<real>(static_cast<std::int64_t>(r) % x[0]);
           }
           c.add(
               w,
               "{.height = " + std::to_string(height) + ", .width = " + std::to_string(width) +
                   ", .samples = " + std::to_string(samples) + ", .half_pixel = " + (half ? "true" : "false") +
                   ", .max = " + (largest ? "true" : "false") + "}",
               {filled(d, x, fills, 225), corners, batch},
               [=](const std::vector<values>& in) {
                 const auto along = [&](real low, real high, std::int64_t n, int outputs, std::int64_t o, int s) {
                   const real shift = half ? 0.5L : 0;
                   real size = high - low;
                   if (!half) size = std::max<real>(size, 1);
                   const real p = low - shift + size / outputs * (static_cast<real>(o) + (s + 0.5L) / samples);
                   if (p < -1 || p > static_cast<real>(n)) return std::vector<tap>{{0, 0}, {0, 0}};
                   const real inside = std::clamp<real>(p, 0, static_cast<real>(n - 1));
                   const auto first = static_cast<std::int64_t>(inside);
                   const real r = inside - static_cast<real>(first);
                   return std::vector<tap>{{first, 1 - r}, {std::min(first + 1, n - 1), r}};
                 };
                 values y(d, {regions, x[1], height, width});
                 for_each(y.shape, [&](const shape_t& i) {
                   real sum = 0, best = -HUGE_VALL, size = 0;
                   for (int sy = 0; sy < samples; ++sy)
                     for (int sx = 0; sx < samples; ++sx) {
                       real v = 0;
                       for (const tap& row : along(in[1].at({i[0], 1}), in[1].at({i[0], 3}), x[2], height, i[2], sy))
                         for (const tap& k : along(in[1].at({i[0], 0}), in[1].at({i[0], 2}), x[3], width, i[3], sx)) {
                           const real e = in[0].at({static_cast<std::int64_t>(in[2].at({i[0]})), i[1], row.at, k.at});
                           v += e * (row.weight * k.weight);
                           size = std::max(size, std::fabs(e));
                         }
                       sum += v;
                       best = std::max(best, v);
                     }
                   const real v = largest ? best : sum / (samples * samples);
                   y.set(i, v, 400 * epsilon(d) * (size + 1));
                 });
                 return one(y);
               },
               layout);
         };
         by(column::random, {2, 3, 9, 8}, 3, 2, 3, 2, true, false);
         by(column::random, {1, 2, 9, 8}, 2, 3, 3, 1, false, false);
         by(column::random, {1, 2, 9, 8}, 2, 2, 2, 2, true, true);
         by(column::empty, {2, 3, 9, 8}, 0, 2, 3, 2, true, false);
         c.refused(column::rank_0, "no image", "",
                   {filled(d, {}, fill::small, 1), filled(d, {1, 4}, fill::small, 2), values(i64, {1})});
         by(column::size_1, {1, 1, 1, 1}, 1, 1, 1, 1, true, false);
         by(column::odd, {1, 3, 11, 13}, 3, 5, 3, 3, true, false);
         for (int layout = 1; layout <= 3; ++layout) by(column::strided, {2, 2, 7, 5}, 3, 2, 2, 1, true, false, layout);
         c.missing(column::nan, "which elements a NaN reaches is the sum's own matter: grid_sample");
         c.missing(column::infinities, "as NaN: grid_sample");
         c.missing(column::negative_axis, "no axis");
         return c;
       }});
}

void add_blocks(table& t) {
  for (const bool to_space : {true, false})
    t.push_back({to_space ? "depth_to_space" : "space_to_depth", any_type, [=](dtype d) {
                   cases c;
                   const auto by = [&](column w, shape_t x, std::int64_t b, bool first, fill fills = fill::plain,
                                       int layout = 0) {
                     const std::int64_t channels = to_space ? x[1] / (b * b) : x[1];
                     const shape_t out = to_space ? shape_t{x[0], channels, x[2] * b, x[3] * b}
                                                  : shape_t{x[0], channels * b * b, x[2] / b, x[3] / b};
                     c.add(
                         w, "{.block = " + std::to_string(b) + ", .channel_first = " + (first ? "true" : "false") + "}",
                         {filled(d, x, fills, 226)},
                         [=](const std::vector<values>& in) {
                           values y(d, out);
                           // The channel that holds place (p, q) of the block of channel ch.
                           const auto deep = [&](std::int64_t ch, std::int64_t p, std::int64_t q) {
                             return first ? (ch * b + p) * b + q : (p * b + q) * channels + ch;
                           };
                           for_each(to_space ? out : x, [&](const shape_t& i) {
                             const shape_t packed{i[0], deep(i[1], i[2] % b, i[3] % b), i[2] / b, i[3] / b};
                             if (to_space)
                               y.at(i) = in[0].at(packed);
                             else
                               y.at(packed) = in[0].at(i);
                           });
                           return one(y);
                         },
                         layout);
                   };
                   const auto sized = [&](std::int64_t ch, std::int64_t h, std::int64_t width, std::int64_t b) {
                     return to_space ? shape_t{2, ch * b * b, h, width} : shape_t{2, ch, h * b, width * b};
                   };
                   for (const bool first : {false, true}) {
                     by(column::random, sized(3, 2, 4, 2), 2, first);
                     by(column::odd, sized(5, 3, 7, 3), 3, first);
                   }
                   by(column::random, {1, 4, 2, 2}, 1, false);
                   by(column::empty, sized(3, 0, 4, 2), 2, false);
                   c.refused(column::rank_0, "no image", "", {filled(d, {}, fill::small, 1)});
                   by(column::size_1, {1, 1, 1, 1}, 1, false);
                   for (int layout = 1; layout <= 3; ++layout)
                     by(column::strided, sized(2, 3, 2, 2), 2, false, fill::plain, layout);
                   if (tenon::is_float(d)) {
                     by(column::nan, sized(2, 3, 3, 2), 2, false, fill::nan);
                     by(column::infinities, sized(2, 3, 3, 2), 2, false, fill::infinities);
                   }
                   c.missing(column::negative_axis, "no axis");
                   return c;
                 }});
}

void add_lrn(table& t) {
  t.push_back({"lrn", floats, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, int size, int layout = 0, fill fills = fill::small) {
                   c.add(
                       w, "{.size = " + std::to_string(size) + ", .alpha = 0.5, .beta = 0.75, .bias = 2}",
                       {filled(d, x, fills, 227)},
                       [=](const std::vector<values>& in) {
                         values y(d, x);
                         for_each(x, [&](const shape_t& i) {
                           real sum = 0;
                           for (std::int64_t k = i[1] - (size - 1) / 2; k <= i[1] + size - 1 - (size - 1) / 2; ++k) {
                             if (k < 0 || k >= x[1]) continue;
                             shape_t j = i;
                             j[1] = k;
                             sum += in[0].at(j) * in[0].at(j);
                           }
                           const real v = in[0].at(i) / std::pow(2 + 0.5L / size * sum, 0.75L);
                           y.set(i, v, std::isfinite(v) ? (20 + size) * epsilon(d) * std::fabs(v) + tiny(d) : 0);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {2, 6, 3, 4}, 3);
                 by(column::random, {2, 6, 3}, 4);
                 by(column::random, {2, 3}, 7);
                 by(column::empty, {0, 6, 3}, 3);
                 c.refused(column::rank_0, "no channels", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1, 1, 1, 1}, 1);
                 by(column::odd, {1, 11, 7, 5}, 5);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {2, 5, 7}, 3, layout);
                 by(column::nan, {2, 6, 5}, 3, 0, fill::nan);
                 by(column::infinities, {2, 6, 5}, 3, 0, fill::infinities);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

/// The elements under each window of the last `window.size()` axes, as pairs of index and value.
void windows(const values& x, const shape_t& out, const std::vector<int>& window, const std::vector<int>& stride,
             const std::vector<int>& padding,
             const std::function<void(const shape_t&, const std::vector<std::pair<shape_t, real>>&)>& f) {
  const std::size_t lead = x.shape.size() - window.size();
  for_each(out, [&](const shape_t& i) {
    std::vector<std::pair<shape_t, real>> all;
    for_each(shape_t(window.begin(), window.end()), [&](const shape_t& r) {
      shape_t from = i;
      for (std::size_t k = 0; k < r.size(); ++k) {
        from[lead + k] = i[lead + k] * stride[k] + r[k] - padding[k];
        if (from[lead + k] < 0 || from[lead + k] >= x.shape[lead + k]) return;
      }
      all.emplace_back(from, x.at(from));
    });
    f(i, all);
  });
}
shape_t pooled(const shape_t& x, const std::vector<int>& window, const std::vector<int>& stride,
               const std::vector<int>& padding) {
  shape_t out = x;
  const std::size_t lead = x.size() - window.size();
  for (std::size_t k = 0; k < window.size(); ++k)
    out[lead + k] = (x[lead + k] + 2 * padding[k] - window[k]) / stride[k] + 1;
  return out;
}

void add_windows(table& t) {
  using list = std::vector<int>;
  const auto attrs = [](const list& window, const list& stride, const list& padding) {
    return "{.window = " + text(window) + ", .stride = " + text(stride) + ", .padding = " + text(padding);
  };
  t.push_back(
      {"lp_pool", floats, [=](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t x, list window, list stride, list padding, int p,
                             fill fills = fill::small, int layout = 0) {
           c.add(
               w, attrs(window, stride, padding) + ", .p = " + std::to_string(p) + "}", {filled(d, x, fills, 228)},
               [=](const std::vector<values>& in) {
                 values y(d, pooled(x, window, stride, padding));
                 windows(in[0], y.shape, window, stride, padding, [&](const shape_t& i, const auto& all) {
                   real sum = 0;
                   for (const auto& [at, v] : all) sum += std::pow(std::fabs(v), static_cast<real>(p));
                   const real r = std::pow(sum, 1.0L / p);
                   y.set(i, r, std::isfinite(r) ? 60 * epsilon(d) * r + tiny(d) : 0);
                 });
                 return one(y);
               },
               layout);
         };
         for (int p : {1, 2, 3}) by(column::random, {2, 3, 6, 5}, {2, 3}, {2, 1}, {1, 0}, p);
         by(column::empty, {0, 3, 6}, {2}, {1}, {0}, 2);
         c.refused(column::rank_0, "no axis for the window", "{.window = {1}}", {filled(d, {}, fill::small, 1)});
         by(column::size_1, {1, 1, 1}, {1}, {1}, {0}, 2);
         by(column::odd, {1, 3, 11, 7}, {3, 3}, {2, 2}, {1, 1}, 2);
         for (int layout = 1; layout <= 3; ++layout)
           by(column::strided, {2, 5, 7}, {3}, {1}, {1}, 2, fill::small, layout);
         by(column::nan, {2, 30}, {3}, {1}, {0}, 2, fill::nan);
         by(column::infinities, {2, 30}, {3}, {1}, {0}, 2, fill::infinities);
         c.missing(column::negative_axis, "no axis");
         return c;
       }});
  t.push_back({"max_pool_positions", numbers, [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, list window, list stride, list padding,
                                     fill fills = fill::small, int layout = 0) {
                   c.add(
                       w, attrs(window, stride, padding) + "}", {filled(d, x, fills, 229)},
                       [=](const std::vector<values>& in) {
                         values y(i64, pooled(x, window, stride, padding));
                         windows(in[0], y.shape, window, stride, padding, [&](const shape_t& i, const auto& all) {
                           const auto* best = &all.front();
                           for (const auto& e : all)
                             if (best->second == best->second && (e.second > best->second || e.second != e.second))
                               best = &e;
                           y.at(i) = static_cast<real>(in[0].offset(best->first));
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {2, 3, 6, 5}, {2, 3}, {2, 1}, {0, 0});
                 by(column::random, {2, 3, 6}, {3}, {1}, {1});
                 by(column::empty, {0, 3, 6}, {2}, {1}, {0});
                 c.refused(column::rank_0, "no axis for the window", "{.window = {1}}",
                           {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1, 1, 1}, {1}, {1}, {0});
                 by(column::odd, {1, 3, 11, 7}, {3, 3}, {2, 2}, {1, 1});
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {2, 5, 7}, {3}, {1}, {0}, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {2, 30}, {3}, {1}, {0}, fill::nan);
                   by(column::infinities, {2, 30}, {3}, {1}, {0}, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
  t.push_back({"max_unpool", numbers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t to, fill fills = fill::small, int layout = 0) {
                   // Positions that do not repeat: every third, backwards.
                   values at(i64, x);
                   for (std::size_t k = 0; k < at.v.size(); ++k)
                     at.v[k] = static_cast<real>(count(to) - 1 - 3 * static_cast<std::int64_t>(k));
                   c.add(
                       w, "{.to = " + text(to) + "}", {filled(d, x, fills, 230), at},
                       [=](const std::vector<values>& in) {
                         values y(d, to);
                         for (std::size_t k = 0; k < in[0].v.size(); ++k)
                           y.v[static_cast<std::size_t>(in[1].v[k])] = in[0].v[k];
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {1, 2, 2, 3}, {1, 2, 4, 6});
                 by(column::empty, {0, 3}, {0, 9});
                 by(column::rank_0, {}, {});
                 by(column::size_1, {1}, {4});
                 by(column::odd, {3, 7}, {9, 11});
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {3, 4}, {6, 7}, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {20}, {60}, fill::nan);
                   by(column::infinities, {20}, {60}, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

}  // namespace

void add_images(table& t) {
  add_resize(t);
  add_grid_sample(t);
  add_roi_align(t);
  add_blocks(t);
  add_lrn(t);
  add_windows(t);
}

}  // namespace conformance
