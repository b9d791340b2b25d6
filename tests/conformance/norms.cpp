// Softmax and normalisations, from their formulas in long double. The slack follows the error of each step: sums of n
// terms n epsilons of their magnitudes, differences those of what is subtracted.
#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

using row = std::vector<real>;
struct answers {
  row v, slack;
};
/// The answers for the elements of one row: what is normalised together.
using row_fn = std::function<answers(const row&, dtype)>;

real mean_of(const row& x) {
  real s = 0;
  for (real v : x) s += v;
  return s / static_cast<real>(x.size());
}
real largest_of(const row& x) {
  real m = -std::numeric_limits<real>::infinity();
  for (real v : x) m = std::isnan(v) || std::isnan(m) ? std::nanl("") : std::max(m, v);
  return m;
}
void limit(answers& a) {
  for (std::size_t i = 0; i < a.v.size(); ++i)
    if (!std::isfinite(a.v[i]) || !std::isfinite(a.slack[i])) a.slack[i] = 0;
}

answers softmax_row(const row& x, dtype t) {
  const real m = largest_of(x), e = epsilon(t), n = static_cast<real>(x.size());
  real sum = 0;
  for (real v : x) sum += std::exp(v - m);
  answers a;
  for (real v : x) {
    a.v.push_back(std::exp(v - m) / sum);
    a.slack.push_back(a.v.back() * e * (n + 8 + std::fabs(v - m)) + 2 * tiny(t));
  }
  limit(a);
  return a;
}
answers log_softmax_row(const row& x, dtype t) {
  const real m = largest_of(x), e = epsilon(t), n = static_cast<real>(x.size());
  real sum = 0;
  for (real v : x) sum += std::exp(v - m);
  answers a;
  for (real v : x) {
    a.v.push_back(v - m - std::log(sum));
    a.slack.push_back(e * (n + 8 + 2 * std::fabs(v - m) + std::fabs(a.v.back())));
  }
  limit(a);
  return a;
}
/// (x - mean) / sqrt(variance + epsilon); without the mean for the root mean square.
answers normalized_row(const row& x, dtype t, real added, bool centred) {
  const real e = epsilon(t), n = static_cast<real>(x.size()), mean = centred ? mean_of(x) : 0;
  real magnitude = 0, variance = 0, deviation = 0;
  for (real v : x) {
    magnitude += std::fabs(v) / n;
    variance += (v - mean) * (v - mean) / n;
    deviation += std::fabs(v - mean) / n;
  }
  const real r = 1 / std::sqrt(variance + added), off = centred ? (n + 2) * e * magnitude : 0;
  const real relative = ((2 * deviation * off + (n + 4) * e * variance) / 2) / (variance + added) + 6 * e;
  answers a;
  for (real v : x) {
    a.v.push_back((v - mean) * r);
    a.slack.push_back((off + e * std::fabs(v - mean)) * r + std::fabs(a.v.back()) * relative);
  }
  limit(a);
  return a;
}
answers length_row(const row& x, dtype t, real least) {
  real s = 0;
  for (real v : x) s += v * v;
  const real length = std::sqrt(s), by = std::isnan(length) ? length : std::max(length, least);
  answers a;
  for (real v : x) {
    a.v.push_back(v / by);
    a.slack.push_back(std::fabs(a.v.back()) * epsilon(t) * (static_cast<real>(x.size()) + 6));
  }
  limit(a);
  return a;
}

/// Rows of `x`: the axes where `inner` is true, in order.
values by_rows(const values& x, const std::vector<bool>& inner, const row_fn& f) {
  shape_t outside = x.shape, inside = x.shape;
  for (std::size_t k = 0; k < x.shape.size(); ++k) (inner[k] ? outside : inside)[k] = 1;
  values y(x.type, x.shape);
  y.slack.resize(y.v.size());
  for_each(outside, [&](const shape_t& o) {
    row r;
    std::vector<std::size_t> at;
    for_each(inside, [&](const shape_t& i) {
      shape_t j = o;
      for (std::size_t k = 0; k < j.size(); ++k) j[k] += i[k];
      at.push_back(x.offset(j));
      r.push_back(x.v[at.back()]);
    });
    const answers a = f(r, x.type);
    for (std::size_t i = 0; i < at.size(); ++i) {
      y.v[at[i]] = a.v[i];
      y.slack[at[i]] = a.slack[i];
    }
  });
  return y;
}
std::vector<bool> only(int axis, std::size_t rank) {
  std::vector<bool> r(rank);
  r[static_cast<std::size_t>(normal(axis, rank))] = true;
  return r;
}
std::vector<bool> from(int axis, std::size_t rank) {
  std::vector<bool> r(rank);
  for (auto k = static_cast<std::size_t>(normal(axis, rank)); k < rank; ++k) r[k] = true;
  return r;
}
/// y * factor + offset, element by element; the factor and the offset are exact.
void affine(values& y, std::size_t i, real factor, real offset, bool add) {
  const real e = epsilon(y.type), v = y.v[i];
  y.v[i] = v * factor + (add ? offset : 0);
  y.slack[i] = y.slack[i] * std::fabs(factor) + 2 * e * (std::fabs(v * factor) + std::fabs(offset));
  if (!std::isfinite(y.v[i]) || !std::isfinite(y.slack[i])) y.slack[i] = 0;
}

