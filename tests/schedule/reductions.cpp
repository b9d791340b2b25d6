// Reductions over any axes of random shapes against plain loops in double: sums, means, largest and smallest, what is
// left when a mean is taken away, variances; few long ones, that are cut into parts, among them. On each target; the
// same bits with 1, 2 and 3 threads.
//   test_schedule_reductions [--from SEED] [--to SEED] [--target TEXT]... (tests/seeds.hpp)
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
  std::vector<bool> reduced;
  long count(bool of_reduced) const {
    long n = 1;
    for (std::size_t d = 0; d < extents.size(); ++d)
      if (reduced[d] == of_reduced) n *= extents[d];
    return n;
  }
  reduce_attrs axes() const {
    reduce_attrs a{.axes = {}, .keep = true};
    for (std::size_t d = 0; d < extents.size(); ++d)
      if (reduced[d]) a.axes.v[a.axes.size++] = static_cast<int>(d);
    return a;
  }
  /// For each element of the operand, the one of the result that it goes into.
  std::vector<long> targets() const {
    std::vector<long> all(static_cast<std::size_t>(count(true) * count(false)));
    for (std::size_t i = 0; i < all.size(); ++i) {
      long rest = static_cast<long>(i), stride = 1;
      for (std::size_t d = extents.size(); d-- > 0; rest /= extents[d])
        if (!reduced[d]) {
          all[i] += rest % extents[d] * stride;
          stride *= extents[d];
        }
    }
    return all;
  }
  std::string text() const {
    std::string s = "[";
    for (std::size_t d = 0; d < extents.size(); ++d)
      s += (d ? "," : "") + std::to_string(extents[d]) + (reduced[d] ? " reduced" : "");
    return s + "]";
  }
};

/// What a reduced group of elements amounts to.
struct summary {
  double sum = 0, size = 0, largest = -INFINITY, smallest = INFINITY, squares = 0;
};

struct reduction {
  const char* name;
  bool whole;  ///< a result for each element of the operand
  std::function<any(const any&, const reduce_attrs&)> graph;
  /// Result and bound of its error, of an element x where there is one for each.
  std::function<std::pair<double, double>(const summary&, double n, double x)> reference;
};

std::vector<reduction> reductions() {
  using result = std::pair<double, double>;
  const auto error = [](const summary& s, double n) { return unit * n * s.size; };
  return {
      {"sum", false, [](const any& x, const reduce_attrs& a) { return any(sum(x, a)); },
       [=](const summary& s, double n, double) { return result(s.sum, error(s, n)); }},
      {"mean", false, [](const any& x, const reduce_attrs& a) { return any(mean(x, a)); },
       [=](const summary& s, double n, double) { return result(s.sum / n, error(s, n) / n + unit * s.size / n); }},
      {"max", false, [](const any& x, const reduce_attrs& a) { return any(max(x, a)); },
       [](const summary& s, double, double) { return result(s.largest, 0); }},
      {"min of what is twice as much", false,
       [](const any& x, const reduce_attrs& a) { return any(min(any(x + x), a)); },
       [](const summary& s, double, double) { return result(2 * s.smallest, 0); }},
      {"x - mean", true, [](const any& x, const reduce_attrs& a) { return any(x - mean(x, a)); },
       [=](const summary& s, double n, double x) {
         return result(x - s.sum / n, error(s, n) / n + unit * (2 * s.size / n + std::abs(x)));
       }},
      {"variance", false,
       [](const any& x, const reduce_attrs& a) {
         const any centered = x - mean(x, a);
         return any(mean(any(centered * centered), a));
       },
       [=](const summary& s, double n, double) {
         const double middle = s.sum / n, off = error(s, n) / n + unit * s.size / n;
         const double variance = s.squares / n - middle * middle;
         return result(variance, unit * (n + 8) * (variance + 1) + 4 * off * (std::sqrt(variance) + off));
       }},
      {"sum and largest", false, [](const any& x, const reduce_attrs& a) { return any(sum(x, a) + max(x, a)); },
       [=](const summary& s, double n, double) { return result(s.sum + s.largest, 2 * error(s, n) + unit); }},
  };
}

