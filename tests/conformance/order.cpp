// Order, and what is chosen by values: sort, nonzero, compress, unique. Rows are collected and put in order by the
// standard library.
#include <algorithm>
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

/// Few different numbers, so that some are equal.
values repeating(dtype d, const shape_t& s, fill fills, std::uint64_t seed) {
  values x = filled(d, s, fills, seed);
  if (fills == fill::small)
    for (real& v : x.v) v = rounded(d, std::trunc(v * 2));
  return x;
}

void add_sort(table& t) {
  t.push_back({"sort", numbers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, int axis, bool descending = false, fill fills = fill::small,
                                     int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, in.size()));
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + (descending ? ", .descending = true}" : "}"),
                       {repeating(d, in, fills, 311)},
                       [=](const std::vector<values>& v) {
                         shape_t rest = in;
                         rest[a] = 1;
                         std::vector<values> y = {values(d, in), values(i64, in)};
                         for_each(rest, [&](const shape_t& i) {
                           std::vector<std::int64_t> order;
                           shape_t j = i;
                           for (j[a] = 0; j[a] < in[a]; ++j[a]) order.push_back(j[a]);
                           const auto at = [&](std::int64_t k) {
                             shape_t from = i;
                             from[a] = k;
                             return v[0].at(from);
                           };
                           std::sort(order.begin(), order.end(), [&](std::int64_t p, std::int64_t q) {
                             const real x = at(p), z = at(q);
                             if (std::isnan(x) != std::isnan(z)) return descending ? std::isnan(x) : std::isnan(z);
                             if (std::isnan(x) || x == z) return p < q;
                             return descending ? x > z : x < z;
                           });
                           for (j[a] = 0; j[a] < in[a]; ++j[a]) {
                             const std::int64_t from = order[static_cast<std::size_t>(j[a])];
                             y[0].at(j) = at(from);
                             y[1].at(j) = static_cast<real>(from);
                           }
                         });
                         return y;
                       },
                       layout);
                 };
                 by(column::random, {4, 12}, 1);
                 by(column::random, {9, 4}, 0, true);
                 by(column::random, {3, 200}, 1);
                 by(column::random, {2, 300}, 1);
                 by(column::random, {2, 33, 3}, 1, true, fill::plain);
                 by(column::random, {2, 2}, 1);
                 by(column::empty, {0, 4}, 1);
                 by(column::empty, {4, 0}, 1, true);
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1}, 0);
                 by(column::odd, {3, 37}, 1);
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {5, 9}, 1, false, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {3, 19}, 1, false, fill::nan);
                   by(column::nan, {3, 19}, 1, true, fill::nan);
                   by(column::infinities, {3, 19}, 1, false, fill::infinities);
                 }
                 by(column::negative_axis, {3, 5, 4}, -2);
                 return c;
               }});
}

void add_nonzero(table& t) {
  t.push_back({"nonzero", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, fill fills = fill::small, int layout = 0) {
                   c.add(
                       w, "", {repeating(d, in, fills, 312)},
                       [=](const std::vector<values>& v) {
                         const auto rank = static_cast<std::int64_t>(in.size());
                         std::vector<values> y = {values(i64, {rank, count(in)}), values(i64, {})};
                         std::int64_t n = 0;
                         for_each(in, [&](const shape_t& i) {
                           if (v[0].at(i) == 0) return;
                           for (std::int64_t k = 0; k < rank; ++k)
                             y[0].at({k, n}) = static_cast<real>(i[static_cast<std::size_t>(k)]);
                           ++n;
                         });
                         y[1].v[0] = static_cast<real>(n);
                         return y;
                       },
                       layout);
                 };
                 by(column::random, {4, 12});
                 by(column::random, {3, 2, 5});
                 by(column::random, {40});
                 by(column::empty, {0, 3});
                 by(column::rank_0, {});
                 by(column::size_1, {1});
                 by(column::odd, {3, 37});
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {5, 7}, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {19}, fill::nan);
                   by(column::infinities, {19}, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_compress(table& t) {
  t.push_back({"compress", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, std::int64_t marks, int axis, fill fills = fill::small,
                                     int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, in.size()));
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + "}",
                       {filled(d, in, fills, 313), filled(b8, {marks}, fill::small, 314)},
                       [=](const std::vector<values>& v) {
                         shape_t out = in;
                         out[a] = marks;
                         std::vector<std::int64_t> chosen;
                         for (std::int64_t i = 0; i < marks; ++i)
                           if (v[1].at({i}) != 0) chosen.push_back(i);
                         std::vector<values> y = {values(d, out), values(i64, {})};
                         for_each(out, [&](const shape_t& i) {
                           shape_t from = i;
                           const auto k = static_cast<std::size_t>(i[a]);
                           from[a] = k < chosen.size() ? chosen[k] : 0;
                           y[0].at(i) = v[0].at(from);
                         });
                         y[1].v[0] = static_cast<real>(chosen.size());
                         return y;
                       },
                       layout);
                 };
                 by(column::random, {4, 12}, 12, 1);
                 by(column::random, {9, 4}, 6, 0);
                 by(column::empty, {3, 0}, 0, 1);
                 by(column::empty, {3, 4}, 0, 1);
                 c.refused(column::rank_0, "no axis", "",
                           {filled(d, {}, fill::small, 1), filled(b8, {1}, fill::small, 1)});
                 c.refused(column::rank_0, "more marks than elements", "",
                           {filled(d, {2}, fill::small, 1), filled(b8, {3}, fill::small, 1)});
                 by(column::size_1, {1}, 1, 0);
                 by(column::odd, {3, 37}, 31, 1);
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {5, 7}, 7, 1, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {19}, 19, 0, fill::nan);
                   by(column::infinities, {19}, 19, 0, fill::infinities);
                 }
                 by(column::negative_axis, {3, 5, 4}, 5, -2);
                 return c;
               }});
}

