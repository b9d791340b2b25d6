// Random nests, random steps, legal and illegal: what is left computes what the plain loops do, by the interpreter and
// as machine code, in any parts; what is refused changes nothing.
//   test_schedule_nests [--from SEED] [--to SEED] [--show yes]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "codegen/harness.hpp"
#include "loop/interpreter.hpp"
#include "loop/passes.hpp"
#include "pipeline.hpp"
#include "schedule/build_nest.hpp"
#include "schedule/steps.hpp"
#include "seeds.hpp"

using namespace tenon;

namespace {

using random_source = std::mt19937_64;
std::int64_t between(random_source& r, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(r() % static_cast<std::uint64_t>(high - low + 1));
}

struct problem {
  std::string text;
  ir::graph graph;
  std::vector<dims> extents;
};

template <class F>
problem traced(std::string text, std::vector<dims> extents, F f) {
  return {std::move(text), jit(f).graph(), std::move(extents)};
}

template <dtype D>
problem make_problem(random_source& r) {
  using any = tensor<D, any_shape>;
  const auto small = [&] { return between(r, 1, 13); };
  const std::int64_t a = small(), b = small(), c = small(), d = between(r, 1, 4);
  const bool last = r() % 2;
  const int axis = last ? -1 : 0;
  switch (r() % 13) {
    case 0:
      return traced("matmul", {{a, b}, {b, c}}, [](any x, any y) { return any(matmul(x, y)); });
    case 1:
      return traced("matmul of a transpose, squared", {{b, a}, {b, c}}, [](any x, any y) {
        const any m = matmul(any(transpose(x)), y);
        return any(maximum(m * m, m));
      });
    case 2:
      return traced("batched matmul", {{d, a, b}, {d, b, c}}, [](any x, any y) { return any(matmul(x, y)); });
    case 3: {
      const std::int64_t k = between(r, 1, 3), size = k + between(r, 0, 4);
      return traced("conv", {{1, d, size, size + 1}, {c, d, k, k}},
                    [](any x, any y) { return any(conv2d(x, y, {.padding = {1, 1}})); });
    }
    case 4:
      return traced("elementwise", {{a, b, d}, {b, d}}, [](any x, any y) { return any(maximum(x * y + x, y)); });
    case 5:
      return traced("transposed", {{a, b, d}}, [](any x) {
        const any t = transpose(x, {2, 0, 1});
        return any(t + t);
      });
    case 6:
      return traced("sum", {{a, b, d}}, [axis](any x) { return any(sum(x, {.axes = {axis, 1}})); });
    case 7:
      return traced("max", {{a, b}}, [axis](any x) { return any(max(x, {.axes = {axis}})); });
    case 8:
      return traced("argmax", {{a, b}}, [axis](any x) { return tensor<i64, any_shape>(argmax(x, {.axis = axis})); });
    case 9:
      return traced("prod", {{a, b}}, [axis](any x) { return any(prod(x, {.axes = {axis}})); });
    case 10:
      return traced("centred, divided", {{a, b}}, [axis](any x) {
        const any m = x - any(max(x, {.axes = {axis}, .keep = true}));
        return any(m * any(sum(m, {.axes = {axis}, .keep = true})));
      });
    case 11:
      return traced("a reduction in a reduction", {{4, 5, 6}}, [](tensor<D, shape<4, 5, 6>> x) {
        const auto [i, j, k] = axes<"i, j, k">();
        return compute(i)[sum(j)(max(k)(x(i, j, k)))];
      });
    default:
      return traced("a sum beside its operand", {{a, b, c}},
                    [](any x) { return any(x + any(sum(x, {.axes = {1}, .keep = true}))); });
  }
}

scheduling::step make_step(random_source& r, const scheduling::nest& n) {
  const char* names[] = {"split",      "split",       "fuse",     "reorder",   "reorder",    "tile",
                         "vectorize",  "unroll",      "parallel", "partition", "compute_at", "compute_at",
                         "cache_read", "cache_write", "pack",     "tensorize", "prefetch",   "compute_inline"};
  scheduling::step s{.kernel = n.kernel, .primitive = names[r() % std::size(names)], .loops = {}};
  std::vector<int> all = n.order, own;
  for (const scheduling::nest::stage& x : n.stages) own.insert(own.end(), x.order.begin(), x.order.end());
  all.insert(all.end(), own.begin(), own.end());
  const auto any_loop = [&]() -> int {
    // Now and then one that there is no more, or never was.
    if (r() % 24 == 0) return static_cast<int>(between(r, -1, static_cast<std::int64_t>(n.loops.size())));
    return all[r() % all.size()];
  };
  const auto factor = [&] { return r() % 16 == 0 ? between(r, -1, 0) : between(r, 1, 7); };
  const auto any_value = [&]() -> std::string {
    if (r() % 24 == 0 || n.values.empty()) return "nothing";
    return n.values[r() % n.values.size()].name;
  };
  if (s.primitive == "fuse") {
    const std::vector<int>& from = !own.empty() && r() % 4 == 0 ? own : n.order;
    const std::size_t at = r() % from.size();
    s.loops = {from[at], r() % 8 && at + 1 < from.size() ? from[at + 1] : any_loop()};
  } else if (s.primitive == "reorder") {
    const std::vector<int>& from = !own.empty() && r() % 4 == 0 ? own : n.order;
    const auto count = between(r, 1, static_cast<std::int64_t>(from.size()));
    if (r() % 8) {
      s.loops = from;
      std::shuffle(s.loops.begin(), s.loops.end(), r);
      s.loops.resize(static_cast<std::size_t>(count));
    } else {
      for (std::int64_t i = 0; i < count; ++i) s.loops.push_back(any_loop());
    }
  } else if (s.primitive == "tensorize") {
    // As it is meant, else anything: the reduction's loops between those outside and the two innermost ones.
    s.loops = {any_loop(), any_loop()};
    std::vector<int> result;
    for (int id : n.order)
      if (n.at(id).of_result()) result.push_back(id);
    if (r() % 4 && result.size() >= 2) s.loops = {result[result.size() - 2], result.back()};
    if (r() % 4 == 0) std::swap(s.loops[0], s.loops[1]);
    if (r() % 8 == 0) s.loops.pop_back();
  } else {
    s.loops = {any_loop()};
    if (s.primitive == "tile") s.loops.push_back(any_loop());
    if (s.primitive == "parallel" && r() % 2) s.loops = {n.order[0]};
    if (s.primitive == "compute_inline" && !own.empty() && r() % 4) s.loops = {own[r() % own.size()]};
    if (s.primitive == "compute_at" && r() % 2) {
      s.loops.push_back(any_loop());
      for (int id : n.order)
        if (n.at(id).reduction >= 0 && r() % 2) s.loops[0] = id;
    } else if (s.primitive == "compute_at" || s.primitive == "cache_read" || s.primitive == "pack" ||
               s.primitive == "prefetch") {
      s.value = any_value();
    }
  }
  if (s.primitive == "split" || s.primitive == "tile") {
    for (std::size_t i = 0; i < s.loops.size(); ++i) s.numbers.push_back(factor());
    s.tail = static_cast<tail>(r() % 8 < 5 ? 0 : r() % 4);
  }
  if (s.primitive == "vectorize") s.numbers = {std::int64_t{1} << between(r, 0, 5)};
  if (s.primitive == "vectorize" && r() % 16 == 0) s.numbers = {3};
  if (s.primitive == "partition") s.numbers = {r() % 2 ? 0 : between(r, -1, 6)};
  if (s.primitive == "pack") s.numbers = {between(r, -1, 2), factor()};
  if (s.primitive == "prefetch") s.numbers = {between(r, 0, 5)};
  return s;
}

// A product as a user packs and tensorizes it, with random numbers: steps that random choice seldom puts together.
std::vector<std::function<scheduling::step(const scheduling::nest&)>> packed_product(random_source& r) {
  using scheduling::nest;
  using scheduling::step;
  const auto named = [](const nest& n, const std::string& name) {
    for (std::size_t id = 0; id < n.loops.size(); ++id)
      if (n.loops[id].name == name) return static_cast<int>(id);
    return -1;
  };
  const auto rows = between(r, 1, 6), columns = between(r, 1, 9);
  const tail how = static_cast<tail>(r() % 4);
  const bool shift_rows = r() % 2, pack = r() % 2, write = r() % 3 == 0, partition = r() % 2, parallel = r() % 2;
  const std::string row = r() % 2 ? "i0" : "i1", column = row == "i0" ? "i1" : "i0";
  std::vector<std::function<step(const nest&)>> all;
  const auto add = [&](auto f) { all.emplace_back(f); };
  add([=](const nest& n) {
    return step{n.kernel, "split", {named(n, row)}, {rows}, shift_rows ? tail::shift : tail::guard};
  });
  add([=](const nest& n) { return step{n.kernel, "split", {named(n, column)}, {columns}, how}; });
  add([=](const nest& n) {
    std::vector<int> order{named(n, column + ".o"), named(n, row + ".o")};
    for (int id : n.order)
      if (n.at(id).reduction >= 0) order.push_back(id);
    order.push_back(named(n, row + ".i"));
    order.push_back(named(n, column + ".i"));
    return step{n.kernel, "reorder", order};
  });
  if (partition) add([=](const nest& n) { return step{n.kernel, "partition", {named(n, row + ".o")}, {0}}; });
  for (const char* operand : {"x0", "x1"})
    if (pack)
      add([=](const nest& n) {
        return step{n.kernel, "pack", {named(n, column + ".o")}, {1, columns}, tail::guard, operand};
      });
  if (write) add([=](const nest& n) { return step{n.kernel, "cache_write", {named(n, row + ".o")}}; });
  add([=](const nest& n) { return step{n.kernel, "tensorize", {named(n, row + ".i"), named(n, column + ".i")}}; });
  if (parallel) add([=](const nest& n) { return step{n.kernel, "parallel", {n.order[0]}}; });
  return all;
}

// An intermediate that is kept for blocks of rows, as between two reductions.
std::vector<std::function<scheduling::step(const scheduling::nest&)>> kept_rows(random_source& r) {
  using scheduling::nest;
  using scheduling::step;
  const auto rows = between(r, 1, 4);
  const bool moved = r() % 2, later = r() % 2, placed = r() % 2;
  const auto value = r();
  std::vector<std::function<step(const nest&)>> all;
  all.emplace_back([=](const nest& n) { return step{n.kernel, "split", {n.order[0]}, {rows}}; });
  if (moved)
    all.emplace_back([=](const nest& n) {
      std::vector<int> order = n.order;
      std::rotate(order.begin() + 1, order.begin() + 2, order.end());
      return step{n.kernel, "reorder", order};
    });
  if (placed)
    all.emplace_back([=](const nest& n) {
      const auto sum = std::ranges::find_if(n.order, [&](int id) { return n.at(id).reduction == 0; });
      return step{n.kernel, "compute_at", {sum == n.order.end() ? -1 : *sum, n.order[0]}};
    });
  all.emplace_back([=](const nest& n) {
    const std::string name = n.values.empty() ? "nothing" : n.values[value % n.values.size()].name;
    return step{n.kernel, "compute_at", {n.order[later ? 1 : 0]}, {}, tail::guard, name};
  });
  return all;
}

std::int64_t count_of(const ir::buffer& b) {
  std::int64_t n = 1;
  for (ir::expr_ref e : b.extents) n *= e->payload;
  return n;
}

// The parameters' memory: inputs of small whole numbers, so that every order of summation gives the same; results
// unset.
struct memory_of {
  std::vector<std::unique_ptr<test::guarded>> all;
  std::vector<void*> data;
  memory_of(const ir::kernel& k, std::uint64_t seed) {
    random_source r(seed);
    constexpr double values[] = {-1, 1, 2, -2, 1};
    for (int i = 0; i < k.parameters(); ++i) {
      const ir::buffer& b = k.buffers[static_cast<std::size_t>(i)];
      all.push_back(std::make_unique<test::guarded>(b.type, count_of(b)));
      data.push_back(all.back()->data());
      if (b.written)
        all.back()->fill_bytes(0x5a);
      else
        for (std::int64_t e = 0; e < count_of(b); ++e) all.back()->set(e, values[r() % std::size(values)]);
    }
  }
  bool same(const memory_of& o, std::string& why) const {
    for (std::size_t i = 0; i < all.size(); ++i)
      for (std::int64_t e = 0; e < all[i]->size(); ++e)
        if (!test::same_value(all[i]->type(), all[i]->bits(e), o.all[i]->bits(e)) &&
            !test::both_zero(all[i]->type(), all[i]->bits(e), o.all[i]->bits(e))) {
          why = "element " + std::to_string(e) + " of buffer " + std::to_string(i) + " is " +
                std::to_string(o.all[i]->get(e)) + ", not " + std::to_string(all[i]->get(e));
          return false;
        }
    return true;
  }
};

std::int64_t trips(const ir::kernel& k) {
  std::int64_t n = 1;
  ir::visit(k.body, [&](const ir::stmt& s) {
    if (const auto* l = std::get_if<ir::loop>(&s.v); l && l->kind == ir::loop_kind::parallel) n = l->end->payload;
  });
  return n;
}

void run_code(const ir::kernel& k, const codegen::machine& m, memory_of& memory, random_source& r) {
  const auto code = runtime::load_image(codegen::llvm().compile(k, m, {}));
  const std::int64_t bytes = k.scratch_offsets().back()->payload, end = trips(k);
  std::vector<std::byte> scratch(static_cast<std::size_t>(bytes) + 64);
  auto* at = reinterpret_cast<std::byte*>((reinterpret_cast<std::uintptr_t>(scratch.data()) + 63) / 64 * 64);
  // In parts, the later ones first: trips of a parallel loop run in any order.
  std::vector<std::int64_t> cuts{0, end};
  for (int i = 0; i < 2; ++i) cuts.push_back(between(r, 0, end));
  std::ranges::sort(cuts);
  for (std::size_t i = cuts.size() - 1; i-- > 0;) {
    if (cuts[i] == cuts[i + 1] && end > 0) continue;
    const runtime::kernel_call call{memory.data.data(),   nullptr, cuts[i], cuts[i + 1], at,
                                    &runtime::host_table, nullptr};
    if (code->entry(&call) != 0) throw std::runtime_error("the kernel failed");
  }
}

// How many steps of each primitive were taken, and how many refused.
struct counts {
  std::map<std::string, std::pair<int, int>> of;
};

void check(std::uint64_t seed, const std::vector<codegen::machine>& machines, bool show, counts& total) {
  random_source r(seed);
  const problem p = [&] {
    switch (r() % 5) {
      case 0:
        return make_problem<i32>(r);
      case 1:
        return make_problem<f64>(r);
      case 2:
        return make_problem<bf16>(r);
      default:
        return make_problem<f32>(r);
    }
  }();
  const compile_settings settings(compile_options{.target = "llvm", .cache = false});
  const ir::graph prepared = prepare(p.graph, settings);
  std::vector<ir::value_type> types;
  for (std::size_t i = 0; i < p.extents.size(); ++i) types.push_back({p.graph.inputs[i]->type.element, p.extents[i]});
  const auto lowered = [&] { return lower_all(prepared, types, settings); };

  const std::size_t kernels = lowered().size();
  for (std::size_t which = 0; which < kernels; ++which) {
    ir::computation plain = std::move(lowered()[which]);
    const scheduling::nest first = scheduling::make_nest(plain, "k");
    scheduling::build_nest(plain, first, false);
    ir::verify(plain.kernel);
    memory_of expected(plain.kernel, seed);
    test::interpret(plain.kernel, expected.data, {});

    // The nest is checked as it grows: some steps, then again.
    scheduling::nest n = first;
    scheduling::record record;
    auto written = packed_product(r);
    if (r() % 8) written.clear();
    if (random_source more(~seed); written.empty() && more() % 8 == 0) written = kept_rows(more);
    const std::int64_t steps = between(r, 1, 10) + static_cast<std::int64_t>(written.size());
    for (std::int64_t i = 0; i < steps; ++i) {
      const bool next = i < static_cast<std::int64_t>(written.size());
      const scheduling::step s = next ? written[static_cast<std::size_t>(i)](n) : make_step(r, n);
      const std::string before = to_string(n);
      try {
        apply(n, s);
        record.steps.push_back(s);
        ++total.of[s.primitive].first;
      } catch (const schedule_error& e) {
        ++total.of[s.primitive].second;
        if (to_string(n) != before)
          throw std::runtime_error("a refused step changed the nest:\n" + before + to_string(n));
      }
    }
    const scheduling::record read = scheduling::parse_record(scheduling::to_json(record));
    if (read.steps != record.steps) throw std::runtime_error("the record reads back as another one");

    ir::computation c = std::move(lowered()[which]);
    scheduling::nest again = scheduling::make_nest(c, "k");
    replay(again, read);
    const std::string text = p.text + "\n" + to_string(again) + scheduling::to_json(record);
    if (to_string(again) != to_string(n)) throw std::runtime_error("the replayed nest is another one:\n" + text);
    const bool fused = r() % 2;
    std::string why;
    try {
      scheduling::build_nest(c, again, fused);
      ir::verify(c.kernel);
      memory_of interpreted(c.kernel, seed);
      test::interpret(c.kernel, interpreted.data, {});
      if (!expected.same(interpreted, why)) throw std::runtime_error("interpreted: " + why);
      const codegen::machine& m = machines[r() % machines.size()];
      ir::expand_math(c.kernel, m.fma, m.scales());
      ir::verify(c.kernel);
      memory_of compiled(c.kernel, seed);
      if (show) std::fprintf(stderr, "%s\n%s\n%s\n", text.c_str(), m.cpu.c_str(), to_string(c.kernel).c_str());
      run_code(c.kernel, m, compiled, r);
      if (!expected.same(compiled, why)) throw std::runtime_error("compiled for " + m.cpu + ": " + why);
    } catch (const std::exception& e) {
      throw std::runtime_error(std::string(e.what()) + "\n" + text + "\n" + to_string(c.kernel));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const test::seed_range seeds = test::read_seeds(
      argc, argv, {.to = 400, .kept = {1643, 2074, 2522, 2801, 3704, 4204, 17804, 19723}, .all = true});
  const std::vector<codegen::machine> machines = test::machines();
  counts total;
  const int failures = test::count_failures(seeds, [&](std::uint64_t seed) {
    check(seed, machines, seeds.show, total);
    return true;
  });
  bool all_seen = true;
  for (const auto& [primitive, steps] : total.of) {
    std::printf("%-14s %6d taken %6d refused\n", primitive.c_str(), steps.first, steps.second);
    all_seen = all_seen && steps.first > 0 && steps.second > 0;
  }
  return failures != 0 || (argc == 1 && !all_seen);
}
