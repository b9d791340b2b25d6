// Matrices in factors. Most are made of factors that are multiples of 1/4 and of pivots of which none is as large as
// another in its column: everything that an elimination computes of them is exact in all types.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "table.hpp"

namespace conformance {
namespace {

/// l u with its rows exchanged, for each matrix of the shape.
values product_of_factors(dtype d, const shape_t& s, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
  values x(d, s);
  const auto n = static_cast<std::size_t>(s.back());
  const std::size_t matrices = n ? x.v.size() / (n * n) : 0;
  for (std::size_t m = 0; m < matrices; ++m) {
    std::vector<real> l(n * n), u(n * n);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        l[i * n + j] = i == j ? 1 : i > j ? static_cast<real>(below(5) - 2) / 4 : 0;
        u[i * n + j] = i == j  ? static_cast<real>((below(2) + 1) * (below(2) * 2 - 1))
                       : i < j ? static_cast<real>(below(3) - 1)
                               : 0;
      }
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = 0; k < n; ++k) x.v[(m * n + order[i]) * n + j] += l[i * n + k] * u[k * n + j];
  }
  return x;
}

/// Eliminates one matrix in its place; the exchanges of rows.
std::vector<std::size_t> eliminated(real* a, std::size_t n) {
  std::vector<std::size_t> pivots;
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t best = k;
    for (std::size_t i = k + 1; i < n; ++i) {
      const real size = std::fabs(a[i * n + k]);
      if (std::isnan(size) || size > std::fabs(a[best * n + k])) best = i;
    }
    pivots.push_back(best);
    for (std::size_t j = 0; j < n && best != k; ++j) std::swap(a[k * n + j], a[best * n + j]);
    if (a[k * n + k] == 0) continue;
    for (std::size_t i = k + 1; i < n; ++i) {
      const real factor = a[i * n + k] /= a[k * n + k];
      for (std::size_t j = k + 1; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return pivots;
}
/// The sum over all permutations for few rows, else by elimination.
real determinant(const real* given, std::size_t n) {
  constexpr std::size_t few = 6;
  std::vector<std::size_t> p(n);
  std::iota(p.begin(), p.end(), 0);
  if (n > few) {
    std::vector<real> a(given, given + n * n);
    real product = 1;
    const auto pivots = eliminated(a.data(), n);
    for (std::size_t k = 0; k < n; ++k) product *= pivots[k] == k ? a[k * n + k] : -a[k * n + k];
    return product;
  }
  real sum = 0;
  do {
    real term = 1;
    for (std::size_t i = 0; i < n; ++i) {
      term *= given[i * n + p[i]];
      for (std::size_t j = 0; j < i; ++j)
        if (p[j] > p[i]) term = -term;
    }
    sum += term;
  } while (std::next_permutation(p.begin(), p.end()));
  return sum;
}
/// The product of the rows' lengths, which no determinant exceeds.
real hadamard(const real* a, std::size_t n) {
  real product = 1;
  for (std::size_t i = 0; i < n; ++i) {
    real sum = 0;
    for (std::size_t j = 0; j < n; ++j) sum += a[i * n + j] * a[i * n + j];
    product *= std::sqrt(sum);
  }
  return product;
}

bool wide_floats(dtype d) { return d == f32 || d == f64; }
values with_nan(values x) {
  x.v[x.v.size() / 2] = NAN;
  return x;
}

void add_lu_factor(table& t) {
  t.push_back({"lu_factor", wide_floats,
               [](dtype d) {
                 cases c;
                 const auto of = [&](column w, const values& x, int layout = 0) {
                   c.add(
                       w, "", {x},
                       [=](const std::vector<values>& v) {
                         shape_t lines = v[0].shape;
                         lines.pop_back();
                         std::vector<values> y = {values(d, v[0].shape), values(i64, lines)};
                         y[0].v = v[0].v;
                         const auto n = static_cast<std::size_t>(lines.back());
                         for (std::size_t m = 0; n && m < y[1].v.size() / n; ++m) {
                           const auto pivots = eliminated(y[0].v.data() + m * n * n, n);
                           for (std::size_t k = 0; k < n; ++k) y[1].v[m * n + k] = static_cast<real>(pivots[k]);
                         }
                         return y;
                       },
                       layout);
                 };
                 const auto made = [&](const shape_t& s) { return product_of_factors(d, s, 361); };
                 of(column::random, made({4, 4}));
                 of(column::random, made({3, 2, 9, 9}));
                 of(column::random, made({1, 40, 40}));
                 of(column::random, values(d, {2, 3, 3}));  // of zeros
                 of(column::empty, made({0, 3, 3}));
                 of(column::empty, made({2, 0, 0}));
                 c.refused(column::rank_0, "no matrix", "", {filled(d, {3}, fill::small, 1)});
                 c.refused(column::rank_0, "not square", "", {filled(d, {3, 4}, fill::small, 1)});
                 of(column::size_1, made({1, 1}));
                 of(column::odd, made({3, 37, 37}));
                 for (int layout = 1; layout <= 4; ++layout) of(column::strided, made({2, 7, 7}), layout);
                 of(column::nan, with_nan(made({2, 5, 5})));
                 c.missing(column::infinities, "of quotients: they become NaN");
                 c.missing(column::negative_axis, "no axis");
                 return c;
               },
               [](dtype d) { return call{column::random, "", {filled(d, {3, 3}, fill::small, 1)}, {}}; }});
}

void add_det(table& t) {
  t.push_back({"det", floats, [](dtype d) {
                 cases c;
                 // `exact`: made of factors, so that nothing is rounded.
                 const auto of = [&](column w, const values& x, bool exact = true, int layout = 0) {
                   c.add(
                       w, "", {x},
                       [=](const std::vector<values>& v) {
                         shape_t batch = v[0].shape;
                         const auto n = static_cast<std::size_t>(batch.back());
                         batch.resize(batch.size() - 2);
                         values y(d, batch);
                         for (std::size_t m = 0; m < y.v.size(); ++m) {
                           const real* a = v[0].v.data() + m * n * n;
                           y.v[m] = determinant(a, n);
                           if (exact) continue;
                           y.slack.resize(y.v.size());
                           y.slack[m] = 4 * static_cast<real>(n * n) * epsilon(d) * hadamard(a, n);
                         }
                         return one(y);
                       },
                       layout);
                 };
                 const auto made = [&](const shape_t& s) { return product_of_factors(d, s, 362); };
                 of(column::random, made({4, 4}));
                 of(column::random, made({3, 2, 6, 6}));
                 of(column::random, filled(d, {40, 3, 3}, fill::small, 363), false);
                 of(column::random, filled(d, {7, 5, 5}, fill::small, 364), false);
                 of(column::random, values(d, {2, 3, 3}));  // of zeros
                 of(column::empty, made({0, 3, 3}));
                 of(column::empty, made({2, 0, 0}));
                 c.refused(column::rank_0, "no matrix", "", {filled(d, {3}, fill::small, 1)});
                 c.refused(column::rank_0, "not square", "", {filled(d, {3, 4}, fill::small, 1)});
                 of(column::size_1, made({1, 1}));
                 // Wider ones are no numbers of 16 bits.
                 if (wide_floats(d)) of(column::random, made({2, 40, 40}));
                 of(column::odd, made({wide_floats(d) ? 37 : 7, 7, 7}));
                 for (int layout = 1; layout <= 4; ++layout) of(column::strided, made({2, 5, 5}), true, layout);
                 of(column::nan, with_nan(made({2, 5, 5})));
                 c.missing(column::infinities, "of quotients: they become NaN");
                 c.missing(column::negative_axis, "no axis");
                 return c;
               }});
}

}  // namespace

void add_factors(table& t) {
  add_lu_factor(t);
  add_det(t);
}

}  // namespace conformance
