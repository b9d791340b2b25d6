#include "explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "codegen/codegen.hpp"
#include "inner_loop.hpp"
#include "loop/passes.hpp"
#include "machine_peaks.hpp"

namespace tenon {
namespace {

using kernel_report = compile_report::kernel;

double bytes_of(const kernel_report& k) { return static_cast<double>(k.bytes_read + k.bytes_written); }

// The larger of the two times that the peaks allow is the one that bounds.
std::string bound_of(const kernel_report& k) {
  const machine_peaks& p = measured_peaks();
  const double arithmetic = p.operations > 0 ? k.operations / p.operations : 0, memory = bytes_of(k) / p.bytes;
  const std::string by_arithmetic =
      fmt::format("{:.4g} operations at {:.1f} G/s take {:.2f} us", k.operations, p.operations / 1e9, arithmetic * 1e6);
  const std::string by_memory =
      fmt::format("{:.4g} bytes at {:.1f} GB/s take {:.2f} us", bytes_of(k), p.bytes / 1e9, memory * 1e6);
  return arithmetic > memory ? fmt::format("bound: arithmetic: {}; {}", by_arithmetic, by_memory)
                             : fmt::format("bound: memory: {}; {}", by_memory, by_arithmetic);
}
std::string calls_text(const kernel_report& k) {
  std::string s;
  for (const std::string& c : k.calls) s += fmt::format("  {}\n", c);
  return s.empty() ? std::string() : "schedule:\n" + s;
}

// The code as it was made: from the same loops, for the same machine.
std::string assembly_of(const kernel_report& k, const std::string& cpu) {
  if (k.loops.empty()) return {};
  ir::kernel made = ir::parse_kernel(k.loops);
  const codegen::generator& g = codegen::llvm();
  const codegen::machine m = g.resolve(cpu);
  ir::expand_math(made, m.fma, m.scales());
  return g.assembly(made, m);
}

double median(std::vector<double> v) {
  std::ranges::nth_element(v, v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2));
  return v[v.size() / 2];
}

// Where the time of a call goes: the ten kernels that take most of it, numbered as in the whole list.
std::string slowest_text(const std::vector<kernel_report>& kernels, const std::vector<double>& seconds) {
  constexpr std::size_t most = 10;
  std::vector<std::size_t> order(kernels.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(
      order, [&](std::size_t a, std::size_t b) { return seconds[a] != seconds[b] ? seconds[a] > seconds[b] : a < b; });
  const double all = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  if (kernels.size() < 2 || all <= 0) return {};
  const machine_peaks& p = measured_peaks();
  order.resize(std::min(order.size(), most));
  std::string s = fmt::format("the slowest of {} kernels, {:.2f} us together:\n", kernels.size(), all * 1e6);
  for (const std::size_t i : order) {
    const kernel_report& k = kernels[i];
    if (seconds[i] <= 0) break;
    const double arithmetic = p.operations > 0 ? k.operations / seconds[i] / p.operations : 0;
    const double memory = bytes_of(k) / seconds[i] / p.bytes;
    s += fmt::format("{:>4}. {}: {:.2f} us, {:.1f}% of the time, {:.0f}% of the peak of {}\n", i + 1, k.name,
                     seconds[i] * 1e6, 100 * seconds[i] / all, 100 * std::max(arithmetic, memory),
                     arithmetic > memory ? "arithmetic" : "memory");
  }
  return s;
}

}  // namespace

std::string kernels_text(const compiled_graph& g) {
  std::string s;
  for (std::size_t i = 0; i < g.report.kernels.size(); ++i) {
    const kernel_report& k = g.report.kernels[i];
    s += fmt::format(
        "\n{}. {}: reads {} bytes, writes {} bytes ({} to the workspace), {} parallel trips, predicted {:.1f} us\n",
        i + 1, k.name, k.bytes_read, k.bytes_written, k.bytes_to_workspace, k.extent,
        static_cast<double>(k.nanoseconds) / 1e3);
    if (!k.fusion.empty()) s += "fusion:\n";
    for (const std::string& f : k.fusion) s += "  " + f + "\n";
    s += calls_text(k) + bound_of(k) + "\n" + k.loops;
  }
  return s;
}

std::string bench_text(const compiled_graph& g, void* const* arguments, void* const* results, executor* e, memory* m,
                       int threads, std::int64_t below) {
  constexpr double least_seconds = 0.05;  // of all rounds together
  constexpr int least_rounds = 5, most_rounds = 1000;
  using clock = std::chrono::steady_clock;
  const auto seconds = [](clock::time_point start) {
    return std::chrono::duration<double>(clock::now() - start).count();
  };
  const auto call = [&] { g.run.run(arguments, results, e, m, threads, below); };
  call();
  const auto once = clock::now();
  call();
  const int rounds = static_cast<int>(
      std::clamp(least_seconds / std::max(seconds(once), 1e-9), double{least_rounds}, double{most_rounds}));
  std::vector<double> whole;
  for (int r = 0; r < rounds; ++r) {
    const auto start = clock::now();
    call();
    whole.push_back(seconds(start));
  }
  const std::vector<double> steps = g.run.step_seconds(arguments, results, m, rounds, below);
  std::vector<double> each;  // of the kernels
  for (const kernel_report& k : g.report.kernels) each.push_back(steps[k.step]);
  const machine_peaks& p = measured_peaks();
  std::string s = fmt::format(
      "a call takes {:.2f} us, the median of {}; this machine's core: {:.1f} G operations/s (f32), "
      "{:.1f} GB/s\n",
      median(whole) * 1e6, rounds, p.operations / 1e9, p.bytes / 1e9);
  s += slowest_text(g.report.kernels, each);
  for (std::size_t i = 0; i < g.report.kernels.size(); ++i) {
    const kernel_report& k = g.report.kernels[i];
    if (each[i] <= 0) {
      s += fmt::format("\n{}. {}: nothing to do\n", i + 1, k.name);
      continue;
    }
    const double speed = k.operations / each[i], moved = bytes_of(k) / each[i];
    s += fmt::format(
        "\n{}. {}: {:.2f} us on one core, {:.1f} G operations/s ({:.0f}% of the peak), {:.1f} GB/s ({:.0f}%)\n", i + 1,
        k.name, each[i] * 1e6, speed / 1e9, p.operations > 0 ? 100 * speed / p.operations : 0, moved / 1e9,
        100 * moved / p.bytes);
    s += calls_text(k) + bound_of(k) + "\n";
    const std::string loop = busiest_loop(assembly_of(k, g.report.cpu));
    if (loop.empty()) continue;
    s += "busiest loop:\n" + loop;
    if (const std::string said = predicted_throughput(loop, codegen::llvm().resolve(g.report.cpu).cpu); !said.empty())
      s += said + "\n";
  }
  return s;
}

}  // namespace tenon
