#include "schedule/winograd.hpp"

#include <algorithm>
#include <cmath>

namespace tenon::scheduling {
namespace {

/// Coefficients of the product of (x - p) over the points but `without`, the lowest first.
std::vector<double> product_over(const std::vector<double>& points, std::size_t without) {
  std::vector<double> c{1};
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i == without) continue;
    c.push_back(0);
    for (std::size_t k = c.size() - 1; k > 0; --k) c[k] = c[k - 1] - points[i] * c[k];
    c[0] *= -points[i];
  }
  return c;
}

}  // namespace

winograd::winograd(int m, int r) : outputs(m), taps(r) {
  const auto n = static_cast<std::size_t>(points());
  std::vector<double> at{0};
  while (at.size() + 1 < n) {
    const std::size_t next = at.size() / 2 + 1;
    at.push_back(at.size() % 2 ? static_cast<double>(next) : -at.back());
  }
  input.assign(n, std::vector<double>(n, 0));
  kernel.assign(n, std::vector<double>(static_cast<std::size_t>(r), 0));
  output.assign(static_cast<std::size_t>(m), std::vector<double>(n, 0));
  for (std::size_t k = 0; k + 1 < n; ++k) {
    const std::vector<double> c = product_over(at, k);
    std::copy(c.begin(), c.end(), input[k].begin());
    double others = 1;
    for (std::size_t i = 0; i + 1 < n; ++i)
      if (i != k) others *= at[k] - at[i];
    for (std::size_t j = 0; j < kernel[k].size(); ++j) kernel[k][j] = std::pow(at[k], j) / others;
    for (std::size_t i = 0; i < output.size(); ++i) output[i][k] = std::pow(at[k], i);
  }
  const std::vector<double> c = product_over(at, n);
  std::copy(c.begin(), c.end(), input[n - 1].begin());
  kernel[n - 1].back() = 1;
  output.back()[n - 1] = 1;
}

double winograd::growth() const {
  const auto size = [](const std::vector<double>& row) {
    double s = 0;
    for (double v : row) s += std::abs(v);
    return s;
  };
  double most = 0;
  for (const std::vector<double>& row : output) {
    double sum = 0;
    for (std::size_t k = 0; k < row.size(); ++k) sum += std::abs(row[k]) * size(kernel[k]) * size(input[k]);
    most = std::max(most, sum);
  }
  return most * most;
}

}  // namespace tenon::scheduling
