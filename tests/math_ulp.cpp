// The errors of src/loop/math, run natively on every f32 (or every stride-th one): per function the largest error and
// where. An error is |got - exact| / ulp, ulp being the spacing of f32 at the exact value (of denormals below the
// smallest normal); exact is the double function of the C library. A NaN in the wrong place, a wrong sign of a zero
// and an infinity that is none count as infinite errors. Exit status 1 where a bound is passed.
//
//   math_ulp [--stride N] [--only NAME] [--pairs N] [--threads N]
#include <algorithm>
#include <array>
#include <atomic>
#include <cfloat>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../src/loop/math/erf.hpp"
#include "../src/loop/math/exp.hpp"
#include "../src/loop/math/hyperbolic.hpp"
#include "../src/loop/math/inverse_trig.hpp"
#include "../src/loop/math/log.hpp"
#include "../src/loop/math/pow.hpp"
#include "../src/loop/math/trig.hpp"
#include "math_native.hpp"

namespace {

using tenon::math::native_f32;

constexpr double wrong = std::numeric_limits<double>::infinity();
constexpr float inf = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t block = 4096;

struct options {
  std::uint64_t stride = 1, pairs = 100'000'000;
  unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::string only;
};

/// Error of `got` in ulps of `exact`.
double ulp_error(float got, double exact) {
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : wrong;
  if (exact == 0) return got == 0 && std::signbit(got) == std::signbit(exact) ? 0 : wrong;
  if (got == 0 && std::signbit(got) != std::signbit(exact)) return wrong;
  // About 2^128 an infinity counts as 2^128, as rounding has it; clearly above nothing else will do.
  constexpr double top = 0x1p128;
  if (std::fabs(exact) > top * 1.0000005)
    return std::isinf(got) && std::signbit(got) == std::signbit(exact) ? 0 : wrong;
  exact = std::clamp(exact, -top, top);
  double value = std::isinf(got) ? std::copysign(top, got) : got;
  int exponent = std::clamp(static_cast<int>(std::bit_cast<std::uint64_t>(exact) >> 52 & 0x7ff) - 1023, -126, 127);
  double per_ulp = std::bit_cast<double>(static_cast<std::uint64_t>(1023 + 23 - exponent) << 52);
  return std::fabs(value - exact) * per_ulp;
}

/// The largest error so far, where, and how many results were not the nearest f32.
struct worst_case {
  double error = 0;
  float x = 0, y = 0, got = 0;
  double exact = 0;
  std::uint64_t inexact = 0;

  void add(float arg, float second, float result, double reference) {
    double e = ulp_error(result, reference);
    inexact += e > 0.5;
    if (e > error) {
      error = e, x = arg, y = second, got = result, exact = reference;
    }
  }
  void add(const worst_case& other) {
    std::uint64_t sum = inexact + other.inexact;
    if (other.error > error) *this = other;
    inexact = sum;
  }
};

/// Calls work(first, last, local) for pieces of [0, count) on the threads and joins the results.
template <std::size_t Ranges>
std::array<worst_case, Ranges> in_parallel(
    std::uint64_t count, unsigned threads,
    const std::function<void(std::uint64_t, std::uint64_t, std::array<worst_case, Ranges>&)>& work) {
  std::array<worst_case, Ranges> all;
  std::atomic<std::uint64_t> next = 0;
  std::mutex lock;
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t) {
    pool.emplace_back([&] {
      std::array<worst_case, Ranges> mine;
      constexpr std::uint64_t piece = 64 * block;
      for (std::uint64_t first; (first = next.fetch_add(piece)) < count;) {
        work(first, std::min(first + piece, count), mine);
      }
      std::lock_guard guard(lock);
      for (std::size_t i = 0; i < Ranges; ++i) all[i].add(mine[i]);
    });
  }
  for (auto& thread : pool) thread.join();
  return all;
}

/// A function of one argument, with its bound up to |x| = limit and the one beyond.
struct unary {
  std::string_view name;
  void (*run)(const float* in, float* out);  ///< over `block` values
  double (*exact)(double);
  double bound;
  float limit = inf;
  double bound_beyond = 0;
};

template <auto Function>
void run_block(const float* in, float* out) {
  for (std::size_t i = 0; i < block; ++i) out[i] = Function(native_f32(in[i])).value();
}

