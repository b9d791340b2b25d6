// Passes that make one value simpler: before and after, where they must not fire, and the same values.
#include <doctest/doctest.h>

#include <string>

#include "graph/passes.hpp"
#include "graph/run_graph.hpp"
#include "ops/leaf.hpp"

using namespace tenon;

namespace {

using pass = ir::graph (*)(const ir::graph&, const ir::pass_settings&);

// "%x: f32[2,3]" and the lines between; what stands behind is compared without the head.
std::string graph_text(const std::string& inputs, const std::string& body) {
  return "graph(" + inputs + ") {\n" + body + "}\n";
}
void becomes(pass p, const std::string& inputs, const std::string& before, const std::string& after,
             double tolerance = 0) {
  const ir::graph g = parse_graph(graph_text(inputs, before)), made = p(g, {});
  CHECK(to_string(made) == graph_text(inputs, after));
  ir::verify(made);
  const auto in = test::inputs_for(g, 7);
  const auto expected = test::run(g, {.target = "native", .opt_level = 0}, in),
             got = test::run(made, {.target = "native", .opt_level = 0}, in);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(test::difference(got[i], expected[i]) <= tolerance);
}
void stays(pass p, const std::string& inputs, const std::string& body) { becomes(p, inputs, body, body); }

}  // namespace

TEST_CASE("canonicalize: views of views are one, and none when nothing changes") {
  becomes(ir::canonicalize, "%x: f32[2,3]",
          "  %0 = reshape{.to = [6]}(%x) : f32[6]\n"
          "  %1 = unsqueeze{.axes = {0}}(%0) : f32[1,6]\n"
          "  %2 = flatten{.axis = 0}(%1) : f32[1,6]\n"
          "  %3 = reshape{.to = [3,2]}(%2) : f32[3,2]\n"
          "  return %3\n",
          "  %0 = reshape{.to = [3,2]}(%x) : f32[3,2]\n"
          "  return %0\n");
  becomes(ir::canonicalize, "%x: f32[2,3]",
          "  %0 = reshape{.to = [6]}(%x) : f32[6]\n"
          "  %1 = reshape{.to = [2,3]}(%0) : f32[2,3]\n"
          "  return %1\n",
          "  return %x\n");
  stays(ir::canonicalize, "%x: f32[2,3]",
        "  %0 = reshape{.to = [3,2]}(%x) : f32[3,2]\n"
        "  return %0\n");
}

TEST_CASE("canonicalize: a shuffle along one axis is a gather; what moves several axes is not") {
  becomes(ir::canonicalize, "%x: f32[2,6,3]",
          "  %0 = reshape{.to = [2,2,3,3]}(%x) : f32[2,2,3,3]\n"
          "  %1 = transpose{.axes = {0,2,1,3}}(%0) : f32[2,3,2,3]\n"
          "  %2 = reshape{.to = [2,6,3]}(%1) : f32[2,6,3]\n"
          "  return %2\n",
          "  %0 = constant{.value = i64[6] {0,3,1,4,2,5}}() : i64[6]\n"
          "  %1 = gather{.axis = 1}(%x, %0) : f32[2,6,3]\n"
          "  return %1\n");
  becomes(
      ir::canonicalize, "%x: f32[1,24]",
      "  %0 = reshape{.to = [2,3,4]}(%x) : f32[2,3,4]\n"
      "  %1 = transpose{.axes = {2,0,1}}(%0) : f32[4,2,3]\n"
      "  %2 = reshape{.to = [1,24]}(%1) : f32[1,24]\n"
      "  return %2\n",
      "  %0 = constant{.value = i64[24] {0,4,8,12,16,20,1,5,9,13,17,21,2,6,10,14,18,22,3,7,11,15,19,23}}() : i64[24]\n"
      "  %1 = gather{.axis = 1}(%x, %0) : f32[1,24]\n"
      "  return %1\n");
  stays(ir::canonicalize, "%x: f32[4,6]",
        "  %0 = reshape{.to = [4,2,3]}(%x) : f32[4,2,3]\n"
        "  %1 = transpose{.axes = {1,0,2}}(%0) : f32[2,4,3]\n"
        "  %2 = reshape{.to = [4,6]}(%1) : f32[4,6]\n"
        "  return %2\n");
}

TEST_CASE("canonicalize: transposes compose; those that move nothing are no transposes") {
  becomes(ir::canonicalize, "%x: f32[2,3,4]",
          "  %0 = transpose{.axes = {1,2,0}}(%x) : f32[3,4,2]\n"
          "  %1 = transpose{.axes = {1,2,0}}(%0) : f32[4,2,3]\n"
          "  return %1\n",
          "  %0 = transpose{.axes = {2,0,1}}(%x) : f32[4,2,3]\n"
          "  return %0\n");
  becomes(ir::canonicalize, "%x: f32[2,3]",
          "  %0 = transpose(%x) : f32[3,2]\n"
          "  %1 = transpose(%0) : f32[2,3]\n"
          "  return %1\n",
          "  return %x\n");
  becomes(ir::canonicalize, "%x: f32[2,1,3]",
          "  %0 = transpose{.axes = {1,0,2}}(%x) : f32[1,2,3]\n"
          "  return %0\n",
          "  %0 = reshape{.to = [1,2,3]}(%x) : f32[1,2,3]\n"
          "  return %0\n");
  stays(ir::canonicalize, "%x: f32[2,2]",
        "  %0 = transpose(%x) : f32[2,2]\n"
        "  return %0\n");
}

