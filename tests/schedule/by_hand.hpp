// What tests of schedules that are written by hand share.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <tenon/tenon.hpp>
#include <utility>
#include <vector>

namespace tenon::test {

template <class Error = schedule_error, class F>
std::string refused(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "not refused";
}

// Every text begins on the line after R"(.
inline std::string text_of(const char* raw) { return raw + 1; }

inline compile_options uncached(std::string target = "llvm") { return {.target = std::move(target), .cache = false}; }

template <dtype D>
void check_same(const array<D>& x, const array<D>& y, double allowed = 0) {
  REQUIRE(x.size() == y.size());
  for (std::int64_t i = 0; i < x.size(); ++i)
    if (!(std::abs(static_cast<double>(x.data()[i]) - static_cast<double>(y.data()[i])) <= allowed)) {
      CHECK_MESSAGE(false, "element ", i, " is ", static_cast<double>(y.data()[i]), ", not ",
                    static_cast<double>(x.data()[i]));
      return;
    }
}

// Whole numbers: every order of summation gives the same.
inline array<f32> whole_numbers(const std::vector<long>& extents, int seed) {
  array<f32> a = array<f32>::zeros(extents);
  for (std::int64_t i = 0; i < a.size(); ++i) a.data()[i] = static_cast<float>((i * 7 + seed * 13 + i / 5) % 9 - 4);
  return a;
}

inline auto product(compile_options o = uncached()) {
  return jit([](tensor<f32, shape<dyn, dyn>> a, tensor<f32, shape<dyn, dyn>> b) { return matmul(a, b); }, std::move(o));
}
inline array<f32> plain_product(const array<f32>& a, const array<f32>& b) {
  const long m = a.dims()[0], k = a.dims()[1], n = b.dims()[1];
  array<f32> y = array<f32>::zeros({m, n});
  for (long i = 0; i < m; ++i)
    for (long j = 0; j < n; ++j)
      for (long r = 0; r < k; ++r) y.data()[i * n + j] += a.data()[i * k + r] * b.data()[r * n + j];
  return y;
}

}  // namespace tenon::test
