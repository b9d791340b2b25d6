// Elements placed and chosen by tuples of indices, triangles, eye: each element by its own rule.
#include <algorithm>

#include "table.hpp"

namespace conformance {
namespace {

/// Whole numbers in [low, high).
values between(dtype t, const shape_t& s, std::int64_t low, std::int64_t high, std::uint64_t seed) {
  values r(t, s);
  std::uint64_t x = seed * 0x9E3779B97F4A7C15u + 1;
  for (real& v : r.v) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    v = static_cast<real>(low + static_cast<std::int64_t>((x >> 33) % static_cast<std::uint64_t>(high - low)));
  }
  return r;
}
/// What the mode makes of an element and an update, in the type.
real combined(dtype t, const std::string& mode, real old, real update) {
  if (mode == "replace") return update;
  if (mode == "min" || mode == "max") {
    if (old != old || update != update) return old + update;
    return mode == "min" ? std::min(old, update) : std::max(old, update);
  }
  if (!tenon::is_float(t)) {
    const auto a = static_cast<std::uint64_t>(static_cast<std::int64_t>(old)),
               b = static_cast<std::uint64_t>(static_cast<std::int64_t>(update));
    return wrapped(t, static_cast<std::int64_t>(mode == "add" ? a + b : a * b));
  }
  return rounded(t, mode == "add" ? old + update : old * update);
}

void add_scatter_elements(table& t) {
  t.push_back({"scatter_elements", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t i, int axis, std::string mode = "replace",
                                     fill fills = fill::small, int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, x.size()));
                   const std::int64_t n = x[a];
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + ", .mode = " + mode + "}",
                       {filled(d, x, fills, 211), between(i64, i, -n - 1, n + 1, 212), filled(d, i, fills, 213)},
                       [=](const std::vector<values>& in) {
                         values y = in[0];
                         for_each(i, [&](const shape_t& from) {
                           shape_t to = from;
                           to[a] = static_cast<std::int64_t>(in[1].at(from));
                           if (to[a] < 0) to[a] += n;
                           if (to[a] < 0 || to[a] >= n) return;
                           y.at(to) = combined(d, mode, y.at(to), in[2].at(from));
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {5, 6}, {5, 4}, 1);
                 by(column::random, {5, 6, 4}, {7, 3, 2}, 0);
                 if (d != b8)
                   for (const char* mode : {"add", "mul", "min", "max"}) by(column::random, {4, 6}, {4, 9}, 1, mode);
                 by(column::empty, {5, 6}, {5, 0}, 1);
                 by(column::empty, {0, 6}, {0, 6}, 1);
                 c.refused(column::rank_0, "no axis", "",
                           {filled(d, {}, fill::small, 1), between(i64, {}, 0, 1, 1), filled(d, {}, fill::small, 2)});
                 by(column::size_1, {1}, {1}, 0);
                 by(column::odd, {3, 37}, {3, 19}, 1);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {5, 7}, {4, 7}, 0, "replace", fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {30}, {20}, 0, "max", fill::nan);
                   by(column::infinities, {30}, {20}, 0, "replace", fill::infinities);
                 }
                 by(column::negative_axis, {4, 5}, {4, 3}, -1);
                 return c;
               }});
}