TEST_CASE("canonicalize: movement that leaves every element where it is") {
  becomes(ir::canonicalize, "%x: i32[4,3]",
          "  %0 = slice{.start = {0}, .stop = {9}}(%x) : i32[4,3]\n"
          "  %1 = pad{.before = {0,0}, .after = {0,0}}(%0) : i32[4,3]\n"
          "  %2 = concat(%1) : i32[4,3]\n"
          "  %3 = tile{.repeats = {1,1}}(%2) : i32[4,3]\n"
          "  %4 = reverse{.axes = {0}}(%3) : i32[4,3]\n"
          "  %5 = reverse{.axes = {0}}(%4) : i32[4,3]\n"
          "  %6 = broadcast_to{.to = [4,3]}(%5) : i32[4,3]\n"
          "  return %6\n",
          "  return %x\n");
  becomes(ir::canonicalize, "%x: f32[4,3]",
          "  %0 = pad{.before = {1,2}, .after = {0,1}, .value = 5}(%x) : f32[5,6]\n"
          "  %1 = slice{.start = {1,2}, .stop = {5,5}}(%0) : f32[4,3]\n"
          "  return %1\n",
          "  return %x\n");
  becomes(ir::canonicalize, "%x: f32[4,3], %y: f32[2,3]",
          "  %0 = concat(%x, %y) : f32[6,3]\n"
          "  %1 = slice{.start = {4}, .stop = {6}}(%0) : f32[2,3]\n"
          "  return %1\n",
          "  return %y\n");
  stays(ir::canonicalize, "%x: f32[4,3]",
        "  %0 = pad{.before = {1,0}, .after = {0,0}}(%x) : f32[5,3]\n"
        "  %1 = slice{.start = {0}, .stop = {4}}(%0) : f32[4,3]\n"
        "  %2 = reverse{.axes = {0}}(%1) : f32[4,3]\n"
        "  %3 = roll{.shift = {1}}(%2) : f32[4,3]\n"
        "  return %3\n");
}

TEST_CASE("canonicalize: identities of maps, bit for bit") {
  becomes(ir::canonicalize, "%x: f32[4]",
          "  %0 = constant{.value = f32[] {1}}() : f32[]\n"
          "  %1 = constant{.value = f32[] {0}}() : f32[]\n"
          "  %2 = mul(%x, %0) : f32[4]\n"
          "  %3 = div(%2, %0) : f32[4]\n"
          "  %4 = sub(%3, %1) : f32[4]\n"
          "  %5 = pow(%4, %0) : f32[4]\n"
          "  %6 = neg(%5) : f32[4]\n"
          "  %7 = neg(%6) : f32[4]\n"
          "  return %7\n",
          "  return %x\n");
  // -0 + 0 is 0, and NaN * 0 is NaN.
  stays(ir::canonicalize, "%x: f32[4]",
        "  %0 = constant{.value = f32[] {0}}() : f32[]\n"
        "  %1 = add(%x, %0) : f32[4]\n"
        "  %2 = mul(%1, %0) : f32[4]\n"
        "  return %2\n");
  becomes(ir::canonicalize, "%x: i32[4]",
          "  %0 = constant{.value = i32[] {0}}() : i32[]\n"
          "  %1 = add(%x, %0) : i32[4]\n"
          "  %2 = mul(%1, %0) : i32[4]\n"
          "  return %2\n",
          "  %0 = constant{.value = i32[] {0}}() : i32[]\n"
          "  %1 = broadcast_to{.to = [4]}(%0) : i32[4]\n"
          "  return %1\n");
  becomes(ir::canonicalize, "%x: f32[4], %y: f32[4]",
          "  %0 = constant{.value = b8[] {true}}() : b8[]\n"
          "  %1 = select(%0, %x, %y) : f32[4]\n"
          "  return %1\n",
          "  return %x\n");
  becomes(ir::canonicalize, "%x: f32[4]",
          "  %0 = neg(%x) : f32[4]\n"
          "  %1 = abs(%0) : f32[4]\n"
          "  %2 = abs(%1) : f32[4]\n"
          "  return %2\n",
          "  %0 = abs(%x) : f32[4]\n"
          "  return %0\n");
  stays(ir::canonicalize, "%x: i64[4]",
        "  %0 = abs(%x) : i64[4]\n"
        "  return %0\n");
  // An operand that is broadcast decides the extents: it cannot go.
  stays(ir::canonicalize, "%x: f32[4]",
        "  %0 = constant{.value = f32[2,1] {1,1}}() : f32[2,1]\n"
        "  %1 = mul(%x, %0) : f32[2,4]\n"
        "  return %1\n");
}

