// Reductions, scans, top_k: the elements of each result are collected in row-major order and combined by a loop.
#include <algorithm>
#include <cmath>
#include <limits>

#include "table.hpp"

namespace conformance {
namespace {

using axes = std::vector<int>;
constexpr real infinity = std::numeric_limits<real>::infinity();

struct answer {
  real v;
  real slack = 0;
};
using combined_fn = std::function<answer(const std::vector<real>&, dtype)>;

real lowest(dtype t) { return tenon::is_float(t) ? -infinity : t == u8 ? 0 : t == i32 ? INT32_MIN : INT64_MIN; }
real highest(dtype t) { return tenon::is_float(t) ? infinity : t == u8 ? 255 : t == i32 ? INT32_MAX : INT64_MAX; }

reference reduced(dtype t, dtype out, shape_t in, axes list, bool keep, combined_fn f) {
  return [=](const std::vector<values>& x) {
    std::vector<bool> on(in.size(), list.empty());
    for (int a : list) on[static_cast<std::size_t>(normal(a, in.size()))] = true;
    shape_t outer, inner, result;
    for (std::size_t k = 0; k < in.size(); ++k) {
      outer.push_back(on[k] ? 1 : in[k]);
      inner.push_back(on[k] ? in[k] : 1);
      if (!on[k] || keep) result.push_back(on[k] ? 1 : in[k]);
    }
    values y(out, result);
    std::size_t at = 0;
    for_each(outer, [&](const shape_t& o) {
      std::vector<real> list_of;
      for_each(inner, [&](const shape_t& r) {
        shape_t i(in.size());
        for (std::size_t k = 0; k < in.size(); ++k) i[k] = o[k] + r[k];
        list_of.push_back(x[0].at(i));
      });
      const answer a = f(list_of, t);
      y.v[at] = a.v;
      if (a.slack != 0) {
        y.slack.resize(y.v.size());
        y.slack[at] = a.slack;
      }
      ++at;
    });
    return one(y);
  };
}

real magnitude(const std::vector<real>& x) {
  real s = 0;
  for (real v : x) s += std::fabs(v);
  return s;
}
real size(const std::vector<real>& x) { return static_cast<real>(x.size()); }
answer total(const std::vector<real>& x, dtype t) {
  if (!tenon::is_float(t)) {
    std::uint64_t s = 0;
    for (real v : x) s += static_cast<std::uint64_t>(static_cast<std::int64_t>(v));
    return {wrapped(t, static_cast<std::int64_t>(s))};
  }
  real s = 0;
  for (real v : x) s += v;
  return {s, std::isfinite(s) ? size(x) * epsilon(t) * magnitude(x) : 0};
}
answer product(const std::vector<real>& x, dtype t) {
  if (!tenon::is_float(t)) {
    std::uint64_t s = 1;
    for (real v : x) s *= static_cast<std::uint64_t>(static_cast<std::int64_t>(v));
    return {wrapped(t, static_cast<std::int64_t>(s))};
  }
  real s = 1;
  for (real v : x) s *= v;
  return {s, std::isfinite(s) ? size(x) * epsilon(t) * std::fabs(s) + tiny(t) : 0};
}
answer average(const std::vector<real>& x, dtype t) {
  if (!tenon::is_float(t)) {
    // A sum of 64 bits, whatever the type: 300 times 255 is no u8, its mean is.
    const real s = total(x, i64).v;
    return {x.empty() ? 0 : std::trunc(s / size(x))};
  }
  const answer s = total(x, t);
  const real m = s.v / size(x);
  return {m, std::isfinite(m) ? s.slack / size(x) + epsilon(t) * std::fabs(m) : 0};
}
answer extreme(const std::vector<real>& x, dtype t, bool largest) {
  real best = largest ? lowest(t) : highest(t);
  for (real v : x) {
    if (std::isnan(v)) return {v};
    if (largest ? v > best : v < best) best = v;
  }
  return {best};
}
answer position(const std::vector<real>& x, bool largest) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i])) return {static_cast<real>(i)};
    if (largest ? x[i] > x[at] : x[i] < x[at]) at = i;
  }
  return {static_cast<real>(at)};
}
answer log_sum(const std::vector<real>& x, dtype t) {
  const real m = extreme(x, t, true).v, shift = std::isinf(m) || std::isnan(m) ? 0 : m;
  real s = 0;
  for (real v : x) s += std::exp(v - shift);
  const real y = std::log(s) + shift;
  return {y, std::isfinite(y) ? epsilon(t) * (size(x) + 8 + 2 * std::fabs(y) + 2 * std::fabs(shift)) : 0};
}
answer norm_1(const std::vector<real>& x, dtype t) {
  std::vector<real> a = x;
  for (real& v : a) {
    v = std::fabs(v);
    // The least i64 has no absolute value: it stays.
    if (!tenon::is_float(t)) v = wrapped(t, v < 0x1p63 ? static_cast<std::int64_t>(v) : INT64_MIN);
  }
  return total(a, t);
}
answer norm_2(const std::vector<real>& x, dtype t) {
  real s = 0;
  for (real v : x) s += v * v;
  const real y = std::sqrt(s);
  return {y, std::isfinite(y) ? epsilon(t) * (size(x) + 2) * y : 0};
}

