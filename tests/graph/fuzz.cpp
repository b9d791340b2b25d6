// Random graphs of all operators, compiled at several levels for several targets: each result must be one that the
// unoptimised native result allows (reference.hpp). A failure is reduced and printed as a graph.
//
// Without a range: graphs 0 to 399 and those kept, and code is generated for every fourth. Each graph is for one of the
// targets.
//   TENON_FUZZ_STOP=1   end at the first failure, without reducing it
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>

#include "fuzz_kept.hpp"
#include "graph/fuse.hpp"
#include "reduce_graph.hpp"
#include "reference.hpp"
#include "seeds.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

struct configuration {
  std::string target;
  int level;
  bool strips = false;  ///< of depthwise convolutions wherever they can be made
};

std::vector<configuration> configurations(std::uint64_t seed, const std::string& target, bool quick) {
  const bool code = test::has_llvm && (!quick || seed % 4 == 0);
  std::vector<configuration> r = {{"native", 0}, {"native", 3}};
  if (code) r.push_back({target, 3, test::graph_maker::is_separable(seed)});
  if (code && (!quick || seed % 40 == 0)) r.push_back({target, 0});
  if (seed % 10 == 0)
    for (const int level : {1, 2, 4}) {
      r.push_back({"native", level});
      if (code && !quick) r.push_back({target, level});
    }
  return r;
}

/// Why this configuration fails, or nothing.
std::optional<std::string> failure(const ir::graph& g, const configuration& c, const test::reference& r,
                                   const std::vector<test::data>& in) {
  try {
    std::string why;
    pass_context context;
    if (c.strips) context.options = {{"fuse.strips", "possible"}};
    const auto got = test::run(g, {.target = c.target, .opt_level = c.level, .context = context, .cache = false}, in);
    if (r.accepts(got, c.level == 4, &why)) return {};
    return why;
  } catch (const error& e) {
    return e.what();
  }
}

/// The same with inputs of its own.
std::optional<std::string> failure(const ir::graph& g, const configuration& c) {
  try {
    const auto in = test::inputs_for(g, 1);
    return failure(g, c, test::reference(g, in), in);
  } catch (const error&) {
    return {};  // no graph that the reference can run
  }
}

struct distribution {
  std::vector<int> nodes;
  std::map<std::string_view, int> operators;
  int graphs = 0, fused_twice = 0, odd = 0;
  std::int64_t compared = 0, open = 0;

  void add(const ir::graph& g) {
    ++graphs;
    nodes.push_back(g.size());
    bool uneven = false;
    for (const ir::node* n : ir::post_order(g.outputs)) {
      ++operators[n->op->name];
      // No vector of any target divides the innermost extent.
      const dims& s = n->type.shape;
      uneven =
          uneven || (n->op->kind != ir::op_kind::leaf && s.rank > 0 && s[s.rank - 1] > 1 && s[s.rank - 1] % 2 == 1);
    }
    odd += uneven;
    const ir::graph plain = ir::canonicalize(ir::expand_library(g));
    bool twice = false;
    for (const ir::group& k : ir::fuse(plain).groups) {
      const auto sums = [](const ir::node* n) {
        return n->op->kind == ir::op_kind::reduction || n->op->kind == ir::op_kind::contraction;
      };
      twice = twice || std::ranges::count_if(k.inlined, sums) + sums(k.root) >= 2;
    }
    fused_twice += twice;
  }
  void print() {
    std::ranges::sort(nodes);
    auto least = std::ranges::min_element(operators, {}, [](const auto& o) { return o.second; });
    std::printf("%d graphs: nodes %d at least, %d median, %d at most\n", graphs, nodes.front(), nodes[nodes.size() / 2],
                nodes.back());
    std::printf("operators: %zu, least often %.*s: %d\n", operators.size(), static_cast<int>(least->first.size()),
                least->first.data(), least->second);
    std::printf("two reductions in one kernel: %d; an innermost extent that no vector divides: %d\n", fused_twice, odd);
    std::printf("elements compared: %lld, of which %lld differ where rounding decides everything\n",
                static_cast<long long>(compared), static_cast<long long>(open));
  }
};

bool check(std::uint64_t seed, const ir::graph& g, const std::vector<configuration>& all, distribution* counted) {
  const auto in = test::inputs_for(g, static_cast<std::uint32_t>(seed));
  const test::reference r(g, in);
  bool good = true;
  for (const configuration& c : all) {
    const auto why = failure(g, c, r, in);
    if (!why) continue;
    good = false;
    std::printf("FAILED seed %llu: %s, opt_level %d%s: %s\n", static_cast<unsigned long long>(seed), c.target.c_str(),
                c.level, c.strips ? ", strips" : "", why->c_str());
    std::fflush(stdout);
    if (std::getenv("TENON_FUZZ_STOP")) std::exit(1);
    const ir::graph small = test::reduced(g, [&](const ir::graph& s) { return failure(s, c).has_value(); });
    if (const auto of_small = failure(small, c))
      std::printf("reduced, with other inputs: %s\n%s", of_small->c_str(), to_string(small).c_str());
    else
      std::printf("%s", to_string(g).c_str());
    break;
  }
  if (counted) {
    counted->compared += r.compared;
    counted->open += r.open;
  }
  std::fflush(stdout);
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const test::seed_range seeds = test::read_seeds(argc, argv, {.from = 0, .to = 400});
  const bool quick = argc == 1;
  int failures = 0;
  if (quick)
    for (const char* text : test::kept_graphs)
      failures += !check(0, parse_graph(text), configurations(0, "llvm", false), nullptr);
  const auto start = std::chrono::steady_clock::now();
  distribution d;
  failures += test::count_failures(seeds, [&](std::uint64_t seed) {
    const ir::graph g = test::graph_maker(seed).make();
    d.add(g);
    return check(seed, g, configurations(seed, seeds.targets[seed / 4 % seeds.targets.size()], quick), &d);
  });
  if (d.graphs) d.print();
  std::printf("%.1f s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  return failures ? 1 : 0;
}
