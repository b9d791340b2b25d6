// Index notation on every target, against loops; its text; its errors.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "targets.hpp"

using namespace tenon;

namespace {

template <class Error, class F>
std::string text_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}
bool contains(const std::string& s, std::string_view part) { return s.find(part) != std::string::npos; }

double at(const array<f32>& a, extent_t i, extent_t j) { return static_cast<double>(a(i, j)); }

template <class Graph>
void check_text(const Graph& g) {
  const std::string s = to_string(g);
  const auto again = parse_graph(s);
  INFO(s);
  CHECK(to_string(again) == s);
  CHECK(ir::equal(again, g));
}

}  // namespace

TEST_CASE("a contraction with an epilogue") {
  for (const char* t : test::targets) {
    auto f = jit(
        [](tensor<f32, shape<dyn, 64>> q, tensor<f32, shape<dyn, 64>> k) {
          auto [i, j, d] = axes<"i, j, d">();
          return compute(i, j)[sum(d)(q(i, d) * k(j, d)) / 8.0f];
        },
        {.target = t});
    const auto q = array<f32>::uniform({5, 64}, 1), k = array<f32>::uniform({3, 64}, 2);
    const array<f32> y = f(q, k);
    REQUIRE(y.dims() == dims{5, 3});
    for (extent_t i = 0; i < 5; ++i)
      for (extent_t j = 0; j < 3; ++j) {
        double want = 0;
        for (extent_t d = 0; d < 64; ++d) want += at(q, i, d) * at(k, j, d);
        CHECK(static_cast<double>(y(i, j)) == doctest::Approx(want / 8).epsilon(1e-5));
      }
    CHECK(f(array<f32>::zeros({0, 64}), k).dims() == dims{0, 3});
    check_text(f.graph());
  }
}

TEST_CASE("nested reductions: softmax written out") {
  for (const char* t : test::targets) {
    auto f = jit(
        [](tensor<f32, shape<dyn, dyn>> x) {
          auto [i, j, k] = axes<"i, j, k">();
          // k is bound twice, each time anew.
          auto top = max(k)(x(i, k));
          return compute(i, j)[exp(x(i, j) - top) / sum(k)(exp(x(i, k) - max(j)(x(i, j))))];
        },
        {.target = t});
    const auto x = array<f32>::uniform({4, 7}, 3);
    const array<f32> y = f(x);
    for (extent_t i = 0; i < 4; ++i) {
      double total = 0;
      for (extent_t k = 0; k < 7; ++k) total += std::exp(at(x, i, k));
      for (extent_t j = 0; j < 7; ++j)
        CHECK(static_cast<double>(y(i, j)) == doctest::Approx(std::exp(at(x, i, j)) / total).epsilon(1e-5));
    }
    check_text(f.graph());
  }
}

TEST_CASE("windows: an axis of the result is as long as the operand allows") {
  for (const char* t : test::targets) {
    auto f = jit(
        [](tensor<f32, shape<dyn, 9>> x) {
          auto [i, j] = axes<"i, j">();
          axis<"r", 3> r;
          return compute(i, j)[max(r)(x(2 * i + r, j))];
        },
        {.target = t});
    const auto x = array<f32>::uniform({12, 9}, 4);
    const array<f32> y = f(x);
    REQUIRE(y.dims() == dims{5, 9});  // 2 * 4 + 2 = 10 is the last row that is read
    for (extent_t i = 0; i < 5; ++i)
      for (extent_t j = 0; j < 9; ++j) CHECK(y(i, j) == std::max({x(2 * i, j), x(2 * i + 1, j), x(2 * i + 2, j)}));
    CHECK(f(array<f32>::zeros({2, 9})).dims() == dims{0, 9});
    check_text(f.graph());
  }
}

TEST_CASE("reversed and diagonal indices, positions as values, conditions") {
  for (const char* t : test::targets) {
    auto f = jit(
        [](tensor<f32, shape<6, 6>> x) {
          auto [i, j] = axes<"i, j">();
          auto upper = compute(i, j)[select(i <= j, x(5 - i, j), -1)];
          auto diagonal = compute(i)[x(i, i) + cast<f32>(position(i) % 2)];
          auto both = compute()[all(i, j)(x(i, j) < 2)];
          return std::tuple{upper, diagonal, both};
        },
        {.target = t});
    const auto x = array<f32>::uniform({6, 6}, 5);
    const auto [upper, diagonal, both] = f(x);
    for (extent_t i = 0; i < 6; ++i) {
      CHECK(diagonal(i) == x(i, i) + static_cast<float>(i % 2));
      for (extent_t j = 0; j < 6; ++j) CHECK(upper(i, j) == (i <= j ? x(5 - i, j) : -1.0f));
    }
    CHECK(both.rank() == 0);
    CHECK(both() == true);
    check_text(f.graph());
  }
}

