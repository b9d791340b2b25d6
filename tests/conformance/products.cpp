// Products, convolutions, pooling: plain loops over the result and over what is summed.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "table.hpp"

namespace conformance {
namespace {

using list = std::vector<int>;

dtype product_type(dtype t) { return t == u8 ? i32 : t; }

/// A sum of products, with its slack: as many epsilons of the magnitudes as there are terms.
struct running {
  dtype type;
  real sum = 0, magnitude = 0, terms = 0;
  std::uint64_t whole = 0;
  void add(std::initializer_list<real> factors) {
    real p = 1;
    std::uint64_t q = 1;
    for (real f : factors) {
      p *= f;
      if (!tenon::is_float(type)) q *= static_cast<std::uint64_t>(static_cast<std::int64_t>(f));
    }
    sum += p;
    magnitude += std::fabs(p);
    whole += q;
    terms += static_cast<real>(factors.size()) - 1;
  }
  void put(values& y, const shape_t& i) const {
    if (tenon::is_float(type))
      y.set(i, sum, std::isfinite(sum) ? (terms + 1) * epsilon(type) * magnitude : 0);
    else
      y.at(i) = wrapped(y.type, static_cast<std::int64_t>(whole));
  }
};

void add_matmul(table& t) {
  t.push_back({"matmul", numbers, [](dtype d) {
                 cases c;
                 const reference r = [=](const std::vector<values>& in) {
                   // A vector on the left is one row, on the right one column.
                   values a = in[0], b = in[1];
                   const bool row = a.shape.size() == 1, column = b.shape.size() == 1;
                   if (row) a.shape.insert(a.shape.begin(), 1);
                   if (column) b.shape.push_back(1);
                   const std::size_t ra = a.shape.size(), rb = b.shape.size(), lead = std::max(ra, rb) - 2;
                   const std::int64_t m = a.shape[ra - 2], k = a.shape[ra - 1], n = b.shape[rb - 1];
                   shape_t full(lead, 1);
                   for (const values* x : {&a, &b})
                     for (std::size_t q = 0; q + 2 < x->shape.size(); ++q)
                       if (x->shape[q] != 1) full[lead - (x->shape.size() - 2) + q] = x->shape[q];
                   full.push_back(m);
                   full.push_back(n);
                   values y(product_type(d), full);
                   for_each(full, [&](const shape_t& i) {
                     running s{d};
                     for (std::int64_t q = 0; q < k; ++q) {
                       shape_t x = i, z = i;
                       x[lead + 1] = q;
                       z[lead] = q;
                       // broadcast_at takes index 0 where a batch axis has one element; the last two axes are never
                       // broadcast.
                       const auto at = [&](const values& v, const shape_t& j) {
                         shape_t own;
                         const std::size_t skip = j.size() - v.shape.size();
                         for (std::size_t e = 0; e < v.shape.size(); ++e)
                           own.push_back(e + 2 < v.shape.size() && v.shape[e] == 1 ? 0 : j[e + skip]);
                         return v.at(own);
                       };
                       s.add({at(a, x), at(b, z)});
                     }
                     s.put(y, i);
                   });
                   shape_t out(full.begin(), full.end() - 2);
                   if (!row) out.push_back(m);
                   if (!column) out.push_back(n);
                   y.shape = out;
                   return one(y);
                 };
                 const auto by = [&](column w, shape_t a, shape_t b, fill fills = fill::small, int layout = 0) {
                   c.add(w, "", {filled(d, a, fills, 91), filled(d, b, fill::small, 92)}, r, layout);
                 };
                 by(column::random, {4, 7}, {7, 5}, fill::plain);
                 by(column::random, {16, 64}, {64, 48});
                 by(column::random, {2, 1, 4, 7}, {3, 7, 5});
                 by(column::random, {3, 4, 8}, {8, 16});
                 by(column::random, {4, 8}, {3, 8, 5});
                 by(column::random, {9}, {9, 5});
                 by(column::random, {5, 9}, {9});
                 by(column::random, {9}, {9});
                 by(column::random, {3, 5, 9}, {3, 9, 1});
                 by(column::empty, {3, 0}, {0, 4});
                 by(column::empty, {0, 3}, {3, 2});
                 by(column::empty, {3, 3}, {3, 0});
                 c.refused(column::rank_0, "no axis to sum", "",
                           {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1, 1}, {1, 1});
                 by(column::odd, {37, 29}, {29, 43});
                 by(column::odd, {5, 523}, {523, 9});  // deeper than a block of the depth
                 by(column::odd, {13, 17}, {17, 1});
                 by(column::odd, {1, 33}, {33, 101});
                 by(column::odd, {3, 5}, {5, 3});
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {13, 7}, {7, 19}, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {13, 3}, {3, 19}, fill::nan);
                   by(column::infinities, {13, 3}, {3, 19}, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_einsum(table& t) {
  t.push_back({"einsum", numbers, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, std::string spec, std::vector<shape_t> shapes, fill fills = fill::small,
                                     int layout = 0) {
                   std::vector<values> in;
                   for (std::size_t k = 0; k < shapes.size(); ++k)
                     in.push_back(filled(d, shapes[k], k ? fill::small : fills, 93 + k));
                   std::vector<std::string> terms(1);
                   std::string out;
                   const std::size_t arrow = spec.find("->");
                   for (char ch : spec.substr(0, arrow))
                     if (ch == ',')
                       terms.emplace_back();
                     else
                       terms.back() += ch;
                   if (arrow != std::string::npos) {
                     out = spec.substr(arrow + 2);
                   } else {
                     std::map<char, int> uses;
                     for (const std::string& s : terms)
                       for (char ch : s) ++uses[ch];
                     for (auto [ch, n] : uses)
                       if (n == 1) out += ch;
                   }
                   c.add(
                       w, "{.spec = \"" + spec + "\"}", in,
                       [=](const std::vector<values>& x) {
                         std::map<char, std::int64_t> extent;
                         for (std::size_t k = 0; k < terms.size(); ++k)
                           for (std::size_t i = 0; i < terms[k].size(); ++i) extent[terms[k][i]] = x[k].shape[i];
                         std::string summed;
                         for (auto [ch, n] : extent)
                           if (out.find(ch) == std::string::npos) summed += ch;
                         shape_t result, inner;
                         for (char ch : out) result.push_back(extent[ch]);
                         for (char ch : summed) inner.push_back(extent[ch]);
                         values y(product_type(d), result);
                         for_each(result, [&](const shape_t& i) {
                           running s{d};
                           for_each(inner, [&](const shape_t& r) {
                             real f[3] = {1, 1, 1};
                             for (std::size_t k = 0; k < terms.size(); ++k) {
                               shape_t j;
                               for (char ch : terms[k]) {
                                 const std::size_t o = out.find(ch);
                                 j.push_back(o != std::string::npos ? i[o] : r[summed.find(ch)]);
                               }
                               f[k] = x[k].at(j);
                             }
                             s.add({f[0], f[1], f[2]});
                           });
                           s.put(y, i);
                         });
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, "ij,jk->ik", {{4, 7}, {7, 5}});
                 by(column::random, "bik,bjk->bij", {{2, 4, 8}, {2, 5, 8}});
                 by(column::random, "ii->i", {{5, 5}});
                 by(column::random, "ii", {{5, 5}});
                 by(column::random, "ij->", {{4, 5}});
                 by(column::random, "ji", {{4, 5}});
                 by(column::random, "ijk->kij", {{4, 5, 3}});
                 by(column::random, "i,j->ij", {{4}, {5}});
                 by(column::random, "ij,jk,kl->il", {{3, 4}, {4, 5}, {5, 2}});
                 by(column::random, "iji,j->ij", {{3, 4, 3}, {4}});
                 by(column::empty, "ij,jk->ik", {{3, 0}, {0, 4}});
                 by(column::empty, "i->", {{0}});
                 by(column::rank_0, ",->", {{}, {}});
                 by(column::size_1, "ij,jk->ik", {{1, 1}, {1, 1}});
                 by(column::odd, "ij,kj->ik", {{13, 17}, {19, 17}});
                 by(column::odd, "bi,bj->bij", {{3, 7}, {3, 37}});
                 for (int layout = 1; layout <= 4; ++layout)
                   by(column::strided, "ij,jk->ik", {{5, 7}, {7, 9}}, fill::small, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, "ij,jk->ik", {{7, 2}, {2, 5}}, fill::nan);
                   by(column::infinities, "ij,jk->ik", {{7, 2}, {2, 5}}, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

struct window {
  list stride, padding, dilation;  // empty: 1, 0, 1
  int groups = 1;
  list output_padding{};
  int stride_of(std::size_t k) const { return stride.empty() ? 1 : stride[k]; }
  int dilation_of(std::size_t k) const { return dilation.empty() ? 1 : dilation[k]; }
  int before(std::size_t k) const { return padding.empty() ? 0 : padding[k]; }
  int after(std::size_t k, std::size_t spatial) const {
    return padding.empty() ? 0 : padding.size() > spatial ? padding[spatial + k] : padding[k];
  }
};
std::string conv_text(const window& v) {
  std::string s = "{.groups = " + std::to_string(v.groups);
  if (!v.stride.empty()) s += ", .stride = " + text(v.stride);
  if (!v.padding.empty()) s += ", .padding = " + text(v.padding);
  if (!v.dilation.empty()) s += ", .dilation = " + text(v.dilation);
  if (!v.output_padding.empty()) s += ", .output_padding = " + text(v.output_padding);
  return s + "}";
}

reference convolved(dtype d, window v) {
  return [=](const std::vector<values>& in) {
    const values &x = in[0], &w = in[1];
    const std::size_t spatial = x.shape.size() - 2;
    shape_t out = {x.shape[0], w.shape[0]}, taps = {w.shape[1]};
    for (std::size_t k = 0; k < spatial; ++k) {
      // Positions where the whole window lies inside the padded operand, counted.
      std::int64_t n = 0;
      const std::int64_t room = x.shape[k + 2] + v.before(k) + v.after(k, spatial);
      for (std::int64_t p = 0; p + v.dilation_of(k) * (w.shape[k + 2] - 1) < room; p += v.stride_of(k)) ++n;
      out.push_back(n);
      taps.push_back(w.shape[k + 2]);
    }
    values y(product_type(d), out);
    const std::int64_t group_outputs = w.shape[0] / v.groups;
    for_each(out, [&](const shape_t& i) {
      running s{d};
      for_each(taps, [&](const shape_t& r) {
        shape_t a = {i[0], (group_outputs ? i[1] / group_outputs : 0) * w.shape[1] + r[0]}, b = {i[1], r[0]};
        bool inside = true;
        for (std::size_t k = 0; k < spatial; ++k) {
          a.push_back(i[k + 2] * v.stride_of(k) + r[k + 1] * v.dilation_of(k) - v.before(k));
          b.push_back(r[k + 1]);
          inside = inside && a.back() >= 0 && a.back() < x.shape[k + 2];
        }
        if (inside) s.add({x.at(a), w.at(b)});
      });
      s.put(y, i);
    });
    return one(y);
  };
}
/// Every element of the operand is spread over the result.
reference spread(dtype d, window v) {
  return [=](const std::vector<values>& in) {
    const values &x = in[0], &w = in[1];
    const std::size_t spatial = x.shape.size() - 2;
    shape_t out = {x.shape[0], w.shape[1] * v.groups};
    for (std::size_t k = 0; k < spatial; ++k)
      out.push_back(v.stride_of(k) * (x.shape[k + 2] - 1) + v.dilation_of(k) * (w.shape[k + 2] - 1) + 1 - v.before(k) -
                    v.after(k, spatial) + (v.output_padding.empty() ? 0 : v.output_padding[k]));
    values y(product_type(d), out);
    std::vector<running> sums(y.v.size(), running{d});
    const std::int64_t in_group = x.shape[1] / v.groups;
    for_each(x.shape, [&](const shape_t& i) {
      for_each(w.shape, [&](const shape_t& r) {
        if (r[0] != i[1]) return;
        shape_t o = {i[0], i[1] / in_group * w.shape[1] + r[1]};
        for (std::size_t k = 0; k < spatial; ++k) {
          o.push_back(i[k + 2] * v.stride_of(k) + r[k + 2] * v.dilation_of(k) - v.before(k));
          if (o.back() < 0 || o.back() >= out[k + 2]) return;
        }
        sums[y.offset(o)].add({x.at(i), w.at(r)});
      });
    });
    for_each(out, [&](const shape_t& i) {
      running s = sums[y.offset(i)];
      s.terms = static_cast<real>(count(w.shape));
      s.put(y, i);
    });
    return one(y);
  };
}

void add_convolution(table& t, int spatial, bool transposed) {
  const std::string name = (transposed ? "conv_transpose" : "conv") + std::to_string(spatial) + "d";
  t.push_back(
      {name, numbers, [=](dtype d) {
         cases c;
         const auto times = [&](int v) { return list(static_cast<std::size_t>(spatial), v); };
         const auto shaped = [&](std::int64_t a, std::int64_t b, shape_t s) {
           shape_t r = {a, b};
           r.insert(r.end(), s.begin(), s.begin() + spatial);
           return r;
         };
         // Channels of the operand and of the result; the weights are [out, in / groups] or [in, out / groups].
         const auto by = [&](column at, std::int64_t n, int in, int out, shape_t size, shape_t kernel, window v,
                             fill fills = fill::small, int layout = 0) {
           const shape_t w = transposed ? shaped(in, out / v.groups, kernel) : shaped(out, in / v.groups, kernel);
           c.add(at, conv_text(v), {filled(d, shaped(n, in, size), fills, 101), filled(d, w, fill::small, 102)},
                 transposed ? spread(d, v) : convolved(d, v), layout);
         };
         by(column::random, 2, 3, 4, {9, 8, 5}, {3, 2, 2}, {});
         by(column::random, 2, 4, 6, {9, 8, 5}, {3, 2, 2}, {times(2), times(1), {}, 2});
         by(column::random, 1, 3, 3, {9, 9, 7}, {3, 3, 2}, {{}, times(2), times(2), 3});
         by(column::random, 1, 8, 16, {6, 6, 4}, {1, 1, 1}, {});
         list uneven = times(0);
         for (int k = 0; k < spatial; ++k) uneven.push_back(1);
         by(column::random, 1, 2, 3, {7, 6, 5}, {2, 2, 2}, {times(1), uneven, times(2), 1});
         if (transposed) {
           window v{times(3), times(1), times(2), 2, times(1)};
           by(column::random, 1, 4, 6, {4, 3, 3}, {3, 3, 2}, v);
         }
         by(column::empty, 0, 3, 4, {5, 5, 5}, {3, 3, 3}, {});
         c.refused(column::rank_0, "no channels", "", {filled(d, {}, fill::small, 1), filled(d, {}, fill::small, 1)});
         by(column::size_1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}, {});
         by(column::odd, 3, 5, 7, {13, 7, 5}, {3, 3, 3}, {times(2), times(1), {}, 1});
         by(column::odd, 1, 3, 19, {37, 5, 3}, {3, 3, 1}, {{}, {}, {}, 1});
         for (int layout = 1; layout <= 4; ++layout)
           by(column::strided, 2, 3, 4, {7, 6, 4}, {3, 2, 2}, {{}, times(1), {}, 1}, fill::small, layout);
         if (tenon::is_float(d)) {
           by(column::nan, 1, 2, 3, {9, 4, 3}, {2, 2, 2}, {{}, times(1), {}, 1}, fill::nan);
           by(column::infinities, 1, 2, 3, {9, 4, 3}, {2, 2, 2}, {{}, times(1), {}, 1}, fill::infinities);
         }
         c.missing(column::negative_axis, "no axis");
         return c;
       }});
}

enum class pooling { max, sum, average };
struct pool_case {
  list size, stride{}, padding{}, dilation{};
  bool include_padding = false, ceil = false;
};
reference pooled(dtype d, pooling how, pool_case p) {
  return [=](const std::vector<values>& in) {
    const values& x = in[0];
    const std::size_t spatial = p.size.size(), lead = x.shape.size() - spatial;
    const window v{p.stride, p.padding, p.dilation};
    shape_t out(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(lead)), taps;
    for (std::size_t k = 0; k < spatial; ++k) {
      const std::int64_t extent = x.shape[lead + k], room = extent + v.before(k) + v.after(k, spatial);
      const std::int64_t reach = v.dilation_of(k) * (p.size[k] - 1) + 1;
      std::int64_t n = 0, at = 0;
      for (; at + reach <= room; at += v.stride_of(k)) ++n;
      // A last window that is cut counts when it is asked for, unless it begins behind the operand.
      if (p.ceil && at - v.stride_of(k) + reach < room && at < extent + v.before(k)) ++n;
      out.push_back(n);
      taps.push_back(p.size[k]);
    }
    values y(d, out);
    for_each(out, [&](const shape_t& i) {
      real best = tenon::is_float(d) ? -std::numeric_limits<real>::infinity()
                                     : wrapped(d, d == i32   ? INT32_MIN
                                                  : d == i64 ? INT64_MIN
                                                             : 0);
      real sum = 0, magnitude = 0;
      std::int64_t whole = 0;
      int present = 0, counted = 0;
      for_each(taps, [&](const shape_t& r) {
        shape_t j = i;
        bool inside = true, padded = true;
        for (std::size_t k = 0; k < spatial; ++k) {
          std::int64_t& at = j[lead + k];
          at = i[lead + k] * v.stride_of(k) + r[k] * v.dilation_of(k) - v.before(k);
          inside = inside && at >= 0 && at < x.shape[lead + k];
          padded = padded && at < x.shape[lead + k] + v.after(k, spatial);
        }
        if (padded) ++counted;
        if (!inside) return;
        ++present;
        const real e = x.at(j);
        best = std::isnan(best) || std::isnan(e) ? std::nanl("") : std::max(best, e);
        sum += e;
        if (!tenon::is_float(d))
          whole = static_cast<std::int64_t>(static_cast<std::uint64_t>(whole) +
                                            static_cast<std::uint64_t>(static_cast<std::int64_t>(e)));
        magnitude += std::fabs(e);
      });
      const real e = epsilon(d) * present;
      if (how == pooling::max) {
        y.at(i) = best;
      } else if (!tenon::is_float(d)) {
        y.at(i) = wrapped(d, whole);
      } else {
        const real by = how == pooling::sum ? 1 : p.include_padding ? counted : present, mean = sum / by;
        y.set(i, mean, std::isfinite(mean) ? e * magnitude / by + epsilon(d) * std::fabs(mean) : 0);
      }
    });
    return one(y);
  };
}

void add_pool(table& t, const char* name, pooling how) {
  t.push_back(
      {name, how == pooling::average ? floats : numbers,
       [=](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t in, pool_case p, fill fills = fill::plain, int layout = 0) {
           std::string attrs = "{.window = " + text(p.size);
           if (!p.stride.empty()) attrs += ", .stride = " + text(p.stride);
           if (!p.padding.empty()) attrs += ", .padding = " + text(p.padding);
           if (p.include_padding) attrs += ", .count_include_pad = true";
           if (p.ceil) attrs += ", .ceil_mode = true";
           if (!p.dilation.empty()) attrs += ", .dilation = " + text(p.dilation);
           values x = filled(d, in, fills, 111);
           if (fills == fill::plain && how == pooling::max && d != u8)
             for (real& v : x.v) v = v > 0 && std::isfinite(v) ? -v : v;  // below what padding would be
           c.add(w, attrs + "}", {x}, pooled(d, how, p), layout);
         };
         by(column::random, {2, 3, 9, 8}, {{3, 2}, {2, 2}});
         by(column::random, {2, 3, 9, 8}, {{3, 3}, {2, 1}, {1, 1}});
         by(column::random, {2, 3, 9, 8}, {{3, 3}, {2, 2}, {1, 1}, {}, true});
         by(column::random, {2, 8, 8}, {{3}, {2}, {1}, {}, true, true});
         by(column::random, {2, 9, 8}, {{3, 3}, {2, 2}, {1, 0, 2, 1}, {}, false, true});
         by(column::random, {4, 12}, {{3}, {}, {}, {2}});
         by(column::random, {2, 3, 10, 9}, {{3, 2}, {2, 1}, {2, 1}, {2, 3}});
         by(column::random, {1, 2, 5, 6, 4}, {{2, 3, 2}, {1, 2, 1}});
         by(column::empty, {0, 2, 5}, {{2}});
         c.refused(column::rank_0, "no axis for the window", "{.window = {2}}", {filled(d, {}, fill::small, 1)});
         by(column::size_1, {1, 1, 1}, {{1}});
         by(column::odd, {3, 5, 37}, {{3}, {2}, {1}});
         by(column::odd, {7, 19}, {{5, 3}});
         for (int layout = 1; layout <= 4; ++layout)
           by(column::strided, {3, 7, 6}, {{3, 2}, {2, 1}, {1, 0}}, fill::plain, layout);
         if (tenon::is_float(d)) {
           by(column::nan, {3, 31}, {{3}, {2}, {1}}, fill::nan);
           by(column::infinities, {3, 31}, {{3}, {2}, {1}}, fill::infinities);
         }
         c.missing(column::negative_axis, "no axis");
         return c;
       },
       [](dtype d) { return call{column::random, "{.window = {2}}", {filled(d, {2, 3}, fill::small, 1)}, {}}; }});
}

void add_global(table& t, const char* name, pooling how) {
  t.push_back({name, how == pooling::average ? floats : numbers,
               [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, fill fills = fill::plain, int layout = 0) {
                   pool_case p;
                   for (std::size_t k = 2; k < in.size(); ++k) p.size.push_back(static_cast<int>(in[k]));
                   c.add(w, "", {filled(d, in, fills, 121)}, pooled(d, how, p), layout);
                 };
                 by(column::random, {2, 3, 5, 4});
                 by(column::random, {2, 3, 20});
                 by(column::empty, {0, 3, 4});
                 c.refused(column::rank_0, "no spatial axis", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1, 1, 1});
                 by(column::odd, {3, 5, 37});
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {3, 2, 5, 4}, fill::plain, layout);
                 if (tenon::is_float(d)) {
                   by(column::nan, {3, 4, 5}, fill::nan);
                   by(column::infinities, {3, 4, 5}, fill::infinities);
                 }
                 c.missing(column::negative_axis, "no axis");
                 return c;
               },
               [](dtype d) { return call{column::random, "", {filled(d, {1, 2, 3}, fill::small, 1)}, {}}; }});
}

}  // namespace

void add_products(table& t) {
  add_matmul(t);
  add_einsum(t);
  for (int spatial = 1; spatial <= 3; ++spatial) {
    add_convolution(t, spatial, false);
    add_convolution(t, spatial, true);
  }
  add_pool(t, "max_pool", pooling::max);
  add_pool(t, "sum_pool", pooling::sum);
  add_pool(t, "avg_pool", pooling::average);
  add_global(t, "global_max_pool", pooling::max);
  add_global(t, "global_avg_pool", pooling::average);
}

}  // namespace conformance
