// Random products against plain loops: extents, element types, layouts of both operands, batches, epilogues, weights as
// arguments and as constants; on each target; the same bits with 1, 2 and 3 threads.
//   test_schedule_products [--from SEED] [--to SEED] [--target TEXT]...
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "seeds.hpp"

using namespace tenon;

namespace {

struct problem {
  long batch = 1, m = 1, n = 1, k = 1;
  bool batched_weights = false, transposed_a = false, transposed_b = false, constant = false, epilogue = false;
  std::string text(dtype t) const {
    std::string s = std::string(name(t)) + " [" + std::to_string(batch) + "," + std::to_string(m) + "," +
                    std::to_string(k) + "] x [" + std::to_string(k) + "," + std::to_string(n) + "]";
    for (const auto& [on, word] : {std::pair(batched_weights, " batched-weights"),
                                   {transposed_a, " transposed-a"},
                                   {transposed_b, " transposed-b"},
                                   {constant, " constant"},
                                   {epilogue, " epilogue"}})
      if (on) s += word;
    return s;
  }
};

problem make_problem(std::mt19937_64& random) {
  const auto pick = [&](auto... choices) {
    const long all[] = {choices...};
    return all[random() % std::size(all)];
  };
  const auto extent = [&]() -> long {
    switch (random() % 4) {
      case 0:
        return pick(1, 2, 3, 4, 5, 7, 8, 15, 16, 17);
      case 1:
        return pick(31, 32, 33, 47, 48, 49, 63, 64, 65, 96, 127, 128, 129);
      case 2:
        return 1 + static_cast<long>(random() % 300);
      default:
        return 1 + static_cast<long>(std::exp2(std::uniform_real_distribution<>(0, 10)(random)));
    }
  };
  problem p;
  do {
    p.m = extent(), p.n = extent(), p.k = extent();
    p.batch = random() % 3 ? 1 : 1 + static_cast<long>(random() % 4);
  } while (static_cast<double>(p.batch) * static_cast<double>(p.m * p.n) * static_cast<double>(p.k) > 2e7);
  if (random() % 40 == 0) (random() % 2 ? p.m : p.k) = 0;
  p.batched_weights = p.batch > 1 && random() % 2;
  p.transposed_a = random() % 4 == 0;
  p.transposed_b = random() % 3 == 0;
  p.constant = !p.batched_weights && random() % 3 == 0;
  p.epilogue = random() % 2;
  return p;
}

double number(float16 v) { return static_cast<float>(v); }
double number(bfloat16 v) { return static_cast<float>(v); }
template <class T>
double number(T v) {
  return static_cast<double>(v);
}

/// What products of `D` are.
template <dtype D>
constexpr dtype product_of = accumulator_type(D) == i32 ? i32 : D;

template <dtype D>
array<D> random_array(const std::vector<long>& extents, std::mt19937_64& random) {
  array<D> a = array<D>::zeros(extents);
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if constexpr (size_of(D) == 1)
      a.data()[i] = static_cast<host_t<D>>(random());
    else if constexpr (is_integer(D))
      a.data()[i] = static_cast<host_t<D>>(static_cast<long>(random() % 21) - 10);
    else
      a.data()[i] = static_cast<host_t<D>>(std::uniform_real_distribution<float>(-1, 1)(random));
  }
  return a;
}