void add_axis_norm(table& t, const char* name, row_fn f, bool tail, std::string more = "") {
  t.push_back({name, floats, [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, int axis, fill fills = fill::wide, int layout = 0) {
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + more + "}", {filled(d, in, fills, 51)},
                       [=](const std::vector<values>& x) {
                         return one(by_rows(x[0], tail ? from(axis, in.size()) : only(axis, in.size()), f));
                       },
                       layout);
                 };
                 by(column::random, {4, 6, 5}, 1);
                 by(column::random, {4, 96}, 1);
                 by(column::random, {5, 4}, 0);
                 by(column::random, {4, 20}, 1, fill::small);
                 by(column::empty, {0, 3}, 1);
                 by(column::empty, {3, 0}, 1);
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1}, 0);
                 by(column::size_1, {3, 1}, 1);
                 by(column::odd, {3, 37}, 1);
                 by(column::odd, {37, 3}, 0);
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {5, 3, 7}, 1, fill::wide, layout);
                 by(column::nan, {5, 9}, 1, fill::nan);
                 by(column::infinities, {5, 9}, 1, fill::infinities);
                 by(column::negative_axis, {3, 4, 5}, -1);
                 by(column::negative_axis, {3, 4, 5}, -2);
                 return c;
               }});
}

/// layer_norm and rms_norm with their factors.
void add_scaled(table& t, const char* name, bool centred, int most) {
  for (int operands = 2; operands <= most; ++operands)
    t.push_back(
        {name, floats, [=](dtype d) {
           cases c;
           const auto by = [&](column w, shape_t in, int axis, shape_t vector, fill fills = fill::small,
                               int layout = 0) {
             std::vector<values> x = {filled(d, in, fills, 61)};
             for (int k = 1; k < operands; ++k)
               x.push_back(filled(d, vector, fill::small, 61 + static_cast<std::uint64_t>(k)));
             c.add(
                 w, "{.axis = " + std::to_string(axis) + "}", x,
                 [=](const std::vector<values>& v) {
                   values y = by_rows(v[0], from(axis, in.size()),
                                      [=](const row& r, dtype e) { return normalized_row(r, e, 1e-5L, centred); });
                   for_each(in, [&](const shape_t& i) {
                     affine(y, y.offset(i), v[1].broadcast_at(i), operands == 3 ? v[2].broadcast_at(i) : 0,
                            operands == 3);
                   });
                   return one(y);
                 },
                 layout);
           };
           by(column::random, {4, 6}, 1, {6});
           by(column::random, {4, 3, 8}, 1, {3, 8});
           by(column::empty, {0, 4}, 1, {4});
           c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 1)});
           by(column::size_1, {1, 1}, 1, {1});
           by(column::odd, {3, 37}, 1, {37});
           for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 9}, 1, {9}, fill::small, layout);
           by(column::nan, {3, 9}, 1, {9}, fill::nan);
           by(column::infinities, {3, 9}, 1, {9}, fill::infinities);
           by(column::negative_axis, {3, 8}, -1, {8});
           by(column::negative_axis, {2, 3, 4}, -2, {3, 4});
           return c;
         }});
}