void add_unique(table& t) {
  t.push_back({"unique", numbers, [](dtype d) {
                 cases c;
                 // axis: none is 9.
                 const auto by = [&](column w, shape_t in, int axis, bool sorted = true, fill fills = fill::small,
                                     int layout = 0) {
                   const bool flat = axis == 9;
                   const std::size_t a = flat ? 0 : static_cast<std::size_t>(normal(axis, in.size()));
                   std::string attrs = flat ? "{.flat = true" : "{.flat = false, .axis = " + std::to_string(axis);
                   if (!sorted) attrs += ", .sorted = false";
                   c.add(
                       w, attrs + "}", {repeating(d, in, fills, 315)},
                       [=](const std::vector<values>& v) {
                         const std::int64_t n = flat ? count(in) : in[a];
                         const auto slice = [&](std::int64_t k) {
                           if (flat) return std::vector<real>{v[0].v[static_cast<std::size_t>(k)]};
                           shape_t rest = in;
                           rest[a] = 1;
                           std::vector<real> r;
                           for_each(rest, [&](shape_t i) {
                             i[a] = k;
                             r.push_back(v[0].at(i));
                           });
                           return r;
                         };
                         std::vector<std::vector<real>> distinct;
                         std::vector<std::int64_t> first;
                         for (std::int64_t k = 0; k < n; ++k)
                           if (std::ranges::find(distinct, slice(k)) == distinct.end()) {
                             distinct.push_back(slice(k));
                             first.push_back(k);
                           }
                         std::vector<std::size_t> order(distinct.size());
                         for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
                         if (sorted)
                           std::sort(order.begin(), order.end(),
                                     [&](std::size_t p, std::size_t q) { return distinct[p] < distinct[q]; });
                         std::vector<values> y = {values(d, flat ? shape_t{n} : in), values(i64, {n}), values(i64, {n}),
                                                  values(i64, {n})};
                         const auto place = [&](std::int64_t k) {
                           return k < static_cast<std::int64_t>(order.size())
                                      ? first[order[static_cast<std::size_t>(k)]]
                                      : n - 1;
                         };
                         for_each(y[0].shape, [&](const shape_t& i) {
                           shape_t from = i;
                           from[a] = place(i[a]);
                           y[0].at(i) = flat ? v[0].v[static_cast<std::size_t>(from[0])] : v[0].at(from);
                         });
                         for (std::int64_t k = 0; k < n; ++k) {
                           y[1].at({k}) = static_cast<real>(place(k));
                           for (std::size_t g = 0; g < order.size(); ++g) {
                             if (distinct[order[g]] != slice(k)) continue;
                             y[2].at({k}) = static_cast<real>(g);
                             y[3].at({static_cast<std::int64_t>(g)}) += 1;
                           }
                         }
                         return y;
                       },
                       layout);
                 };
                 by(column::random, {4, 12}, 9);
                 by(column::random, {4, 12}, 9, false);
                 by(column::random, {40, 2}, 0);
                 by(column::random, {2, 30}, 1, false);
                 by(column::empty, {0, 3}, 9);
                 by(column::empty, {0, 3}, 0);
                 by(column::rank_0, {}, 9);
                 c.refused(column::rank_0, "no axis", "{.flat = false}", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1}, 9);
                 by(column::odd, {3, 37}, 9);
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {5, 7}, 9, true, fill::small, layout);
                 c.missing(column::nan, "NaN differs from itself: which one comes first is not stated");
                 if (tenon::is_float(d)) by(column::infinities, {19}, 9, true, fill::infinities);
                 by(column::negative_axis, {2, 20}, -1);
                 return c;
               }});
}

}  // namespace

void add_order(table& t) {
  add_sort(t);
  add_nonzero(t);
  add_compress(t);
  add_unique(t);
}

}  // namespace conformance
