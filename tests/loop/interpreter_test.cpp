#include "loop/interpreter.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "loop/helpers.hpp"

using namespace tenon;
using namespace tenon::ir;
using test::error_of;
using test::interpret;

namespace {

void run(const kernel& k, std::vector<void*> buffers, std::vector<std::int64_t> symbols,
         test::interpreter_options o = {}) {
  verify(k);
  interpret(k, buffers, symbols, o);
}

}  // namespace

TEST_CASE("maps, masks and strides") {
  const kernel k = parse_kernel(R"(kernel k(n, m, s)
  in a: f32[n, m] stride [s, 1]
  in b: i8[m]
  out y: f32[n, m]
parallel for i0 in [0, n)
  vectorized(4) for i1 in [0, m)
    y[i0, i1] = a[i0, i1 + 1 if i1 + 1 < m] * f32(b[i1]) if i1 < 4
)");
  std::vector<float> a(2 * 8);
  std::iota(a.begin(), a.end(), 0.0f);
  std::vector<std::int8_t> b = {1, -2, 3, -4, 5};
  std::vector<float> y(10, 99);
  run(k, {a.data(), b.data(), y.data()}, {2, 5, 8});
  CHECK(y == std::vector<float>{1, -4, 9, -16, 99, 9, -20, 33, -48, 99});
  // The last column reads nothing: its mask is off.
  std::vector<float> z(10, 99);
  run(k, {a.data(), b.data(), z.data()}, {2, 5, 8}, {.begin = 1, .end = 2});
  CHECK(z == std::vector<float>{99, 99, 99, 99, 99, 9, -20, 33, -48, 99});
}

TEST_CASE("reductions keep a partial result a lane") {
  const kernel k = parse_kernel(R"(kernel k(n)
  in a: f32[n]
  out y: f32[]
  out best: f32[]
  out `at`: i64[]
y[] = 0.0f
best[] = -inff
`at`[] = 0
vectorized(2) for i0 in [0, n)
  y[] sum= a[i0]
  best[] argmax= a[i0] at i0
)");
  // In order (1e8 + 1) - 1e8 + 1 is 1; lane by lane (1e8 - 1e8) + (1 + 1) is 2.
  std::vector<float> a = {1e8f, 1, -1e8f, 1};
  float y = 0, best = 0;
  std::int64_t at = 0;
  run(k, {a.data(), &y, &best, &at}, {4});
  CHECK(y == 2);
  CHECK(at == 0);
  a = {1, 7, 3, 7, 7};
  run(k, {a.data(), &y, &best, &at}, {5});
  CHECK(y == 25);
  CHECK(best == 7);
  CHECK(at == 1);
  a = {1, 7, NAN, NAN, 8};
  run(k, {a.data(), &y, &best, &at}, {5});
  CHECK(std::isnan(best));
  CHECK(at == 2);
}

TEST_CASE("branches, local buffers and bounds that depend on outer loops") {
  const kernel k = parse_kernel(R"(kernel k(n)
  in a: f16[n]
  out y: f32[n]
  local t: f32[3]
for i0 in [0, n)
  declare t
  unrolled for i1 in [0, 3)
    t[i1] = 0.0f
  for i2 in [max(i0 - 1, 0), min(i0 + 2, n))
    t[i2 - i0 + 1] = f32(a[i2])
  if i0 % 2 == 0
    y[i0] = t[0] + t[1] + t[2]
  else
    y[i0] = -t[1]
)");
  std::vector<float16> a;
  for (int i = 1; i <= 5; ++i) a.emplace_back(static_cast<float>(i));
  std::vector<float> y(5);
  run(k, {a.data(), y.data()}, {5});
  CHECK(y == std::vector<float>{3, -2, 9, -4, 9});
}

TEST_CASE("a local buffer starts as garbage") {
  const kernel k = parse_kernel("kernel k()\n  out y: i32[]\n  local t: i32[1]\ndeclare t\ny[] = t[0]\n");
  std::int32_t y = 0;
  run(k, {&y}, {});
  CHECK(y == static_cast<std::int32_t>(0xa5a5a5a5u));
}

