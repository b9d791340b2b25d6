// Random numbers: known answers of Philox, the same bits on every target, and what their distributions are.
#include "tenon/ops/random.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "targets.hpp"
#include "tenon/tenon.hpp"

namespace {

using namespace tenon;

constexpr int n = 200'000;

array<u64> seed_of(std::uint64_t s) {
  array<u64> a = array<u64>::zeros({});
  a() = s;
  return a;
}

TEST_CASE("random_bits gives the known answers of Philox4x32-10") {
  // Random123's known answers, with the counter and the key of these bits; the first two of four words.
  for (const char* target : test::targets) {
    CAPTURE(target);
    auto f = jit([](tensor<u64, shape<>> seed) { return random_bits.with<{.to = {3}}>(seed); }, {.target = target});
    CHECK(f(seed_of(0))(0) == 0xe169c58d6627e8d5u);
  }
}

TEST_CASE("every target gives the same bits") {
  const auto all = [](tensor<u64, shape<>> seed) {
    return std::tuple{random_uniform.with<{.to = {1000}, .type = f64}>(seed),
                      random_normal.with<{.to = {1000}, .type = f64}>(seed),
                      random_normal.with<{.to = {7, 31}, .type = f32}>(seed)};
  };
  const auto first = jit(all, {.target = test::targets[0]})(seed_of(42));
  for (const char* target : test::targets) {
    const auto other = jit(all, {.target = target})(seed_of(42));
    for (int i = 0; i < 1000; ++i) {
      REQUIRE(std::get<0>(first)(i) == std::get<0>(other)(i));
      REQUIRE(std::get<1>(first)(i) == std::get<1>(other)(i));
    }
    for (int i = 0; i < 7 * 31; ++i) REQUIRE(std::get<2>(first).data()[i] == std::get<2>(other).data()[i]);
  }
}

TEST_CASE("moments are those of the distributions") {
  auto f = jit([](tensor<u64, shape<>> seed, tensor<f32, shape<n>> p) {
    return std::tuple{random_uniform.with<{.to = {n}, .low = -1, .high = 3}>(seed),
                      random_normal.with<{.to = {n}, .mean = 2, .deviation = 3}>(seed),
                      bernoulli.with<{.type = f32}>(p, seed)};
  });
  const auto [u, g, b] = f(seed_of(7), array<f32>::full({n}, 0.25f));
  double mean_u = 0, mean_g = 0, square_g = 0, fourth = 0, mean_b = 0;
  for (int i = 0; i < n; ++i) {
    REQUIRE(u(i) >= -1);
    REQUIRE(u(i) < 3);
    mean_u += u(i);
    mean_g += g(i);
    const double c = (g(i) - 2.0) / 3;
    square_g += c * c;
    fourth += c * c * c * c;
    mean_b += b(i);
  }
  // Within five deviations of the means.
  const double root = std::sqrt(static_cast<double>(n));
  CHECK(std::fabs(mean_u / n - 1) < 5 * 1.155 / root);
  CHECK(std::fabs(mean_g / n - 2) < 5 * 3 / root);
  CHECK(std::fabs(square_g / n - 1) < 5 * 1.415 / root);
  CHECK(std::fabs(fourth / n - 3) < 5 * 9.8 / root);
  CHECK(std::fabs(mean_b / n - 0.25) < 5 * 0.434 / root);
}

TEST_CASE("seeds and types are checked") {
  const tensor<any_dtype, any_shape> seed = input<u64, 2>("s"), number = input<f32>("x");
  CHECK_THROWS_WITH_AS((void)random_uniform(seed, {.to = {3}}), doctest::Contains("a seed of rank 1"), shape_error);
  CHECK_THROWS_WITH_AS((void)random_uniform(number, {.to = {3}}), doctest::Contains("a seed of f32, not u64"),
                       type_error);
  const tensor<any_dtype, any_shape> good = input<u64>("s");
  CHECK_THROWS_WITH_AS((void)random_normal(good, {.to = {3}, .type = i32}), doctest::Contains("i32 is not a float"),
                       type_error);
  CHECK_THROWS_WITH_AS((void)random_bits(good, {.to = {-5}}), doctest::Contains("extent -5 < 0"), shape_error);
}

}  // namespace
