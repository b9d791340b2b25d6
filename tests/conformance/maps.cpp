// Scalar maps: one function of broadcast operands. Exact functions are computed by C++ in the type itself, the others
// in long double with a slack in units of the last place.
#include <cfenv>
#include <cmath>
#include <limits>
#include <span>

#include "table.hpp"

namespace conformance {
namespace {

struct answer {
  real v;
  real slack = 0;
};
using scalar_fn = std::function<answer(std::span<const real>, dtype)>;
using std::numeric_limits;

reference mapped(scalar_fn f, dtype main, std::function<dtype(dtype)> out) {
  return [=](const std::vector<values>& in) {
    shape_t s;
    for (const values& x : in) {
      if (x.shape.size() > s.size()) s.insert(s.begin(), x.shape.size() - s.size(), 1);
      for (std::size_t d = 0; d < x.shape.size(); ++d) {
        std::int64_t& e = s[s.size() - x.shape.size() + d];
        if (x.shape[d] != 1) e = x.shape[d];
      }
    }
    values y(out(main), s);
    std::vector<real> x(in.size());
    for_each(s, [&](const shape_t& i) {
      for (std::size_t k = 0; k < in.size(); ++k) x[k] = in[k].broadcast_at(i);
      const answer a = f(x, main);
      y.set(i, a.v, a.slack);
    });
    return one(y);
  };
}

struct map_shape {
  int operands = 1;
  int booleans = 0;  // how many of the first operands are b8 whatever the type
  std::function<dtype(dtype)> out = [](dtype t) { return t; };
  std::string attrs{};
  fill plain = fill::plain;
  std::vector<values> extra{};  // one more call in `random`
};

cases map_cases(dtype t, const scalar_fn& f, const map_shape& m) {
  cases c;
  const reference r = mapped(f, t, m.out);
  std::uint64_t seed = 17;
  const auto make = [&](const std::vector<shape_t>& shapes, fill how) {
    std::vector<values> in;
    for (int k = 0; k < m.operands; ++k) {
      const shape_t& s = shapes[static_cast<std::size_t>(k) % shapes.size()];
      in.push_back(k < m.booleans ? filled(b8, s, how, ++seed) : filled(t, s, how, ++seed));
    }
    return in;
  };
  const auto add = [&](column where, const std::vector<shape_t>& shapes, fill how, int layout = 0) {
    c.add(where, m.attrs, make(shapes, how), r, layout);
  };
  if (m.operands == 1) {
    add(column::random, {{5, 40}}, m.plain);
    add(column::empty, {{3, 0, 2}}, m.plain);
    if (t == f32) add(column::odd, {{16391}}, m.plain);
  } else {
    add(column::random, {{4, 6, 5}, {6, 5}, {4, 1, 1}}, m.plain);
    add(column::random, {{5, 5}, {5}, {5, 1}}, m.plain);
    add(column::random, {{7, 1}, {1, 9}}, m.plain);
    add(column::random, {{}, {3, 4}, {4}}, m.plain);
    add(column::random, {{96}, {96}}, m.plain);
    add(column::empty, {{3, 0, 2}, {2}}, m.plain);
    add(column::empty, {{1, 4}, {0, 1}}, m.plain);
    if (t == f32) add(column::odd, {{16391}, {1}}, m.plain);
  }
  if (!m.extra.empty()) c.add(column::random, m.attrs, m.extra, r);
  add(column::rank_0, {{}}, m.plain);
  add(column::size_1, {{1, 1, 1}, {1}}, m.plain);
  add(column::odd, {{37}}, m.plain);
  add(column::odd, {{3, 5, 13}, {5, 13}, {13}}, m.plain);
  for (int layout = 1; layout <= 4; ++layout) add(column::strided, {{5, 3, 19}, {3, 19}}, m.plain, layout);
  if (tenon::is_float(t)) {
    add(column::nan, {{41}}, fill::nan);
    add(column::nan, {{6, 7}, {7}}, fill::nan);
    add(column::infinities, {{41}}, fill::infinities);
    add(column::infinities, {{6, 7}, {7}}, fill::infinities);
  }
  c.missing(column::negative_axis, "no axis");
  return c;
}

// ---- exact functions: C++ in the arithmetic of the type

template <class F, class G>
scalar_fn exact(F on_floats, G on_integers) {
  return [=](std::span<const real> x, dtype t) -> answer {
    const real y = x.size() > 1 ? x[1] : 0;
    if (t == f64) return {on_floats(static_cast<double>(x[0]), static_cast<double>(y))};
    if (tenon::is_float(t)) return {on_floats(static_cast<float>(x[0]), static_cast<float>(y))};
    return {wrapped(t, on_integers(static_cast<std::int64_t>(x[0]), static_cast<std::int64_t>(y), t))};
  };
}
const auto no_integers = [](std::int64_t, std::int64_t, dtype) -> std::int64_t { return 0; };
using u = std::uint64_t;
std::int64_t low_of(dtype t) { return t == i32 ? INT32_MIN : t == i64 ? INT64_MIN : 0; }
int width(dtype t) { return 8 * tenon::size_of(t); }

std::int64_t divided(std::int64_t a, std::int64_t b, dtype t) {
  if (b == 0) return 0;
  if (t != u8 && b == -1) return static_cast<std::int64_t>(u{0} - static_cast<u>(a));
  return a / b;
}
std::int64_t modulo(std::int64_t a, std::int64_t b, dtype) {
  if (b == 0 || b == -1) return 0;
  const std::int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
std::int64_t power(std::int64_t a, std::int64_t b, dtype) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  u r = 1, base = static_cast<u>(a);
  for (std::int64_t n = b; n; n >>= 1, base *= base)
    if (n & 1) r *= base;
  return static_cast<std::int64_t>(r);
}
template <class T>
T larger(T a, T b) {
  return a != a ? a : b != b ? b : a > b ? a : b;
}
template <class T>
T smaller(T a, T b) {
  return a != a ? a : b != b ? b : a < b ? a : b;
}
template <class T>
T half_to_even(T x) {
  const T f = std::floor(x), r = x - f;
  if (x != x || std::isinf(x)) return x;
  return r < T(0.5) ? f : r > T(0.5) ? f + 1 : std::fmod(f, T(2)) == 0 ? f : f + 1;
}

// ---- functions with a slack

/// f in long double, `ulps` off at most, and what `more` says.
scalar_fn close(real (*f)(real), real ulps) {
  return [=](std::span<const real> x, dtype t) -> answer {
    const real y = f(x[0]);
    return {y, std::isfinite(y) ? ulps * ulp(t, rounded(t == f64 ? f64 : f32, y)) : 0};
  };
}
using composed_fn = std::function<answer(real x, real eps)>;
/// The answer's own slack, which is in terms of the type's epsilon, and underflow.
scalar_fn composed(composed_fn f) {
  return [=](std::span<const real> x, dtype t) -> answer {
    answer a = f(x[0], epsilon(t));
    a.slack = std::isfinite(a.v) ? a.slack + 2 * tiny(t) : 0;
    return a;
  };
}
real softplus_of(real x) { return std::fmax(x, 0.0L) + std::log1p(std::exp(-std::fabs(x))); }
real keep_nan(real x, real y) { return std::isnan(x) ? x : y; }

dtype to_b8(dtype) { return b8; }

void add_unary(table& t, const char* name, scalar_fn f, std::function<bool(dtype)> takes, map_shape m = {}) {
  t.push_back({name, std::move(takes), [=](dtype d) { return map_cases(d, f, m); }});
}
void add_binary(
    table& t, const char* name, scalar_fn f, std::function<bool(dtype)> takes,
    std::function<dtype(dtype)> out = [](dtype d) { return d; }) {
  map_shape m;
  m.operands = 2;
  m.out = std::move(out);
  t.push_back({name, std::move(takes), [=](dtype d) { return map_cases(d, f, m); }});
}

bool integer_or_boolean(dtype t) { return t == b8 || tenon::is_integer(t); }

void add_arithmetic(table& t) {
  add_binary(t, "add",
             exact([](auto a, auto b) { return a + b; },
                   [](auto a, auto b, dtype) { return static_cast<std::int64_t>(u(a) + u(b)); }),
             numbers);
  add_binary(t, "sub",
             exact([](auto a, auto b) { return a - b; },
                   [](auto a, auto b, dtype) { return static_cast<std::int64_t>(u(a) - u(b)); }),
             numbers);
  add_binary(t, "mul",
             exact([](auto a, auto b) { return a * b; },
                   [](auto a, auto b, dtype) { return static_cast<std::int64_t>(u(a) * u(b)); }),
             numbers);
  add_binary(t, "div", exact([](auto a, auto b) { return a / b; }, divided), numbers);
  add_binary(t, "mod", exact([](auto a, auto b) { return std::fmod(a, b); }, modulo), numbers);
  add_binary(t, "minimum",
             exact([](auto a, auto b) { return smaller(a, b); }, [](auto a, auto b, dtype) { return a < b ? a : b; }),
             numbers);
  add_binary(t, "maximum",
             exact([](auto a, auto b) { return larger(a, b); }, [](auto a, auto b, dtype) { return a > b ? a : b; }),
             numbers);
  add_binary(
      t, "pow",
      [](std::span<const real> x, dtype d) -> answer {
        if (tenon::is_integer(d))
          return {wrapped(d, power(static_cast<std::int64_t>(x[0]), static_cast<std::int64_t>(x[1]), d))};
        const real y = std::pow(x[0], x[1]);
        return {y, std::isfinite(y) ? 4 * ulp(d, rounded(d == f64 ? f64 : f32, y)) : 0};
      },
      numbers);
  add_binary(
      t, "atan2",
      [](std::span<const real> x, dtype d) -> answer {
        const real y = std::atan2(x[0], x[1]);
        return {y, std::isfinite(y) ? 2 * ulp(d, y) : 0};
      },
      floats);
  add_unary(t, "neg",
            exact([](auto a, auto) { return -a; },
                  [](auto a, auto, dtype) { return static_cast<std::int64_t>(u{0} - u(a)); }),
            numbers);
  add_unary(t, "abs",
            exact([](auto a, auto) { return std::fabs(a); },
                  [](auto a, auto, dtype) { return a < 0 ? static_cast<std::int64_t>(u{0} - u(a)) : a; }),
            numbers);
  add_unary(t, "sign",
            exact([](auto a, auto) { return a > 0   ? decltype(a)(1)
                                            : a < 0 ? decltype(a)(-1)
                                                    : a; },
                  [](auto a, auto, dtype) -> std::int64_t { return (a > 0) - (a < 0); }),
            numbers);

  const auto bits = [](auto f) { return exact([](auto a, auto) { return a; }, f); };
  add_binary(t, "bit_and", bits([](auto a, auto b, dtype) { return a & b; }), integer_or_boolean);
  add_binary(t, "bit_or", bits([](auto a, auto b, dtype) { return a | b; }), integer_or_boolean);
  add_binary(t, "bit_xor", bits([](auto a, auto b, dtype) { return a ^ b; }), integer_or_boolean);
  add_unary(t, "bit_not", bits([](auto a, auto, dtype) { return ~a; }), integers);
  add_binary(t, "shift_left", bits([](auto a, auto b, dtype d) {
               return b < 0 || b >= width(d) ? std::int64_t{0} : static_cast<std::int64_t>(u(a) << b);
             }),
             integers);
  add_binary(t, "shift_right", bits([](auto a, auto b, dtype d) {
               return b < 0 || b >= width(d) ? std::int64_t{a < 0 ? -1 : 0} : a >> b;
             }),
             integers);
  add_binary(t, "logical_and", bits([](auto a, auto b, dtype) { return a & b; }), booleans);
  add_binary(t, "logical_or", bits([](auto a, auto b, dtype) { return a | b; }), booleans);
  add_binary(t, "logical_xor", bits([](auto a, auto b, dtype) { return a ^ b; }), booleans);
  add_unary(t, "logical_not", bits([](auto a, auto, dtype) { return a == 0; }), booleans);

  using pair = std::span<const real>;
  add_binary(t, "equal", [](pair x, dtype) -> answer { return {x[0] == x[1] ? 1.0L : 0}; }, any_type, to_b8);
  add_binary(t, "not_equal", [](pair x, dtype) -> answer { return {x[0] == x[1] ? 0 : 1.0L}; }, any_type, to_b8);
  add_binary(t, "less", [](pair x, dtype) -> answer { return {x[0] < x[1] ? 1.0L : 0}; }, numbers, to_b8);
  add_binary(t, "less_equal", [](pair x, dtype) -> answer { return {x[0] <= x[1] ? 1.0L : 0}; }, numbers, to_b8);
  add_binary(t, "greater", [](pair x, dtype) -> answer { return {x[0] > x[1] ? 1.0L : 0}; }, numbers, to_b8);
  add_binary(t, "greater_equal", [](pair x, dtype) -> answer { return {x[0] >= x[1] ? 1.0L : 0}; }, numbers, to_b8);

  map_shape choice;
  choice.operands = 3;
  choice.booleans = 1;
  t.push_back({"select", any_type, [=](dtype d) {
                 return map_cases(d, [](pair x, dtype) -> answer { return {x[0] != 0 ? x[1] : x[2]}; }, choice);
               }});
}

void add_math(table& t) {
  const auto exactly = [&](const char* name, auto f) { add_unary(t, name, exact(f, no_integers), floats); };
  exactly("floor", [](auto a, auto) { return std::floor(a); });
  exactly("ceil", [](auto a, auto) { return std::ceil(a); });
  exactly("trunc", [](auto a, auto) { return std::trunc(a); });
  exactly("round", [](auto a, auto) { return half_to_even(a); });
  exactly("sqrt", [](auto a, auto) { return std::sqrt(a); });
  exactly("reciprocal", [](auto a, auto) { return 1 / a; });
  map_shape test;
  test.out = to_b8;
  add_unary(
      t, "isnan", [](std::span<const real> x, dtype) -> answer { return {std::isnan(x[0]) ? 1.0L : 0}; }, floats, test);
  add_unary(
      t, "isinf", [](std::span<const real> x, dtype) -> answer { return {std::isinf(x[0]) ? 1.0L : 0}; }, floats, test);
  const auto closely = [&](const char* name, real (*f)(real), fill how = fill::plain) {
    map_shape m;
    m.plain = how;
    add_unary(t, name, close(f, 2), floats, m);
  };
  closely("rsqrt", [](real x) { return 1 / std::sqrt(x); }, fill::positive);
  closely("exp", [](real x) { return std::exp(x); });
  closely("exp2", [](real x) { return std::exp2(x); });
  closely("expm1", [](real x) { return std::expm1(x); });
  closely("log", [](real x) { return std::log(x); }, fill::positive);
  closely("log2", [](real x) { return std::log2(x); }, fill::positive);
  closely("log1p", [](real x) { return std::log1p(x); });
  closely("sin", [](real x) { return std::sin(x); });
  closely("cos", [](real x) { return std::cos(x); });
  closely("tan", [](real x) { return std::tan(x); });
  closely("asin", [](real x) { return std::asin(x); }, fill::small);
  closely("acos", [](real x) { return std::acos(x); }, fill::small);
  closely("atan", [](real x) { return std::atan(x); });
  closely("sinh", [](real x) { return std::sinh(x); });
  closely("cosh", [](real x) { return std::cosh(x); });
  closely("tanh", [](real x) { return std::tanh(x); });
  closely("asinh", [](real x) { return std::asinh(x); });
  closely("acosh", [](real x) { return std::acosh(x); }, fill::positive);
  closely("atanh", [](real x) { return std::atanh(x); }, fill::small);
  closely("erf", [](real x) { return std::erf(x); });
}

void add_activations(table& t) {
  add_unary(
      t, "relu",
      exact([](auto a, auto) { return larger(a, decltype(a)(0)); }, [](auto a, auto, dtype) { return a > 0 ? a : 0; }),
      numbers);
  const auto put = [&](const char* name, composed_fn f, std::string attrs = "") {
    map_shape m;
    m.attrs = std::move(attrs);
    add_unary(t, name, composed(std::move(f)), floats, m);
  };
  put("sigmoid", [](real x, real e) -> answer {
    const real y = 1 / (1 + std::exp(-x));
    return {y, 4 * e * y};
  });
  put("silu", [](real x, real e) -> answer {
    // e^-x overflows before the result underflows: it is then 0, off by |x| times the smallest number.
    const real y = x / (1 + std::exp(-x));
    return {y, 4 * e * std::fabs(y) + std::fabs(x) * tiny(e < 1e-10L ? f64 : f32)};
  });
  put("softplus", [](real x, real e) -> answer {
    const real y = keep_nan(x, softplus_of(x));
    return {y, 4 * e * y};
  });
  put("softsign", [](real x, real e) -> answer {
    const real y = x / (1 + std::fabs(x));
    return {y, 4 * e * std::fabs(y)};
  });
  put("mish", [](real x, real e) -> answer {
    const real y = keep_nan(x, x * std::tanh(softplus_of(x)));
    return {y, 8 * e * std::fabs(y)};
  });
  put("selu", [](real x, real e) -> answer {
    const real y = keep_nan(x, 1.05070102214813232421875L * (x > 0 ? x : 1.67326319217681884765625L * std::expm1(x)));
    return {y, e * (4 * std::fabs(y) + (x > 0 ? 0 : 6))};
  });
  put("hard_swish", [](real x, real e) -> answer {
    const real y = x * larger(0.0L, smaller(1.0L, x / 6 + 0.5L));
    return {y, 4 * e * std::fabs(x) * (std::fabs(x) / 6 + 1)};
  });
  put(
      "leaky_relu",
      [](real x, real e) -> answer {
        const real y = x < 0 ? x * 0.3L : x;
        return {y, x < 0 ? 2 * e * std::fabs(y) : 0};
      },
      "{.alpha = 0.3}");
  put(
      "elu",
      [](real x, real e) -> answer {
        const real y = x < 0 ? 0.75L * std::expm1(x) : x;
        return {y, x < 0 ? 5 * e * std::fabs(y) : 0};
      },
      "{.alpha = 0.75}");
  put(
      "celu",
      [](real x, real e) -> answer {
        const real y = keep_nan(x, std::fmax(x, 0.0L) + std::fmin(0.0L, 0.7L * std::expm1(x / 0.7L)));
        return {y, x < 0 ? e * (6 + std::fabs(x)) * std::fabs(y) : 0};
      },
      "{.alpha = 0.7}");
  put(
      "hard_sigmoid",
      [](real x, real e) -> answer {
        return {larger(0.0L, smaller(1.0L, x * 0.3L + 0.4L)), 3 * e * (std::fabs(x) * 0.3L + 0.4L)};
      },
      "{.alpha = 0.3, .beta = 0.4}");
  put("gelu", [](real x, real e) -> answer {
    const real y = x * 0.5L * (1 + std::erf(x * std::sqrt(0.5L)));
    return {y, 4 * e * std::fabs(x)};
  });
  // The other form is a second entry of the same operator.
  put(
      "gelu",
      [](real x, real e) -> answer {
        const real y = x * 0.5L * (1 + std::tanh((x + x * x * x * 0.044715L) * std::sqrt(2 / std::acos(-1.0L))));
        return {y, 6 * e * std::fabs(x)};
      },
      "{.tanh = true}");
  map_shape m;
  m.attrs = "{.at = 2, .otherwise = 5}";
  add_unary(t, "threshold",
            exact([](auto a, auto) { return a > 2 ? a : decltype(a)(5); },
                  [](auto a, auto, dtype) -> std::int64_t { return a > 2 ? a : 5; }),
            numbers, m);
  m.attrs = "{.low = 1, .high = 3}";
  add_unary(t, "clip",
            exact([](auto a, auto) { return a < 1   ? decltype(a)(1)
                                            : a > 3 ? decltype(a)(3)
                                                    : a; },
                  [](auto a, auto, dtype) -> std::int64_t { return a < 1   ? 1
                                                                   : a > 3 ? 3
                                                                           : a; }),
            numbers, m);
  m.attrs = "{.high = 2}";
  add_unary(t, "clip",
            exact([](auto a, auto) { return a > 2 ? decltype(a)(2) : a; },
                  [](auto a, auto, dtype) -> std::int64_t { return a > 2 ? 2 : a; }),
            numbers, m);
  add_binary(t, "prelu", exact([](auto a, auto b) { return a < 0 ? a * b : a; }, no_integers), floats);
}

real converted(real x, dtype from, dtype to) {
  if (to == b8) return x != 0 ? 1 : 0;
  if (tenon::is_float(to)) return rounded(to, x);
  if (!tenon::is_float(from)) return wrapped(to, static_cast<std::int64_t>(x));
  if (std::isnan(x)) return 0;
  const real low = static_cast<real>(low_of(to)), high = to == u8 ? 255 : to == i32 ? INT32_MAX : INT64_MAX;
  const real whole = std::trunc(x);
  return whole < low ? low : whole > high ? high : whole;
}

void add_casts(table& t) {
  for (const dtype to : types) {
    map_shape m;
    m.attrs = "{.to = " + std::string(tenon::name(to)) + "}";
    m.out = [=](dtype) { return to; };
    t.push_back({"cast", any_type, [=](dtype from) {
                   map_shape own = m;
                   if (tenon::is_float(from)) {
                     // Beyond every integer type, at its borders, and between two 16-bit floats.
                     values edge(from, {14});
                     const real list[] = {3e38L,
                                          -3e38L,
                                          255.5L,
                                          256.0L,
                                          -0.9L,
                                          2147483520.0L,
                                          2147483648.0L,
                                          -2147483904.0L,
                                          9223372036854774784.0L,
                                          9223372036854775808.0L,
                                          -9223372036854775808.0L,
                                          65519.9L,
                                          1 + 0x1p-11L + 0x1p-40L,
                                          1 + 0x1p-8L + 0x1p-40L};
                     for (std::size_t i = 0; i < 14; ++i) edge.v[i] = rounded(from, list[i]);
                     own.extra = {edge};
                   } else if (from != b8) {
                     values edge(from, {4});
                     const std::int64_t list[] = {16842753, 1 << 30, (1 << 24) + 1, 255};
                     for (std::size_t i = 0; i < 4; ++i) edge.v[i] = wrapped(from, list[i]);
                     own.extra = {edge};
                   }
                   return map_cases(
                       from, [=](std::span<const real> x, dtype d) -> answer { return {converted(x[0], d, to)}; }, own);
                 }});
  }
}

}  // namespace

void add_maps(table& t) {
  add_arithmetic(t);
  add_math(t);
  add_activations(t);
  add_casts(t);
}

}  // namespace conformance