#define TENON_UNARY(name) #name, run_block<tenon::math::name<native_f32>>, [](double x) { return std::name(x); }
constexpr unary unaries[] = {
    {TENON_UNARY(exp), 2},   {TENON_UNARY(exp2), 2},         {TENON_UNARY(expm1), 2},        {TENON_UNARY(log), 2},
    {TENON_UNARY(log2), 2},  {TENON_UNARY(log1p), 2},        {TENON_UNARY(tanh), 2},         {TENON_UNARY(erf), 2},
    {TENON_UNARY(sinh), 4},  {TENON_UNARY(cosh), 4},         {TENON_UNARY(asinh), 4},        {TENON_UNARY(acosh), 4},
    {TENON_UNARY(atanh), 4}, {TENON_UNARY(asin), 4},         {TENON_UNARY(acos), 4},         {TENON_UNARY(atan), 4},
    {TENON_UNARY(tan), 4},   {TENON_UNARY(sin), 2, 1e5f, 4}, {TENON_UNARY(cos), 2, 1e5f, 4},
};
#undef TENON_UNARY

bool report(std::string_view name, const worst_case& worst, double bound, std::uint64_t count, bool two) {
  bool good = worst.error <= bound;
  std::printf("%-6.*s max %8.4f ulp (bound %g) at %.9g", static_cast<int>(name.size()), name.data(), worst.error, bound,
              static_cast<double>(worst.x));
  if (two) std::printf(", %.9g", static_cast<double>(worst.y));
  std::printf(" (%a): got %.9g, exact %.12g; %.3f%% of %" PRIu64 " not nearest%s\n", static_cast<double>(worst.x),
              static_cast<double>(worst.got), worst.exact,
              100.0 * static_cast<double>(worst.inexact) / static_cast<double>(count), count,
              good ? "" : "  TOO LARGE");
  std::fflush(stdout);
  return good;
}

/// Inputs that a stride may miss.
std::vector<float> special_inputs() {
  std::vector<float> list = {0.0f,      FLT_TRUE_MIN, FLT_MIN, FLT_MAX,  inf,      nan_value, 0.5f,
                             1.0f,      1.5f,         2.0f,    3.0f,     10.0f,    1e5f,      1048576.0f,
                             0x1p49f,   0x1p73f,      0x1p97f, 0x1p121f, 0x1p127f, 0x1p24f,   0x1p-24f,
                             88.72284f, 103.97f,      128.0f,  149.0f};
  for (std::size_t i = 0, n = list.size(); i < n; ++i) {
    float v = list[i];
    for (float near : {std::nextafterf(v, inf), std::nextafterf(v, 0.0f)}) list.push_back(near);
  }
  // The f32 values next to multiples of pi/2, per group of digits of 2/pi: they need all the digits that are used.
  for (float v : {10741887 * 0x1p11f, 8895696 * 0x1p34f, 16367173 * 0x1p72f, 16367173 * 0x1p74f, 12438944 * 0x1p103f}) {
    list.push_back(v);
  }
  for (std::size_t i = 0, n = list.size(); i < n; ++i) list.push_back(-list[i]);
  return list;
}

bool check(const unary& f, const options& opt) {
  std::uint64_t count = ((std::uint64_t{1} << 32) + opt.stride - 1) / opt.stride;
  auto add_block = [&](const float* in, std::size_t size, std::array<worst_case, 2>& worst) {
    float out[block];
    f.run(in, out);
    for (std::size_t i = 0; i < size; ++i) {
      worst[std::fabs(in[i]) > f.limit].add(in[i], 0, out[i], f.exact(static_cast<double>(in[i])));
    }
  };
  auto worst =
      in_parallel<2>(count, opt.threads, [&](std::uint64_t first, std::uint64_t last, std::array<worst_case, 2>& mine) {
        float in[block] = {};
        for (; first < last; first += block) {
          std::size_t size = std::min<std::uint64_t>(block, last - first);
          for (std::size_t i = 0; i < size; ++i) {
            in[i] = std::bit_cast<float>(static_cast<std::uint32_t>((first + i) * opt.stride));
          }
          add_block(in, size, mine);
        }
      });
  float in[block] = {};
  auto specials = special_inputs();
  std::copy(specials.begin(), specials.end(), in);
  add_block(in, specials.size(), worst);
  count += specials.size();
  bool good = report(f.name, worst[0], f.bound, count, false);
  if (f.limit < inf) {
    std::printf("  beyond %g: ", static_cast<double>(f.limit));
    good = report(f.name, worst[1], f.bound_beyond, count, false) && good;
  }
  return good;
}

