// Winograd's method: its matrices are exact, its results keep the stated bound, it can be forbidden.
#include "schedule/winograd.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <tenon/tenon.hpp>
#include <vector>

using namespace tenon;
using scheduling::winograd;

namespace {

using image = tensor<f32, shape<dyn, dyn, dyn, dyn>>;
constexpr long channels = 64, outputs = 64, extent = 18;

/// x with channels last, so that channels lie side by side; 3 x 3 taps, borders of 1.
array<f32> convolved(const array<f32>& x, const array<f32>& w, const pass_context& context) {
  const auto f = build(
      [](image v) {
        return transpose(
            conv2d.with<{.padding = {1, 1}}>(transpose(v, {0, 3, 1, 2}), param("w", f32, {outputs, channels, 3, 3})),
            {0, 2, 3, 1});
      },
      signature<image>{}, {.params = param_set().set("w", w), .context = context, .cache = false});
  return f(x);
}

struct bounded {
  double error = 0, allowed = 0;  // the largest error, and what the bound allows there
};
/// Against sums in double; S as winograd::growth says, over the patch that any tile with the result may read.
bounded compared(const array<f32>& y, const array<f32>& x, const array<f32>& w, int outputs_of_tile) {
  const auto at = [&](long i, long j, long c) {
    return i < 0 || j < 0 || i >= extent || j >= extent
               ? 0.0
               : static_cast<double>(x.data()[(i * extent + j) * channels + c]);
  };
  const double growth = winograd(outputs_of_tile, 3).growth();
  bounded worst;
  for (long o = 0; o < outputs; o += 7)
    for (long i = 0; i < extent; ++i)
      for (long j = 0; j < extent; ++j) {
        double sum = 0, size = 0;
        for (long c = 0; c < channels; ++c) {
          double most = 0, tap = 0;
          for (long p = 0; p < 3; ++p)
            for (long q = 0; q < 3; ++q) {
              const double g = w.data()[((o * channels + c) * 3 + p) * 3 + q];
              sum += g * at(i + p - 1, j + q - 1, c);
              tap = std::max(tap, std::abs(g));
            }
          for (long p = i - outputs_of_tile; p <= i + outputs_of_tile; ++p)
            for (long q = j - outputs_of_tile; q <= j + outputs_of_tile; ++q)
              most = std::max(most, std::abs(at(p, q, c)));
          size += most * tap;
        }
        const double error = std::abs(sum - static_cast<double>(y.data()[(i * extent + j) * outputs + o]));
        const double allowed = growth * (channels + 16) * 0x1p-24 * size;
        CHECK(error <= allowed);
        if (error > worst.error) worst = {error, allowed};
      }
  return worst;
}

}  // namespace

TEST_CASE("output . ((kernel . g) * (input . d)) is the filter") {
  std::mt19937_64 random(1);
  for (const auto& [m, r] : {std::pair(2, 3), std::pair(4, 3), std::pair(3, 2), std::pair(1, 3), std::pair(6, 3)}) {
    const winograd w(m, r);
    std::vector<double> d, g;
    for (int i = 0; i < w.points(); ++i) d.push_back(std::uniform_real_distribution<double>(-1, 1)(random));
    for (int i = 0; i < r; ++i) g.push_back(std::uniform_real_distribution<double>(-1, 1)(random));
    const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
      double s = 0;
      for (std::size_t i = 0; i < a.size(); ++i) s += a[i] * b[i];
      return s;
    };
    for (int i = 0; i < m; ++i) {
      double want = 0, got = 0;
      for (int j = 0; j < r; ++j) want += d[static_cast<std::size_t>(i + j)] * g[static_cast<std::size_t>(j)];
      for (std::size_t k = 0; k < static_cast<std::size_t>(w.points()); ++k)
        got += w.output[static_cast<std::size_t>(i)][k] * dot(w.kernel[k], g) * dot(w.input[k], d);
      CHECK(got == doctest::Approx(want).epsilon(1e-12));
    }
  }
  CHECK(winograd(2, 3).growth() == 64);
  CHECK(winograd(4, 3).growth() == 2304);
}

TEST_CASE("results keep the bound, and uniform data stay far below it") {
  const array<f32> x = array<f32>::uniform({1, extent, extent, channels}, 3),
                   w = array<f32>::uniform({outputs, channels, 3, 3}, 4);
  const bounded b = compared(convolved(x, w, {}), x, w, 4);
  CHECK(b.error <= b.allowed / 100);
}

TEST_CASE("neighbours of very different sizes keep the bound") {
  array<f32> x = array<f32>::uniform({1, extent, extent, channels}, 5),
             w = array<f32>::uniform({outputs, channels, 3, 3}, 6);
  for (std::int64_t i = 0; i < x.size(); ++i)
    if (i / channels % 3 == 0) x.data()[i] *= 1e6f;
  for (std::int64_t i = 0; i < w.size(); ++i)
    if (i % 2) w.data()[i] *= 1e-4f;
  compared(convolved(x, w, {}), x, w, 4);
}

TEST_CASE("without it, sums are those of the convolution") {
  const array<f32> x = array<f32>::uniform({1, extent, extent, channels}, 7),
                   w = array<f32>::uniform({outputs, channels, 3, 3}, 8);
  const array<f32> with = convolved(x, w, {}), forbidden = convolved(x, w, {.disabled = {"winograd"}}),
                   low = convolved(x, w, {.opt_level = 2}),
                   required = convolved(x, w, {.opt_level = 2, .required = {"winograd"}});
  const auto same = [](const array<f32>& a, const array<f32>& b) {
    return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0;
  };
  CHECK(same(forbidden, low));
  CHECK(same(with, required));
  CHECK_FALSE(same(with, forbidden));
}