void put(table& t, const char* name, std::function<bool(dtype)> takes, combined_fn f, fill how = fill::plain) {
  t.push_back({name, std::move(takes), [=](dtype d) {
                 cases c;
                 std::uint64_t seed = 3;
                 const auto by = [&](column w, shape_t in, axes list, bool keep = false, fill fills = fill::plain,
                                     int layout = 0) {
                   std::string attrs = list.empty() ? "" : ".axes = " + text(list);
                   if (keep) attrs += attrs.empty() ? ".keep = true" : ", .keep = true";
                   c.add(w, attrs.empty() ? "" : "{" + attrs + "}", {filled(d, in, fills, ++seed)},
                         reduced(d, d, in, list, keep, f), layout);
                 };
                 by(column::random, {4, 6, 5}, {1}, false, how);
                 by(column::random, {4, 6, 5}, {0, 2}, true, how);
                 by(column::random, {4, 6, 5}, {}, false, how);
                 by(column::random, {6, 5, 4}, {2}, false, how);
                 by(column::random, {6, 5, 4}, {0}, true, how);
                 by(column::random, {4, 96}, {1}, false, how);
                 by(column::empty, {0, 3}, {0});
                 by(column::empty, {3, 0}, {1}, true);
                 by(column::empty, {3, 0}, {0});
                 by(column::empty, {0}, {});
                 by(column::rank_0, {}, {}, false, how);
                 by(column::size_1, {1, 1, 1}, {1}, false, how);
                 by(column::size_1, {1}, {}, true, how);
                 by(column::odd, {3, 37}, {1}, false, how);
                 by(column::odd, {37, 3}, {0}, false, how);
                 by(column::odd, {13, 19}, {0}, false, how);
                 by(column::odd, {3, 1031}, {0}, false, how);  // more columns than are reduced side by side
                 by(column::odd, {133}, {}, false, how);
                 for (int layout = 1; layout <= 4; ++layout) {
                   by(column::strided, {5, 3, 7}, {1}, false, how, layout);
                   by(column::strided, {5, 19}, {1}, false, how, layout);
                   by(column::strided, {5, 19}, {0}, false, how, layout);
                 }
                 by(column::negative_axis, {3, 4, 5}, {-1}, false, how);
                 by(column::negative_axis, {3, 4, 5}, {-3, -1}, true, how);
                 if (tenon::is_float(d))
                   for (const fill special : {fill::nan, fill::infinities}) {
                     const column w = special == fill::nan ? column::nan : column::infinities;
                     by(w, {7, 9}, {1}, false, special);
                     by(w, {7, 9}, {0}, false, special);
                     by(w, {45}, {}, false, special);
                     by(w, {6, 2}, {1}, false, special);
                   }
                 return c;
               }});
}