// Functions of two arguments.

/// What C99, Annex F says of a special case; `says` is false where it leaves the value to the function.
struct annex_f {
  bool says;
  float value;
};

struct binary {
  std::string_view name;
  void (*run)(const float* in, const float* second, float* out);  ///< over `block` values
  double (*exact)(double, double);
  annex_f (*special)(float, float);
  void (*make_pair)(std::uint64_t random, unsigned kind, float& x, float& y);  ///< kind 0 to 3
  double bound;
};

annex_f special_pow(float x, float y) {
  bool y_whole = std::isfinite(y) && std::trunc(y) == y;
  bool y_odd = y_whole && std::fabs(std::fmod(y, 2.0f)) == 1;
  float size = std::fabs(x);
  if (y == 0 || x == 1) return {true, 1};
  if (std::isnan(x) || std::isnan(y)) return {true, nan_value};
  if (x == 0) return {true, y < 0 ? (y_odd ? std::copysign(inf, x) : inf) : (y_odd ? x : 0.0f)};
  if (std::isinf(y)) return {true, size == 1 ? 1 : (size < 1) == (y < 0) ? inf : 0.0f};
  if (x == inf) return {true, y < 0 ? 0.0f : inf};
  if (x == -inf) return {true, y < 0 ? (y_odd ? -0.0f : 0.0f) : (y_odd ? -inf : inf)};
  if (x < 0 && !y_whole) return {true, nan_value};
  return {false, 0};
}

annex_f special_atan2(float y, float x) {
  constexpr float pi = 3.14159274f;
  if (std::isnan(x) || std::isnan(y)) return {true, nan_value};
  if (y == 0) return {true, std::copysign(std::signbit(x) ? pi : 0.0f, y)};
  if (x == 0) return {true, std::copysign(pi / 2, y)};
  if (std::isinf(y)) return {true, std::copysign(std::isinf(x) ? (x < 0 ? 0.75f * pi : pi / 4) : pi / 2, y)};
  if (std::isinf(x)) return {true, std::copysign(x < 0 ? pi : 0.0f, y)};
  return {false, 0};
}

std::uint64_t scramble(std::uint64_t v) {  // splitmix64
  v += 0x9e3779b97f4a7c15u;
  v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9u;
  v = (v ^ v >> 27) * 0x94d049bb133111ebu;
  return v ^ v >> 31;
}

/// Any bits; results in range; the same with x near 1; small integers as y, x of both signs.
void make_pow_pair(std::uint64_t random, unsigned kind, float& x, float& y) {
  auto low = static_cast<std::uint32_t>(random), high = static_cast<std::uint32_t>(random >> 32);
  double part = static_cast<double>(high) * 0x1p-31 - 1;  // [-1, 1)
  x = std::bit_cast<float>(low);
  y = std::bit_cast<float>(high);
  if (kind == 0) return;
  if (kind == 3) {
    y = static_cast<float>(std::rint(part * 40));
    if (high & 1) x = std::copysign(std::bit_cast<float>(0x3e000000 + low % 0x03000000), x);
    return;
  }
  x = kind == 1 ? std::fabs(x) : std::bit_cast<float>(0x3f000000 + low % 0x01000000);  // the second: [0.5, 2)
  y = static_cast<float>(part * 151 / std::log2(static_cast<double>(x)));
}

/// Any bits; else magnitudes within a factor of 2^16, 2^2, 2^28 of each other, of any sign.
void make_atan2_pair(std::uint64_t random, unsigned kind, float& y, float& x) {
  auto low = static_cast<std::uint32_t>(random), high = static_cast<std::uint32_t>(random >> 32);
  y = std::bit_cast<float>(low);
  x = std::bit_cast<float>(high);
  if (kind == 0) return;
  constexpr std::uint32_t binade = 0x00800000, spreads[] = {0, 16, 2, 28};
  std::uint32_t spread = spreads[kind] * binade;
  x = std::copysign(std::bit_cast<float>(0x3f800000 - spread / 2 + (high & 0x7fffffff) % spread), x);
  y = std::copysign(std::bit_cast<float>(0x3f800000 - spread / 2 + (low & 0x7fffffff) % spread), y);
}

