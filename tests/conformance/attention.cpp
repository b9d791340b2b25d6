// Attention, from its formula in long double: a row's scores, their softmax, the weighted sum. The slack follows the
// exponents: as many epsilons of the magnitudes as a score has terms, then as many as there are keys.
#include <algorithm>
#include <cmath>
#include <limits>

#include "table.hpp"

namespace conformance {
namespace {

constexpr real infinity = std::numeric_limits<real>::infinity();

struct options {
  bool causal = false;
  int offset = 0;
  real scale = 0, softcap = 0;
  std::string text() const {
    std::string s;
    const auto field = [&](const std::string& f) { s += (s.empty() ? "{." : ", .") + f; };
    if (causal) field("causal = true");
    if (offset) field("offset = " + std::to_string(offset));
    if (scale != 0) field("scale = " + std::to_string(static_cast<double>(scale)));
    if (softcap != 0) field("softcap = " + std::to_string(static_cast<double>(softcap)));
    return s.empty() ? s : s + "}";
  }
};

std::vector<values> attend(const std::vector<values>& in, const options& o) {
  const values &q = in[0], &k = in[1], &v = in[2];
  const std::size_t rank = q.shape.size();
  const std::int64_t keys = k.shape[rank - 2], depth = q.shape[rank - 1];
  const real e = epsilon(q.type), scale = o.scale != 0 ? o.scale : 1 / std::sqrt(static_cast<real>(depth));
  shape_t out = q.shape, rows(q.shape.begin(), q.shape.end() - 1);
  out[rank - 1] = v.shape[rank - 1];
  values y(q.type, out);
  y.slack.assign(y.v.size(), 0);
  for_each(rows, [&](const shape_t& i) {
    // Heads of k and v serve as many of q that follow each other; their other axes may be 1.
    shape_t other(i.begin(), i.end() - 1);
    for (std::size_t d = 0; d < other.size(); ++d) other[d] /= std::max<std::int64_t>(q.shape[d] / k.shape[d], 1);
    const auto at = [&](const values& x, std::int64_t s, std::int64_t d) {
      shape_t j = other;
      j.push_back(s);
      j.push_back(d);
      return x.at(j);
    };
    std::vector<real> x, off;
    real top = -infinity;
    for (std::int64_t s = 0; s < keys; ++s) {
      real sum = 0, magnitude = 0;
      for (std::int64_t d = 0; d < depth; ++d) {
        shape_t j = i;
        j.push_back(d);
        const real p = q.at(j) * at(k, s, d);
        sum += p;
        magnitude += std::fabs(p);
      }
      sum *= scale;
      off.push_back((static_cast<real>(depth) + 8) * e * (magnitude * std::fabs(scale) + std::fabs(o.softcap)));
      if (o.softcap != 0) sum = o.softcap * std::tanh(sum / o.softcap);
      if (in.size() > 3) {
        shape_t j = i;
        j.push_back(s);
        const real m = in[3].broadcast_at(j);
        sum = in[3].type != b8 ? sum + m : m != 0 ? sum : -infinity;
      }
      if (o.causal && s > i.back() + o.offset) sum = -infinity;
      x.push_back(sum);
      top = std::isnan(sum) || std::isnan(top) ? std::nanl("") : std::max(top, sum);
    }
    real total = 0, worst = 0;
    for (std::size_t s = 0; s < x.size(); ++s) {
      if (std::isfinite(x[s])) worst = std::max(worst, off[s] + e * std::fabs(x[s] - top));
      x[s] = top == -infinity ? 0 : std::exp(x[s] - top);
      total += x[s];
    }
    for (std::int64_t c = 0; c < out[rank - 1]; ++c) {
      real sum = 0, magnitude = 0;
      for (std::size_t s = 0; s < x.size(); ++s) {
        const real p = total == 0 ? 0 : x[s] / total * at(v, static_cast<std::int64_t>(s), c);
        sum += p;
        magnitude += std::fabs(p);
      }
      shape_t j = i;
      j.push_back(c);
      const real slack = magnitude * (2 * worst + (2 * static_cast<real>(keys) + 12) * e) + 2 * tiny(q.type);
      y.set(j, sum, std::isfinite(slack) && std::isfinite(sum) ? slack : 0);
    }
  });
  return one(y);
}

void add_attention_of(table& t, int operands) {
  t.push_back({"scaled_dot_product_attention", floats, [=](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t q, shape_t k, shape_t v, shape_t mask, options o = {},
                                     fill fills = fill::small, int layout = 0, bool bits = false) {
                   std::vector<values> x = {filled(d, q, fills, 111), filled(d, k, fill::small, 112),
                                            filled(d, v, fill::small, 113)};
                   if (operands == 4) x.push_back(filled(bits ? b8 : d, mask, fill::small, 114));
                   c.add(w, o.text(), x, [=](const std::vector<values>& in) { return attend(in, o); }, layout);
                 };
                 by(column::random, {2, 4, 7, 16}, {2, 4, 9, 16}, {2, 4, 9, 8}, {2, 4, 7, 9});
                 by(column::random, {2, 6, 5, 8}, {2, 3, 20, 8}, {2, 3, 20, 8}, {5, 20}, {.scale = 0.5L});
                 by(column::random, {3, 4, 33, 16}, {1, 1, 33, 16}, {1, 1, 33, 16}, {1, 33}, {.causal = true});
                 by(column::random, {5, 6}, {9, 6}, {9, 4}, {5, 1}, {.causal = true, .offset = 4});
                 by(column::random, {2, 5, 6}, {2, 9, 6}, {2, 9, 4}, {}, {.softcap = 1.5L});
                 by(column::random, {2, 5, 6}, {2, 9, 6}, {2, 9, 4}, {5, 9}, {}, fill::small, 0, true);
                 by(column::random, {7, 6}, {3, 6}, {3, 4}, {1, 1},
                    {.causal = true, .offset = -2});  // rows see nothing
                 by(column::empty, {2, 0, 6}, {2, 9, 6}, {2, 9, 4}, {0, 9});
                 by(column::empty, {2, 5, 6}, {2, 0, 6}, {2, 0, 4}, {5, 0});
                 by(column::empty, {2, 5, 6}, {2, 9, 6}, {2, 9, 0}, {5, 9});
                 c.refused(column::rank_0, "no queries", "",
                           std::vector<values>(static_cast<std::size_t>(operands), filled(d, {}, fill::small, 1)));
                 by(column::size_1, {1, 1}, {1, 1}, {1, 1}, {1, 1});
                 by(column::size_1, {1, 2, 1, 8}, {1, 2, 1, 8}, {1, 2, 1, 8}, {1});
                 by(column::odd, {3, 37, 13}, {3, 101, 13}, {3, 101, 11}, {37, 101});
                 by(column::odd, {1, 1, 67}, {1, 31, 67}, {1, 31, 35}, {31});
                 for (int layout = 1; layout <= 4; ++layout)
                   by(column::strided, {2, 5, 7}, {2, 9, 7}, {2, 9, 6}, {5, 9}, {}, fill::small, layout);
                 by(column::nan, {2, 9, 6}, {2, 5, 6}, {2, 5, 4}, {9, 5}, {}, fill::nan);
                 by(column::infinities, {2, 9, 6}, {2, 5, 6}, {2, 5, 4}, {9, 5}, {}, fill::infinities);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

void add_causal_mask(table& t) {
  t.push_back({"causal_mask", floats, [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t s, int offset, fill fills = fill::plain, int layout = 0) {
                   c.add(
                       w, "{.offset = " + std::to_string(offset) + "}", {filled(d, s, fills, 115)},
                       [=](const std::vector<values>& in) {
                         values y = in[0];
                         for_each(s, [&](const shape_t& i) {
                           if (i[i.size() - 1] > i[i.size() - 2] + offset) y.at(i) = -infinity;
                         });
                         return one(y);
                       },
                       layout);
                 };
                 for (const int offset : {0, 2, -3}) by(column::random, {3, 7, 9}, offset);
                 for (const int position : {0, 3, 20, -2}) {
                   values at(i64, {});
                   at.v[0] = position;
                   c.add(column::random, "{.offset = 1}", {filled(d, {2, 4, 9}, fill::plain, 116), at},
                         [=](const std::vector<values>& in) {
                           values y = in[0];
                           for_each({2, 4, 9}, [&](const shape_t& i) {
                             if (i[2] > i[1] + 1 + position) y.at(i) = -infinity;
                           });
                           return one(y);
                         });
                 }
                 by(column::random, {9, 7}, 100);
                 by(column::empty, {0, 3}, 0);
                 c.refused(column::rank_0, "no rows", "", {filled(d, {}, fill::small, 1)});
                 by(column::size_1, {1, 1}, 0);
                 by(column::size_1, {1, 1}, -1);
                 by(column::odd, {37, 67}, 5);
                 for (int layout = 1; layout <= 4; ++layout) by(column::strided, {5, 7}, 1, fill::plain, layout);
                 by(column::nan, {5, 9}, 0, fill::nan);
                 by(column::infinities, {5, 9}, 0, fill::infinities);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

}  // namespace

void add_attention(table& t) {
  add_attention_of(t, 3);
  add_attention_of(t, 4);
  add_causal_mask(t);
}

}  // namespace conformance
