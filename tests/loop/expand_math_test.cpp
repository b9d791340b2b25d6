#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "loop/helpers.hpp"
#include "loop/interpreter.hpp"
#include "loop/passes.hpp"

using namespace tenon;
using namespace tenon::ir;

namespace {

kernel unary(const std::string& function, dtype t) {
  const std::string type(name(t));
  return parse_kernel("kernel k(n)\n  in x: " + type + "[n]\n  out y: " + type +
                      "[n]\nfor i0 in [0, n)\n  y[i0] = " + function + "(x[i0])\n");
}
template <class T>
std::vector<T> run(const kernel& k, std::vector<std::vector<T>> in) {
  std::vector<T> y(in[0].size());
  std::vector<void*> buffers;
  for (auto& x : in) buffers.push_back(x.data());
  buffers.push_back(y.data());
  const std::int64_t n[] = {static_cast<std::int64_t>(y.size())};
  test::interpret(k, buffers, n);
  return y;
}
/// Units in the last place between two floats of equal sign.
std::int64_t distance(float a, float b) {
  return std::abs(std::int64_t{std::bit_cast<std::int32_t>(a)} - std::bit_cast<std::int32_t>(b));
}
bool holds_math(const kernel& k) {
  bool found = false;
  visit(k.body, [&](const stmt& s) {
    visit_operands(s, [&](expr_ref e) {
      found |= contains(e, [](expr_ref x) {
        return x->type == f32 && x->is(expr_kind::apply) &&
               (x->op == prim::pow || x->op == prim::atan2 || (x->op >= prim::exp && x->op <= prim::erf));
      });
    });
  });
  return found;
}

}  // namespace

TEST_CASE("expanded f32 functions hold primitive operations only and keep their values") {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> wide(-20, 20), narrow(-1, 1), to_the_ends(-152, 130);
  std::vector<float> x = {0.0f, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 1e-40f, 1e30f, 0.5f};
  for (int i = 0; i < 100; ++i) {
    x.push_back(wide(random));
    x.push_back(narrow(random));
    x.push_back(to_the_ends(random));
  }
  for (const char* f : {"exp", "exp2", "expm1", "log", "log2", "log1p", "sin", "cos", "tan", "asin", "acos", "atan",
                        "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf"}) {
    CAPTURE(f);
    kernel k = unary(f, f32);
    const std::vector<float> expected = run<float>(k, {x});
    std::vector<float> scaled;
    for (const auto& [fused, scales] : {std::pair(true, true), std::pair(true, false), std::pair(false, false)}) {
      CAPTURE(fused);
      CAPTURE(scales);
      kernel e = unary(f, f32);
      expand_math(e, fused, scales);
      verify(e);
      CHECK_FALSE(holds_math(e));
      CHECK((scales || to_string(e).find("scale(") == std::string::npos));
      CHECK(to_string(parse_kernel(to_string(e))) == to_string(e));
      const std::vector<float> y = run<float>(e, {x});
      if (scales)
        scaled = y;
      else
        CHECK(std::memcmp(y.data(), scaled.data(), y.size() * sizeof(float)) == 0);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const bool same = (std::isnan(y[i]) && std::isnan(expected[i])) || distance(y[i], expected[i]) <= 4;
        CHECK_MESSAGE(same, f, "(", x[i], ") is ", y[i], ", not ", expected[i]);
      }
    }
  }
}

TEST_CASE("f64 functions stay; atan2 of f32 goes through f64") {
  kernel k = unary("exp", f64);
  const std::string before = to_string(k);
  expand_math(k);
  CHECK(to_string(k) == before);
  k = parse_kernel("kernel k()\n  in x: f32[]\n  in z: f32[]\n  out y: f32[]\ny[] = atan2(x[], z[]) + rsqrt(x[])\n");
  expand_math(k);
  CHECK(
      to_string(k) ==
      "kernel k()\n  in x: f32[]\n  in z: f32[]\n  out y: f32[]\ny[] = f32(atan2(f64(x[]), f64(z[]))) + rsqrt(x[])\n");
}

TEST_CASE("powers of f32 and of integers") {
  const std::string text =
      "kernel k(n)\n  in x: TYPE[n]\n  in z: TYPE[n]\n  out y: TYPE[n]\nfor i0 in [0, n)\n"
      "  y[i0] = pow(x[i0], z[i0])\n";
  const auto typed = [&](const std::string& t) {
    std::string s = text;
    for (std::size_t n = s.find("TYPE"); n != s.npos; n = s.find("TYPE")) s.replace(n, 4, t);
    return parse_kernel(s);
  };
  kernel k = typed("f32");
  expand_math(k);
  CHECK_FALSE(holds_math(k));
  const std::vector<float> base = {2, 3, -2, 0, -0.0f, 1, INFINITY, 10, NAN, 1.5f, -8},
                           exponent = {0.5f, 4, 3, -1, -3, NAN, -2, -20, 0, 100.25f, 1.0f / 3};
  const std::vector<float> y = run<float>(k, {base, exponent});
  for (std::size_t i = 0; i < base.size(); ++i) {
    const float expected = static_cast<float>(std::pow(double{base[i]}, double{exponent[i]}));
    const bool same = (std::isnan(y[i]) && std::isnan(expected)) || distance(y[i], expected) <= 2;
    CHECK_MESSAGE(same, base[i], "^", exponent[i], " is ", y[i], ", not ", expected);
  }
  const auto integers = [&]<class T>(T, const std::string& type) {
    std::vector<T> x, z;
    for (int a : {0, 1, -1, 2, -2, 3, 7, 100})
      for (int b : {0, 1, 2, 3, 5, 30, 31, 64, -1, -2, -3}) {
        x.push_back(static_cast<T>(a));
        z.push_back(static_cast<T>(b));
      }
    kernel plain = typed(type), expanded = typed(type);
    expand_math(expanded);
    verify(expanded);
    CHECK(to_string(expanded).find("pow") == std::string::npos);
    CHECK(run<T>(plain, {x, z}) == run<T>(expanded, {x, z}));
  };
  integers(std::int32_t{}, "i32");
  integers(std::int64_t{}, "i64");
  integers(std::uint8_t{}, "u8");
  integers(std::int8_t{}, "i8");
}