template <auto Function>
void run_block_of_pairs(const float* in, const float* second, float* out) {
  for (std::size_t i = 0; i < block; ++i) out[i] = Function(native_f32(in[i]), native_f32(second[i])).value();
}

#define TENON_BINARY(name)                                                                                      \
  #name, run_block_of_pairs<tenon::math::name<native_f32>>, [](double x, double y) { return std::name(x, y); }, \
      special_##name, make_##name##_pair
constexpr binary binaries[] = {{TENON_BINARY(pow), 4}, {TENON_BINARY(atan2), 4}};
#undef TENON_BINARY

bool check_pairs(const binary& f, const options& opt) {
  auto worst = in_parallel<1>(
      opt.pairs, opt.threads, [&](std::uint64_t first, std::uint64_t last, std::array<worst_case, 1>& mine) {
        float x[block], y[block], out[block];
        for (; first < last; first += block) {
          for (std::size_t i = 0; i < block; ++i) {
            f.make_pair(scramble(first + i), static_cast<unsigned>(i % 4), x[i], y[i]);
          }
          f.run(x, y, out);
          std::size_t size = std::min<std::uint64_t>(block, last - first);
          for (std::size_t i = 0; i < size; ++i) {
            mine[0].add(x[i], y[i], out[i], f.exact(static_cast<double>(x[i]), static_cast<double>(y[i])));
          }
        }
      });
  return report(f.name, worst[0], f.bound, opt.pairs, true);
}

/// All pairs of special inputs: what Annex F says bit for bit, the bound for all.
bool check_special_pairs(const binary& f) {
  auto list = special_inputs();
  for (float v : {16777215.0f, 8388607.5f, 8388608.0f, 16777218.0f}) list.insert(list.end(), {v, -v});
  int failures = 0, said = 0;
  worst_case worst;
  float in[block], second[block], out[block];
  for (float x : list) {
    std::fill(in, in + block, x);
    std::fill(second, second + block, 0.0f);
    std::copy(list.begin(), list.end(), second);
    f.run(in, second, out);
    for (std::size_t i = 0; i < list.size(); ++i) {
      float y = list[i], got = out[i];
      worst.add(x, y, got, f.exact(static_cast<double>(x), static_cast<double>(y)));
      annex_f rule = f.special(x, y);
      if (!rule.says) continue;
      ++said;
      bool same =
          std::isnan(rule.value) ? std::isnan(got) : got == rule.value && std::signbit(got) == std::signbit(rule.value);
      if (same) continue;
      ++failures;
      std::printf("%s(%.9g, %.9g) is %.9g; Annex F says %.9g\n", f.name.data(), static_cast<double>(x),
                  static_cast<double>(y), static_cast<double>(got), static_cast<double>(rule.value));
    }
  }
  std::printf("%s special values: %d of %d as Annex F says\n", f.name.data(), said - failures, said);
  return report(f.name, worst, f.bound, list.size() * list.size(), true) && failures == 0;
}

[[noreturn]] void usage(const char* why) {
  std::fprintf(stderr, "%s\nusage: math_ulp [--stride N] [--only NAME] [--pairs N] [--threads N]\n", why);
  std::exit(2);
}

options parse(int argc, char** argv) {
  options opt;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage("an option without its value");
    std::string_view name = argv[i];
    const char* text = argv[i + 1];
    if (name == "--only") {
      opt.only = text;
      continue;
    }
    char* end = nullptr;
    std::uint64_t value = std::strtoull(text, &end, 10);
    if (*end != '\0' || value == 0) usage("not a positive number");
    if (name == "--stride") {
      opt.stride = value;
    } else if (name == "--pairs") {
      opt.pairs = value;
    } else if (name == "--threads") {
      opt.threads = static_cast<unsigned>(value);
    } else {
      usage("no such option");
    }
  }
  return opt;
}

}  // namespace

int main(int argc, char** argv) {
  options opt = parse(argc, argv);
  bool good = true, any = false;
  for (const unary& f : unaries) {
    if (!opt.only.empty() && opt.only != f.name) continue;
    any = true;
    good = check(f, opt) && good;
  }
  for (const binary& f : binaries) {
    if (!opt.only.empty() && opt.only != f.name) continue;
    any = true;
    good = check_special_pairs(f) && good;
    good = check_pairs(f, opt) && good;
  }
  if (!any) usage("no such function");
  return good ? 0 : 1;
}