TEST_CASE("canonicalize: casts that lose nothing on the way") {
  becomes(ir::canonicalize, "%x: bf16[4]",
          "  %0 = cast{.to = f32}(%x) : f32[4]\n"
          "  %1 = cast{.to = bf16}(%0) : bf16[4]\n"
          "  return %1\n",
          "  return %x\n");
  becomes(ir::canonicalize, "%x: f16[4]",
          "  %0 = cast{.to = f32}(%x) : f32[4]\n"
          "  %1 = cast{.to = f64}(%0) : f64[4]\n"
          "  return %1\n",
          "  %0 = cast{.to = f64}(%x) : f64[4]\n"
          "  return %0\n");
  becomes(ir::canonicalize, "%x: f32[4]",
          "  %0 = cast{.to = f32}(%x) : f32[4]\n"
          "  return %0\n",
          "  return %x\n");
  stays(ir::canonicalize, "%x: f32[4]",
        "  %0 = cast{.to = bf16}(%x) : bf16[4]\n"
        "  %1 = cast(%0) : f32[4]\n"
        "  return %1\n");
  stays(ir::canonicalize, "%x: f32[4]",
        "  %0 = cast{.to = i32}(%x) : i32[4]\n"
        "  %1 = cast(%0) : f32[4]\n"
        "  return %1\n");
}

TEST_CASE("canonicalize: broadcasts that a map does by itself") {
  becomes(ir::canonicalize, "%x: f32[2,3], %y: f32[3]",
          "  %0 = broadcast_to{.to = [2,3]}(%y) : f32[2,3]\n"
          "  %1 = add(%x, %0) : f32[2,3]\n"
          "  return %1\n",
          "  %0 = add(%x, %y) : f32[2,3]\n"
          "  return %0\n");
  becomes(ir::canonicalize, "%x: f32[2,3]",
          "  %0 = constant{.value = f32[3] {2,2,2}}() : f32[3]\n"
          "  %1 = add(%x, %0) : f32[2,3]\n"
          "  return %1\n",
          "  %0 = constant{.value = f32[] {2}}() : f32[]\n"
          "  %1 = add(%x, %0) : f32[2,3]\n"
          "  return %1\n");
  stays(ir::canonicalize, "%x: f32[3], %y: f32[3]",
        "  %0 = broadcast_to{.to = [2,3]}(%y) : f32[2,3]\n"
        "  %1 = add(%x, %0) : f32[2,3]\n"
        "  return %1\n");
}

TEST_CASE("canonicalize: a stated type goes once the extents are known") {
  auto x = input<f32, dyn, 4>("x");
  auto y = as<shape<2, 4>>(x) * 2;
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {y.node()};
  CHECK(ir::canonicalize(g).count("as") == 1);
  const ir::value_type given{f32, dims{2, 4}};
  CHECK(ir::canonicalize(ir::specialize(g, std::span(&given, 1))).count("as") == 0);
}

TEST_CASE("what nobody reads is no part of a graph") {
  const ir::graph g = parse_graph(graph_text("%x: f32[4], %unused: f32[4]",
                                             "  %0 = exp(%x) : f32[4]\n"
                                             "  %1 = tanh(%0) : f32[4]\n"
                                             "  return %0\n"));
  CHECK(to_string(g) == graph_text("%x: f32[4], %unused: f32[4]",
                                   "  %0 = exp(%x) : f32[4]\n"
                                   "  return %0\n"));
}

TEST_CASE("fast_math: equal for real numbers") {
  becomes(ir::fast_math, "%x: f32[4]",
          "  %0 = constant{.value = f32[] {0.5}}() : f32[]\n"
          "  %1 = mul(%x, %x) : f32[4]\n"
          "  %2 = pow(%1, %0) : f32[4]\n"
          "  %3 = reciprocal(%2) : f32[4]\n"
          "  return %3\n",
          "  %0 = mul(%x, %x) : f32[4]\n"
          "  %1 = rsqrt(%0) : f32[4]\n"
          "  return %1\n",
          1e-6);
  becomes(ir::fast_math, "%x: f32[4]",
          "  %0 = constant{.value = f32[] {3}}() : f32[]\n"
          "  %1 = constant{.value = f32[] {0}}() : f32[]\n"
          "  %2 = exp(%x) : f32[4]\n"
          "  %3 = log(%2) : f32[4]\n"
          "  %4 = add(%3, %1) : f32[4]\n"
          "  %5 = mul(%4, %0) : f32[4]\n"
          "  %6 = mul(%0, %5) : f32[4]\n"
          "  return %6\n",
          "  %0 = constant{.value = f32[] {3}}() : f32[]\n"
          "  %1 = mul(%0, %0) : f32[]\n"
          "  %2 = mul(%x, %1) : f32[4]\n"
          "  return %2\n",
          1e-6);
  stays(ir::fast_math, "%x: i32[4]",
        "  %0 = constant{.value = i32[] {3}}() : i32[]\n"
        "  %1 = div(%x, %0) : i32[4]\n"
        "  return %1\n");
}
