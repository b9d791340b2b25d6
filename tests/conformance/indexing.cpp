// Indexing: elements chosen by the values of another operand.
#include <cmath>

#include "table.hpp"

namespace conformance {
namespace {

/// Positions in [-n - 2, n + 2), of any integer type (u8: without the negative ones).
values positions(dtype t, const shape_t& s, std::int64_t n, bool outside, std::uint64_t seed) {
  values r = filled(i64, s, fill::plain, seed);
  for (real& v : r.v) {
    const auto u = static_cast<std::uint64_t>(static_cast<std::int64_t>(v)) * 0x9E3779B97F4A7C15u >> 33;
    const std::int64_t range = 2 * n + (outside ? 4 : 0);
    std::int64_t p =
        range ? static_cast<std::int64_t>(u % static_cast<std::uint64_t>(range)) - n - (outside ? 2 : 0) : 0;
    if (t == u8 && p < 0) p = -p;
    if (t == u8 && p == n && !outside) p = 0;
    v = static_cast<real>(p);
  }
  r.type = t;
  return r;
}
/// The element there; 0 outside.
real chosen(const values& x, shape_t at, std::size_t axis, real position) {
  auto p = static_cast<std::int64_t>(position);
  const std::int64_t n = x.shape[axis];
  if (p < 0) p += n;
  if (p < 0 || p >= n) return 0;
  at[axis] = p;
  return x.at(at);
}

reference gathered(int axis) {
  return [=](const std::vector<values>& in) {
    const values &x = in[0], &at = in[1];
    const auto a = static_cast<std::size_t>(normal(axis, x.shape.size()));
    shape_t out(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(a));
    out.insert(out.end(), at.shape.begin(), at.shape.end());
    out.insert(out.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(a) + 1, x.shape.end());
    values y(x.type, out);
    for_each(out, [&](const shape_t& i) {
      const std::size_t n = at.shape.size();
      const shape_t j(i.begin() + static_cast<std::ptrdiff_t>(a), i.begin() + static_cast<std::ptrdiff_t>(a + n));
      shape_t from(i.begin(), i.begin() + static_cast<std::ptrdiff_t>(a));
      from.push_back(0);
      from.insert(from.end(), i.begin() + static_cast<std::ptrdiff_t>(a + n), i.end());
      y.at(i) = chosen(x, from, a, at.at(j));
    });
    return one(y);
  };
}

void add_gathers(table& t) {
  t.push_back({"gather", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t i, int axis, dtype index = i64, bool outside = false,
                                     fill fills = fill::plain, int layout = 0) {
                   const std::int64_t n = x[static_cast<std::size_t>(normal(axis, x.size()))];
                   c.add(w, "{.axis = " + std::to_string(axis) + "}",
                         {filled(d, x, fills, 131), positions(index, i, n, outside, 132)}, gathered(axis), layout);
                 };
                 by(column::random, {5, 6}, {7}, 0);
                 by(column::random, {5, 6, 4}, {3, 2}, 1, i32);
                 by(column::random, {5, 6}, {9}, 1, u8, true);
                 by(column::random, {5, 6}, {9}, 0, i64, true);
                 by(column::empty, {5, 6}, {0}, 0);
                 by(column::empty, {0, 6}, {0}, 0);
                 by(column::rank_0, {5}, {}, 0);
                 c.refused(column::rank_0, "no axis", "",
                           {filled(d, {}, fill::small, 1), positions(i64, {1}, 1, false, 1)});
                 by(column::size_1, {1}, {1}, 0);
                 by(column::odd, {3, 37}, {11}, 1);
                 by(column::odd, {11, 37}, {3}, 0, i32);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {5, 7}, {3, 3}, 0, i64, false, fill::plain, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {9}, {30}, 0, i64, false, fill::nan);
                   by(column::infinities, {9}, {30}, 0, i64, false, fill::infinities);
                 }
                 by(column::negative_axis, {3, 4, 5}, {6}, -1);
                 by(column::negative_axis, {3, 4, 5}, {2}, -2);
                 return c;
               }});
  t.push_back({"gather_elements", any_type, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t x, shape_t i, int axis, dtype index = i64, bool outside = false,
                                     fill fills = fill::plain, int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, x.size()));
                   c.add(
                       w, "{.axis = " + std::to_string(axis) + "}",
                       {filled(d, x, fills, 133), positions(index, i, x[a], outside, 134)},
                       [=](const std::vector<values>& in) {
                         values y(d, i);
                         for_each(i, [&](const shape_t& at) { y.at(at) = chosen(in[0], at, a, in[1].at(at)); });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {5, 6}, {7, 6}, 0);
                 by(column::random, {5, 6}, {4, 9}, 1, i32, true);
                 by(column::empty, {5, 6}, {0, 6}, 0);
                 c.refused(column::rank_0, "no axis", "",
                           {filled(d, {}, fill::small, 1), positions(i64, {}, 1, false, 1)});
                 by(column::size_1, {1}, {1}, 0, u8);
                 by(column::odd, {3, 37}, {3, 19}, 1);
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {5, 7}, {5, 3}, 1, i64, false, fill::plain, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {9}, {30}, 0, i64, false, fill::nan);
                   by(column::infinities, {9}, {30}, 0, i64, false, fill::infinities);
                 }
                 by(column::negative_axis, {4, 5}, {4, 3}, -1);
                 by(column::negative_axis, {4, 5}, {3, 5}, -2);
                 return c;
               }});
  t.push_back({"embedding", any_type,
               [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t i, shape_t table, dtype index = i64, fill fills = fill::plain,
                                     int layout = 0) {
                   c.add(
                       w, "", {positions(index, i, table[0], true, 135), filled(d, table, fills, 136)},
                       [](const std::vector<values>& in) { return gathered(0)({in[1], in[0]}); }, layout);
                 };
                 by(column::random, {4, 3}, {9, 8});
                 by(column::random, {4}, {9, 2, 3}, i32);
                 by(column::empty, {0}, {9, 8});
                 by(column::rank_0, {}, {9, 8});
                 by(column::size_1, {1}, {1, 1}, u8);
                 by(column::odd, {7}, {5, 37});
                 for (int layout = 1; layout <= 3; ++layout)
                   by(column::strided, {3, 3}, {5, 7}, i64, fill::plain, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {9}, {5, 3}, i64, fill::nan);
                   by(column::infinities, {9}, {5, 3}, i64, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               },
               [](dtype d) {
                 return call{
                     column::random, "", {filled(i64, {2}, fill::small, 1), filled(d, {2, 3}, fill::small, 1)}, {}};
               }});
}

