// The same call gives the same bits with 1, 2, 3 and more threads, with an executor, and call after call.
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <tenon/tenon.hpp>
#include <thread>
#include <vector>

#include "runtime/files.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

struct network {
  param conv{"conv1.weight", f32, {16, 1, 3, 3}}, bias{"conv1.bias", f32, {16}};
  template <tensor_like X>
  auto operator()(X images) const {
    auto h = max_pool.with<{.window = {2, 2}, .stride = {2, 2}}>(
        relu(conv2d.with<{.padding = {1, 1}}>(images, conv) + reshape(bias, {-1, 1, 1})));
    return softmax(reshape(h, {-1, 16 * 14 * 14}));
  }
};

struct five_threads : executor {
  int concurrency() const override { return 5; }
  void run(int n, void (*task)(void*, int), void* context) override {
    std::vector<std::thread> all;
    for (int i = n - 1; i >= 0; --i) all.emplace_back(task, context, i);
    for (std::thread& t : all) t.join();
  }
};

std::string bytes(const detail::any_view& v) {
  return std::string(static_cast<const char*>(v.data), static_cast<std::size_t>(v.size * size_of(v.type)));
}

// What make(options) gives as bytes, the same for every number of threads.
template <class F>
void same_bits(F results) {
  for (const std::string target : test::targets) {
    CAPTURE(std::string(target));
    const std::string one = results(compile_options{.target = target + " -num-threads=1"});
    CHECK(one.size() > 1000);
    for (const char* n : {"2", "3", "7"}) {
      CAPTURE(std::string(n));
      for (int again = 0; again < 3; ++again)
        REQUIRE(results(compile_options{.target = target + " -num-threads=" + n}) == one);
    }
    five_threads own;
    REQUIRE(results(compile_options{.target = target, .executor = &own}) == one);
  }
}

}  // namespace

TEST_CASE("products of every accumulator type, with tails") {
  auto product = []<dtype D>(std::integral_constant<dtype, D>) {
    same_bits([](compile_options o) {
      const auto f = jit([](tensor<D, shape<dyn, dyn>> a, tensor<D, shape<dyn, dyn>> b) { return matmul(a, b); }, o);
      return bytes(f(array<D>::uniform({203, 331}, 1), array<D>::uniform({331, 97}, 2)));
    });
  };
  product(std::integral_constant<dtype, i32>());
  product(std::integral_constant<dtype, f32>());
  product(std::integral_constant<dtype, f64>());
  product(std::integral_constant<dtype, bf16>());
}

TEST_CASE("integer products are exact") {
  for (const std::string one : test::targets) {
    const std::string target = one + " -num-threads=3";
    CAPTURE(target);
    const auto f = jit([](tensor<i32, shape<dyn, dyn>> a, tensor<i32, shape<dyn, dyn>> b) { return matmul(a, b); },
                       {.target = target});
    const array<i32> a = array<i32>::uniform({61, 130}, 1), b = array<i32>::uniform({130, 35}, 2), c = f(a, b);
    for (int i = 0; i < 61; ++i)
      for (int j = 0; j < 35; ++j) {
        std::int64_t sum = 0;
        for (int k = 0; k < 130; ++k) sum += std::int64_t{a(i, k)} * b(k, j);
        REQUIRE(c(i, j) == sum);
      }
  }
}

TEST_CASE("reductions: over rows, over columns, over all") {
  same_bits([](compile_options o) {
    const auto f = jit(
        [](tensor<f32, shape<dyn, dyn>> x) {
          return std::tuple{sum.with<{.axes = {-1}}>(exp(x)), mean.with<{.axes = {0}}>(x), sum(x * x)};
        },
        o);
    const auto [rows, columns, all] = f(array<f32>::uniform({701, 513}, 3));
    return bytes(rows) + bytes(columns) + bytes(all);
  });
}

TEST_CASE("a network with convolution, pooling and softmax, at several batch sizes") {
  param_set p;
  p.set("conv1.weight", array<f32>::uniform({16, 1, 3, 3}, 5)).set("conv1.bias", array<f32>::uniform({16}, 6));
  same_bits([&](compile_options o) {
    o.params = p;
    const auto net = build(network(), signature<tensor<f32, shape<dyn, 1, 28, 28>>>{}, o);
    std::string all;
    for (extent_t n : {1, 2, 17}) all += bytes(net(array<f32>::uniform({n, 1, 28, 28}, 7)));
    return all;
  });
}
