// Row operations of random shapes against plain loops in double: sums, norms, softmaxes and maxima over one or two last
// axes; on each target; the same bits with 1, 2 and 3 threads, and for equal rows.
//   test_schedule_rows [--from SEED] [--to SEED] [--target TEXT]...
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

using any = tensor<f32, any_shape>;
constexpr double unit = 0x1p-24;

struct problem {
  std::vector<long> extents;
  int reduced = 1;  // how many of the last axes
  long rows() const { return product(0, extents.size() - static_cast<std::size_t>(reduced)); }
  long columns() const { return product(extents.size() - static_cast<std::size_t>(reduced), extents.size()); }
  std::string text() const {
    std::string s = "[";
    for (std::size_t i = 0; i < extents.size(); ++i) s += (i ? "," : "") + std::to_string(extents[i]);
    return s + "] over the last " + std::to_string(reduced);
  }

 private:
  long product(std::size_t from, std::size_t to) const {
    long n = 1;
    for (std::size_t i = from; i < to; ++i) n *= extents[i];
    return n;
  }
};

struct row_operator {
  const char* name;
  bool whole;  // a result for each element, else one a row
  std::function<any(const any&, const reduce_attrs&, int first)> graph;
  // The results of a row, and how far off each may be.
  std::function<void(const float* x, long n, double* want, double* allowed)> reference;
};

double sum_of(const float* x, long n, const std::function<double(double)>& f) {
  double s = 0;
  for (long i = 0; i < n; ++i) s += f(x[i]);
  return s;
}

std::vector<row_operator> operators() {
  const auto one_axis = [](const reduce_attrs& axes) { return axes.axes.size == 1; };
  const auto plain = [](double v) { return v; };
  const auto magnitude = [](double v) { return std::abs(v); };
  // One axis: the library's operator; several: the same spelt out.
  const auto soft = [=](const any& x, const reduce_attrs& axes, int) {
    if (one_axis(axes)) return any(softmax(x));
    const any e = exp(any(x - max(x, axes)));
    return any(e / sum(e, axes));
  };
  const auto log_soft = [=](const any& x, const reduce_attrs& axes, int) {
    if (one_axis(axes)) return any(log_softmax(x));
    const any shifted = x - max(x, axes);
    return any(shifted - log(any(sum(any(exp(shifted)), axes))));
  };
  const auto shifted_exponentials = [=](const float* x, long n) {
    const double top = n ? *std::max_element(x, x + n) : 0;
    return std::pair(top, sum_of(x, n, [=](double v) { return std::exp(v - top); }));
  };
  return {
      {"sum", false, [](const any& x, const reduce_attrs& axes, int) { return any(sum(x, axes)); },
       [=](const float* x, long n, double* want, double* allowed) {
         *want = sum_of(x, n, plain);
         *allowed = static_cast<double>(n) * unit * sum_of(x, n, magnitude);
       }},
      {"sum of squares", false, [](const any& x, const reduce_attrs& axes, int) { return any(sum(any(x * x), axes)); },
       [](const float* x, long n, double* want, double* allowed) {
         *want = sum_of(x, n, [](double v) { return v * v; });
         *allowed = static_cast<double>(n + 1) * unit * *want;
       }},
      {"centered", true, [](const any& x, const reduce_attrs& axes, int) { return any(x - max(x, axes)); },
       [](const float* x, long n, double* want, double* allowed) {
         for (long i = 0; i < n; ++i) {
           want[i] = static_cast<double>(x[i]) - *std::max_element(x, x + n);
           allowed[i] = unit * std::abs(want[i]);
         }
       }},
      {"softmax", true, soft,
       [=](const float* x, long n, double* want, double* allowed) {
         const auto [top, all] = shifted_exponentials(x, n);
         for (long i = 0; i < n; ++i) {
           want[i] = std::exp(x[i] - top) / all;
           allowed[i] = want[i] * unit * (static_cast<double>(n) + 40);
         }
       }},
      {"log_softmax", true, log_soft,
       [=](const float* x, long n, double* want, double* allowed) {
         const auto [top, all] = shifted_exponentials(x, n);
         for (long i = 0; i < n; ++i) {
           want[i] = x[i] - top - std::log(all);
           allowed[i] = unit * (static_cast<double>(n) + 40 + 8 * std::abs(want[i]));
         }
       }},
      {"layer_norm", true,
       [](const any& x, const reduce_attrs&, int first) { return any(layer_norm(x, {.axis = first})); },
       [=](const float* x, long n, double* want, double* allowed) {
         const auto count = static_cast<double>(n);
         const double mean = sum_of(x, n, plain) / count, size = sum_of(x, n, magnitude) / count;
         const double variance = sum_of(x, n, [=](double v) { return (v - mean) * (v - mean); }) / count;
         const double scale = 1 / std::sqrt(variance + 1e-5);
         for (long i = 0; i < n; ++i) {
           want[i] = (x[i] - mean) * scale;
           // The mean's error, in each element and through the variance.
           allowed[i] = unit * (count + 16) * ((size + std::abs(x[i])) * scale + 1) * (1 + std::abs(want[i]));
         }
       }},
  };
}

