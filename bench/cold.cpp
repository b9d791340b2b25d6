// Cold compilation of one kernel (speed.md): the first call of relu(matmul(x, w) + b), without a disk cache.
//   bench_cold          from process start, then again (another kernel) with LLVM loaded
// Run it in several fresh processes; bench/cold.sh does.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <tenon/tenon.hpp>

using namespace tenon;

namespace {

// Milliseconds since this process was started, from the kernel's own record (ticks of 10 ms are too coarse, so the
// monotonic clock at main is used for what follows).
double since_start_milliseconds() {
  std::ifstream stat("/proc/self/stat");
  std::string word, rest;
  std::getline(stat, rest);
  rest = rest.substr(rest.rfind(')') + 2);
  std::size_t at = 0;
  for (int field = 3; field < 22; ++field) at = rest.find(' ', at) + 1;
  const double started = std::stod(rest.substr(at)) / static_cast<double>(sysconf(_SC_CLK_TCK));
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 - started) * 1e3;
}

template <class F>
double milliseconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main() {
  const double at_main = since_start_milliseconds();
  const array<f32> x = array<f32>::uniform({32, 784}, 1), w = array<f32>::uniform({784, 10}, 2),
                   b = array<f32>::zeros({10});
  const double first = milliseconds([&] {
    auto f = jit([](tensor<f32, shape<dim("n"), 784>> x, tensor<f32, shape<784, 10>> w,
                    tensor<f32, shape<10>> b) { return relu(matmul(x, w) + b); },
                 {.cache = false});
    array<f32> y = f(x, w, b);
  });
  const double second = milliseconds([&] {
    auto f = jit([](tensor<f32, shape<dim("n"), 784>> x, tensor<f32, shape<784, 10>> w,
                    tensor<f32, shape<10>> b) { return tanh(matmul(x, w) * 2.0f + b); },
                 {.cache = false});
    array<f32> y = f(x, w, b);
  });
  std::printf(
      "to main %.0f ms (10 ms steps), first call %.1f ms (bar 60 from process start), once LLVM is loaded %.1f ms (bar "
      "30)\n",
      at_main, first, second);
}