TEST_CASE("element types: 16-bit floats are computed in f32, integers wrap") {
  for (const char* t : test::targets) {
    auto f = jit(
        [](tensor<f16, shape<3, 40>> x, tensor<i32, shape<40>> n) {
          auto [i, j] = axes<"i, j">();
          return std::tuple{compute(i)[sum(j)(x(i, j) * x(i, j))], compute()[sum(j)(n(j) * n(j) + 1)]};
        },
        {.target = t});
    const auto x = array<f16>::uniform({3, 40}, 6);
    const auto n = array<i32>::uniform({40}, 7);
    const auto [s, c] = f(x, n);
    for (extent_t i = 0; i < 3; ++i) {
      double want = 0;
      for (extent_t j = 0; j < 40; ++j) want += std::pow(static_cast<double>(static_cast<float>(x(i, j))), 2);
      CHECK(static_cast<double>(static_cast<float>(s(i))) == doctest::Approx(want).epsilon(1e-3));
    }
    std::int32_t count = 0;
    for (std::int32_t v : n) count += v * v + 1;
    CHECK(c() == count);
  }
}

TEST_CASE("a param and a scalar tensor in index notation") {
  for (const char* t : test::targets) {
    const param w("w", f32, {3, 4});
    param_set values;
    values.set("w", array<f32>::uniform({3, 4}, 8));
    auto f = jit(
        [&](tensor<f32, shape<3, 4>> x, tensor<f32, shape<>> s) {
          auto [i, j] = axes<"i, j">();
          return compute(j, i)[x(i, j) * w(i, j) + s];
        },
        {.target = t, .params = values});
    const auto x = array<f32>::uniform({3, 4}, 9);
    const array<f32> y = f(x, array<f32>::full({}, 2.0f));
    REQUIRE(y.dims() == dims{4, 3});
    const auto v = values["w"].as<f32>();
    for (extent_t i = 0; i < 3; ++i)
      for (extent_t j = 0; j < 4; ++j) CHECK(y(j, i) == doctest::Approx(x(i, j) * v(i, j) + 2.0f));
  }
}

TEST_CASE("shared parts of an expression are printed once") {
  auto f = jit([](tensor<f32, shape<5>> x) {
    auto [i] = axes<"i">();
    auto e = x(i) + 1;
    for (int k = 0; k < 40; ++k) e = e * e;
    return compute(i)[e];
  });
  CHECK(to_string(f.graph()).size() < 4000);
  check_text(f.graph());
}

TEST_CASE("what only the run time knows is refused with the values") {
  const auto outside = text_of<shape_error>([] {
    auto [i] = axes<"i">();
    axis<"r", 4> r;
    auto x = input<f32, 10>("x");
    (void)compute(r)[x(3 * r + 2)];
    (void)i;
  });
  CHECK(contains(outside, "compute: an index of axis r reaches 11, outside extent 10; x f32[10]; at "));
  CHECK(contains(outside, "index_test.cpp:"));

  auto f = jit([](tensor<f32, shape<dyn, dyn>> a, tensor<f32, shape<dyn, dyn>> b) {
    auto [i, j, d] = axes<"i, j, d">();
    return compute(i, j)[sum(d)(a(i, d) * b(d, j))];
  });
  const auto differ = text_of<shape_error>([&] { (void)f(array<f32>::zeros({2, 3}), array<f32>::zeros({4, 5})); });
  CHECK(contains(differ, "extents 3 != 4 of axis d"));
  CHECK(contains(differ, "argument 1"));

  const auto rank = text_of<shape_error>([] {
    auto [i] = axes<"i">();
    tensor<f32, any_shape> x = input<f32, 2, 3>("x");
    (void)compute(i)[x(i)];
  });
  CHECK(contains(rank, "1 indices for rank 2"));

  CHECK(contains(text_of<shape_error>([] {
                   auto [i, j] = axes<"i, j">();
                   (void)compute(i, j)[i < j];
                 }),
                 "the extent of axis i is unknown"));
  CHECK(contains(text_of<argument_error>([] { (void)axis<"r", dyn>(-3); }), "not negative"));
}

TEST_CASE("a damaged text is a parse_error that says what was expected") {
  const auto parse = [](std::string body) {
    return text_of<parse_error>(
        [&] { (void)parse_graph("graph(%x: f32[3]) {\n  %0 = compute" + body + "(%x) : f32[3]\n  return %0\n}\n"); });
  };
  CHECK(parse("{(a0: f32) -> (i) = exp(a0[i])}") == "nothing was thrown");
  CHECK(contains(parse("{(a0: f32) -> (i) = exp(a0[j])}"), "an axis that is bound here (j is not)"));
  CHECK(contains(parse("{(a0: f32) -> (i) = exp(a1[i])}"), "a declared operand (a1 is none)"));
  CHECK(contains(parse("{(a0: f32) -> (i) = softmax(a0[i])}"), "scalar operator ('softmax' is none)"));
  CHECK(contains(parse("{(a0: f31) -> (i) = a0[i]}"), "an element type"));
  CHECK(contains(parse("{(a0: f32) -> (i) = a0[i] + f32(x)}"), "a value of type f32"));
  CHECK(contains(parse("{(a0: f32) -> (i) = a0[i] + t0}"), "a name defined above (t0 is not)"));
}