problem make_problem(std::mt19937_64& random) {
  const auto extent = [&](int most) -> long {
    constexpr long few[] = {1, 2, 3, 7, 8, 9, 10, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 257};
    if (random() % 2) return std::min<long>(few[random() % std::size(few)], most);
    return 1 + static_cast<long>(std::exp2(std::uniform_real_distribution<>(0, std::log2(most))(random)));
  };
  problem p;
  const int rank = 1 + static_cast<int>(random() % 3);
  p.reduced = 1 + static_cast<int>(random() % static_cast<std::uint64_t>(std::min(rank, 2)));
  for (int d = 0; d < rank; ++d) p.extents.push_back(extent(d + p.reduced < rank ? 200 : p.reduced == 1 ? 5000 : 150));
  if (random() % 30 == 0) p.extents[random() % p.extents.size()] = 0;
  return p;
}

bool check(const problem& p, const row_operator& op, std::mt19937_64& random, const std::vector<std::string>& targets,
           std::uint64_t seed) {
  const long rows = p.rows(), columns = p.columns();
  if (columns == 0) return true;  // what a row of nothing gives is for the operators' own tests
  array<f32> x = array<f32>::zeros(p.extents);
  const float spread = random() % 2 ? 1.0f : 20.0f, shift = random() % 2 ? 0.0f : 3.0f;
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = shift + std::uniform_real_distribution<float>(-spread, spread)(random);
  const std::size_t row_bytes = static_cast<std::size_t>(columns) * sizeof(float);
  if (rows > 1) std::memcpy(x.data() + (rows - 1) * columns, x.data(), row_bytes);

  const int first = static_cast<int>(p.extents.size()) - p.reduced;
  reduce_attrs axes{.axes = {}, .keep = true};
  for (int d = first; d < first + p.reduced; ++d) axes.axes.v[axes.axes.size++] = d;
  const long each = op.whole ? columns : 1;
  std::vector<double> want(static_cast<std::size_t>(each)), allowed(want.size());
  for (const std::string& target : targets) {
    std::vector<float> before;
    for (const int threads : {1, 2, 3}) {
      auto f = jit([&](any a) { return op.graph(a, axes, first); },
                   {.target = target + " -num-threads=" + std::to_string(threads), .cache = false});
      const array<f32> got = f(x);
      const auto fail = [&](const std::string& what) {
        std::fprintf(stderr, "seed %lu: %s of %s, %s, %d threads: %s\n", static_cast<unsigned long>(seed), op.name,
                     p.text().c_str(), target.c_str(), threads, what.c_str());
        return false;
      };
      if (got.size() != rows * each) return fail("a result of " + std::to_string(got.size()) + " elements");
      const float* y = got.data();
      for (long r = 0; threads == 1 && r < rows; ++r) {
        op.reference(x.data() + r * columns, columns, want.data(), allowed.data());
        for (long i = 0; i < each; ++i)
          if (!(std::abs(y[r * each + i] - want[static_cast<std::size_t>(i)]) <= allowed[static_cast<std::size_t>(i)]))
            return fail("row " + std::to_string(r) + ", element " + std::to_string(i) + " is " +
                        std::to_string(y[r * each + i]) + ", not " + std::to_string(want[static_cast<std::size_t>(i)]));
      }
      if (rows > 1 && each > 0 &&
          std::memcmp(y, y + (rows - 1) * each, static_cast<std::size_t>(each) * sizeof(float)) != 0)
        return fail("equal rows give other bits");
      const std::vector<float> these(y, y + got.size());
      if (threads == 1)
        before = these;
      else if (!these.empty() && std::memcmp(before.data(), these.data(), these.size() * sizeof(float)) != 0)
        return fail("other bits than with 1 thread");
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const test::seed_range seeds = test::read_seeds(argc, argv, {.to = 60});
  const std::vector<row_operator> all = operators();
  int failures = test::count_failures(seeds, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const problem p = make_problem(random);
    return check(p, all[random() % all.size()], random, seeds.targets, seed);
  });
  // Results that go past the caches, in rows that begin at any multiple of an element's size.
  for (const row_operator& op : all)
    if (op.whole && seeds.from == 0) {
      std::mt19937_64 random(1);
      failures += !check({{4099, 1031}, 1}, op, random, {seeds.targets[0]}, 0);
    }
  return failures != 0;
}