void add_tuples(table& t) {
  t.push_back({"scatter_nd", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t rows, std::size_t k, std::string mode = "replace",
                                     fill fills = fill::small, int layout = 0) {
                   shape_t indices = rows, updates = rows;
                   indices.push_back(static_cast<std::int64_t>(k));
                   updates.insert(updates.end(), x.begin() + static_cast<std::ptrdiff_t>(k), x.end());
                   std::int64_t n = 1;
                   for (std::size_t e = 0; e < k; ++e) n = std::max(n, x[e]);
                   c.add(
                       w, "{.mode = " + mode + "}",
                       {filled(d, x, fills, 214), between(i32, indices, -n, n, 215), filled(d, updates, fills, 216)},
                       [=](const std::vector<values>& in) {
                         values y = in[0];
                         for_each(updates, [&](const shape_t& from) {
                           shape_t row(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(rows.size())), to;
                           for (std::size_t e = 0; e < k; ++e) {
                             shape_t at = row;
                             at.push_back(static_cast<std::int64_t>(e));
                             auto p = static_cast<std::int64_t>(in[1].at(at));
                             if (p < 0) p += x[e];
                             if (p < 0 || p >= x[e]) return;
                             to.push_back(p);
                           }
                           to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(rows.size()), from.end());
                           y.at(to) = combined(d, mode, y.at(to), in[2].at(from));
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {5, 6}, {7}, 1);
                 by(column::random, {5, 6, 4}, {3, 2}, 2);
                 by(column::random, {5, 6}, {4}, 2);
                 if (d != b8)
                   for (const char* mode : {"add", "mul", "min", "max"}) by(column::random, {6, 3}, {9}, 1, mode);
                 by(column::empty, {5, 6}, {0}, 1);
                 by(column::rank_0, {}, {1}, 0);
                 by(column::size_1, {1}, {1}, 1);
                 by(column::odd, {37, 3}, {11}, 1);
                 // Slices in several blocks.
                 by(column::odd, {6, 261}, {9}, 1, d == b8 ? "replace" : "add");
                 by(column::odd, {4, 3, 131}, {2, 5}, 1, d == b8 ? "replace" : "max");
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {5, 7}, {4}, 1, "replace", fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {30}, {20}, 1, "max", fill::nan);
                   by(column::infinities, {30}, {20}, 1, "replace", fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
  t.push_back({"gather_nd", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t indices, std::size_t batch, fill fills = fill::small,
                                     int layout = 0) {
                   const std::size_t lead = indices.size() - 1, k = static_cast<std::size_t>(indices[lead]);
                   std::int64_t n = 1;
                   for (std::size_t e = 0; e < k; ++e) n = std::max(n, x[batch + e]);
                   shape_t out(indices.begin(), indices.end() - 1);
                   out.insert(out.end(), x.begin() + static_cast<std::ptrdiff_t>(batch + k), x.end());
                   c.add(
                       w, "{.batch = " + std::to_string(batch) + "}",
                       {filled(d, x, fills, 217), between(i64, indices, -n, n, 218)},
                       [=](const std::vector<values>& in) {
                         values y(d, out);
                         for_each(out, [&](const shape_t& i) {
                           shape_t from(i.begin(), i.begin() + static_cast<std::ptrdiff_t>(batch));
                           for (std::size_t e = 0; e < k; ++e) {
                             shape_t at(i.begin(), i.begin() + static_cast<std::ptrdiff_t>(lead));
                             at.push_back(static_cast<std::int64_t>(e));
                             auto p = static_cast<std::int64_t>(in[1].at(at));
                             if (p < 0) p += x[batch + e];
                             if (p < 0 || p >= x[batch + e]) return;
                             from.push_back(p);
                           }
                           from.insert(from.end(), i.begin() + static_cast<std::ptrdiff_t>(lead), i.end());
                           y.at(i) = in[0].at(from);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {5, 6}, {7, 1}, 0);
                 by(column::random, {5, 6, 4}, {3, 2, 2}, 0);
                 by(column::random, {3, 6, 4}, {3, 5, 1}, 1);
                 by(column::random, {3, 6, 4}, {3, 2}, 1);
                 by(column::empty, {5, 6}, {0, 2}, 0);
                 by(column::rank_0, {}, {2, 0}, 0);
                 by(column::size_1, {1}, {1, 1}, 0);
                 by(column::odd, {11, 37}, {3, 1}, 0);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {5, 7}, {4, 2}, 0, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {30}, {20, 1}, 0, fill::nan);
                   by(column::infinities, {30}, {20, 1}, 0, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_triangles(table& t) {
  for (const bool upper : {false, true})
    t.push_back({upper ? "triu" : "tril", any_type, [=](dtype d) {
                   cases c;
                   const auto by = [&](column w, shape_t x, int k, fill fills = fill::plain, int layout = 0) {
                     c.add(
                         w, "{.diagonal = " + std::to_string(k) + "}", {filled(d, x, fills, 219)},
                         [=](const std::vector<values>& in) {
                           values y = in[0];
                           for_each(x, [&](const shape_t& i) {
                             const std::int64_t above = i[x.size() - 1] - i[x.size() - 2];
                             if (upper ? above < k : above > k) y.at(i) = 0;
                           });
                           return one(y);
                         },
                         layout);
                   };
                   for (int k : {-7, -1, 0, 2, 7}) by(column::random, {2, 5, 6}, k);
                   by(column::empty, {0, 4}, 0);
                   c.refused(column::rank_0, "no matrix", "", {filled(d, {}, fill::small, 1)});
                   by(column::size_1, {1, 1}, 0);
                   by(column::size_1, {1, 1}, 1);
                   by(column::odd, {37, 19}, 1);
                   for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 0, fill::plain, layout);
                   if (tenon::is_float(d)) {
                     by(column::nan, {6, 6}, 0, fill::nan);
                     by(column::infinities, {6, 6}, 0, fill::infinities);
                   }
                   c.missing(column::negative_axis, "no axis");
                   return c;
                 }});
  t.push_back({"eye", any_type, [](dtype d) {
                 cases c;
                 const std::string type = "{.type = " + std::string(tenon::name(d));
                 const auto by = [&](column w, shape_t to, int k) {
                   c.add(w, type + ", .to = " + text(to) + ", .diagonal = " + std::to_string(k) + "}", {},
                         [=](const std::vector<values>&) {
                           values y(d, to);
                           for_each(to, [&](const shape_t& i) { y.at(i) = i[to.size() - 1] - i[to.size() - 2] == k; });
                           return one(y);
                         });
                 };
                 for (int k : {-4, -1, 0, 3}) by(column::random, {4, 6}, k);
                 by(column::random, {2, 3, 3}, 0);
                 by(column::empty, {0, 3}, 0);
                 by(column::size_1, {1, 1}, 0);
                 by(column::odd, {7, 37}, 1);
                 c.refused(column::rank_0, "no matrix", type + ", .to = []}", {});
                 for (const column w : {column::strided, column::nan, column::infinities}) c.missing(w, "no operand");
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

// Positions that only the run time knows, moved to where the slice fits.
void add_slices(table& t) {
  t.push_back({"slice_at", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, int axis, std::int64_t extent, std::int64_t position,
                                     fill fills = fill::small, int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, x.size()));
                   const std::int64_t first = std::min(std::max<std::int64_t>(position, 0), x[a] - extent);
                   shape_t out = x;
                   out[a] = extent;
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + ", .extent = " + std::to_string(extent) + "}",
                       {filled(d, x, fills, 219), between(i32, {}, position, position + 1, 1)},
                       [=](const std::vector<values>& in) {
                         values y(d, out);
                         for_each(out, [&](const shape_t& i) {
                           shape_t from = i;
                           from[a] += first;
                           y.at(i) = in[0].at(from);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 for (const int position : {-3, 0, 2, 4, 9}) by(column::random, {3, 6, 5}, 1, 2, position);
                 by(column::empty, {5, 6}, 0, 0, 3);
                 by(column::empty, {5, 0}, 0, 2, 1);
                 c.refused(column::rank_0, "no axis", "", {filled(d, {}, fill::small, 1), between(i64, {}, 0, 1, 1)});
                 by(column::size_1, {1}, 0, 1, 0);
                 by(column::odd, {37, 19}, 0, 7, 11);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 1, 3, 2, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {30}, 0, 20, 5, fill::nan);
                   by(column::infinities, {30}, 0, 20, 5, fill::infinities);
                 }
                 by(column::negative_axis, {4, 5}, -1, 2, 1);
                 return c;
               }});
  t.push_back(
      {"update_slice", any_type, [](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t x, int axis, std::int64_t extent, std::int64_t position,
                             fill fills = fill::small, int layout = 0) {
           const auto a = static_cast<std::size_t>(normal(axis, x.size()));
           const std::int64_t first = std::min(std::max<std::int64_t>(position, 0), x[a] - extent);
           shape_t part = x;
           part[a] = extent;
           c.add(
               w, "{.axis = " + std::to_string(axis) + "}",
               {filled(d, x, fills, 220), filled(d, part, fills, 221), between(i64, {}, position, position + 1, 1)},
               [=](const std::vector<values>& in) {
                 values y = in[0];
                 for_each(part, [&](const shape_t& i) {
                   shape_t to = i;
                   to[a] += first;
                   y.at(to) = in[1].at(i);
                 });
                 return one(y);
               },
               layout);
         };
         for (const int position : {-3, 0, 2, 4, 9}) by(column::random, {3, 6, 5}, 1, 2, position);
         by(column::random, {3, 6, 5}, 0, 3, 0);
         by(column::empty, {5, 6}, 0, 0, 3);
         by(column::empty, {5, 0}, 0, 2, 1);
         c.refused(column::rank_0, "no axis", "",
                   {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 2), between(i64, {}, 0, 1, 1)});
         by(column::size_1, {1}, 0, 1, 0);
         by(column::odd, {37, 19}, 1, 7, 11);
         for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 1, 3, 2, fill::small, layout);
         if (tenon::is_float(d)) {
           by(column::nan, {30}, 0, 20, 5, fill::nan);
           by(column::infinities, {30}, 0, 20, 5, fill::infinities);
         }
         by(column::negative_axis, {4, 5}, -1, 2, 1);
         return c;
       }});
}

}  // namespace

void add_placing(table& t) {
  add_scatter_elements(t);
  add_slices(t);
  add_tuples(t);
  add_triangles(t);
}

}  // namespace conformance
