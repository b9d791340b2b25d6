// Quantised values and losses, by plain loops.
#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

constexpr real steps[] = {0.5L, 0.25L, 2, 1};  // scales that divide exactly

/// Scales or zero points: a scalar, or as many as the axis has elements.
shape_t along(const shape_t& x, int axis, bool vector) {
  return vector ? shape_t{x[static_cast<std::size_t>(normal(axis, x.size()))]} : shape_t{};
}
std::size_t which(const shape_t& i, int axis, bool vector) {
  return vector ? static_cast<std::size_t>(i[static_cast<std::size_t>(normal(axis, i.size()))]) : 0;
}
values scales(dtype d, const shape_t& s) {
  values r(d, s);
  for (std::size_t k = 0; k < r.v.size(); ++k) r.v[k] = steps[k % std::size(steps)];
  return r;
}

void add_quantize(table& t) {
  t.push_back({"quantize_linear", floats, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, int axis, bool vector, dtype to, fill fills = fill::small,
                                     int layout = 0) {
                   const shape_t s = along(x, axis, vector);
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + "}",
                       {filled(d, x, fills, 241), scales(d, s), filled(to, s, fill::small, 242)},
                       [=](const std::vector<values>& in) {
                         values y(to, x);
                         const real low = to == u8 ? 0 : to == i8 ? -128 : -2147483648.0L;
                         const real high = to == u8 ? 255 : to == i8 ? 127 : 2147483647.0L;
                         for_each(x, [&](const shape_t& i) {
                           const std::size_t k = which(i, axis, vector);
                           const real q = std::nearbyint(in[0].at(i) / in[1].v[k]) + in[2].v[k];
                           y.at(i) = std::isnan(q) ? 0 : std::clamp(q, low, high);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 6}, 1, false, u8);
                 by(column::random, {4, 6, 3}, 1, true, u8);
                 by(column::random, {4, 6}, 0, true, i8);
                 by(column::random, {9}, 1, false, i32);
                 by(column::random, {40}, 1, false, i8, fill::wide);
                 by(column::empty, {0, 3}, 1, true, u8);
                 by(column::rank_0, {}, 1, false, u8);
                 by(column::size_1, {1, 1}, 1, true, u8);
                 by(column::odd, {7, 37}, 0, true, u8);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {5, 7}, 1, true, u8, fill::small, layout);
                 by(column::nan, {30}, 1, false, u8, fill::nan);
                 by(column::infinities, {30}, 1, false, u8, fill::infinities);
                 by(column::negative_axis, {4, 3}, -2, true, u8);
                 return c;
               }});
  const auto narrow = [](dtype d) { return d == u8 || d == i32; };
  t.push_back({"dequantize_linear", narrow, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, int axis, bool vector, bool zero, int layout = 0) {
                   const shape_t s = along(x, axis, vector);
                   std::vector<values> in = {filled(d, x, fill::small, 243), scales(f32, s)};
                   if (zero) in.push_back(filled(d, s, fill::small, 244));
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + "}", in,
                       [=](const std::vector<values>& v) {
                         values y(f32, x);
                         for_each(x, [&](const shape_t& i) {
                           const std::size_t k = which(i, axis, vector);
                           y.at(i) = (v[0].at(i) - (zero ? v[2].v[k] : 0)) * v[1].v[k];
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 6}, 1, false, true);
                 by(column::random, {4, 6, 3}, 1, true, true);
                 by(column::random, {4, 6}, 0, true, false);
                 by(column::empty, {0, 3}, 1, true, true);
                 by(column::rank_0, {}, 1, false, true);
                 by(column::size_1, {1, 1}, 1, true, false);
                 by(column::odd, {7, 37}, 0, true, true);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 1, true, true, layout);
                 by(column::negative_axis, {4, 3}, -2, true, true);
                 return c;
               }});
  t.push_back({"dynamic_quantize_linear", [](dtype d) { return d == f32; },
               [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, real lowest, int layout = 0) {
                   // The range is 255 / 4: the scale is exact.
                   values in = filled(d, x, fill::small, 245);
                   if (!in.v.empty()) in.v[0] = lowest;
                   if (in.v.size() > 1) in.v[1] = lowest + 63.75L;
                   c.add(
                       w, "", {in},
                       [=](const std::vector<values>& v) {
                         real low = 0, high = 0;
                         for (real e : v[0].v) {
                           low = std::min(low, e);
                           high = std::max(high, e);
                         }
                         std::vector<values> y = {values(u8, x), values(f32, {}), values(u8, {})};
                         const real scale = (high - low) / 255;
                         const real zero = std::clamp<real>(std::nearbyint(-low / scale), 0, 255);
                         y[1].v[0] = scale;
                         y[2].v[0] = zero;
                         for (std::size_t k = 0; k < v[0].v.size(); ++k)
                           y[0].v[k] = std::clamp<real>(std::nearbyint(v[0].v[k] / scale) + zero, 0, 255);
                         return y;
                       },
                       layout);
                 };
                 by(column::random, {4, 6}, -10);
                 by(column::random, {30}, -60);
                 c.missing(column::empty, "no range");
                 c.missing(column::rank_0, "a range of one value: size 1 below");
                 by(column::size_1, {1, 1}, 63.75L);
                 by(column::odd, {7, 37}, -4);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, -8, layout);
                 c.missing(column::nan, "no range");
                 c.missing(column::infinities, "no range");
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_integer_products(table& t) {
  const auto bytes = [](dtype d) { return d == u8; };
  t.push_back({"matmul_integer", bytes, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t a, shape_t b, dtype other, int zeros, int layout = 0) {
                   const std::int64_t k = a[a.size() - 1], n = b[b.size() - 1];
                   std::vector<values> in = {filled(d, a, fill::small, 246), filled(other, b, fill::small, 247)};
                   if (zeros > 0) in.push_back(filled(d, {}, fill::small, 248));
                   if (zeros > 1) in.push_back(filled(other, {n}, fill::small, 249));
                   c.add(
                       w, "", in,
                       [=](const std::vector<values>& v) {
                         shape_t out = a;
                         out[a.size() - 1] = n;
                         values y(i32, out);
                         for_each(out, [&](const shape_t& i) {
                           shape_t at = i;
                           real sum = 0;
                           for (std::int64_t e = 0; e < k; ++e) {
                             at[a.size() - 1] = e;
                             const real over_a = zeros > 0 ? v[2].v[0] : 0;
                             const real over_b = zeros > 1 ? v[3].v[static_cast<std::size_t>(i[a.size() - 1])] : 0;
                             sum += (v[0].at(at) - over_a) * (v[1].at({e, i[a.size() - 1]}) - over_b);
                           }
                           y.at(i) = sum;
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 6}, {6, 5}, u8, 0);
                 by(column::random, {4, 6}, {6, 5}, i8, 1);
                 by(column::random, {2, 4, 6}, {6, 5}, i8, 2);
                 by(column::empty, {3, 0}, {0, 2}, u8, 2);
                 c.refused(column::rank_0, "no product", "",
                           {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 2)});
                 by(column::size_1, {1, 1}, {1, 1}, i8, 2);
                 by(column::odd, {7, 37}, {37, 19}, u8, 2);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, {7, 3}, i8, 1, layout);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
  t.push_back({"conv_integer", bytes, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t k, int pad, int zeros, int layout = 0) {
                   std::vector<values> in = {filled(d, x, fill::small, 250), filled(u8, k, fill::small, 251)};
                   if (zeros > 0) in.push_back(filled(d, {}, fill::small, 252));
                   if (zeros > 1) in.push_back(filled(u8, {k[0]}, fill::small, 253));
                   const std::string pads = std::to_string(pad);
                   c.add(
                       w, "{.padding = {" + pads + (x.size() == 4 ? "," + pads : "") + "}}", in,
                       [=](const std::vector<values>& v) {
                         shape_t out{x[0], k[0]}, taps(k.begin() + 1, k.end());
                         for (std::size_t s = 2; s < x.size(); ++s) out.push_back(x[s] + 2 * pad - k[s] + 1);
                         values y(i32, out);
                         for_each(out, [&](const shape_t& i) {
                           real sum = 0;
                           for_each(taps, [&](const shape_t& r) {
                             shape_t at{i[0], r[0]}, kernel{i[1]};
                             kernel.insert(kernel.end(), r.begin(), r.end());
                             for (std::size_t s = 2; s < x.size(); ++s) {
                               at.push_back(i[s] + r[s - 1] - pad);
                               if (at[s] < 0 || at[s] >= x[s]) return;
                             }
                             sum += (v[0].at(at) - (zeros > 0 ? v[2].v[0] : 0)) *
                                    (v[1].at(kernel) - (zeros > 1 ? v[3].v[static_cast<std::size_t>(i[1])] : 0));
                           });
                           y.at(i) = sum;
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {2, 3, 6, 5}, {4, 3, 3, 2}, 0, 0);
                 by(column::random, {1, 2, 6, 5}, {4, 2, 3, 3}, 1, 2);
                 by(column::random, {2, 3, 9}, {4, 3, 3}, 1, 1);
                 by(column::empty, {0, 3, 6, 5}, {4, 3, 3, 2}, 0, 1);
                 c.refused(column::rank_0, "no convolution", "",
                           {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 2)});
                 by(column::size_1, {1, 1, 1, 1}, {1, 1, 1, 1}, 0, 2);
                 by(column::odd, {1, 5, 7, 11}, {3, 5, 3, 3}, 1, 1);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {1, 2, 5, 7}, {3, 2, 3, 3}, 0, 1, layout);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

/// Rounding of `terms` terms whose sizes add up to `size`.
real room(dtype d, real size, std::size_t terms) {
  return std::isfinite(size) ? (20 + static_cast<real>(terms)) * epsilon(d) * (size + 1) : 0;
}
values reduced(dtype d, const std::string& how, const values& each, real weights) {
  if (how == "none") return each;
  real sum = 0, size = 0;
  for (real v : each.v) {
    sum += v;
    size += std::fabs(v);
  }
  values y(d, {});
  const real over = how == "sum" ? 1 : weights;
  y.set({}, sum / over, room(d, size / over, each.v.size()));
  return y;
}

void add_class_losses(table& t) {
  for (const bool softmax : {false, true})
    t.push_back({softmax ? "cross_entropy" : "nll_loss", floats, [=](dtype d) {
                   cases c;
                   const auto by = [&](column w, shape_t x, std::string how, bool weighted, int ignored,
                                       fill fills = fill::small, int layout = 0) {
                     shape_t target = x;
                     target.erase(target.begin() + 1);
                     values classes(i64, target);
                     for (std::size_t k = 0; k < classes.v.size(); ++k)
                       classes.v[k] = static_cast<real>((k * 7 + 3) % static_cast<std::size_t>(x[1]));
                     std::vector<values> in = {filled(d, x, fills, 254), classes};
                     if (weighted) in.push_back(filled(d, {x[1]}, fill::positive, 255));
                     c.add(
                         w,
                         "{.reduction = " + how +
                             (ignored >= 0 ? ", .ignores = true, .ignore = " + std::to_string(ignored) : "") + "}",
                         in,
                         [=](const std::vector<values>& v) {
                           values each(d, target);
                           real weights = 0;
                           for_each(target, [&](const shape_t& i) {
                             const auto chosen = static_cast<std::int64_t>(v[1].at(i));
                             shape_t at = i;
                             at.insert(at.begin() + 1, chosen);
                             const real weight = chosen == ignored ? 0 : weighted ? v[2].at({chosen}) : 1;
                             weights += weight;
                             real p = v[0].at(at);
                             if (softmax) {
                               real sum = 0;
                               for (at[1] = 0; at[1] < x[1]; ++at[1]) sum += std::exp(v[0].at(at));
                               p -= std::log(sum);
                             }
                             each.set(i, -p * weight, room(d, std::fabs(p * weight), 1));
                           });
                           return one(reduced(d, how, each, weights));
                         },
                         layout);
                   };
                   for (const char* how : {"none", "sum", "mean"}) {
                     by(column::random, {5, 4}, how, false, -1);
                     by(column::random, {3, 4, 2, 3}, how, true, 2);
                   }
                   by(column::random, {6, 4}, "mean", false, 1);
                   by(column::empty, {0, 4}, "sum", true, -1);
                   c.refused(column::rank_0, "no classes", "", {filled(d, {}, fill::small, 1), values(i64, {})});
                   by(column::size_1, {1, 1}, "mean", true, -1);
                   by(column::odd, {7, 37}, "sum", true, 5);
                   for (int layout = 1; layout <= 3; ++layout)
                     by(column::strided, {5, 7}, "none", true, -1, fill::small, layout);
                   by(column::nan, {9, 4}, "none", false, -1, fill::nan);
                   if (softmax)
                     c.missing(column::infinities, "inf - inf of a row: log_softmax");
                   else
                     by(column::infinities, {9, 4}, "none", false, -1, fill::infinities);
                   c.missing(column::negative_axis, "no axis");
                   return c;
                 }});
}

using pair_loss = real (*)(real x, real y);
void add_pair_loss(table& t, const char* name, std::string more, pair_loss f, fill second) {
  t.push_back({name, floats, [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, std::string how, fill fills = fill::small, int layout = 0) {
                   c.add(
                       w, "{.reduction = " + how + more + "}", {filled(d, x, fills, 256), filled(d, x, second, 257)},
                       [=](const std::vector<values>& v) {
                         values each(d, x);
                         for_each(x, [&](const shape_t& i) {
                           const real a = v[0].at(i), b = v[1].at(i), r = f(a, b);
                           each.set(i, r, room(d, std::fabs(r) + std::fabs(b) * (std::fabs(a) + std::fabs(b)), 1));
                         });
                         return one(reduced(d, how, each, static_cast<real>(each.v.size())));
                       },
                       layout);
                 };
                 for (const char* how : {"none", "sum", "mean"}) by(column::random, {5, 6}, how);
                 by(column::empty, {0, 4}, "sum");
                 by(column::rank_0, {}, "mean");
                 by(column::size_1, {1, 1}, "mean");
                 by(column::odd, {7, 37}, "sum");
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, "none", fill::small, layout);
                 by(column::nan, {30}, "none", fill::nan);
                 by(column::infinities, {30}, "none", fill::infinities);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

}  // namespace

void add_quantized(table& t) {
  add_quantize(t);
  add_integer_products(t);
}
void add_losses(table& t) {
  add_class_losses(t);
  add_pair_loss(t, "mse_loss", "", [](real x, real y) { return (x - y) * (x - y); }, fill::small);
  add_pair_loss(
      t, "huber_loss", ", .delta = 0.75",
      [](real x, real y) {
        const real d = std::fabs(x - y);
        return d <= 0.75L ? d * d / 2 : 0.75L * (d - 0.375L);
      },
      fill::small);
  add_pair_loss(t, "kl_div", "", [](real x, real y) { return y == 0 ? 0 : y * (std::log(y) - x); }, fill::positive);
}

}  // namespace conformance