void add_positions(table& t, const char* name, bool largest) {
  t.push_back({name, numbers, [=](dtype d) {
                 cases c;
                 const combined_fn f = [=](const std::vector<real>& x, dtype) { return position(x, largest); };
                 const auto by = [&](column w, shape_t in, int axis, bool keep = false, fill fills = fill::plain,
                                     int layout = 0) {
                   values x = filled(d, in, fills, 11 + static_cast<std::uint64_t>(axis + 8));
                   if (fills == fill::small)
                     for (real& v : x.v) v = rounded(d, std::trunc(v));  // ties
                   c.add(w, "{.axis = " + std::to_string(axis) + (keep ? ", .keep = true}" : "}"), {x},
                         reduced(d, i64, in, {axis}, keep, f), layout);
                 };
                 by(column::random, {4, 6, 5}, 1);
                 by(column::random, {4, 6, 5}, 0, true, fill::small);
                 by(column::random, {4, 60}, 1, false, fill::small);
                 by(column::random, {60, 4}, 0, false, fill::small);
                 by(column::empty, {0, 3}, 1);
                 c.refused(column::empty, "the axis has no elements", "{.axis = 0}",
                           {filled(d, {0, 3}, fill::small, 1)});
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1, 1}, 1);
                 by(column::odd, {3, 37}, 1, false, fill::small);
                 by(column::odd, {133}, 0);
                 for (int layout = 1; layout <= 4; ++layout)
                   by(column::strided, {5, 19}, 1, false, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {7, 29}, 1, false, fill::nan);
                   by(column::nan, {2}, 0, false, fill::nan);
                   by(column::infinities, {7, 29}, 1, false, fill::infinities);
                 }
                 by(column::negative_axis, {3, 4, 5}, -1);
                 by(column::negative_axis, {3, 4, 5}, -2, true);
                 return c;
               }});
}

reference scanned(dtype t, int axis, bool exclusive, bool reverse, bool products) {
  return [=](const std::vector<values>& in) {
    const values& x = in[0];
    const auto a = static_cast<std::size_t>(normal(axis, x.shape.size()));
    values y(t, x.shape);
    for_each(x.shape, [&](const shape_t& i) {
      // Every prefix from its start: nothing is carried from element to element.
      std::vector<real> before;
      for (std::int64_t k = 0; k < x.shape[a]; ++k) {
        const bool in_front = reverse ? k > i[a] : k < i[a];
        shape_t j = i;
        j[a] = k;
        if (in_front || (k == i[a] && !exclusive)) before.push_back(x.at(j));
      }
      const answer s = products ? product(before, t) : total(before, t);
      y.set(i, s.v, s.slack);
    });
    return one(y);
  };
}

void add_scan(table& t, const char* name, bool products) {
  t.push_back({name, numbers, [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, int axis, bool exclusive = false, bool reverse = false,
                                     fill fills = fill::small, int layout = 0) {
                   std::string attrs = "{.axis = " + std::to_string(axis);
                   if (exclusive) attrs += ", .exclusive = true";
                   if (reverse) attrs += ", .reverse = true";
                   c.add(w, attrs + "}", {filled(d, in, fills, 23)}, scanned(d, axis, exclusive, reverse, products),
                         layout);
                 };
                 by(column::random, {4, 6, 5}, 1);
                 by(column::random, {4, 6}, 1, true);
                 by(column::random, {4, 6}, 0, false, true);
                 by(column::random, {4, 6}, 1, true, true);
                 by(column::empty, {3, 0}, 1);
                 by(column::empty, {3, 0}, 0);
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1, 1}, 0);
                 by(column::odd, {3, 37}, 1);
                 by(column::odd, {13, 7}, 0);
                 // Lines side by side, in several blocks.
                 by(column::odd, {5, 261}, 0, false, true);
                 by(column::odd, {2, 3, 131}, 1, true);
                 for (int layout = 1; layout <= 4; ++layout)
                   by(column::strided, {5, 37}, 0, false, false, fill::small, layout);
                 for (int layout = 1; layout <= 4; ++layout)
                   by(column::strided, {5, 7}, 1, false, false, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {3, 9}, 1, false, false, fill::nan);
                   by(column::infinities, {3, 9}, 1, false, false, fill::infinities);
                 }
                 by(column::negative_axis, {3, 4, 5}, -1);
                 by(column::negative_axis, {3, 4, 5}, -2, true);
                 return c;
               }});
}

