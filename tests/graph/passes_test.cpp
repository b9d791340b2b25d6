// Each pass before and after, and where it must not fire.
#include "graph/passes.hpp"

#include <doctest/doctest.h>

#include "graph/fuse.hpp"
#include "graph/memory_plan.hpp"
#include "graph/op_def.hpp"
#include "ops/leaf.hpp"
#include "tenon/tenon.hpp"

using namespace tenon;

namespace {

ir::graph read(std::string_view text) { return parse_graph(text); }
std::string after(ir::graph (*pass)(const ir::graph&, const ir::pass_settings&), std::string_view text) {
  return to_string(pass(read(text), {}));
}
ir::graph fold(const ir::graph& g, std::int64_t max_bytes = 1 << 30) {
  return ir::fold_constants(g, ir::pass_settings({{"fold_constants.max_bytes", max_bytes}}));
}
ir::fusion fused(const ir::graph& g) { return ir::fuse(g); }

}  // namespace

TEST_CASE("canonicalize drops what changes nothing, and only that") {
  CHECK(after(ir::canonicalize,
              "graph(%x: f32[2,3]) {\n"
              "  %0 = reshape{.to = [6]}(%x) : f32[6]\n"
              "  %1 = reshape{.to = [3,2]}(%0) : f32[3,2]\n"
              "  %2 = reshape{.to = [3,2]}(%1) : f32[3,2]\n"
              "  return %2\n}\n") ==
        "graph(%x: f32[2,3]) {\n"
        "  %0 = reshape{.to = [3,2]}(%x) : f32[3,2]\n"
        "  return %0\n}\n");
  auto x = input<f32, 4>("x");
  auto g = [&](auto y) {
    ir::graph r;
    r.inputs = {x.node()};
    r.outputs = {y.node()};
    return ir::canonicalize(r);
  };
  CHECK(g(x * 1.0f).count("mul") == 0);
  CHECK(g(x * 2.0f).count("mul") == 1);
  CHECK(g(x / 1.0f).count("div") == 0);
  CHECK(g(x + 0.0f).count("add") == 1);  // -0 + 0 is 0
}

TEST_CASE("fold_constants evaluates what hangs on constants alone") {
  auto x = input<f32, 2>("x");
  const float values[] = {1, 2};
  tensor<f32, shape<2>> c(ir::make_constant(f32, dims{2}, values, std::source_location::current()));
  auto y = x + exp(c) * 2.0f;
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {y.node()};
  const ir::graph f = fold(g);
  CHECK(f.count("exp") == 0);
  CHECK(f.count("mul") == 0);
  CHECK(f.count("add") == 1);
  CHECK(fold(g, 4).count("exp") == 1);  // over the budget
}

TEST_CASE("hash-consing: equal expressions are one node") {
  auto x = input<f32, 4>("x");
  auto y = exp(x) * exp(x);
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {y.node()};
  CHECK(g.size() == 4);
  CHECK(ir::rewrite(g, [](ir::node_table&, const ir::node_ref&) { return ir::node_ref(); }).size() == 3);
}

TEST_CASE("a chain of maps is one kernel, its reduction and what follows another's part") {
  auto x = input<f32, 64, 128>("x");
  auto e = exp(x - max.with<{.axes = {-1}, .keep = true}>(x));
  auto y = e / sum.with<{.axes = {-1}, .keep = true}>(e);
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {y.node()};
  g = ir::rewrite(g, [](ir::node_table&, const ir::node_ref&) { return ir::node_ref(); });
  CHECK(fused(g).groups.size() == 1);  // softmax, spelled out
  CHECK(ir::fuse(g, {.enabled = false}).groups.size() == 5);
}

TEST_CASE("what a row's reductions fix is computed in their kernel, however much it costs") {
  auto x = input<f32, 64, 128>("x");
  auto y = layer_norm(x);
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {y.node()};
  CHECK(fused(ir::expand_library(g)).groups.size() == 1);
}

TEST_CASE("library operators are expanded once the rank is known") {
  auto x = input<f32, any_shape>("x");
  tensor<f32, any_shape> y = layer_norm(x);
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {y.node()};
  CHECK(ir::expand_library(g).count("layer_norm") == 1);
}

TEST_CASE("a contraction takes the maps that follow it, and reads stored operands") {
  auto x = input<f32, 32, 64>("x");
  auto w = input<f32, 64, 16>("w");
  auto b = input<f32, 16>("b");
  auto y = relu(matmul(exp(x), w) + b);
  ir::graph g;
  g.inputs = {x.node(), w.node(), b.node()};
  g.outputs = {y.node()};
  const ir::fusion f = fused(g);
  REQUIRE(f.groups.size() == 2);
  CHECK(f.groups[0].root->op->name == "exp");
  CHECK(f.groups[1].root->op->name == "relu");
  CHECK(f.groups[1].inlined.size() == 2);
}

TEST_CASE("a value that several kernels need is stored once") {
  auto x = input<f32, 32, 32>("x");
  auto h = tanh(x);
  auto a = matmul(h, h);
  auto b = h + 1.0f;
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {a.node(), b.node()};
  const ir::fusion f = fused(g);
  CHECK(f.groups.size() == 3);
  const ir::memory_plan plan = ir::plan_memory(g, f);
  CHECK(plan.bytes == 32 * 32 * 4);
}

TEST_CASE("workspace is shared by values that do not live at once") {
  tensor<f32, any_shape> h = input<f32, 64, 64>("x");
  const auto x = h.node();
  for (int i = 0; i < 10; ++i) h = matmul(h, h);
  ir::graph g;
  g.inputs = {x};
  g.outputs = {h.node()};
  const ir::memory_plan plan = ir::plan_memory(g, fused(g));
  CHECK(plan.bytes == 2 * 64 * 64 * 4);
}

TEST_CASE("a graph of 100,000 nodes is built, rewritten and freed without recursion") {
  auto x = input<f32, 4>("x");
  tensor<f32, shape<4>> h = x;
  for (int i = 0; i < 100'000; ++i) h = h + 1.0f;
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {h.node()};
  g = ir::canonicalize(g);
  CHECK(g.size() == 100'002);
  ir::verify(g);
}
