// Random numbers, by Philox written out once more, with long double's logarithm and cosine.
#include <cmath>
#include <numbers>

#include "table.hpp"

namespace conformance {
namespace {

using word = std::uint32_t;

/// The first two words of Philox4x32-10 (Salmon et al. 2011, table 2: multipliers and Weyl constants).
std::pair<word, word> philox(std::uint64_t seed, std::uint64_t counter) {
  word c[4] = {static_cast<word>(counter), static_cast<word>(counter >> 32), 0, 0};
  word k[2] = {static_cast<word>(seed), static_cast<word>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0], b = std::uint64_t{0xCD9E8D57} * c[2];
    const word next[4] = {static_cast<word>(b >> 32) ^ c[1] ^ k[0], static_cast<word>(b),
                          static_cast<word>(a >> 32) ^ c[3] ^ k[1], static_cast<word>(a)};
    std::copy(next, next + 4, c);
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return {c[0], c[1]};
}
/// In [0, 1), with as many bits as the type's arithmetic has.
real unit(dtype d, std::uint64_t seed, std::size_t i) {
  const auto [low, high] = philox(seed, i);
  const std::uint64_t bits = low | std::uint64_t{high} << 32;
  return d == f64 ? std::scalbn(static_cast<real>(bits >> 11), -53) : std::scalbn(static_cast<real>(bits >> 40), -24);
}
values seed_of(std::uint64_t s) {
  values v(u64, {});
  v.v[0] = static_cast<real>(s);
  return v;
}
const auto no_operand = [](cases& c) {
  for (const column w : {column::strided, column::nan, column::infinities, column::negative_axis})
    c.missing(w, "no operand but the seed");
};

void add_uniform(table& t, const char* name, bool normal) {
  t.push_back(
      {name, floats,
       [=](dtype d) {
         cases c;
         const auto by = [&](column w, shape_t to, std::uint64_t seed, bool moved = false) {
           const std::string more = !moved   ? "}"
                                    : normal ? ", .mean = 3, .deviation = 0.5}"
                                             : ", .low = -1, .high = 3}";
           c.add(w, "{.to = " + text(to) + ", .type = " + std::string(tenon::name(d)) + more, {seed_of(seed)},
                 [=](const std::vector<values>&) {
                   values y(d, to);
                   for (std::size_t i = 0; i < y.v.size(); ++i) {
                     if (!normal) {
                       const real u = unit(d, seed, i);
                       // In f32 and f64 as they are computed: a product and a sum, each rounded.
                       const dtype a = d == f64 ? f64 : f32;
                       y.v[i] = rounded(d, moved ? rounded(a, rounded(a, u * 4) - 1) : u);
                       continue;
                     }
                     const auto [low, high] = philox(seed, i);
                     const real u = (static_cast<real>(low) + 1) * 0x1p-32L, turns = static_cast<real>(high) * 0x1p-32L;
                     const real x = std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi_v<real> * turns);
                     const real v = moved ? x / 2 + 3 : x;
                     if (y.slack.empty()) y.slack.resize(y.v.size());
                     y.v[i] = v;
                     y.slack[i] = 0x1p-48L;  // of f64's logarithm, root and cosine
                   }
                   return one(y);
                 });
         };
         by(column::random, {12}, 1);
         by(column::random, {4, 60, 5}, 0x123456789abcdefull);
         by(column::random, {500}, 2, true);
         by(column::empty, {0, 3}, 1);
         by(column::rank_0, {}, 7);
         by(column::size_1, {1, 1}, 8);
         by(column::odd, {3, 37}, 9, true);
         c.refused(column::rank_0, "a seed that is no scalar", "{.to = [3]}", {filled(u64, {2}, fill::small, 1)});
         no_operand(c);
         return c;
       },
       [](dtype d) {
         return call{column::random, "{.to = [3], .type = " + std::string(tenon::name(d)) + "}", {seed_of(1)}, {}};
       }});
}
void add_bernoulli(table& t) {
  t.push_back({"bernoulli", floats,
               [](dtype d) {
                 cases c;
                 const auto by = [&](column w, shape_t in, std::uint64_t seed, dtype to = b8, fill fills = fill::small,
                                     int layout = 0) {
                   c.add(
                       w, to == b8 ? "" : "{.type = " + std::string(tenon::name(to)) + "}",
                       {filled(d, in, fills, 316), seed_of(seed)},
                       [=](const std::vector<values>& v) {
                         values y(to, in);
                         for (std::size_t i = 0; i < y.v.size(); ++i) y.v[i] = unit(d, seed, i) < v[0].v[i] ? 1 : 0;
                         return one(y);
                       },
                       layout);
                 };
                 by(column::random, {4, 60}, 1);
                 by(column::random, {100}, 2, f32);
                 by(column::empty, {0, 3}, 1);
                 by(column::rank_0, {}, 7);
                 by(column::size_1, {1, 1}, 8, i64);
                 by(column::odd, {3, 37}, 9);
                 for (int layout = 1; layout <= 3; ++layout) by(column::strided, {5, 7}, 5, b8, fill::small, layout);
                 by(column::nan, {19}, 4, b8, fill::nan);
                 by(column::infinities, {19}, 4, b8, fill::infinities);
                 c.missing(column::negative_axis, "no axis");
                 return c;
               },
               [](dtype d) { return call{column::random, "", {filled(d, {3}, fill::small, 1), seed_of(1)}, {}}; }});
}

}  // namespace

void add_random(table& t) {
  add_uniform(t, "random_uniform", false);
  add_uniform(t, "random_normal", true);
  add_bernoulli(t);
}

}  // namespace conformance
