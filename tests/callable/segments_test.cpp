// Extents that depend on data: a callable goes on in a segment of its own for those that came out.
#include <doctest/doctest.h>

#include <vector>

#include "targets.hpp"
#include "tenon/ops/boxes.hpp"
#include "tenon/ops/dynamic.hpp"
#include "tenon/tenon.hpp"

namespace {

using namespace tenon;
using floats = tensor<f32, shape<dim("n")>>;

array<f32> numbers(int n, unsigned seed) {
  array<f32> x = array<f32>::zeros({n});
  for (int i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    x(i) = static_cast<float>(static_cast<int>(seed >> 24) % 7 - 3);
  }
  return x;
}

TEST_CASE("what is chosen by values has as many elements as there are") {
  for (const char* target : test::targets) {
    CAPTURE(target);
    auto positive = jit(
        [](floats x) {
          const auto at = nonzero(greater(x, 0));
          return std::tuple{gather(x, reshape(at, {dyn})) * 2, at};
        },
        {.target = target});
    for (const int n : {0, 1, 2, 37, 100}) {
      const array<f32> x = numbers(n, static_cast<unsigned>(n) + 5);
      std::vector<float> expected;
      std::vector<std::int64_t> places;
      for (int i = 0; i < n; ++i)
        if (x(i) > 0) {
          expected.push_back(2 * x(i));
          places.push_back(i);
        }
      const auto [y, at] = positive(x);
      REQUIRE(y.dims() == dims{static_cast<extent_t>(expected.size())});
      REQUIRE(at.dims() == dims{1, static_cast<extent_t>(expected.size())});
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(y.data()[i] == expected[i]);
        CHECK(at.data()[i] == places[i]);
      }
    }
  }
}

TEST_CASE("segments follow each other, and what is made before them stays") {
  // The distinct numbers, those above their mean, and their sum with what the first segment made.
  auto f = jit([](floats x) {
    const auto [values, first, inverse, counts] = unique(x);
    const tensor<f32, any_shape> v = values;
    const tensor<f32, any_shape> above = compress(v, greater(v, mean(v)));
    return std::tuple{above, sum(above) + sum(x), tensor<i64, any_shape>(counts)};
  });
  const array<f32> x = numbers(50, 3);
  std::vector<float> distinct;
  std::vector<std::int64_t> counts;
  double total = 0;
  for (int v = -3; v <= 3; ++v) {
    std::int64_t n = 0;
    for (int i = 0; i < 50; ++i) n += x(i) == static_cast<float>(v);
    if (n == 0) continue;
    distinct.push_back(static_cast<float>(v));
    counts.push_back(n);
    total += v * static_cast<double>(n);
  }
  double mean = 0;
  for (float v : distinct) mean += v;
  mean /= static_cast<double>(distinct.size());
  std::vector<float> above;
  for (float v : distinct)
    if (v > mean) above.push_back(v);
  const auto [y, s, c] = f(x);
  REQUIRE(y.size() == static_cast<extent_t>(above.size()));
  for (std::size_t i = 0; i < above.size(); ++i) {
    CHECK(y.data()[i] == above[i]);
    total += above[i];
  }
  CHECK(s() == doctest::Approx(total));
  REQUIRE(c.size() == static_cast<extent_t>(counts.size()));
  for (std::size_t i = 0; i < counts.size(); ++i) CHECK(c.data()[i] == counts[i]);
}

TEST_CASE("known extents are found again, and results are written into memory that fits") {
  auto f = jit([](floats x) { return compress(x, greater(x, 0)); });
  const array<f32> x(extents{4}, std::vector<float>{1, -1, 2, 0}.data()),
      z(extents{4}, std::vector<float>{-1, 5, -2, 6}.data());
  CHECK(f(x)(1) == 2);
  const auto before = f.stats().compilations + f.stats().memory_hits + f.stats().disk_hits;
  CHECK(f(z)(0) == 5);
  CHECK(f.stats().compilations + f.stats().memory_hits + f.stats().disk_hits == before);
  array<f32> y = array<f32>::zeros({2}), wrong = array<f32>::zeros({3});
  f.into(y, z);
  CHECK(y(1) == 6);
  CHECK_THROWS_WITH_AS(f.into(wrong, z), doctest::Contains("given f32[3], the result is f32[2]"), shape_error);
  CHECK(wrong(0) == 0);
  CHECK(f.explain().text().find("segment 2 of 2") != std::string::npos);
}

TEST_CASE("bad input is refused before anything runs") {
  const tensor<any_dtype, any_shape> x = input<f32, 2, 3>("x"), marks = input<b8, 4>("m"), number = input<i64>("n");
  CHECK_THROWS_WITH_AS((void)compress(x, marks), doctest::Contains("4 marks for an axis of 2"), shape_error);
  CHECK_THROWS_WITH_AS((void)compress(x, tensor<any_dtype, any_shape>(input<i64, 2>("m"))),
                       doctest::Contains("marks of i64, not b8"), type_error);
  CHECK_THROWS_WITH_AS((void)narrow(x, number, {.axis = 2}), doctest::Contains("axis 2 is outside rank 2"),
                       shape_error);
  CHECK_THROWS_WITH_AS((void)narrow(x, x), doctest::Contains("a count of rank 2"), shape_error);
  CHECK_THROWS_WITH_AS((void)narrow(x, tensor<any_dtype, any_shape>(input<f32>("n"))),
                       doctest::Contains("a count of f32"), type_error);
  CHECK_THROWS_WITH_AS((void)non_max_suppression(x, x, {}), doctest::Contains("boxes [2,3] and scores [2,3]"),
                       shape_error);
  auto f = jit([](floats v, tensor<i64, shape<>> n) { return narrow(v + 1, n); });
  array<i64> n = array<i64>::zeros({});
  n() = 9;
  CHECK_THROWS_WITH_AS((void)f(numbers(4, 1), n), doctest::Contains("the count is 9, axis 0 has 4 elements"),
                       shape_error);
  CHECK_THROWS_AS((void)f(array<f32>::zeros({2, 2}), n), shape_error);
}

}  // namespace
