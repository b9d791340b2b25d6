// Workspaces: blocks that live at once lie apart, and the whole is near the least there can be.
#include "graph/memory_plan.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "graph/op_def.hpp"
#include "tenon/tenon.hpp"

using namespace tenon;
using ir::lifetime;

namespace {

// Walks the steps and keeps what is alive by offset: a block that meets its neighbour there overlaps.
bool lie_apart(const std::vector<lifetime>& b, const ir::placement& p) {
  std::map<int, std::pair<std::vector<std::size_t>, std::vector<std::size_t>>> steps;
  for (std::size_t i = 0; i < b.size(); ++i) {
    if (p.offset[i] < 0 || p.offset[i] % 64 || p.offset[i] + b[i].bytes > p.bytes) return false;
    if (!b[i].bytes) continue;
    steps[b[i].first].first.push_back(i);
    steps[b[i].last + 1].second.push_back(i);
  }
  std::map<std::int64_t, std::int64_t> alive;  // start -> end
  for (const auto& [step, events] : steps) {
    for (const std::size_t i : events.second) alive.erase(p.offset[i]);
    for (const std::size_t i : events.first) {
      const auto [at, fresh] = alive.emplace(p.offset[i], p.offset[i] + b[i].bytes);
      if (!fresh || (std::next(at) != alive.end() && std::next(at)->first < at->second)) return false;
      if (at != alive.begin() && std::prev(at)->second > at->first) return false;
    }
  }
  return true;
}

// The largest live sum, by the steps at which it changes.
std::int64_t live_peak(const std::vector<lifetime>& b) {
  std::map<int, std::int64_t> change;
  for (const lifetime& v : b) change[v.first] += v.bytes, change[v.last + 1] -= v.bytes;
  std::int64_t now = 0, most = 0;
  for (const auto& [step, bytes] : change) most = std::max(most, now += bytes);
  return most;
}

double check(const char* what, const std::vector<lifetime>& b) {
  const auto start = std::chrono::steady_clock::now();
  const ir::placement p = ir::place(b);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  REQUIRE(p.offset.size() == b.size());
  CHECK(lie_apart(b, p));
  const std::int64_t peak = live_peak(b);
  CHECK(ir::peak_of(b) == peak);
  const double ratio = peak ? static_cast<double>(p.bytes) / static_cast<double>(peak) : 1;
  std::printf("%-32s %7zu blocks %8.1f ms, %.3f of the largest live sum\n", what, b.size(), seconds * 1e3, ratio);
  return ratio;
}

constexpr int steps = 100'000;

}  // namespace

TEST_CASE("a chain needs its largest pair of neighbours, whatever their sizes") {
  std::mt19937 random(1);
  std::vector<lifetime> same, grow, mixed, residual;
  for (int i = 0; i < steps; ++i) {
    same.push_back({4096, i, i + 1});
    grow.push_back({64 * (i + 1), i, i + 1});
    mixed.push_back({64 * std::int64_t(random() % 1000 + 1), i, i + 1});
    // Residual blocks y = x + narrow(wide(x)); what a stage of the network holds changes every 1,000 steps.
    const std::int64_t width = 64 * (i / 1000 % 13 + 1);
    residual.push_back(i % 3 == 0 ? lifetime{width, i, i + 3} : lifetime{i % 3 == 1 ? 4 * width : width, i, i + 1});
  }
  CHECK(check("chain of equal values", same) == 1);
  CHECK(check("chain of growing values", grow) == 1);
  CHECK(check("chain of any sizes", mixed) == 1);
  CHECK(check("residual blocks", residual) <= 1.1);
  CHECK(check("nothing", {}) == 1);
  CHECK(check("empty values", {{0, 0, 5}, {0, 1, 1}, {64, 1, 2}, {0, 2, 2}}) == 1);
}

TEST_CASE("a fan-out of 100,000 values that live together, then die one by one") {
  std::mt19937 random(2);
  std::vector<lifetime> fan, tree;
  for (int i = 0; i < steps; ++i) fan.push_back({64 * std::int64_t(random() % 100 + 1), i, steps + i});
  CHECK(check("fan-out", fan) <= 1.1);
  // Pairs are joined, then pairs of those.
  int step = 0;
  for (int width = steps; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) tree.push_back({256, step + i, step + width + i / 2});
    step += width;
  }
  CHECK(check("tree", tree) <= 1.1);
}

TEST_CASE("values of any sizes and lives lie apart") {
  for (const int longest : {3, 10, 100, 1000, 30'000}) {
    std::mt19937 random(3);
    for (const int n : {10, 300, steps}) {
      std::vector<lifetime> b;
      for (int i = 0; i < n; ++i)
        b.push_back({64 * std::int64_t(random() % 200), i, i + static_cast<int>(random() % unsigned(longest))});
      char what[64];
      std::snprintf(what, sizeof what, "lives of up to %d steps", longest);
      CHECK(check(what, b) <= 1.5);
    }
  }
}

TEST_CASE("a graph of 100,000 kernels: its plan is its chain's") {
  auto x = input<f32, 4>("x");
  tensor<f32, shape<4>> h = x;
  for (int i = 0; i < steps; ++i) h = h + 1.0f;
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {h.node()};
  const ir::fusion f = ir::fuse(g, {.enabled = false});
  REQUIRE(f.groups.size() == steps);
  const auto start = std::chrono::steady_clock::now();
  const ir::memory_plan plan = ir::plan_memory(g, f);
  std::printf("plan of %d kernels: %.1f ms\n", steps,
              1e3 * std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  CHECK(plan.bytes == 2 * 64);
  CHECK(plan.offset.size() == steps - 1);
  for (std::size_t i = 1; i + 1 < f.groups.size(); ++i)
    if (plan.offset.at(f.groups[i].root) == plan.offset.at(f.groups[i - 1].root)) FAIL(i);
}
