// The cost of a call (speed.md, "a cached call"): 3 arguments of rank 2, 64 elements each, against the raw function
// pointer of the same kernel. Interleaved rounds; medians.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <tenon/tenon.hpp>
#include <thread>
#include <vector>

#include "graph/passes.hpp"
#include "pipeline.hpp"
#include "runtime/kernel_abi.hpp"

using namespace tenon;

namespace {

using clock_type = std::chrono::steady_clock;
constexpr int calls = 20'000, rounds = 101;

template <class F>
double nanoseconds_a_call(F&& f) {
  const auto start = clock_type::now();
  for (int i = 0; i < calls; ++i) f();
  return std::chrono::duration<double, std::nano>(clock_type::now() - start).count() / calls;
}
/// The slower of two threads that do the same at once.
template <class F>
double both(F f) {
  double there = 0;
  // What this thread writes on its stack is on no line that the other one reads.
  std::thread thread([&there, f]() mutable { there = f(); });
  const double here = f();
  thread.join();
  return std::max(here, there);
}
/// About as long as a call, in registers: what a machine with shared cores loses by itself.
void arithmetic() {
  std::uint64_t x = 1;
  for (int i = 0; i < 128; ++i) {
    x = x * 3 + 1;
    asm volatile("" : "+r"(x));
  }
}
double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + v.size() / 2, v.end());
  return v[v.size() / 2];
}

struct row {
  const char* what;
  double bar;
  std::vector<double> times{};
};

}  // namespace

int main() {
  const auto body = [](auto a, auto b, auto c) { return a * b + c; };
  using fixed_t = tensor<f32, shape<8, 8>>;
  using dyn_t = tensor<f32, shape<dyn, 8>>;
  auto fixed = jit([&](fixed_t a, fixed_t b, fixed_t c) { return body(a, b, c); });
  auto open = jit([&](dyn_t a, dyn_t b, dyn_t c) { return body(a, b, c); });

  const array<f32> a = array<f32>::uniform({8, 8}, 1), b = array<f32>::uniform({8, 8}, 2),
                   c = array<f32>::uniform({8, 8}, 3);
  const array<f32> a2 = array<f32>::uniform({7, 8}, 1), b2 = array<f32>::uniform({7, 8}, 2),
                   c2 = array<f32>::uniform({7, 8}, 3);
  array<f32> y = fixed(a, b, c), y2 = open(a2, b2, c2);
  open.into(y, a, b, c);

  // The kernel itself, by its pointer.
  const auto x0 = input<f32, 8, 8>("a"), x1 = input<f32, 8, 8>("b"), x2 = input<f32, 8, 8>("c");
  ir::graph g;
  g.inputs = {x0.node(), x1.node(), x2.node()};
  g.outputs = {(x0 * x1 + x2).node()};
  const compile_settings settings{compile_options{}};
  const ir::value_type t{f32, dims{8, 8}};
  const ir::value_type types[] = {t, t, t};
  const auto made = compile(prepare(g, settings), types, {nullptr, nullptr, nullptr}, {}, settings);
  const runtime::step& step = made->run.steps.at(0);
  void* buffers[] = {const_cast<float*>(a.data()), const_cast<float*>(b.data()), const_cast<float*>(c.data()),
                     y.data()};
  const runtime::kernel_call call{buffers, step.values.data(), 0, step.extent, nullptr, &runtime::host_table, nullptr};
  const runtime::kernel_fn raw = step.kernel->entry;

  row rows[] = {{"raw function pointer", 0},
                {"into, static extents", 30},
                {"value-returning, static", 80},
                {"into, dyn, extents as before", 60},
                {"into, dyn, another known shape", 150},
                {"into, two threads at once", 0},
                {"arithmetic alone, two threads", 0},
                {"arithmetic alone, one", 0}};
  for (int r = 0; r < rounds; ++r) {
    rows[0].times.push_back(nanoseconds_a_call([&] { raw(&call); }));
    rows[1].times.push_back(nanoseconds_a_call([&] { fixed.into(y, a, b, c); }));
    rows[2].times.push_back(nanoseconds_a_call([&] { array<f32> z = fixed(a, b, c); }));
    rows[3].times.push_back(nanoseconds_a_call([&] { open.into(y, a, b, c); }));
    bool odd = false;
    rows[4].times.push_back(nanoseconds_a_call([&] {
      if ((odd = !odd))
        open.into(y2, a2, b2, c2);
      else
        open.into(y, a, b, c);
    }));
    if (r % 10 != 0) continue;
    rows[5].times.push_back(
        both([fixed, y, a, b, c]() mutable { return nanoseconds_a_call([&] { fixed.into(y, a, b, c); }); }));
    rows[6].times.push_back(both([] { return nanoseconds_a_call(arithmetic); }));
    rows[7].times.push_back(nanoseconds_a_call(arithmetic));
  }
  const double base = median(rows[0].times);
  std::printf("%-34s %9s %9s %6s\n", "call", "ns", "on top", "bar");
  for (const row& r : rows) {
    const double m = median(r.times);
    std::printf("%-34s %9.1f %9.1f ", r.what, m, m - base);
    if (r.bar > 0)
      std::printf("%6.0f\n", r.bar);
    else
      std::printf("%6s\n", "");
  }
  const double at_once = median(rows[5].times) / median(rows[1].times),
               machine = median(rows[6].times) / median(rows[7].times);
  std::printf("two threads at once take %.2f of one alone (bar 1.2); on this machine registers alone take %.2f\n",
              at_once, machine);
}
