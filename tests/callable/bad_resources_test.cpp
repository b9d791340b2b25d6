// Executors and memory resources of the user's that fail or break their contract: a resource_error with the values, and
// the callable works afterwards.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <tenon/tenon.hpp>
#include <thread>
#include <vector>

#include "callable/refusal.hpp"
#include "targets.hpp"

using namespace tenon;
using tenon::test::refusal;

namespace {

struct odd_executor : executor {
  int offered = 3, skip = -1, twice = -1, beyond = -1, fail_after = -1;
  bool concurrency_fails = false;
  std::atomic<int> calls{0};
  int concurrency() const override {
    if (concurrency_fails) throw std::runtime_error("not started");
    return offered;
  }
  void run(int n, void (*task)(void*, int), void* context) override {
    ++calls;
    for (int i = 0; i < n; ++i) {
      if (i == fail_after) throw std::runtime_error("out of threads");
      if (i != skip) task(context, i);
      if (i == twice) task(context, i);
    }
    if (beyond >= 0) task(context, beyond);
  }
};

struct odd_memory : memory {
  std::atomic<int> open{0};
  enum { good, throws, throws_other, null, crooked } mode = good;
  std::size_t least = 0;  // misbehaves from this size on
  void* allocate(std::size_t bytes, std::size_t alignment) override {
    if (bytes >= least) {
      if (mode == throws) throw std::runtime_error("the arena is full");
      if (mode == throws_other) throw 7;
      if (mode == null) return nullptr;
    }
    ++open;
    auto* p =
        static_cast<char*>(std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment + alignment));
    return bytes >= least && mode == crooked ? p + 4 : p;
  }
  void deallocate(void* p, std::size_t, std::size_t alignment) noexcept override {
    --open;
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    std::free(reinterpret_cast<void*>(at / alignment * alignment));
  }
};

// Work for several threads: no wish of the default rules makes it serial.
constexpr extent_t rows = 512, columns = 1024;
auto heavy(compile_options o) {
  return jit([](tensor<f32, shape<dyn, columns>> x) { return sum.with<{.axes = {-1}}>(exp(x)); }, std::move(o));
}

// "kernel 'exp_sum_1f': ..." without the hash in its name.
std::string without_kernel(std::string text) {
  const std::size_t from = text.find(" for kernel '"), to = text.find('\'', from + 13);
  if (from == text.npos || to == text.npos) return text;
  return text.replace(from, to + 1 - from, " for kernel NAME");
}

}  // namespace

TEST_CASE("an executor that breaks its contract" * doctest::skip(!test::has_llvm)) {
  for (const char* target : {"llvm"}) {  // native operators are not cut into parts
    CAPTURE(std::string(target));
    const array<f32> x = array<f32>::uniform({rows, columns}, 1);
    const array<f32> expected = heavy({.target = target})(x);
    odd_executor e;
    const auto f = heavy({.target = target, .executor = &e});
    array<f32> r = array<f32>::zeros({rows});
    auto text = [&] { return without_kernel(refusal<resource_error>([&] { f.into(r, x); })); };
    auto works = [&] {
      const int before = e.calls;
      r.fill(0);
      f.into(r, x);
      for (extent_t i = 0; i < rows; ++i) REQUIRE(r(i) == expected(i));
      CHECK(e.calls > before);
    };
    works();
    e.fail_after = 0;
    CHECK(text() == "executor: run(3, ...) for kernel NAME threw: out of threads");
    e.fail_after = 2;
    CHECK(text() == "executor: run(3, ...) for kernel NAME threw: out of threads");
    e.fail_after = -1;
    works();
    e.twice = 1;
    CHECK(text() == "executor: run(3, ...) for kernel NAME ran task 1 more than once");
    e.twice = -1, e.skip = 2;
    CHECK(text() == "executor: run(3, ...) for kernel NAME returned without having run task 2");
    e.skip = -1, e.beyond = 3;
    CHECK(text() == "executor: run(3, ...) for kernel NAME ran task 3, which does not exist");
    e.beyond = -1;
    works();
    e.offered = 0;
    CHECK(text() == "executor: concurrency() is 0, it must be at least 1");
    e.offered = 3, e.concurrency_fails = true;
    CHECK(text() == "executor: concurrency() threw: not started");
    e.concurrency_fails = false;
    works();
    const array<f32> same = f(x);
    for (extent_t i = 0; i < rows; ++i) REQUIRE(same(i) == expected(i));
  }
}

TEST_CASE("a memory resource that fails, for results and for workspace") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    odd_memory m;
    {
      // Two kernels with a value between them: there is workspace.
      const auto f = jit(
          [](tensor<f32, shape<dyn, 64>> x) {
            auto y = softmax(x);
            return matmul(y, transpose(y));
          },
          {.target = target, .memory = &m});
      const array<f32> x = array<f32>::uniform({4, 64}, 1);
      auto text = [&] { return refusal<resource_error>([&] { (void)f(x); }); };
      m.mode = odd_memory::throws;
      CHECK(text() == "memory: the user's resource failed for 64 bytes: the arena is full");
      m.mode = odd_memory::throws_other;
      CHECK(text() == "memory: the user's resource failed for 64 bytes");
      m.mode = odd_memory::null;
      CHECK(text() == "memory: the user's resource returned null for 64 bytes");
      m.mode = odd_memory::crooked;
      CHECK(text() == "memory: the user's resource returned ADDRESS for 64 bytes, which is not aligned to 64");
      CHECK(m.open == 0);
      m.least = 65;
      m.mode = odd_memory::throws;
      const std::string workspace = text();
      CHECK(workspace.starts_with("memory: the user's resource failed for "));
      CHECK(workspace.ends_with(" bytes: the arena is full"));
      CHECK(m.open == 0);  // the result was given back
      array<f32> r = array<f32>::full({4, 4}, -77.0f);
      CHECK(refusal<resource_error>([&] { f.into(r, x); }) == workspace);
      for (float e : r) CHECK(e == -77.0f);
      m.mode = odd_memory::good;
      const array<f32> y = f(x);
      f.into(r, x);
      for (int i = 0; i < 16; ++i) CHECK(r.data()[i] == y.data()[i]);
      CHECK(m.open == 2);  // the result, and the workspace that is kept for the next call
    }
    CHECK(m.open == 0);
  }
}

TEST_CASE("a user's executor runs the parts on its threads, and no pool is made for it") {
  struct threads : executor {
    std::atomic<int> tasks{0};
    int concurrency() const override { return 4; }
    void run(int n, void (*task)(void*, int), void* context) override {
      std::vector<std::thread> all;
      for (int i = 0; i < n; ++i)
        all.emplace_back([=, this] {
          ++tasks;
          task(context, i);
        });
      for (std::thread& t : all) t.join();
    }
  } own;
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    own.tasks = 0;
    const array<f32> x = array<f32>::uniform({rows, columns}, 1);
    const array<f32> expected = heavy({.target = target})(x), got = heavy({.target = target, .executor = &own})(x);
    for (extent_t i = 0; i < rows; ++i) REQUIRE(got(i) == expected(i));
    CHECK(own.tasks == (std::string_view(target) == "llvm" ? 4 : 0));  // native operators are not cut into parts
  }
}
