#include "onnx/operators/fourier.hpp"

#include <bit>
#include <numbers>
#include <numeric>

namespace tenon::onnx {
namespace {

/// Products with matrices up to this length, and up to the second where it has no factors.
constexpr extent_t largest_factor = 64, longest_product = 256;

const dims& shape_of(const any_tensor& x) { return detail::shape_of(x.node()); }
dtype type_of(const complex_tensor& x) { return detail::type_of(x.re.node()); }

/// exp(-2 pi i e / n) for integers e >= 0; with `inverse` exp(+2 pi i e / n).
complex_tensor roots(const any_tensor& e, extent_t n, bool inverse, dtype type) {
  const any_tensor angle = cast(e % n, f64) * (2 * std::numbers::pi / static_cast<double>(n));
  const any_tensor s = sin(angle);
  return {cast(cos(angle), type), cast(inverse ? s : any_tensor(-s), type)};
}
/// The same for the products of 0 <= j < rows and 0 <= k < columns.
complex_tensor root_matrix(extent_t rows, extent_t columns, extent_t n, bool inverse, dtype type) {
  return roots(unsqueeze(counted(rows), {1}) * counted(columns), n, inverse, type);
}
/// x r, where `times` multiplies their parts.
template <class F>
complex_tensor product(const complex_tensor& x, const complex_tensor& r, F times) {
  if (!x.im.node()) return {times(x.re, r.re), times(x.re, r.im)};
  return {times(x.re, r.re) - times(x.im, r.im), times(x.re, r.im) + times(x.im, r.re)};
}
any_tensor by_element(const any_tensor& a, const any_tensor& b) { return a * b; }
/// The same done to both parts.
template <class F>
complex_tensor each(const complex_tensor& x, F f) {
  return {f(x.re), x.im.node() ? f(x.im) : any_tensor()};
}
complex_tensor both_reshaped(const complex_tensor& x, const dims& to) {
  return each(x, [&](const any_tensor& t) { return reshaped(t, to); });
}

/// The divisor next to the root of n of those that are no larger, at most 64; 1: there is none.
extent_t factor_of(extent_t n) {
  extent_t best = 1;
  for (extent_t d = 2; d <= largest_factor && d * d <= n; ++d)
    if (n % d == 0) best = d;
  return best;
}

/// Along the last axis of [rows, m, n].
complex_tensor transform(const complex_tensor& x, bool inverse);

/// Of length n = p q. With j = j1 q + j2 and k = k1 + p k2 the root exp(-2 pi i j k / n) is that of j1 k1 / p, times
/// that of j2 k1 / n, times that of j2 k2 / q: transforms of length p over j1, a factor for each element, transforms of
/// length q over j2, and an exchange of k1 and k2.
complex_tensor transform_of_factors(const complex_tensor& x, extent_t p, bool inverse) {
  const dims d = shape_of(x.re);
  const extent_t m = d[1], n = d[2], q = n / p;
  const dtype type = type_of(x);
  const complex_tensor over_j1 =
      product(both_reshaped(x, {d[0], m, p, q}), root_matrix(p, p, p, inverse, type),
              [](const any_tensor& v, const any_tensor& f) -> any_tensor { return matmul(f, v); });
  const complex_tensor between = product(over_j1, root_matrix(p, q, n, inverse, type), by_element);
  const complex_tensor over_j2 = transform(both_reshaped(between, {d[0], m * p, q}), inverse);
  const complex_tensor exchanged = each(both_reshaped(over_j2, {d[0], m, p, q}),
                                        [](const any_tensor& v) -> any_tensor { return transpose(v, {0, 1, 3, 2}); });
  return both_reshaped(exchanged, d);
}

/// Of any length n: j k = (j^2 + k^2 - (k - j)^2) / 2 makes it a convolution with w[j] = exp(-pi i j^2 / n), which
/// transforms of a power of two compute (Bluestein).
complex_tensor transform_of_convolution(const complex_tensor& x, bool inverse) {
  const dims d = shape_of(x.re);
  const extent_t n = d[2];
  const auto m = static_cast<extent_t>(std::bit_ceil(static_cast<std::uint64_t>(2 * n - 1)));
  const dtype type = type_of(x);
  const any_tensor j = counted(n);
  const complex_tensor w = roots(j * j, 2 * n, inverse, type);
  const complex_tensor padded = each(product(x, w, by_element), [&](const any_tensor& v) -> any_tensor {
    return pad(v, {.before = {0, 0, 0}, .after = {0, 0, static_cast<int>(m - n)}});
  });
  // w conjugated at the distances of both signs, those below 0 at the end.
  const any_tensor i = counted(m), distance = min(i, m - i), near = cast(less(distance, n), f64);
  const complex_tensor filter = each(roots(distance * distance, 2 * n, !inverse, f64),
                                     [&](const any_tensor& v) { return reshaped(v * near, {1, 1, m}); });
  const complex_tensor spectrum =
      each(transform(filter, false), [&](const any_tensor& v) -> any_tensor { return cast(v, type); });
  const complex_tensor convolved = transform(product(transform(padded, false), spectrum, by_element), true);
  return product(each(convolved,
                      [&](const any_tensor& v) -> any_tensor {
                        return slice(v, {.start = {0}, .stop = {static_cast<int>(n)}, .step = {}, .axes = {2}}) *
                               (1 / static_cast<double>(m));
                      }),
                 w, by_element);
}

complex_tensor transform(const complex_tensor& x, bool inverse) {
  const extent_t n = shape_of(x.re)[2], p = factor_of(n);
  if (n <= largest_factor || (p == 1 && n <= longest_product))
    return product(x, root_matrix(n, n, n, inverse, type_of(x)),
                   [](const any_tensor& v, const any_tensor& f) -> any_tensor { return matmul(v, f); });
  return p > 1 ? transform_of_factors(x, p, inverse) : transform_of_convolution(x, inverse);
}

}  // namespace

any_tensor counted(extent_t n) {
  constexpr extent_t block = 4096;
  if (n > block) {
    const any_tensor starts = counted((n + block - 1) / block) * block;
    const any_tensor all = reshape(unsqueeze(starts, {1}) + counted(block), {-1});
    return slice(all, {.start = {0}, .stop = {static_cast<int>(n)}});
  }
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return any_tensor(ir::make_constant(i64, {n}, numbers.data(), std::source_location::current()));
}

complex_tensor fourier_transform(const complex_tensor& x, bool inverse) {
  const dims d = shape_of(x.re);
  return both_reshaped(transform(both_reshaped(x, {d[0], 1, d[1]}), inverse), d);
}

}  // namespace tenon::onnx
