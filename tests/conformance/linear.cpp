// Products with names of their own, rotary embedding, quantised products and convolutions, by plain loops.
#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

/// A sum of products: in the type, what it may be off.
struct sum_of {
  dtype d;
  real value = 0, size = 0;
  std::int64_t terms = 0;
  void add(real x) {
    value += x;
    size += std::fabs(x);
    ++terms;
  }
  void into(values& y, const shape_t& i) const {
    if (!tenon::is_float(d)) {
      y.at(i) = wrapped(y.type, static_cast<std::int64_t>(value));
      return;
    }
    y.set(i, value, std::isfinite(size) ? size * static_cast<real>(terms + 2) * epsilon(d) : 0);
  }
};
/// Half a unit of the last place of a 16-bit float of this size, twice: for sums that are rounded once more.
real ulp_of_16(dtype d, real size) { return std::fabs(size) * std::scalbn(1.0L, d == f16 ? -10 : -7); }
// Whole numbers that do not overflow, and floats of one size.
values operand(dtype d, const shape_t& s, std::uint64_t seed, fill fills = fill::small) {
  return filled(d, s, fills, seed);
}

void add_bias(table& t) {
  t.push_back({"bias_add", numbers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, int axis, fill fills = fill::small, int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, x.size()));
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + "}",
                       {operand(d, x, 331, fills), operand(d, {x[a]}, 332)},
                       [=](const std::vector<values>& v) {
                         values y(d, x);
                         for_each(x, [&](const shape_t& i) {
                           const real s = v[0].at(i) + v[1].at({i[a]});
                           y.at(i) = tenon::is_float(d) ? rounded(d, s) : wrapped(d, static_cast<std::int64_t>(s));
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 5, 3}, 1);
                 by(column::random, {4, 5}, 0);
                 by(column::empty, {0, 3}, 1);
                 c.refused(column::rank_0, "no axis", "", {operand(d, {}, 1), operand(d, {1}, 1)});
                 c.refused(column::rank_0, "as many as the axis has", "", {operand(d, {2, 3}, 1), operand(d, {2}, 1)});
                 by(column::size_1, {1, 1}, 1);
                 by(column::odd, {7, 37}, 1);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 1, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {3, 9}, 1, fill::nan);
                   by(column::infinities, {3, 9}, 1, fill::infinities);
                 }
                 by(column::negative_axis, {3, 4, 5}, -1);
                 by(column::negative_axis, {3, 4, 5}, -2);
                 return c;
               }});
}

void add_dense(table& t) {
  const auto plain = [](dtype d) { return d != b8 && d != u8; };  // bytes are summed in i32: see matmul
  t.push_back({"dense", plain,
               [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, std::int64_t out, bool bias, fill fills = fill::small,
                                     int layout = 0) {
                   const std::int64_t depth = x.back();
                   std::vector<values> in = {operand(d, x, 333, fills), operand(d, {depth, out}, 334)};
                   if (bias) in.push_back(operand(d, {out}, 335));
                   c.add(
                       w, "", in,
                       [=](const std::vector<values>& v) {
                         shape_t s = x;
                         s.back() = out;
                         values y(d, s);
                         for_each(s, [&](const shape_t& i) {
                           sum_of sum{d};
                           shape_t from = i;
                           for (from.back() = 0; from.back() < depth; ++from.back())
                             sum.add(v[0].at(from) * v[1].at({from.back(), i.back()}));
                           if (bias) {
                             // The product is rounded to the type before the bias comes to it.
                             sum.add(v[2].at({i.back()}));
                             sum.size *= d == f16 || d == bf16 ? 2 : 1;
                           }
                           sum.into(y, i);
                           if (tenon::is_float(d) && (d == f16 || d == bf16) && bias && std::isfinite(sum.size))
                             y.slack[y.offset(i)] += ulp_of_16(d, sum.size);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 5}, 6, true);
                 by(column::random, {2, 3, 8}, 4, false);
                 by(column::empty, {0, 3}, 4, true);
                 by(column::size_1, {1, 1}, 1, true);
                 by(column::odd, {7, 37}, 11, true);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 3, true, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {3, 9}, 4, true, fill::nan);
                   c.missing(column::infinities, "of products: matmul has them");
                 }
                 c.refused(column::rank_0, "no axis", "", {operand(d, {}, 1), operand(d, {1, 1}, 1)});
                 c.refused(column::rank_0, "a bias of another extent", "",
                           {operand(d, {2, 3}, 1), operand(d, {3, 4}, 1), operand(d, {5}, 1)});
                 c.missing(column::negative_axis, "no axis");
                 return c;
               },
               [](dtype d) {
                 return call{column::random, "", {operand(d, {2, 3}, 1), operand(d == u8 ? i64 : d, {3, 4}, 1)}, {}};
               }});
}

