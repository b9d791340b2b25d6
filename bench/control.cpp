// Loops and branches: a turn of loops over scalars and short vectors, and layers of recurrent cells. Best of several
// rounds.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <tenon/ops/recurrent.hpp>
#include <tenon/tenon.hpp>

using namespace tenon;

namespace {

using clock_type = std::chrono::steady_clock;
double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

template <class F>
double best_seconds(F f) {
  double best = 1e9;
  for (int round = 0; round < 15; ++round) {
    const auto start = clock_type::now();
    int calls = 0;
    do {
      f();
      ++calls;
    } while (seconds_since(start) < 0.004);
    best = std::min(best, seconds_since(start) / calls);
  }
  return best;
}

constexpr char one_thread[] = "llvm -num-threads=1";
const compile_options uncached{.target = one_thread, .cache = false};

/// `f` takes arguments and the number of turns.
template <class F, class... A>
void turns(const char* what, F f, const A&... arguments) {
  constexpr std::int64_t n = 10'000;
  const array<i64> count({}, &n);
  const auto start = clock_type::now();
  (void)f(arguments..., count);
  const double first = seconds_since(start);
  const double s = best_seconds([&] { (void)f(arguments..., count); });
  std::printf("%-44s %3lld kernels, first call %6.1f ms, a turn %7.2f ns\n", what,
              static_cast<long long>(f.stats().kernels), first * 1e3, s / n * 1e9);
}

template <int Length, int Batch, int Hidden>
void lstm_layer() {
  constexpr extent_t gates = 4 * Hidden;
  param_set weights;
  const auto set = [&](const char* name, std::vector<extent_t> extents, std::uint64_t seed) {
    array<f32> a = array<f32>::uniform(extents, seed);
    for (extent_t i = 0; i < a.size(); ++i) a.data()[i] *= 0.05F;
    weights.set(name, a);
  };
  set("w", {1, gates, Hidden}, 1);
  set("r", {1, gates, Hidden}, 2);
  set("b", {1, 2 * gates}, 3);
  compile_options options = uncached;
  options.params = weights;
  const auto start = clock_type::now();
  auto f = build(
      [](auto x) {
        return std::get<0>(lstm(x, param("w", f32, {1, gates, Hidden}), param("r", f32, {1, gates, Hidden}),
                                param("b", f32, {1, 2 * gates})));
      },
      signature<tensor<f32, shape<Length, Batch, Hidden>>>{}, options);
  const array<f32> x = array<f32>::uniform({Length, Batch, Hidden}, 5);
  array<f32> y = f(x);
  const double first = seconds_since(start);
  std::printf("lstm of %3d steps, batch %d, hidden %3d          %3lld kernels, first call %6.1f ms, a call %8.2f us\n",
              Length, Batch, Hidden, static_cast<long long>(f.stats().kernels), first * 1e3,
              best_seconds([&] { f.into(y, x); }) * 1e6);
}

}  // namespace

int main() {
  using number = tensor<f64, shape<>>;
  using turns_t = tensor<i64, shape<>>;
  const double start = 0.3;
  const array<f64> x({}, &start);
  turns("6 scalars, each changed",
        jit(
            [](number x, turns_t n) {
              return while_([&](auto i, auto, auto, auto, auto, auto) { return i < n; },
                            [](auto i, auto a, auto b, auto c, auto d, auto e) {
                              return std::tuple(i + 1, a * 0.5 + b, b * 0.25 + c, c - d * 0.125, d + a * 0.0625,
                                                max(e, a));
                            },
                            std::tuple(n * 0, x, x + 1, x + 2, x + 3, x + 4));
            },
            uncached),
        x);
  turns(
      "a counter",
      jit([](number, turns_t n) { return while_([&](auto i) { return i < n; }, [](auto i) { return i + 1; }, n * 0); },
          uncached),
      x);
  turns("if_ in while_",
        jit(
            [](number x, turns_t n) {
              return while_([&](auto i, auto) { return i < n; },
                            [](auto i, auto a) {
                              return std::tuple(i + 1,
                                                if_(a > 1, [&] { return a * 0.5; }, [&] { return a * 3 + 0.1; }));
                            },
                            std::tuple(n * 0, x));
            },
            uncached),
        x);
  turns("4 numbers: softmax",
        jit(
            [](tensor<f32, shape<4>> x, turns_t n) {
              return while_([&](auto i, auto) { return i < n; },
                            [](auto i, auto a) { return std::tuple(i + 1, softmax(a) + 0.5F * a); },
                            std::tuple(n * 0, x));
            },
            uncached),
        array<f32>::uniform({4}, 1));
  turns("n = 16 numbers",
        jit(
            [](tensor<f32, shape<dim("n")>> x, turns_t n) {
              return while_([&](auto i, auto) { return i < n; },
                            [](auto i, auto a) { return std::tuple(i + 1, a * 0.5F + sum(a) * 0.01F); },
                            std::tuple(n * 0, x));
            },
            uncached),
        array<f32>::uniform({16}, 1));
  turns("1000 numbers",
        jit(
            [](tensor<f32, shape<1000>> x, turns_t n) {
              return while_([&](auto i, auto) { return i < n; },
                            [](auto i, auto a) { return std::tuple(i + 1, a * 0.5F + sum(a) * 0.01F); },
                            std::tuple(n * 0, x));
            },
            uncached),
        array<f32>::uniform({1000}, 1));
  lstm_layer<100, 1, 4>();
  lstm_layer<100, 1, 8>();
  lstm_layer<100, 1, 16>();
  lstm_layer<100, 1, 32>();
  lstm_layer<100, 1, 64>();
  lstm_layer<100, 1, 128>();
  lstm_layer<100, 8, 128>();
}