void add_made(table& t) {
  // The type is the result's: there is no operand.
  t.push_back({"iota", numbers,
               [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t to, int axis) {
                   const auto a = static_cast<std::size_t>(normal(axis, to.size()));
                   c.add(w,
                         "{.type = " + std::string(tenon::name(d)) + ", .to = " + text(to) +
                             ", .axis = " + std::to_string(axis) + "}",
                         {}, [=](const std::vector<values>&) {
                           values y(d, to);
                           for_each(to, [&](const shape_t& i) { y.at(i) = static_cast<real>(i[a]); });
                           return one(y);
                         });
                 };
                 by(column::random, {12}, 0);
                 by(column::random, {4, 6, 5}, 1);
                 by(column::empty, {0}, 0);
                 by(column::size_1, {1, 1}, 1);
                 by(column::odd, {3, 37}, 1);
                 by(column::odd, {201}, 0);
                 by(column::negative_axis, {3, 7}, -1);
                 by(column::negative_axis, {3, 7}, -2);
                 c.refused(column::rank_0, "no axis", "{.type = " + std::string(tenon::name(d)) + ", .to = []}", {});
                 for (const column w : {column::strided, column::nan, column::infinities}) c.missing(w, "no operand");
                 return c;
               },
               [](dtype d) {
                 return call{column::random, "{.to = [3], .type = " + std::string(tenon::name(d)) + "}", {}, {}};
               }});
  t.push_back({"one_hot", integers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, int depth, int axis, dtype type = f32, int layout = 0) {
                   const auto a = static_cast<std::size_t>(normal(axis, in.size() + 1));
                   c.add(
                       w,
                       "{.depth = " + std::to_string(depth) + ", .axis = " + std::to_string(axis) +
                           ", .type = " + std::string(tenon::name(type)) + "}",
                       {positions(d, in, depth, true, 137)},
                       [=](const std::vector<values>& x) {
                         shape_t out = in;
                         out.insert(out.begin() + static_cast<std::ptrdiff_t>(a), depth);
                         values y(type, out);
                         for_each(in, [&](const shape_t& i) {
                           auto p = static_cast<std::int64_t>(x[0].at(i));
                           if (p < 0) p += depth;
                           if (p < 0 || p >= depth) return;
                           shape_t j = i;
                           j.insert(j.begin() + static_cast<std::ptrdiff_t>(a), p);
                           y.at(j) = 1;
                         });
                         return one(y);
                       },
                       layout);
                 };
                 for (const dtype type : types) by(column::random, {4, 5}, 6, 2, type);
                 by(column::random, {4, 5}, 3, 0);
                 by(column::empty, {0, 3}, 4, 1);
                 by(column::empty, {3}, 0, 1);
                 by(column::rank_0, {}, 5, 0);
                 by(column::size_1, {1}, 1, 0);
                 by(column::odd, {7}, 37, 1);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {4, 5}, 3, 1, f32, layout);
                 by(column::negative_axis, {4, 5}, 3, -1);
                 by(column::negative_axis, {4, 5}, 3, -2);
                 return c;
               }});
}

}  // namespace

void add_indexing(table& t) {
  add_gathers(t);
  add_made(t);
}

}  // namespace conformance