void add_outer(table& t) {
  t.push_back({"outer", numbers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, std::int64_t n, std::int64_t m, fill fills = fill::small,
                                     int layout = 0) {
                   c.add(
                       w, "", {operand(d, {n}, 336, fills), operand(d, {m}, 337)},
                       [=](const std::vector<values>& v) {
                         values y(d, {n, m});
                         for_each(y.shape, [&](const shape_t& i) {
                           const real p = v[0].at({i[0]}) * v[1].at({i[1]});
                           y.at(i) = tenon::is_float(d) ? rounded(d, p) : wrapped(d, static_cast<std::int64_t>(p));
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, 4, 9);
                 by(column::empty, 0, 3);
                 c.refused(column::rank_0, "no vector", "", {operand(d, {}, 1), operand(d, {1}, 1)});
                 by(column::size_1, 1, 1);
                 by(column::odd, 7, 37);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, 5, 7, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, 9, 3, fill::nan);
                   by(column::infinities, 9, 3, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_bilinear(table& t) {
  t.push_back(
      {"bilinear", floats, [](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t lead, std::int64_t n, std::int64_t m, std::int64_t out, bool bias,
                             fill fills = fill::small, int layout = 0) {
           shape_t x = lead, z = lead, s = lead;
           x.push_back(n);
           z.push_back(m);
           s.push_back(out);
           std::vector<values> in = {operand(d, x, 338, fills), operand(d, z, 339), operand(d, {out, n, m}, 340)};
           if (bias) in.push_back(operand(d, {out}, 341));
           c.add(
               w, "", in,
               [=](const std::vector<values>& v) {
                 values y(d, s);
                 for_each(s, [&](const shape_t& i) {
                   sum_of sum{d};
                   shape_t p = i, q = i;
                   for (p.back() = 0; p.back() < n; ++p.back())
                     for (q.back() = 0; q.back() < m; ++q.back())
                       sum.add(v[0].at(p) * v[2].at({i.back(), p.back(), q.back()}) * v[1].at(q));
                   if (bias) sum.add(v[3].at({i.back()}));
                   sum.size *= 4;
                   sum.into(y, i);
                   if ((d == f16 || d == bf16) && bias && std::isfinite(sum.size))
                     y.slack[y.offset(i)] += ulp_of_16(d, sum.size);
                 });
                 return one(y);
               },
               layout);
         };
         by(column::random, {4}, 5, 3, 6, false);
         by(column::random, {2, 3}, 4, 5, 3, true);
         by(column::empty, {0}, 3, 4, 2, true);
         by(column::size_1, {1}, 1, 1, 1, true);
         by(column::odd, {7}, 11, 5, 3, true);
         for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5}, 3, 4, 2, true, fill::small, layout);
         by(column::nan, {3}, 4, 2, 2, false, fill::nan);
         c.missing(column::infinities, "of products: matmul has them");
         c.refused(column::rank_0, "no axis", "", {operand(d, {}, 1), operand(d, {}, 1), operand(d, {1, 1, 1}, 1)});
         c.missing(column::negative_axis, "no axis");
         return c;
       }});
}

void add_rotary(table& t) {
  t.push_back({"rotary_embedding", floats, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, std::int64_t width, bool interleaved, bool broadcast = false,
                                     fill fills = fill::small, int layout = 0) {
                   const std::int64_t n = width ? width : x.back();
                   shape_t pairs = x;
                   pairs.back() = n / 2;
                   if (broadcast && pairs.size() > 2) pairs.erase(pairs.begin());
                   c.add(
                       w, "{.width = " + std::to_string(width) + (interleaved ? ", .interleaved = true}" : "}"),
                       {operand(d, x, 342, fills), operand(d, pairs, 343), operand(d, pairs, 344)},
                       [=](const std::vector<values>& v) {
                         values y(d, x);
                         for_each(x, [&](const shape_t& i) {
                           const std::int64_t k = i.back();
                           if (k >= n) {
                             y.set(i, v[0].at(i), 0);
                             return;
                           }
                           const bool second = interleaved ? k % 2 == 1 : k >= n / 2;
                           shape_t other = i, pair = i;
                           other.back() = interleaved ? (second ? k - 1 : k + 1) : (second ? k - n / 2 : k + n / 2);
                           pair.back() = interleaved ? k / 2 : k % (n / 2);
                           const real cosine = v[1].broadcast_at(pair), sine = v[2].broadcast_at(pair);
                           const real a = v[0].at(i) * cosine, b = v[0].at(other) * (second ? sine : -sine);
                           const real off = (std::fabs(a) + std::fabs(b)) * 2 * epsilon(d);
                           y.set(i, a + b, std::isfinite(off) ? off : 0);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {2, 3, 5, 8}, 0, false, true);
                 by(column::random, {2, 5, 8}, 4, false);
                 by(column::random, {2, 5, 8}, 0, true);
                 by(column::random, {2, 3, 5, 8}, 6, true, true);
                 by(column::empty, {0, 4}, 0, false);
                 by(column::size_1, {1, 2}, 0, false);
                 by(column::odd, {7, 38}, 0, false);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {5, 8}, 0, layout == 2, false, fill::small, layout);
                 by(column::nan, {3, 10}, 0, false, false, fill::nan);
                 by(column::infinities, {3, 10}, 0, false, false, fill::infinities);
                 c.refused(column::rank_0, "no axis", "", {operand(d, {}, 1), operand(d, {}, 1), operand(d, {}, 1)});
                 c.refused(column::rank_0, "no pairs", "",
                           {operand(d, {3}, 1), operand(d, {1}, 1), operand(d, {1}, 1)});
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

// ---- quantised

constexpr real scale_of(int k) { return k == 1 ? 0.5L : k == 4 ? 0.25L : 2; }

values scalar_of(dtype d, real x) {
  values v(d, {});
  v.v[0] = x;
  return v;
}
real requantized(dtype d, real sum, real scale, real zero) {
  const real q = std::nearbyint(sum * scale_of(1) * scale / scale_of(6)) + zero;
  return std::clamp<real>(q, d == u8 ? 0 : -128, d == u8 ? 255 : 127);
}
void add_qlinear(table& t) {
  const auto bytes = [](dtype d) { return d == u8; };
  t.push_back({"qlinear_matmul", bytes, [](dtype) {
                 cases c;
                 const auto by = [&](column w, shape_t a, std::int64_t n, dtype da, dtype db, bool vector = false,
                                     int layout = 0) {
                   const std::int64_t depth = a.back();
                   values scales(f32, {n}), zeros(db, {n});
                   for (std::int64_t i = 0; i < n; ++i) {
                     scales.at({i}) = i % 2 ? 0.25L : 0.125L;
                     zeros.at({i}) = static_cast<real>(i % 3);
                   }
                   c.add(
                       w, "",
                       {filled(da, a, fill::plain, 351), scalar_of(f32, scale_of(1)), scalar_of(da, 3),
                        filled(db, {depth, n}, fill::plain, 352), vector ? scales : scalar_of(f32, scale_of(4)),
                        vector ? zeros : scalar_of(db, 1), scalar_of(f32, scale_of(6)), scalar_of(da, 2)},
                       [=](const std::vector<values>& v) {
                         shape_t s = a;
                         s.back() = n;
                         values y(da, s);
                         for_each(s, [&](const shape_t& i) {
                           real sum = 0;
                           shape_t from = i;
                           for (from.back() = 0; from.back() < depth; ++from.back())
                             sum += (v[0].at(from) - 3) *
                                    (v[3].at({from.back(), i.back()}) - v[5].broadcast_at({i.back()}));
                           y.at(i) = requantized(da, sum, v[4].broadcast_at({i.back()}), 2);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 5}, 6, u8, u8);
                 by(column::random, {4, 50}, 6, u8, i8);
                 by(column::random, {2, 4, 9}, 6, i8, i8, true);
                 by(column::random, {4, 130}, 33, u8, i8, true);
                 by(column::empty, {0, 5}, 6, u8, i8);
                 by(column::size_1, {1, 1}, 1, u8, u8);
                 by(column::odd, {7, 37}, 11, u8, i8);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 3, u8, i8, false, layout);
                 c.missing(column::rank_0, "matmul refuses it");
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
  t.push_back({"qlinear_conv", bytes, [](dtype) {
                 cases c;
                 const auto by = [&](column w, shape_t x, std::int64_t out, std::int64_t kernel, dtype dx, dtype dw,
                                     bool vector = false, bool bias = false, int layout = 0) {
                   values scales(f32, {out}), zeros(dw, {out});
                   for (std::int64_t i = 0; i < out; ++i) {
                     scales.at({i}) = i % 2 ? 0.25L : 0.125L;
                     zeros.at({i}) = static_cast<real>(i % 3);
                   }
                   std::vector<values> in = {filled(dx, x, fill::plain, 353),
                                             scalar_of(f32, scale_of(1)),
                                             scalar_of(dx, 3),
                                             filled(dw, {out, x[1], kernel, kernel}, fill::plain, 354),
                                             vector ? scales : scalar_of(f32, scale_of(4)),
                                             vector ? zeros : scalar_of(dw, 1),
                                             scalar_of(f32, scale_of(6)),
                                             scalar_of(dx, 2)};
                   if (bias) in.push_back(filled(i32, {out}, fill::small, 355));
                   c.add(
                       w, "{.padding = {1,1}}", in,
                       [=](const std::vector<values>& v) {
                         values y(dx, {x[0], out, x[2] + 3 - kernel, x[3] + 3 - kernel});
                         for_each(y.shape, [&](const shape_t& i) {
                           real sum = bias ? v[8].at({i[1]}) : 0;
                           for_each({x[1], kernel, kernel}, [&](const shape_t& r) {
                             const shape_t from = {i[0], r[0], i[2] + r[1] - 1, i[3] + r[2] - 1};
                             if (from[2] < 0 || from[3] < 0 || from[2] >= x[2] || from[3] >= x[3]) return;
                             sum +=
                                 (v[0].at(from) - 3) * (v[3].at({i[1], r[0], r[1], r[2]}) - v[5].broadcast_at({i[1]}));
                           });
                           y.at(i) = requantized(dx, sum, v[4].broadcast_at({i[1]}), 2);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {2, 3, 5, 6}, 4, 3, u8, u8);
                 by(column::random, {1, 3, 5, 6}, 4, 3, u8, i8, true, true);
                 by(column::random, {1, 2, 4, 4}, 3, 2, i8, i8);
                 by(column::empty, {0, 3, 4, 4}, 2, 3, u8, u8);
                 by(column::size_1, {1, 1, 1, 1}, 1, 1, u8, u8);
                 by(column::odd, {1, 5, 7, 9}, 3, 3, u8, i8);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {1, 2, 5, 7}, 3, 3, u8, u8, false, false, layout);
                 c.missing(column::rank_0, "conv2d refuses it");
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

}  // namespace

void add_linear(table& t) {
  add_bias(t);
  add_dense(t);
  add_outer(t);
  add_bilinear(t);
  add_rotary(t);
  add_qlinear(t);
}

}  // namespace conformance