template <dtype D>
bool check(problem p, std::mt19937_64& random, const std::vector<std::string>& targets, std::uint64_t seed) {
  using any = tensor<D, any_shape>;
  constexpr dtype Out = product_of<D>;
  using any_product = tensor<Out, any_shape>;
  const bool batches = p.batch > 1;
  std::vector<long> ea = p.transposed_a ? std::vector<long>{p.k, p.m} : std::vector<long>{p.m, p.k};
  std::vector<long> eb = p.transposed_b ? std::vector<long>{p.n, p.k} : std::vector<long>{p.k, p.n};
  if (batches) ea.insert(ea.begin(), p.batch);
  if (p.batched_weights) eb.insert(eb.begin(), p.batch);
  const array<D> a = random_array<D>(ea, random), b = random_array<D>(eb, random);

  std::vector<double> want(static_cast<std::size_t>(p.batch * p.m * p.n)), magnitude(want.size());
  for (long q = 0; q < p.batch; ++q)
    for (long i = 0; i < p.m; ++i)
      for (long j = 0; j < p.n; ++j) {
        double sum = 0, all = 0;
        for (long r = 0; r < p.k; ++r) {
          const long at_a = q * p.m * p.k + (p.transposed_a ? r * p.m + i : i * p.k + r);
          const long at_b = (p.batched_weights ? q * p.k * p.n : 0) + (p.transposed_b ? j * p.k + r : r * p.n + j);
          const double x = number(a.data()[at_a]) * number(b.data()[at_b]);
          sum += x;
          all += std::abs(x);
        }
        const auto at = static_cast<std::size_t>((q * p.m + i) * p.n + j);
        want[at] = p.epilogue ? std::max(sum * sum, sum) : sum;
        magnitude[at] = p.epilogue ? all * (2 * std::abs(sum) + all * 1e-3 + 1) : all;
      }

  const auto body = [p](any x, any w) {
    const any_product y = matmul(p.transposed_a ? any(transpose(x)) : x, p.transposed_b ? any(transpose(w)) : w);
    return p.epilogue ? any_product(maximum(y * y, y)) : y;
  };
  for (const std::string& target : targets) {
    std::vector<char> bits;
    for (const int threads : {1, 2, 3}) {
      compile_options options{.target = target + " -num-threads=" + std::to_string(threads), .cache = false};
      array<Out> got;
      if (p.constant) {
        options.params = param_set().set("b", b);
        auto f = jit([&](any x) { return body(x, as<D, any_shape>(param("b", D, extents(eb)))); }, options);
        got = f(a);
      } else {
        auto f = jit([&](any x, any w) { return body(x, w); }, options);
        got = f(a, b);
      }
      const auto fail = [&](const std::string& what) {
        std::fprintf(stderr, "seed %lu: %s, %s, %d threads: %s\n", static_cast<unsigned long>(seed), p.text(D).c_str(),
                     target.c_str(), threads, what.c_str());
        return false;
      };
      if (static_cast<std::size_t>(got.size()) != want.size())
        return fail("a result of " + std::to_string(got.size()) + " elements");
      for (std::size_t i = 0; i < want.size(); ++i) {
        const double x = number(got.data()[i]);
        double allowed = 0;
        if constexpr (!is_integer(Out)) {
          // Summation in any order at f32 or f64, then one rounding to the stored type.
          const double sum_eps = D == f64 ? 0x1p-53 : 0x1p-24;
          const double store_eps = D == f64 ? 0x1p-53 : D == f32 ? 0x1p-24 : D == f16 ? 0x1p-11 : 0x1p-8;
          allowed = (static_cast<double>(p.k) + 4) * sum_eps * magnitude[i] + 2 * store_eps * std::abs(want[i]) + 1e-7;
          if (p.epilogue && D != f32 && D != f64) allowed += 8 * store_eps * (magnitude[i] + std::abs(want[i]));
        }
        if (!(std::abs(x - want[i]) <= allowed))
          return fail("element " + std::to_string(i) + " is " + std::to_string(x) + ", not " + std::to_string(want[i]));
      }
      const auto* data = reinterpret_cast<const char*>(got.data());
      const std::vector<char> these(data, data + got.size() * size_of(Out));
      if (threads == 1)
        bits = these;
      else if (bits != these)
        return fail("other bits than with 1 thread");
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const test::seed_range seeds = test::read_seeds(argc, argv, {.to = 60});
  std::vector<std::string> bf16_targets = seeds.targets;
  // Where a dot product of two pays, which this machine's own may not.
  if (__builtin_cpu_supports("avx512bf16"))
    bf16_targets.emplace_back("llvm -mcpu=znver4");
  else
    std::printf("skipped: bf16 of -mcpu=znver4: this processor has no AVX512-BF16\n");
  return test::count_failures(seeds, [&](std::uint64_t seed) {
           std::mt19937_64 random(seed);
           problem p = make_problem(random);
           switch (random() % 10) {
             case 0:
               return check<f64>(p, random, seeds.targets, seed);
             case 1:
               return check<bf16>(p, random, bf16_targets, seed);
             case 2:
               return check<f16>(p, random, seeds.targets, seed);
             case 3:
               return check<i32>(p, random, seeds.targets, seed);
             case 4:
               p.epilogue = false;  // squares of such sums do not fit in i32
               return check<i8>(p, random, seeds.targets, seed);
             case 5:
               p.epilogue = false;
               return check<u8>(p, random, seeds.targets, seed);
             default:
               return check<f32>(p, random, seeds.targets, seed);
           }
         }) != 0;
}
