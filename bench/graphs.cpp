// How the passes over graphs grow with the graph: all of opt_level 3, fusion, aliases, the memory plan, and text.
//
//   graphs --one KIND NODES TIMES    one of them, so often, in this process: for profiles
//   graphs [--stages]    chain, fan-out, ladder of shared diamonds, concat tree; 1,000, 10,000 and 100,000 nodes.
//                        Each in a process of its own, the best of nine; --stages: what each stage took.
//                        Times are the processor's
//
// The bars: at most 13 times per tenfold in time and memory, 10,000 nodes within 0.5 s.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "graph/alias.hpp"
#include "graph/fuse.hpp"
#include "graph/memory_plan.hpp"
#include "graph/passes.hpp"
#include "pipeline.hpp"

using namespace tenon;

namespace {

using value = tensor<f32, any_shape>;

// Of this process, which has one thread: what else the machine does is no part of it.
double seconds_now() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}
double seconds_since(double start) { return seconds_now() - start; }

// ---- the graphs, each of about n nodes
value chain(value x, int n) {
  for (int i = 0; i < n; ++i) x = i % 4 == 0 ? x + 1.0f : i % 4 == 1 ? value(tanh(x)) : i % 4 == 2 ? x * 0.5f : relu(x);
  return x;
}
value joined(std::vector<value> level, value (*join)(const value&, const value&)) {
  while (level.size() > 1) {
    std::vector<value> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(join(level[i], level[i + 1]));
    if (level.size() % 2) next.push_back(level.back());
    level = std::move(next);
  }
  return level.front();
}
std::vector<value> leaves(const value& x, int n) {
  std::vector<value> all;
  for (int i = 0; i < n; ++i) all.push_back(tanh(x * static_cast<float>(i + 1)));
  return all;
}
value fan_out(value x, int n) {
  return joined(leaves(x, n / 4), [](const value& a, const value& b) -> value { return a + b; });
}
value ladder(value x, int n) {
  for (int i = 0; i < n / 3; ++i) x = tanh(x) * (x + 1.0f);
  return x;
}
value concat_tree(value x, int n) {
  return joined(leaves(x, n / 4), [](const value& a, const value& b) -> value { return concat(a, b); });
}
struct kind {
  const char* name;
  value (*make)(value, int);
};
constexpr kind kinds[] = {
    {"chain", chain}, {"fan-out", fan_out}, {"ladder of diamonds", ladder}, {"concat tree", concat_tree}};

// ---- one graph through all of it
struct outcome {
  double seconds = 0;
  double kilobytes = 0;
  int nodes = 0;
  double text_seconds = 0, free_seconds = 0;
};

struct watch : pass_instrument {
  bool print;
  explicit watch(bool p) : print(p) {}
  void before(std::string_view, const ir::graph&) override {}
  void after(std::string_view pass, const ir::graph&, double s) override { said(pass, s); }
  void said(std::string_view stage, double s) const {
    if (print) std::printf("    %-20.*s %9.2f ms\n", static_cast<int>(stage.size()), stage.data(), s * 1e3);
  }
};

double kilobytes_in_use() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_maxrss);
}

