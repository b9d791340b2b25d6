#include "runtime/executable.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "runtime/image.hpp"
#include "tenon/core/error.hpp"

using namespace tenon;
using namespace tenon::runtime;

namespace {

struct native : code {
  native(kernel_fn f, std::string n, const void* c = nullptr) { entry = f, name = std::move(n), context = c; }
};

constexpr slot argument(std::uint32_t i, std::int64_t offset = 0) { return {slot::kind::argument, i, offset}; }
constexpr slot result(std::uint32_t i) { return {slot::kind::result, i, 0}; }
constexpr slot constant_slot(std::uint32_t i) { return {slot::kind::constant, i, 0}; }
constexpr slot workspace(std::int64_t offset) { return {slot::kind::workspace, 0, offset}; }

// out[i] = in[n - 1 - i] * values[1] + 1 for n = values[0]: reads what other workers wrote before.
std::int32_t reverse(const kernel_call* c) {
  auto in = static_cast<const std::int64_t*>(c->buffers[0]);
  auto out = static_cast<std::int64_t*>(c->buffers[1]);
  for (std::int64_t i = c->begin; i < c->end; ++i) out[i] = in[c->values[0] - 1 - i] * c->values[1] + 1;
  return 0;
}

// The scratch is this worker's alone: fills it, works, and looks whether somebody else wrote there.
std::int32_t with_scratch(const kernel_call* c) {
  auto mine = reinterpret_cast<std::int64_t*>(c->scratch);
  auto out = static_cast<std::int64_t*>(c->buffers[1]);
  for (std::int64_t i = c->begin; i < c->end; ++i) {
    for (int k = 0; k < 16; ++k) mine[k] = i;
    std::int64_t sum = 0;
    for (int k = 0; k < 16; ++k) sum += mine[k];
    out[i] = sum;
  }
  return 0;
}

step make_step(kernel_fn f, std::string name, std::vector<slot> buffers, std::int64_t extent, std::int64_t ns,
               std::int64_t scratch = 0) {
  return {std::make_shared<native>(f, std::move(name)), std::move(buffers), {extent, 3}, extent, ns, scratch};
}

struct counting_memory : memory {
  std::atomic<int> made{0}, freed{0};
  bool refuse = false;
  void* allocate(std::size_t bytes, std::size_t alignment) override {
    if (refuse) throw std::runtime_error("the pool is empty");
    ++made;
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  }
  void deallocate(void* p, std::size_t, std::size_t) noexcept override {
    ++freed;
    std::free(p);
  }
};

// argument -> workspace -> ... -> result, alternately worth several threads and not.
void chain(executable& e, std::int64_t n, int length) {
  e.arguments = e.results = 1;
  e.workspace_bytes = 2 * n * 8;
  for (int k = 0; k < length; ++k) {
    const slot from = k == 0 ? argument(0) : workspace((k - 1) % 2 * n * 8);
    const slot to = k == length - 1 ? result(0) : workspace(k % 2 * n * 8);
    e.steps.push_back(make_step(&reverse, "reverse", {from, to}, n, k % 3 == 2 ? 1000 : 100'000));
  }
  e.finish();
}

std::vector<std::int64_t> run_chain(const executable& e, std::int64_t n, executor* x, memory* m, int threads) {
  std::vector<std::int64_t> in(static_cast<std::size_t>(n)), out(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::int64_t>(i);
  void* a[] = {in.data()};
  void* r[] = {out.data()};
  e.run(a, r, x, m, threads);
  return out;
}

std::string text_of(auto f) {
  try {
    f();
  } catch (const error& e) {
    return e.what();
  }
  return "";
}

// Runs its tasks one after the other, backwards; misbehaves on request.
struct odd_executor : executor {
  int offered = 4, skip = -1, twice = -1, beyond = -1;
  bool fail = false;
  std::atomic<int> calls{0};
  int concurrency() const override { return offered; }
  void run(int n, void (*task)(void*, int), void* context) override {
    ++calls;
    for (int i = n - 1; i >= 0; --i) {
      if (i == skip) continue;
      task(context, i);
      if (i == twice) task(context, i);
      if (fail) throw std::runtime_error("out of threads");
    }
    if (beyond >= 0) task(context, beyond);
  }
};

struct thread_executor : executor {
  int concurrency() const override { return 3; }
  void run(int n, void (*task)(void*, int), void* context) override {
    std::vector<std::thread> threads;
    for (int i = 0; i < n; ++i) threads.emplace_back(task, context, i);
    for (auto& t : threads) t.join();
  }
};

}  // namespace

TEST_CASE("executable: the same results with 1, 2, 3 and 7 threads and with executors") {
  executable e;
  constexpr std::int64_t n = 1003;
  chain(e, n, 8);
  const auto expected = run_chain(e, n, nullptr, nullptr, 1);
  std::int64_t factor = 1, add = 0;
  for (int k = 0; k < 8; ++k) factor *= 3, add = add * 3 + 1;
  for (std::int64_t i = 0; i < n; ++i) REQUIRE(expected[static_cast<std::size_t>(i)] == i * factor + add);
  for (int threads : {0, 2, 3, 7})
    for (int again = 0; again < 20; ++again) REQUIRE(run_chain(e, n, nullptr, nullptr, threads) == expected);
  odd_executor odd;
  CHECK(run_chain(e, n, &odd, nullptr, 0) == expected);
  CHECK(odd.calls == 6);  // one for each step that is worth it
  CHECK(run_chain(e, n, &odd, nullptr, 1) == expected);
  CHECK(odd.calls == 6);
  thread_executor own;
  CHECK(run_chain(e, n, &own, nullptr, 0) == expected);
}

TEST_CASE("executable: extents smaller than the threads, and of nothing") {
  for (std::int64_t n : {0, 1, 2, 3}) {
    executable e;
    chain(e, n, 4);
    CHECK(run_chain(e, n, nullptr, nullptr, 4) == run_chain(e, n, nullptr, nullptr, 1));
  }
}

TEST_CASE("executable: calls after the first allocate nothing, and all is given back") {
  counting_memory m, other;
  {
    executable e;
    chain(e, 100, 3);
    for (int n = 0; n < 10; ++n) run_chain(e, 100, nullptr, &m, 2);
    CHECK(m.made == 1);
    run_chain(e, 100, nullptr, &other, 2);
    CHECK(other.made == 1);
    CHECK(m.freed == 1);
    CHECK(e.call_bytes(1) == 1600);
  }
  CHECK(m.freed == m.made.load());
  CHECK(other.freed == other.made.load());
}

TEST_CASE("executable: a memory resource that fails is a resource_error, and the next call works") {
  counting_memory m;  // outlives the executable, which keeps a workspace of it
  executable e;
  chain(e, 100, 3);
  m.refuse = true;
  CHECK_THROWS_AS(run_chain(e, 100, nullptr, &m, 1), resource_error);
  CHECK(text_of([&] { run_chain(e, 100, nullptr, &m, 1); }).find("the pool is empty") != std::string::npos);
  m.refuse = false;
  CHECK(run_chain(e, 100, nullptr, &m, 1) == run_chain(e, 100, nullptr, nullptr, 2));
}

TEST_CASE("executable: several user threads call it at once") {
  executable e;
  chain(e, 500, 6);
  const auto expected = run_chain(e, 500, nullptr, nullptr, 1);
  std::atomic<int> wrong{0};
  std::vector<std::thread> users;
  for (int u = 0; u < 4; ++u)
    users.emplace_back([&] {
      for (int n = 0; n < 100; ++n)
        if (run_chain(e, 500, nullptr, nullptr, 2) != expected) ++wrong;
    });
  for (auto& u : users) u.join();
  CHECK(wrong == 0);
}

TEST_CASE("executable: every worker has its own scratch, 64-byte aligned") {
  executable e;
  e.arguments = e.results = 1;
  e.steps.push_back(make_step(&with_scratch, "with_scratch", {argument(0), result(0)}, 5000, 1'000'000, 128));
  e.finish();
  CHECK(e.call_bytes(4) == 4 * 128);
  thread_executor own;
  for (executor* x : {static_cast<executor*>(nullptr), static_cast<executor*>(&own)}) {
    const auto out = run_chain(e, 5000, x, nullptr, 4);
    for (std::int64_t i = 0; i < 5000; ++i) REQUIRE(out[static_cast<std::size_t>(i)] == 16 * i);
  }
}

TEST_CASE("executable: constants, offsets and steps with many buffers") {
  const std::vector<std::int64_t> values{10, 20, 30};
  executable e;
  e.arguments = e.results = 1;
  e.constants.push_back({nullptr, values.data(), 24});
  std::vector<slot> many(100, constant_slot(0));
  many[98] = argument(0, 8);
  many[99] = result(0);
  const auto sum = [](const kernel_call* c) -> std::int32_t {
    std::int64_t s = 0;
    for (int b = 0; b < 99; ++b) s += *static_cast<const std::int64_t*>(c->buffers[b]);
    static_cast<std::int64_t*>(c->buffers[99])[0] = s;
    return 0;
  };
  e.steps.push_back(make_step(sum, "sum", many, 1, 0));
  e.finish();
  CHECK(run_chain(e, 3, nullptr, nullptr, 1)[0] == 980 + 1);
}

TEST_CASE("executable: a kernel's status and a native kernel's exception reach the caller, on any worker") {
  const auto fails = [](const kernel_call* c) -> std::int32_t { return c->end == c->values[0] ? 5 : 0; };
  const auto throws = [](const kernel_call* c) -> std::int32_t {
    if (c->end == c->values[0]) throw std::out_of_range("the user's own");
    return 0;
  };
  odd_executor odd;
  for (int threads : {1, 3})
    for (executor* x : {static_cast<executor*>(nullptr), static_cast<executor*>(&odd)}) {
      executable e;
      e.arguments = e.results = 1;
      e.steps.push_back(make_step(fails, "broken_kernel", {argument(0), result(0)}, 100, 100'000));
      e.finish();
      CHECK(text_of([&] { run_chain(e, 100, x, nullptr, threads); }) ==
            "kernel 'broken_kernel' returned status 5 (0 is success): an invariant of the compiler is broken");
      executable t;
      t.arguments = t.results = 1;
      t.workspace_bytes = 64;
      t.steps.push_back(make_step(throws, "user", {argument(0), result(0)}, 100, 100'000));
      t.finish();
      CHECK_THROWS_WITH_AS(run_chain(t, 100, x, nullptr, threads), "the user's own", std::out_of_range);
    }
}

TEST_CASE("executable: an executor that breaks its contract is a resource_error with the values") {
  executable e;
  chain(e, 100, 1);
  const auto told = [&](odd_executor& x) { return text_of([&] { run_chain(e, 100, &x, nullptr, 0); }); };
  odd_executor throwing, skipping, twice, beyond, none;
  throwing.fail = true;
  CHECK(told(throwing) == "executor: run(4, ...) for kernel 'reverse' threw: out of threads");
  skipping.skip = 2;
  CHECK(told(skipping) == "executor: run(4, ...) for kernel 'reverse' returned without having run task 2");
  twice.twice = 1;
  CHECK(told(twice) == "executor: run(4, ...) for kernel 'reverse' ran task 1 more than once");
  beyond.beyond = 9;
  CHECK(told(beyond) == "executor: run(4, ...) for kernel 'reverse' ran task 9, which does not exist");
  none.offered = 0;
  CHECK(told(none) == "executor: concurrency() is 0, it must be at least 1");
}

TEST_CASE("executable: a call from inside of a kernel runs alone, in the pool and in an executor") {
  struct inner {
    executable e;
    executor* x;
  };
  const auto nested = [](const kernel_call* c) -> std::int32_t {
    auto in = static_cast<const inner*>(c->context);
    const auto out = run_chain(in->e, 50, in->x, nullptr, 3);
    for (std::int64_t i = c->begin; i < c->end; ++i) static_cast<std::int64_t*>(c->buffers[1])[i] = out[1];
    return 0;
  };
  odd_executor odd;
  for (executor* x : {static_cast<executor*>(nullptr), static_cast<executor*>(&odd)}) {
    inner in{{}, x};
    chain(in.e, 50, 2);
    executable e;
    e.arguments = e.results = 1;
    e.steps.push_back(make_step(nested, "nested", {argument(0), result(0)}, 100, 100'000));
    e.steps[0].kernel = std::make_shared<native>(nested, "nested", &in);
    e.finish();
    for (std::int64_t v : run_chain(e, 100, x, nullptr, 3)) REQUIRE(v == 9 + 4);
  }
  CHECK(odd.calls == 1);
}

TEST_CASE("executable: what does not fit together is refused by finish, with step and values") {
  const auto refused = [](auto change) {
    executable e;
    e.arguments = e.results = 1;
    e.workspace_bytes = 64;
    e.steps.push_back(make_step(&reverse, "reverse", {argument(0), result(0)}, 4, 0));
    change(e);
    return text_of([&] { e.finish(); });
  };
  CHECK(refused([](executable&) {}) == "");
  CHECK(refused([](executable& e) { e.steps[0].buffers[1].index = 1; }) ==
        "executable: step 0 of 1 ('reverse'): buffer 1 is result 1 of 1 at byte 0 of 70368744177664");
  CHECK(refused([](executable& e) {
          e.steps[0].buffers[0] = workspace(65);
        }).find("workspace 0 of 1 at byte 65 of 64") != std::string::npos);
  CHECK(refused([](executable& e) { e.steps[0].buffers[0] = constant_slot(0); }).find("constant 0 of 0") !=
        std::string::npos);
  CHECK(refused([](executable& e) { e.steps[0].extent = -2; }).find("extent -2") != std::string::npos);
  CHECK(refused([](executable& e) { e.steps[0].kernel = nullptr; }) == "executable: step 0 of 1: it has no kernel");
  CHECK(refused([](executable& e) { e.workspace_bytes = -1; }).find("-1 bytes of workspace") != std::string::npos);
  executable unfinished;
  CHECK_THROWS_AS(unfinished.run(nullptr, nullptr, nullptr, nullptr, 1), compile_error);
}

TEST_CASE("runtime table: the functions are the C library's, in double") {
  CHECK(host_table.version == abi_version);
  CHECK(host_table.exp(1.0) == std::exp(1.0));
  CHECK(host_table.erf(0.5) == std::erf(0.5));
  CHECK(host_table.atan2(1.0, -2.0) == std::atan2(1.0, -2.0));
  CHECK(host_table.fmod(7.5, 2.0) == 1.5);
}
