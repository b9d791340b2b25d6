// One callable, many threads: single-flight compilation, and right results whoever calls with what.
#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <cstdlib>
#include <tenon/tenon.hpp>
#include <thread>
#include <vector>

#include "runtime/files.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

constexpr int threads = 8;

// Runs f(thread) on all threads at once; they begin together.
template <class F>
void together(int n, F f) {
  std::barrier start(n);
  std::vector<std::thread> all;
  for (int t = 0; t < n; ++t)
    all.emplace_back([&, t] {
      start.arrive_and_wait();
      f(t);
    });
  for (std::thread& t : all) t.join();
}

// Three kernels at least: softmax, a product, a sum of it.
auto chain(const char* target, bool cache) {
  return jit(
      [](tensor<f32, shape<dyn, 24>> x) {
        auto p = softmax(x);
        auto q = matmul(p, transpose(p));
        return std::tuple{q, sum.with<{.axes = {-1}}>(tanh(q))};
      },
      {.target = target, .cache = cache});
}
bool same(const array<f32>& a, const array<f32>& b) {
  if (a.dims() != b.dims()) return false;
  for (extent_t i = 0; i < a.size(); ++i)
    if (a.data()[i] != b.data()[i]) return false;
  return true;
}

}  // namespace

TEST_CASE("8 threads that make the same first call: one compilation of each kernel" * doctest::skip(!test::has_llvm)) {
  for (const bool cache : {false, true}) {
    CAPTURE(cache);
    test::folder files;
    ::setenv("TENON_CACHE_DIR", files.path("cache").c_str(), 1);
    const array<f32> x = array<f32>::uniform({5, 24}, 1);
    std::int64_t one = 0, kernels = 0;
    {
      const auto alone = chain("llvm", false);
      (void)alone(x);
      one = alone.stats().compilations;
      kernels = alone.stats().kernels;
    }
    CHECK(one >= 2);
    const auto f = chain("llvm", cache);
    std::atomic<int> right{0};
    const auto expected = chain("native", false)(x);
    together(threads, [&](int) {
      const auto [q, s] = f(x);
      bool close = q.dims() == std::get<0>(expected).dims();
      for (extent_t i = 0; close && i < q.size(); ++i)
        close = std::abs(q.data()[i] - std::get<0>(expected).data()[i]) < 1e-5f;
      right += close;
    });
    CHECK(right == threads);
    const call_stats s = f.stats();
    CHECK(s.compilations == one);
    CHECK(s.kernels == kernels);
    CHECK(s.disk_hits == 0);
  }
}

TEST_CASE("8 threads that each make the same callable: one compilation of each kernel between them" *
          doctest::skip(!test::has_llvm)) {
  const array<f32> x = array<f32>::uniform({5, 24}, 1);
  for (int again = 0; again < 5; ++again) {
    std::int64_t one = 0;
    {
      const auto alone = chain("llvm", false);
      (void)alone(x);
      one = alone.stats().compilations;
    }
    std::atomic<std::int64_t> compiled{0}, all{0};
    std::barrier done(threads);
    together(threads, [&](int) {
      const auto f = chain("llvm", false);
      (void)f(x);
      const call_stats s = f.stats();
      compiled += s.compilations;
      all += s.compilations + s.memory_hits;
      done.arrive_and_wait();  // nobody drops the kernels before all have them
    });
    CHECK(compiled == one);
    CHECK(all == threads * one);
  }
}

TEST_CASE("threads with different extents, the first calls among them") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    const auto f = chain(target, false);
    constexpr int sizes = 4;
    std::vector<array<f32>> x, q, s;
    {
      const auto reference = chain(target, false);
      for (int k = 0; k < sizes; ++k) {
        x.push_back(array<f32>::uniform({3 + 2 * k, 24}, static_cast<std::uint64_t>(k)));
        auto [a, b] = reference(x.back());
        q.push_back(std::move(a)), s.push_back(std::move(b));
      }
    }
    std::atomic<int> wrong{0};
    together(threads, [&](int t) {
      array<f32> own_q, own_s;
      for (int call = 0; call < 40; ++call) {
        const auto k = static_cast<std::size_t>((t + call) % sizes);
        auto [a, b] = f(x[k]);
        wrong += !same(a, q[k]) || !same(b, s[k]);
        f.into(a, b, x[k]);
        wrong += !same(a, q[k]) || !same(b, s[k]);
      }
    });
    CHECK(wrong == 0);
    if (std::string_view(target) == "llvm") CHECK(f.stats().kernels >= 2);
  }
}

TEST_CASE("callables are copied, called and dropped on any threads") {
  const array<f32> x = array<f32>::uniform({4, 24}, 9);
  const auto expected = chain("native", false)(x);
  std::atomic<int> wrong{0};
  together(4, [&](int) {
    for (int i = 0; i < 20; ++i) {
      const auto f = chain("native", false);
      const auto copy = f;
      const auto [q, s] = copy(x);
      wrong += !same(q, std::get<0>(expected)) || !same(s, std::get<1>(expected));
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("parallel kernels called from several threads at once give the same bits as alone") {
  // Large enough to be cut: one call has the pool, the others run alone.
  for (const std::string one : test::targets) {
    const std::string target = one + " -num-threads=3";
    CAPTURE(target);
    const auto f = jit([](tensor<f32, shape<dyn, 512>> a) { return sum.with<{.axes = {-1}}>(exp(a)); },
                       {.target = target, .cache = false});
    const array<f32> a = array<f32>::uniform({700, 512}, 4), expected = f(a);
    std::atomic<int> wrong{0};
    together(4, [&](int) {
      array<f32> r = array<f32>::zeros({700});
      for (int i = 0; i < 10; ++i) {
        f.into(r, a);
        wrong += !same(r, expected);
      }
    });
    CHECK(wrong == 0);
  }
}