outcome measure(const kind& k, int n, bool stages) {
  outcome o;
  const double before = kilobytes_in_use();
  {
    watch w(stages);
    pass_context c;
    c.add(w);
    const compile_settings settings(compile_options{.context = c, .cache = false});
    const auto x = input<f32, 1, 4>("x");
    ir::graph g;
    g.inputs = {x.node()};
    g.outputs = {k.make(x, n).node()};
    o.nodes = g.size();
    const auto start = seconds_now();
    const auto stage = [&](std::string_view name, auto f) {
      const auto begin = seconds_now();
      auto r = f();
      w.said(name, seconds_since(begin));
      return r;
    };
    const std::vector<ir::value_type> types = {{f32, dims{1, 4}}};
    const auto contiguous = [](const ir::node&) { return true; };
    // Twice, as for a callable: once for all extents, and once for those of a call.
    g = prepare(g, settings);
    g = stage("specialize", [&] { return ir::specialize(g, types); });
    g = prepare(g, settings);
    g = stage("legalize", [&] { return ir::legalize(g); });
    stage("verify", [&] { return ir::verify(g), 0; });
    ir::fusion f = stage("fuse", [&] { return ir::fuse(g); });
    const ir::buffer_parts parts = stage("alias", [&] { return ir::share_buffers(g, f, contiguous); });
    const ir::memory_plan plan = stage("memory plan", [&] { return ir::plan_memory(g, f, parts, contiguous); });
    o.seconds = seconds_since(start);
    const auto printing = seconds_now();
    if (to_string(g, f).empty() || !ir::equal(parse_graph(to_string(g), &g), g)) std::abort();
    o.text_seconds = seconds_since(printing);
    o.kilobytes = kilobytes_in_use() - before;
    const auto freeing = seconds_now();
    g = {};
    o.free_seconds = seconds_since(freeing);
  }
  return o;
}

// In a process of its own, so that memory is its own.
outcome measured_apart(const kind& k, int n, bool stages) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const outcome o = measure(k, n, stages);
    std::fflush(stdout);
    _exit(write(ends[1], &o, sizeof o) == sizeof o ? 0 : 1);
  }
  close(ends[1]);
  outcome o;
  const bool whole = read(ends[0], &o, sizeof o) == sizeof o;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!whole || status != 0) {
    std::printf("%s of %d nodes: ended with status %d\n", k.name, n, status);
    std::exit(1);
  }
  return o;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 4 && std::strcmp(argv[1], "--one") == 0) {
    for (const kind& k : kinds)
      for (int i = 0; argv[2] == std::string(k.name) && i < std::atoi(argv[4]); ++i) {
        const outcome o = measure(k, std::atoi(argv[3]), false);
        std::printf("%d nodes, %.2f ms\n", o.nodes, o.seconds * 1e3);
      }
    return 0;
  }
  const bool stages = argc > 1 && std::strcmp(argv[1], "--stages") == 0;
  bool good = true;
  std::printf(
      "| graph | nodes | ms | times | MiB | times | text and back, ms | freeing, ms "
      "|\n|---|---|---|---|---|---|---|---|\n");
  for (const kind& k : kinds) {
    // One size after the other, all again and again: a slow minute of the machine meets all of them, and a ratio is the
    // median of the rounds'.
    constexpr int sizes[] = {1'000, 10'000, 100'000};
    outcome best[std::size(sizes)];
    std::vector<double> times[std::size(sizes)];
    const int rounds = stages ? 1 : 9;
    for (int round = 0; round < rounds; ++round) {
      double before = 0;
      for (std::size_t i = 0; i < std::size(sizes); ++i) {
        const outcome o = measured_apart(k, sizes[i], stages);
        if (round == 0 || o.seconds < best[i].seconds) best[i] = o;
        times[i].push_back(before > 0 ? o.seconds / before : 0);
        before = o.seconds;
      }
    }
    for (std::size_t i = 0; i < std::size(sizes); ++i) {
      const outcome& o = best[i];
      std::ranges::sort(times[i]);
      const double time = times[i][times[i].size() / 2];
      const double memory = i && best[i - 1].kilobytes > 0 ? o.kilobytes / best[i - 1].kilobytes : 0;
      std::printf("| %s | %d | %.2f | %.1f | %.1f | %.1f | %.1f | %.1f |\n", k.name, o.nodes, o.seconds * 1e3, time,
                  o.kilobytes / 1024, memory, o.text_seconds * 1e3, o.free_seconds * 1e3);
      good = good && time <= 13 && memory <= 13 && (sizes[i] != 10'000 || o.seconds <= 0.5);
    }
  }
  std::printf(good ? "all within 13 times per tenfold, 10,000 nodes within 0.5 s\n" : "over the bar\n");
  return !good;
}