/// Statistics per channel (axis 1): given, over the spatial axes, or over groups of channels with them.
enum class statistics { given, spatial, groups };
void add_channel_norm(table& t, const char* name, statistics how) {
  t.push_back(
      {name, floats, [=](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t in, int groups, fill fills = fill::small, int layout = 0) {
           const shape_t vector = {in[1]};
           std::vector<values> x = {filled(d, in, fills, 71), filled(d, vector, fill::small, 72),
                                    filled(d, vector, fill::small, 73)};
           if (how == statistics::given) {
             x.push_back(filled(d, vector, fill::small, 74));
             x.push_back(filled(d, vector, fill::positive, 75));
           }
           std::string attrs = how == statistics::groups
                                   ? "{.groups = " + std::to_string(groups) + ", .epsilon = 0.001}"
                                   : "{.epsilon = 0.001}";
           c.add(
               w, attrs, x,
               [=](const std::vector<values>& v) {
                 values y;
                 if (how == statistics::given) {
                   y = v[0];
                   y.slack.assign(y.v.size(), 0);
                   for_each(in, [&](const shape_t& i) {
                     const std::size_t k = y.offset(i), ch = static_cast<std::size_t>(i[1]);
                     const real factor = v[1].v[ch] / std::sqrt(v[4].v[ch] + 0.001L), e = epsilon(d), xi = v[0].v[k];
                     y.v[k] = (xi - v[3].v[ch]) * factor + v[2].v[ch];
                     y.slack[k] =
                         6 * e * (std::fabs(xi * factor) + std::fabs(v[3].v[ch] * factor) + std::fabs(v[2].v[ch]));
                     if (!std::isfinite(y.v[k])) y.slack[k] = 0;
                   });
                   return one(y);
                 }
                 // [n, groups, channels of a group, spatial...]: a row is all behind the second axis.
                 values split = v[0];
                 const std::int64_t g = how == statistics::spatial ? in[1] : groups;
                 split.shape = {in[0], g};
                 if (in[1]) split.shape.push_back(in[1] / g);
                 split.shape.insert(split.shape.end(), in.begin() + 2, in.end());
                 y = by_rows(split, from(2, split.shape.size()),
                             [](const row& r, dtype e) { return normalized_row(r, e, 0.001L, true); });
                 y.shape = in;
                 for_each(in, [&](const shape_t& i) {
                   const auto ch = static_cast<std::size_t>(i[1]);
                   affine(y, y.offset(i), v[1].v[ch], v[2].v[ch], true);
                 });
                 return one(y);
               },
               layout);
         };
         by(column::random, {2, 6, 4, 5}, 3);
         by(column::random, {3, 4, 8}, 2);
         if (how != statistics::spatial) by(column::random, {5, 8}, 2);
         by(column::empty, {0, 4, 3}, 2);
         c.refused(column::rank_0, "no channels", how == statistics::groups ? "{.groups = 1}" : "",
                   std::vector<values>(how == statistics::given ? 5 : 3, filled(d, {}, fill::small, 1)));
         by(column::size_1, {1, 1, 1}, 1);
         by(column::odd, {3, 5, 37}, 5);
         by(column::odd, {1, 3, 7, 5}, 1);
         for (int layout = 1; layout <= 3; ++layout) by(column::strided, {3, 4, 5}, 2, fill::small, layout);
         by(column::nan, {2, 4, 9}, 2, fill::nan);
         by(column::infinities, {2, 4, 9}, 2, fill::infinities);
         c.missing(column::negative_axis, "no axis");
         return c;
       }});
}

void add_glu(table& t) {
  t.push_back({"glu", floats, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, int axis, fill fills = fill::small, int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, in.size()));
                   shape_t out = in;
                   out[a] /= 2;
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + "}", {filled(d, in, fills, 81)},
                       [=](const std::vector<values>& x) {
                         values y(d, out);
                         for_each(out, [&](const shape_t& i) {
                           shape_t j = i;
                           j[a] += out[a];
                           const real v = x[0].at(i) / (1 + std::exp(-x[0].at(j)));
                           y.set(i, v, std::isfinite(v) ? 5 * epsilon(d) * std::fabs(v) + tiny(d) : 0);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 6, 5}, 1);
                 by(column::random, {4, 20}, 1);
                 by(column::empty, {3, 0}, 1);
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1)});
                 c.refused(column::size_1, "an odd extent has no halves", "", {filled(d, {1}, fill::small, 1)});
                 by(column::odd, {37, 2}, 1);
                 by(column::odd, {3, 26}, 1);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 6}, 1, fill::small, layout);
                 by(column::nan, {3, 10}, 1, fill::nan);
                 by(column::infinities, {3, 10}, 1, fill::infinities);
                 by(column::negative_axis, {4, 6}, -1);
                 by(column::negative_axis, {4, 6}, -2);
                 return c;
               }});
}

}  // namespace

void add_norms(table& t) {
  add_axis_norm(t, "softmax", softmax_row, false);
  add_axis_norm(t, "log_softmax", log_softmax_row, false);
  add_axis_norm(
      t, "l2_normalize", [](const row& x, dtype d) { return length_row(x, d, 0.25L); }, false, ", .epsilon = 0.25");
  add_axis_norm(
      t, "layer_norm", [](const row& x, dtype d) { return normalized_row(x, d, 0.5L, true); }, true,
      ", .epsilon = 0.5");
  add_axis_norm(
      t, "rms_norm", [](const row& x, dtype d) { return normalized_row(x, d, 0.5L, false); }, true, ", .epsilon = 0.5");
  add_scaled(t, "layer_norm", true, 3);
  add_scaled(t, "rms_norm", false, 2);
  add_channel_norm(t, "batch_norm", statistics::given);
  add_channel_norm(t, "instance_norm", statistics::spatial);
  add_channel_norm(t, "group_norm", statistics::groups);
  add_glu(t);
}

}  // namespace conformance
