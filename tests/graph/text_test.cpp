// Graphs as text, out and in.
#include <doctest/doctest.h>

#include <string>

#include "graph/passes.hpp"
#include "ops/leaf.hpp"
#include "tenon/tenon.hpp"

using namespace tenon;

namespace {

ir::graph graph_of(std::initializer_list<detail::node_ref> in, std::initializer_list<detail::node_ref> out) {
  ir::graph g;
  g.inputs = in;
  g.outputs = out;
  return g;
}

std::string error_of(std::string_view text) {
  try {
    parse_graph(text);
  } catch (const error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a graph prints its inputs, a line a node, and its outputs") {
  auto x = input<f32, dim("n"), 784>("x");
  auto w = input<f32, 784, 10>("w");
  auto b = input<f32, 10>("b");
  auto y = relu(matmul(x, w) + b);
  CHECK(to_string(graph_of({x.node(), w.node(), b.node()}, {y.node()})) ==
        "graph(%x: f32[n,784], %w: f32[784,10], %b: f32[10]) {\n"
        "  %0 = matmul(%x, %w) : f32[n,10]\n"
        "  %1 = add(%0, %b) : f32[n,10]\n"
        "  %2 = relu(%1) : f32[n,10]\n"
        "  return %2\n"
        "}\n");
}

TEST_CASE("what is printed reads back equal, attributes and several results too") {
  auto x = input<f32, 2, 3, dyn, 9>("x");
  auto k = input<f32, 4, 3, 3, 3>("k");
  auto c = conv2d.with<{.stride = {2, 1}, .padding = {1, 1}}>(x, k);
  auto [values, places] = top_k(sum.with<{.axes = {-1}, .keep = true}>(c), {.k = 1, .axis = 1});
  auto y = softmax.with<{.axis = 1}>(c) * 2.5f + 1;
  const ir::graph g = graph_of({x.node(), k.node()}, {y.node(), values.node(), places.node()});
  const std::string text = to_string(g);
  const ir::graph again = parse_graph(text);
  CHECK(to_string(again) == text);
  CHECK(equal(g, again));
  CHECK_FALSE(equal(g, graph_of({x.node(), k.node()}, {y.node(), places.node(), values.node()})));
}

TEST_CASE("the extent of a reshape that follows from the others is -1, as users write it") {
  auto x = input<f32, dyn, 4, 392>("x");
  auto y = broadcast_to(reshape(x, {-1, 1, 1568}), {-1, 3, -1});
  const ir::graph g = graph_of({x.node()}, {y.node()});
  const std::string text = to_string(g);
  CHECK(text ==
        "graph(%x: f32[dyn,4,392]) {\n"
        "  %0 = reshape{.to = [-1,1,1568]}(%x) : f32[dyn,1,1568]\n"
        "  %1 = broadcast_to{.to = [-1,3,-1]}(%0) : f32[dyn,3,1568]\n"
        "  return %1\n"
        "}\n");
  CHECK(equal(g, parse_graph(text)));
  std::string by_name = text;
  by_name.replace(by_name.find("[-1,1,"), 3, "[dyn");
  CHECK(equal(g, parse_graph(by_name)));
}

TEST_CASE("large constants print by hash and are found again in the graph they came from") {
  std::vector<float> data(1000, 0.5f);
  data[17] = 3;
  const auto here = std::source_location::current();
  auto big = ir::make_constant(f32, dims{10, 100}, data.data(), here);
  auto x = input<f32, 10, 100>("x");
  auto y = x + tensor<f32, shape<10, 100>>(big);
  const ir::graph g = graph_of({x.node()}, {y.node()});
  const std::string text = to_string(g);
  CHECK(text.size() < 400);
  CHECK(equal(g, parse_graph(text, &g)));
  CHECK(error_of(text).find("constant") != std::string::npos);
}

TEST_CASE("text that is no graph is refused with line, column and what was expected") {
  CHECK(error_of("") == "graph text, line 1, column 1: expected 'graph'");
  CHECK(error_of("graph(%x: f32[2]) {\n  %0 = rely(%x) : f32[2]\n  return %0\n}\n") ==
        "graph text, line 2, column 8: expected the name of an operator ('rely' is none)");
  CHECK(error_of("graph(%x: f32[2]) {\n  %0 = relu(%y) : f32[2]\n  return %0\n}\n") ==
        "graph text, line 2, column 13: expected a value defined above (%y is not)");
  CHECK(error_of("graph(%x: f32[2]) {\n  %0 = relu(%x) : f32[3]\n  return %0\n}\n") ==
        "graph text, line 2, column 19: expected type f32[2] of relu, as its operands give it");
  CHECK(error_of("graph(%x: g32[2]) {\n  return %x\n}\n") ==
        "graph text, line 1, column 14: expected an element type ('g32' is none)");
  CHECK(error_of("graph(%x: f32[2]) {\n  return %x\n} more").find("expected the end") != std::string::npos);
}