problem make_problem(std::mt19937_64& random) {
  const auto up_to = [&](double most) {
    return static_cast<long>(std::exp2(std::uniform_real_distribution<>(0, std::log2(most))(random)));
  };
  problem p;
  if (random() % 3 == 0) {
    // Few and long: more than a second-level cache holds.
    const long kept = up_to(12), all = 1'100'000 / kept + static_cast<long>(random() % 1000);
    const long inner = random() % 2 ? 1 : up_to(40);
    p.extents = {kept, std::max<long>(all / inner, 1), inner};
    p.reduced = {false, true, inner > 1 && random() % 2 == 0};
    if (random() % 2) {
      std::swap(p.extents[0], p.extents[1]);
      p.reduced = {true, false, p.reduced[2]};
    }
    return p;
  }
  const int rank = 1 + static_cast<int>(random() % 4);
  for (int d = 0; d < rank; ++d) {
    p.extents.push_back(up_to(rank == 1 ? 100'000 : rank == 2 ? 500 : 40));
    p.reduced.push_back(random() % 2);
  }
  p.reduced[random() % p.reduced.size()] = true;
  return p;
}

bool check(const problem& p, const reduction& op, std::mt19937_64& random, const std::vector<std::string>& targets,
           std::uint64_t seed) {
  array<f32> x = array<f32>::zeros(p.extents);
  const float shift = random() % 2 ? 0.0f : 2.0f;
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = shift + std::uniform_real_distribution<float>(-1, 1)(random);
  const std::vector<long> to = p.targets();
  std::vector<summary> all(static_cast<std::size_t>(p.count(false)));
  for (std::size_t i = 0; i < to.size(); ++i) {
    summary& s = all[static_cast<std::size_t>(to[i])];
    const double v = x.data()[i];
    s.sum += v, s.size += std::abs(v), s.squares += v * v;
    s.largest = std::max(s.largest, v), s.smallest = std::min(s.smallest, v);
  }
  const auto n = static_cast<double>(p.count(true));
  for (const std::string& target : targets) {
    std::vector<float> before;
    for (const int threads : {1, 2, 3}) {
      auto f = jit([&](any a) { return op.graph(a, p.axes()); },
                   {.target = target + " -num-threads=" + std::to_string(threads), .cache = false});
      const array<f32> got = f(x);
      const auto fail = [&](const std::string& what) {
        std::fprintf(stderr, "seed %lu: %s of %s, %s, %d threads: %s\n", static_cast<unsigned long>(seed), op.name,
                     p.text().c_str(), target.c_str(), threads, what.c_str());
        return false;
      };
      const long results = op.whole ? p.count(true) * p.count(false) : p.count(false);
      if (got.size() != results) return fail("a result of " + std::to_string(got.size()) + " elements");
      for (std::int64_t i = 0; threads == 1 && i < results; ++i) {
        const auto at = static_cast<std::size_t>(op.whole ? to[static_cast<std::size_t>(i)] : i);
        const auto [want, allowed] = op.reference(all[at], n, op.whole ? x.data()[i] : 0);
        if (!(std::abs(got.data()[i] - want) <= allowed + unit * std::abs(want)))
          return fail("element " + std::to_string(i) + " is " + std::to_string(got.data()[i]) + ", not " +
                      std::to_string(want));
      }
      const std::vector<float> these(got.data(), got.data() + got.size());
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
  const test::seed_range seeds = test::read_seeds(argc, argv, {.to = 40});
  const std::vector<reduction> all = reductions();
  return test::count_failures(seeds, [&](std::uint64_t seed) {
           std::mt19937_64 random(seed);
           const problem p = make_problem(random);
           return check(p, all[random() % all.size()], random, seeds.targets, seed);
         }) != 0;
}
