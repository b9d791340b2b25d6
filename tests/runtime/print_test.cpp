#include "tenon/runtime/print.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "tenon/core/error.hpp"

using namespace tenon;

namespace user {
struct thing {};
std::string to_string(const thing&) { return "a thing"; }
}  // namespace user

template <class T>
concept printable = requires(const T& x) { print(x); };
static_assert(printable<array<f32>> && printable<view<f32>> && printable<mutable_view<b8>> && printable<param_set>);
static_assert(printable<user::thing> && printable<dims> && printable<std::string> && printable<char[4]>);
static_assert(!printable<std::vector<float>> && !printable<int>);

TEST_CASE("to_string: as NumPy prints") {
  // Expected texts: str() of NumPy 2.
  CHECK(to_string(array<f32>::from({1, 2.5f, 3, -4}, {2, 2})) == "[[ 1.   2.5]\n [ 3.  -4. ]]");
  CHECK(to_string(array<f64>::from({0.1, 1.0 / 3, 100})) == "[  0.1          0.33333333 100.        ]");
  CHECK(to_string(array<f32>::from({0.1f, 0.25f, 10})) == "[ 0.1   0.25 10.  ]");
  CHECK(to_string(array<f64>::from({1e-5, 1})) == "[1.e-05 1.e+00]");
  CHECK(to_string(array<f32>::from({NAN, 1.5f, -HUGE_VALF})) == "[ nan  1.5 -inf]");
  CHECK(to_string(array<f32>::from({NAN, HUGE_VALF})) == "[nan inf]");
  CHECK(to_string(array<f16>::from({float16(0.1f), float16(2.0f)})) == "[0.1 2. ]");
  CHECK(to_string(array<i32>::from({1, -20, 300})) == "[  1 -20 300]");
  CHECK(to_string(array<u8>::from({1, 255})) == "[  1 255]");
  CHECK(to_string(array<b8>::from({true, false})) == "[ True False]");
  CHECK(to_string(array<i64>::full({}, 7)) == "7");
  CHECK(to_string(array<b8>::full({}, true)) == "True");
  CHECK(to_string(array<f32>::zeros({2, 0})) == "[]");
  CHECK(to_string(array<i32>::full({2, 1, 2}, 1)) == "[[[1 1]]\n\n [[1 1]]]");
}

TEST_CASE("to_string: long rows wrap, large arrays are summarised") {
  array<i32> row = array<i32>::zeros({40});
  CHECK(to_string(row) == "[0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n 0 0 0]");
  array<i32> many = array<i32>::zeros({2000});
  for (extent_t i = 0; i < 2000; ++i) many(i) = static_cast<std::int32_t>(i);
  CHECK(to_string(many) == "[   0    1    2 ... 1997 1998 1999]");
  CHECK(to_string(view<i32>(many.data(), {1000, 2})) ==
        "[[   0    1]\n [   2    3]\n [   4    5]\n ...\n [1994 1995]\n [1996 1997]\n [1998 1999]]");
}

TEST_CASE("to_string: views in their own order; bad memory is an error") {
  const std::int32_t raw[] = {1, 2, 3, 4, 5, 6};
  CHECK(to_string(view<i32>(raw, {3, 2}, {1, 3})) == "[[1 4]\n [2 5]\n [3 6]]");
  CHECK(to_string(view<i32>(raw + 5, {6}, {-1})) == "[6 5 4 3 2 1]");
  CHECK(to_string(view<i32>(raw, {2, 3}, {0, 1})) == "[[1 2 3]\n [1 2 3]]");
  CHECK_THROWS_AS(to_string(view<i32>(nullptr, {2})), argument_error);
}

TEST_CASE("to_string: parameters") {
  param_set p;
  p.set("w", array<f32>::zeros({2, 3})).set("b", array<i8>::full({1}, 3));
  CHECK(to_string(p) == "b: i8[1]\nw: f32[2,3]");
  CHECK(to_string(p["b"]) == "[3]");
  CHECK(to_string(dims{2, 3}) == "[2,3]");
}
