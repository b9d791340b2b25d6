// A user's own scalar functions: traced, inlined, saved by what they say.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "graph/op_def.hpp"
#include "ops/leaf.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

inline constexpr auto swish_of = elementwise("swish", [](auto x) { return x / (1 + exp(-x)); });
inline constexpr auto blend =
    elementwise("blend", [](auto a, auto b, auto c, auto d) { return select(a < b, a * c, b - d) + max(c, 0.5f); });

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

}  // namespace

TEST_CASE("one scalar function, broadcast operands") {
  for (const char* t : test::targets) {
    auto f = jit([](tensor<f32, shape<dyn>> x) { return swish_of(x); }, {.target = t});
    const auto x = array<f32>::uniform({37}, 1);
    const array<f32> y = f(x);
    for (extent_t i = 0; i < 37; ++i)
      CHECK(static_cast<double>(y(i)) ==
            doctest::Approx(static_cast<double>(x(i)) / (1 + std::exp(-static_cast<double>(x(i))))).epsilon(1e-6));

    auto g = jit([](tensor<f32, shape<4, 1>> a, tensor<f32, shape<5>> b, tensor<f32, shape<>> c,
                    tensor<f32, shape<1, 5>> d) { return blend(a, b, c, d); },
                 {.target = t});
    static_assert(std::is_same_v<decltype(g)::result, tensor<f32, shape<4, 5>>>);
    const auto a = array<f32>::uniform({4, 1}, 2), b = array<f32>::uniform({5}, 3), c = array<f32>::full({}, 0.25f),
               d = array<f32>::uniform({1, 5}, 4);
    const array<f32> z = g(a, b, c, d);
    for (extent_t i = 0; i < 4; ++i)
      for (extent_t j = 0; j < 5; ++j) {
        const float want = (a(i, 0) < b(j) ? a(i, 0) * 0.25f : b(j) - d(0, j)) + 0.5f;
        CHECK(z(i, j) == doctest::Approx(want));
      }
  }
}

TEST_CASE("the text holds what the function says") {
  auto f = jit([](tensor<f32, shape<dyn>> x) { return swish_of(x); });
  const auto g = f.graph();
  const std::string s = to_string(g);
  CHECK(contains(s, "elementwise{swish(a0: f32) = a0 / (f32(1) + exp(-a0))}("));
  CHECK(ir::equal(parse_graph(s), g));
}

TEST_CASE("it takes the types of its operands") {
  static_assert(std::is_same_v<decltype(swish_of(input<f64, 3>("x"))), tensor<f64, shape<3>>>);
  constexpr auto positive = elementwise("positive", [](auto x) { return x > 0; });
  static_assert(std::is_same_v<decltype(positive(input<i32, 3>("x"))), tensor<b8, shape<3>>>);
  const param p("p", f16, {3});
  CHECK(detail::type_of(swish_of(p).node()) == f16);
  auto [i] = axes<"i">();
  auto x = input<f32, 3>("x");
  auto y = compute(i)[swish_of(x(i))];
  static_assert(std::is_same_v<decltype(y), tensor<f32, shape<3>>>);
}

TEST_CASE("library operators inside are written out, reductions refused") {
  constexpr auto f = elementwise("f", [](auto x) { return silu(x) * sigmoid(x); });
  auto x = input<f32, 3>("x");
  const auto y = f(x);
  CHECK(y.node()->op->name == "elementwise");

  constexpr auto bad = elementwise("bad", [](auto x) { return sum(x); });
  CHECK(contains(text_of<argument_error>([&] { (void)bad(x); }), "elementwise bad: 'sum' is no function of scalars"));
  const tensor<f32, shape<>> outer = input<f32>("outer");
  const auto captures = elementwise("captures", [&](auto v) { return v * outer; });
  CHECK(contains(text_of<argument_error>([&] { (void)captures(x); }),
                 "elementwise captures: the function uses 'outer', which is no argument of it"));
  constexpr auto one = elementwise("one", [](auto a, auto) { return a; });
  CHECK(contains(text_of<argument_error>([&] { (void)one(x, x); }),
                 "elementwise one: the function does not use its argument 2"));
  constexpr auto unnamed = elementwise("a b", [](auto a) { return a + 1; });
  CHECK(contains(text_of<argument_error>([&] { (void)unnamed(x); }), "letters, digits, underscores"));
}
