// Results made in the memory of an operand: kernels that may be so, and each way in which they may not; fma for fast
// math.
#include "loop/in_place.hpp"

#include <doctest/doctest.h>

#include "loop/helpers.hpp"
#include "loop/passes.hpp"

using namespace tenon;
using namespace tenon::ir;
using test::error_of;

namespace {

// Of y, which is made in place.
std::string problem(const std::string& body) {
  const kernel k = parse_kernel("kernel k(n)\n  in b: f32[n]\n  out y: f32[n]\n  local t: f32[]\n" + body);
  verify(k);
  const std::string s = error_of<compile_error>([&] { check_in_place(k, 1); });
  return s.substr(0, s.find('\n'));
}

}  // namespace

TEST_CASE("a result in place: each point is read where it is stored") {
  CHECK(problem("parallel for i0 in [0, n)\n  y[i0] = y[i0] * 2.0f + b[n - i0 - 1]\n") == "no error");
  CHECK(problem("vectorized(8) for i0 in [0, min(n, 100))\n  y[i0] = max(y[i0], y[i0] * 0.5f)\n") == "no error");
  CHECK(problem("for i0 in [0, n)\n  y[i0] = b[i0]\n") == "no error");
}

TEST_CASE("a result in place: what would read what is gone") {
  const std::string y = "kernel k: y, which is made in place, ";
  CHECK(problem("for i0 in [0, n)\n  y[i0] = y[n - i0 - 1]\n") == y + "is read elsewhere than where it is stored");
  CHECK(problem("for i0 in [0, n)\n  y[i0] = y[i0 if i0 < 5]\n") == y + "is read elsewhere than where it is stored");
  CHECK(problem("for i0 in [0, n)\n  declare t\n  t[] = y[i0]\n  y[i0] = t[]\n") ==
        y + "is read by a statement that does not store it");
  CHECK(problem("for i0 in [0, n)\n  y[min(i0, n - 4)] = y[min(i0, n - 4)]\n") ==
        y + "may be stored twice: at a min or max of indices");
  CHECK(problem("for i0 in [0, n)\n  for i1 in [min(i0, n - 8), n)\n    y[i1] = y[i1]\n") ==
        y + "may be stored twice: a loop begins at a min or max");
}

TEST_CASE("contract_products: a product and its sum are one fma, in kernels alone that ask for it") {
  const auto after = [](const std::string& value) {
    kernel k = parse_kernel(
        "kernel k(n)\n  in x: f32[n]\n  in b: f32[n]\n  in h: i32[n]\n  out y: f32[n]\n"
        "  out z: i32[n]\nfor i0 in [0, n)\n  " +
        value + "\n");
    contract_products(k);
    verify(k);
    const std::string s = to_string(k);
    return s.substr(s.rfind("\n  ") + 3);
  };
  CHECK(after("y[i0] = x[i0] * 2.0f + b[i0]") == "y[i0] = fma(x[i0], 2.0f, b[i0])\n");
  CHECK(after("y[i0] = x[i0] * 2.0f - b[i0]") == "y[i0] = fma(x[i0], 2.0f, -b[i0])\n");
  CHECK(after("y[i0] = b[i0] - x[i0] * b[i0]") == "y[i0] = fma(-x[i0], b[i0], b[i0])\n");
  // Nothing to make one of: integers, a sum alone, a product alone, one less itself.
  for (const char* same : {"z[i0] = h[i0] + h[i0] * h[i0]", "y[i0] = x[i0] + b[i0]", "y[i0] = x[i0] * b[i0]",
                           "y[i0] = x[i0] * b[i0] - x[i0] * b[i0]"})
    CHECK(after(same) == std::string(same) + "\n");
}