TEST_CASE("tile contractions") {
  const kernel k = parse_kernel(R"(kernel product(n, k, m)
  in a: f32[n, k]
  in b: f32[k, m]
  in c: f32[m]
  out y: f32[n, m]
parallel for i0 in [0, n / 2)
  for i1 in [0, (m + 3) / 4)
    contraction 2 x 4 into y[i0 * 2 + i2, i1 * 4 + i3]
      rows i2
      columns i3 in [0, min(4, m - i1 * 4))
      summing i4 in [0, k)
      a = a[i0 * 2 + i2, i4]
      b = b[i4, i1 * 4 + i3]
      value(acc0: f32) = max(acc0 + c[i1 * 4 + i3], 0.0f)
)");
  constexpr int n = 4, inner = 3, m = 6;
  std::vector<float> a(n * inner), b(inner * m), c(m), y(n * m), expected(n * m);
  for (int i = 0; i < n * inner; ++i) a[i] = static_cast<float>(i % 5 - 2);
  for (int i = 0; i < inner * m; ++i) b[i] = static_cast<float>(i % 7 - 3);
  for (int i = 0; i < m; ++i) c[i] = static_cast<float>(i) / 4;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < m; ++j) {
      float sum = c[j];
      for (int r = 0; r < inner; ++r) sum += a[i * inner + r] * b[r * m + j];
      expected[i * m + j] = std::max(sum, 0.0f);
    }
  for (bool fused : {true, false}) {
    std::ranges::fill(y, -1.0f);
    run(k, {a.data(), b.data(), c.data(), y.data()}, {n, inner, m}, {.fused = fused});
    CHECK(y == expected);
  }
  // An empty sum is 0.
  run(k, {a.data(), b.data(), c.data(), y.data()}, {n, 0, m});
  CHECK(y[5] == 1.25f);
}

TEST_CASE("8-bit operands widen to the accumulator, with several axes of reduction") {
  const kernel k = parse_kernel(R"(kernel product()
  in a: u8[2, 2, 2]
  in b: i8[2, 2, 4]
  out y: i32[2, 4]
contraction 2 x 4 into y[i0, i1]
  rows i0
  columns i1 in [0, 4)
  summing i2 in [0, 2), i3 in [0, 2)
  a = a[i0, i2, i3]
  b = b[i2, i3, i1]
  value(acc0: i32) = acc0
)");
  std::vector<std::uint8_t> a = {200, 201, 202, 203, 1, 2, 3, 4};
  std::vector<std::int8_t> b(16);
  std::iota(b.begin(), b.end(), static_cast<std::int8_t>(-8));
  std::vector<std::int32_t> y(8);
  run(k, {a.data(), b.data(), y.data()}, {});
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j) {
      int sum = 0;
      for (int r = 0; r < 4; ++r) sum += a[i * 4 + r] * b[r * 4 + j];
      CHECK(y[i * 4 + j] == sum);
    }
}

TEST_CASE("what is out of bounds is named") {
  const kernel k =
      parse_kernel("kernel k(n)\n  in a: f32[n]\n  out y: f32[n]\nfor i0 in [0, n)\n  y[i0] = a[i0 + 1]\n");
  std::vector<float> a(3), y(3);
  CHECK(error_of<compile_error>([&] { run(k, {a.data(), y.data()}, {3}); }) ==
        "interpret: kernel k: a load of a: index 0 is 3, its extent is 3\ny[i0] = a[i0 + 1]\n");
  CHECK(error_of<compile_error>([&] { run(k, {a.data()}, {3}); }) ==
        "interpret: 1 buffers and 1 symbols for a kernel with 2 and 1");
  const kernel p = parse_kernel("kernel k(n)\n  out y: f32[n]\nparallel for i0 in [0, n)\n  y[i0] = 1.0f\n");
  CHECK(error_of<compile_error>([&] { run(p, {y.data()}, {3}, {.begin = 0, .end = 4}); }) ==
        "interpret: kernel k: part [0, 4) of a parallel loop of 3\nparallel for i0 in [0, n)\n  y[i0] = 1.0f\n");
}

TEST_CASE("a while looks before each turn, at what its test left") {
  // The steps of 3 n + 1, for each n up to the end.
  const kernel k = parse_kernel(R"(kernel k(n)
  out steps: i64[n]
  local x: i64[]
  local more: b8[]
for i0 in [0, n)
  declare x
  declare more
  x[] = i0 + 1
  steps[i0] = 0
  do
    more[] = x[] != 1
  while more[]
    if x[] % 2 == 0
      x[] = x[] / 2
    else
      x[] = x[] * 3 + 1
    steps[i0] sum= 1
)");
  std::vector<std::int64_t> steps(9, 99);
  run(k, {steps.data()}, {9});
  CHECK(steps == std::vector<std::int64_t>{0, 1, 7, 2, 5, 8, 16, 3, 19});
}