void add_top_k(table& t) {
  t.push_back({"top_k", numbers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, int k, int axis, bool largest = true,
                                     fill fills = fill::small, int layout = 0) {
                   values x = filled(d, in, fills, 41);
                   if (fills == fill::small)
                     for (real& v : x.v) v = rounded(d, std::trunc(v * 2));
                   const auto a = static_cast<std::size_t>(normal(axis, in.size()));
                   c.add(
                       w,
                       "{.k = " + std::to_string(k) + ", .axis = " + std::to_string(axis) +
                           (largest ? "}" : ", .largest = false}"),
                       {x},
                       [=](const std::vector<values>& v) {
                         shape_t out = in, rest = in;
                         out[a] = k;
                         rest[a] = 1;
                         std::vector<values> y = {values(d, out), values(i64, out)};
                         for_each(rest, [&](const shape_t& i) {
                           std::vector<std::pair<real, std::int64_t>> row;
                           shape_t j = i;
                           for (j[a] = 0; j[a] < in[a]; ++j[a]) row.emplace_back(v[0].at(j), j[a]);
                           std::sort(row.begin(), row.end(), [&](const auto& p, const auto& q) {
                             const bool p_nan = std::isnan(p.first), q_nan = std::isnan(q.first);
                             if (p_nan != q_nan) return largest ? p_nan : q_nan;
                             if (p_nan || p.first == q.first) return p.second < q.second;
                             return largest ? p.first > q.first : p.first < q.first;
                           });
                           for (j[a] = 0; j[a] < k; ++j[a]) {
                             y[0].at(j) = row[static_cast<std::size_t>(j[a])].first;
                             y[1].at(j) = static_cast<real>(row[static_cast<std::size_t>(j[a])].second);
                           }
                         });
                         return y;
                       },
                       layout);
                 };
                 by(column::random, {4, 12}, 5, 1);
                 by(column::random, {9, 4}, 3, 0, false);
                 by(column::random, {4, 12}, 4, 1, true, fill::plain);
                 by(column::empty, {0, 4}, 2, 1);
                 by(column::empty, {3, 4}, 0, 1);
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1}, 1, 0);
                 by(column::odd, {3, 37}, 7, 1);
                 for (int layout = 1; layout <= 4; ++layout)
                   by(column::strided, {5, 9}, 3, 1, true, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {3, 9}, 9, 1, true, fill::nan);
                   by(column::nan, {3, 9}, 9, 1, false, fill::nan);
                   by(column::infinities, {3, 9}, 9, 1, true, fill::infinities);
                 }
                 by(column::negative_axis, {3, 5, 4}, 2, -2);
                 return c;
               }});
}

}  // namespace

void add_reductions(table& t) {
  put(t, "sum", numbers, total);
  put(t, "prod", numbers, product, fill::small);
  put(t, "mean", numbers, average);
  put(t, "max", numbers, [](const auto& x, dtype d) { return extreme(x, d, true); });
  put(t, "min", numbers, [](const auto& x, dtype d) { return extreme(x, d, false); });
  put(t, "all", booleans,
      [](const auto& x, dtype) -> answer { return {std::count(x.begin(), x.end(), 0.0L) ? 0.0L : 1.0L}; });
  put(t, "any", booleans,
      [](const auto& x, dtype) -> answer { return {std::count(x.begin(), x.end(), 1.0L) ? 1.0L : 0.0L}; });
  put(t, "logsumexp", floats, log_sum);
  put(t, "l1_norm", numbers, norm_1);
  put(t, "l2_norm", floats, norm_2);
  add_positions(t, "argmax", true);
  add_positions(t, "argmin", false);
  add_scan(t, "cumsum", false);
  add_scan(t, "cumprod", true);
  add_top_k(t);
}

}  // namespace conformance
