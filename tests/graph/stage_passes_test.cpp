// The passes that bring a graph from what is written to what is lowered: before and after, and where they must not
// fire.
#include <doctest/doctest.h>

#include <string>

#include "callable/refusal.hpp"
#include "graph/fuse.hpp"
#include "graph/passes.hpp"
#include "graph/run_graph.hpp"
#include "ops/leaf.hpp"

using namespace tenon;

namespace {

using pass = ir::graph (*)(const ir::graph&, const ir::pass_settings&);

// What the pass makes of the text; the values stay.
std::string after(pass p, const std::string& text, double tolerance = 1e-5) {
  const ir::graph g = parse_graph(text), made = p(g, {});
  ir::verify(made);
  const auto in = test::inputs_for(g, 5);
  const auto want = test::run(g, {.target = "native", .opt_level = 0}, in),
             got = test::run(made, {.target = "native", .opt_level = 0}, in);
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(test::difference(got[i], want[i]) <= tolerance);
  return to_string(made);
}

}  // namespace

TEST_CASE("expand_library: a norm of inference is arithmetic") {
  CHECK(after(ir::expand_library,
              "graph(%x: f32[2,3,4], %s: f32[3], %b: f32[3], %m: f32[3], %v: f32[3]) {\n"
              "  %0 = mul(%v, %v) : f32[3]\n"
              "  %1 = batch_norm(%x, %s, %b, %m, %0) : f32[2,3,4]\n"
              "  return %1\n}\n") ==
        "graph(%x: f32[2,3,4], %s: f32[3], %b: f32[3], %m: f32[3], %v: f32[3]) {\n"
        "  %0 = mul(%v, %v) : f32[3]\n"
        "  %1 = constant{.value = f32[] {1e-05}}() : f32[]\n"
        "  %2 = add(%0, %1) : f32[3]\n"
        "  %3 = rsqrt(%2) : f32[3]\n"
        "  %4 = mul(%s, %3) : f32[3]\n"
        "  %5 = unsqueeze{.axes = {1}}(%4) : f32[3,1]\n"
        "  %6 = mul(%x, %5) : f32[2,3,4]\n"
        "  %7 = mul(%m, %4) : f32[3]\n"
        "  %8 = sub(%b, %7) : f32[3]\n"
        "  %9 = unsqueeze{.axes = {1}}(%8) : f32[3,1]\n"
        "  %10 = add(%6, %9) : f32[2,3,4]\n"
        "  return %10\n"
        "}\n");
  CHECK(after(ir::expand_library,
              "graph(%x: f32[4,8]) {\n"
              "  %0 = softmax(%x) : f32[4,8]\n"
              "  return %0\n}\n") ==
        "graph(%x: f32[4,8]) {\n"
        "  %0 = max{.axes = {-1}, .keep = true}(%x) : f32[4,1]\n"
        "  %1 = sub(%x, %0) : f32[4,8]\n"
        "  %2 = exp(%1) : f32[4,8]\n"
        "  %3 = sum{.axes = {-1}, .keep = true}(%2) : f32[4,1]\n"
        "  %4 = reciprocal(%3) : f32[4,1]\n"
        "  %5 = mul(%2, %4) : f32[4,8]\n"
        "  return %5\n"
        "}\n");
}

TEST_CASE("expand_library: what is no library operator stays, and what waits for a rank") {
  const std::string plain =
      "graph(%x: f32[4,8]) {\n"
      "  %0 = exp(%x) : f32[4,8]\n"
      "  %1 = sum{.axes = {-1}}(%0) : f32[4]\n"
      "  return %1\n}\n";
  CHECK(after(ir::expand_library, plain) == plain);
  const auto x = input<f32, any_shape>("x");
  const tensor<f32, any_shape> y = layer_norm(x);
  ir::graph open;
  open.inputs = {x.node()};
  open.outputs = {y.node()};
  CHECK(to_string(ir::expand_library(open)) == to_string(open));
}

TEST_CASE("legalize: a transposed convolution is a convolution of what is spread out") {
  const std::string made = after(ir::legalize,
                                 "graph(%x: f32[1,2,5,5], %w: f32[2,3,3,3]) {\n"
                                 "  %0 = conv_transpose2d{.stride = {2,2}}(%x, %w) : f32[1,3,11,11]\n"
                                 "  return %0\n}\n");
  CHECK(made ==
        "graph(%x: f32[1,2,5,5], %w: f32[2,3,3,3]) {\n"
        "  %0 = pad{.before = {0,0,0,0}, .after = {0,0,1,1}}(%w) : f32[2,3,4,4]\n"
        "  %1 = reshape{.to = [2,3,2,2,2,2]}(%0) : f32[2,3,2,2,2,2]\n"
        "  %2 = reverse{.axes = {2,4}}(%1) : f32[2,3,2,2,2,2]\n"
        "  %3 = transpose{.axes = {3,5,1,0,2,4}}(%2) : f32[2,2,3,2,2,2]\n"
        "  %4 = reshape{.to = [12,2,2,2]}(%3) : f32[12,2,2,2]\n"
        "  %5 = conv2d{.padding = {1,1,1,1}}(%x, %4) : f32[1,12,6,6]\n"
        "  %6 = reshape{.to = [1,2,2,3,6,6]}(%5) : f32[1,2,2,3,6,6]\n"
        "  %7 = transpose{.axes = {0,3,4,1,5,2}}(%6) : f32[1,3,6,2,6,2]\n"
        "  %8 = reshape{.to = [1,3,12,12]}(%7) : f32[1,3,12,12]\n"
        "  %9 = slice{.start = {0,0}, .stop = {11,11}, .axes = {2,3}}(%8) : f32[1,3,11,11]\n"
        "  return %9\n"
        "}\n");
  const std::string plain =
      "graph(%x: f32[1,2,5,5], %w: f32[3,2,3,3]) {\n"
      "  %0 = conv2d(%x, %w) : f32[1,3,3,3]\n"
      "  return %0\n}\n";
  CHECK(after(ir::legalize, plain) == plain);
}

TEST_CASE(
    "legalize: signed bytes before a constant are moved to where they have no sign; few rows and others are not") {
  const auto product = [](const std::string& x, const std::string& w, const std::string& rows) {
    return "graph(%x: " + x + "[" + rows + ",3]) {\n  %0 = constant{.value = " + w + "[3,2] {1,-2,3,4,5,6}}() : " + w +
           "[3,2]\n  %1 = matmul(%x, %0) : i32[" + rows + ",2]\n  return %1\n}\n";
  };
  CHECK(after(ir::legalize, product("i8", "i8", "8")) ==
        "graph(%x: i8[8,3]) {\n"
        "  %0 = cast{.to = i32}(%x) : i32[8,3]\n"
        "  %1 = constant{.value = i32[] {128}}() : i32[]\n"
        "  %2 = add(%0, %1) : i32[8,3]\n"
        "  %3 = cast{.to = u8}(%2) : u8[8,3]\n"
        "  %4 = constant{.value = i8[3,2] {1,-2,3,4,5,6}}() : i8[3,2]\n"
        "  %5 = matmul(%3, %4) : i32[8,2]\n"
        "  %6 = cast{.to = i32}(%4) : i32[3,2]\n"
        "  %7 = sum{.axes = {-2}, .keep = true}(%6) : i32[1,2]\n"
        "  %8 = constant{.value = i32[] {128}}() : i32[]\n"
        "  %9 = mul(%7, %8) : i32[1,2]\n"
        "  %10 = sub(%5, %9) : i32[8,2]\n"
        "  return %10\n"
        "}\n");
  for (const std::string& same : {product("i8", "i8", "7"), product("u8", "i8", "8")})
    CHECK(after(ir::legalize, same) == to_string(parse_graph(same)));
}

TEST_CASE("fold_constants: before and after, and what hangs on an input") {
  CHECK(after(ir::fold_constants,
              "graph(%x: f32[2]) {\n"
              "  %0 = constant{.value = f32[2] {1,4}}() : f32[2]\n"
              "  %1 = sqrt(%0) : f32[2]\n"
              "  %2 = add(%1, %0) : f32[2]\n"
              "  %3 = mul(%x, %2) : f32[2]\n"
              "  return %3\n}\n") ==
        "graph(%x: f32[2]) {\n"
        "  %0 = constant{.value = f32[2] {2,6}}() : f32[2]\n"
        "  %1 = mul(%x, %0) : f32[2]\n"
        "  return %1\n}\n");
  // A broadcast would only make it larger.
  const std::string broadcast =
      "graph(%x: f32[64,64]) {\n"
      "  %0 = constant{.value = f32[] {3}}() : f32[]\n"
      "  %1 = broadcast_to{.to = [64,64]}(%0) : f32[64,64]\n"
      "  %2 = add(%x, %1) : f32[64,64]\n"
      "  return %2\n}\n";
  CHECK(after(ir::fold_constants, broadcast) == broadcast);
}

TEST_CASE("specialize: named extents become a call's, in attributes too, and all types follow") {
  const auto x = input<f32, dim("n"), 6>("x");
  const auto y = input<f32, dim("n"), 6>("y");
  const auto h = reshape.with<{dim("n"), 2, 3}>(x + y);
  ir::graph g;
  g.inputs = {x.node(), y.node()};
  g.outputs = {h.node()};
  const ir::value_type given[] = {{f32, dims{5, 6}}, {f32, dims{5, 6}}};
  CHECK(to_string(ir::specialize(g, given)) ==
        "graph(%x: f32[5,6], %y: f32[5,6]) {\n"
        "  %0 = add(%x, %y) : f32[5,6]\n"
        "  %1 = reshape{.to = [5,2,3]}(%0) : f32[5,2,3]\n"
        "  return %1\n}\n");
  // Nothing is open: nothing changes.
  const ir::graph closed = ir::specialize(g, given);
  CHECK(to_string(ir::specialize(closed, given)) == to_string(closed));
}

TEST_CASE("bind_params: params become constants; inputs stay") {
  const auto x = input<f32, 2>("x");
  const tensor<f32, shape<2>> w(param_of<f32, shape<2>>("w"));
  const auto y = x * w;
  ir::graph g;
  g.inputs = {x.node()};
  g.outputs = {y.node()};
  const float values[] = {2, 3};
  const ir::graph bound = ir::bind_params(
      g, [&](const ir::node&) { return ir::make_constant(f32, dims{2}, values, std::source_location::current()); });
  CHECK(to_string(bound) ==
        "graph(%x: f32[2]) {\n"
        "  %0 = constant{.value = f32[2] {2,3}}() : f32[2]\n"
        "  %1 = mul(%x, %0) : f32[2]\n"
        "  return %1\n}\n");
  const auto never = [](const ir::node&) -> detail::node_ref { throw argument_error("asked"); };
  CHECK(to_string(ir::bind_params(bound, never)) == to_string(bound));
}

TEST_CASE("layout: what lies between convolutions of constant weights has its channels innermost; nothing else has") {
  const auto order_between = [](bool constant_weights, bool result) {
    const auto x = input<f32, 1, 8, 6, 6>("x");
    const auto w = input<f32, 8, 8, 3, 3>("w");
    const test::data values = test::filled(f32, dims{8, 8, 3, 3}, 1);
    const tensor<f32, shape<8, 8, 3, 3>> c(
        ir::make_constant(f32, dims{8, 8, 3, 3}, values.get().data, std::source_location::current()));
    const tensor<f32, shape<8, 8, 3, 3>> weights = constant_weights ? c : tensor<f32, shape<8, 8, 3, 3>>(w.node());
    const auto between = relu(conv2d(x, weights));
    const auto y = conv2d(between, weights);
    ir::graph g;
    g.inputs = {x.node(), w.node()};
    g.outputs = {y.node()};
    if (result) g.outputs.push_back(between.node());
    const ir::fusion f = ir::fuse(g);
    const auto it = f.order.find(between.node().get());
    return it == f.order.end() ? ir::axis_order() : it->second;
  };
  CHECK(order_between(true, false) == ir::axis_order{0, 2, 3, 1});
  CHECK(order_between(false, false).empty());
  CHECK(order_between(true, true).empty());  // a result lies as the caller expects it
}

TEST_CASE("attention: one kernel in the forms in which it is written; not when the softmax goes another way") {
  const auto kernels = [](const std::string& between) {
    const ir::graph g =
        ir::expand_library(parse_graph("graph(%q: f32[2,16,8], %k: f32[2,16,8], %v: f32[2,16,8]) {\n"
                                       "  %s = constant{.value = f32[] {0.5}}() : f32[]\n"
                                       "  %t = transpose{.axes = {0,2,1}}(%k) : f32[2,8,16]\n" +
                                       between + "}\n"));
    return ir::fuse(g).groups.size();
  };
  CHECK(kernels("  %0 = matmul(%q, %t) : f32[2,16,16]\n"
                "  %1 = mul(%0, %s) : f32[2,16,16]\n"
                "  %2 = softmax(%1) : f32[2,16,16]\n"
                "  %3 = matmul(%2, %v) : f32[2,16,8]\n"
                "  return %3\n") == 1);
  CHECK(kernels("  %0 = mul(%q, %s) : f32[2,16,8]\n"
                "  %1 = matmul(%0, %t) : f32[2,16,16]\n"
                "  %2 = max{.axes = {-1}, .keep = true}(%1) : f32[2,16,1]\n"
                "  %3 = sub(%1, %2) : f32[2,16,16]\n"
                "  %4 = exp(%3) : f32[2,16,16]\n"
                "  %5 = sum{.axes = {-1}, .keep = true}(%4) : f32[2,16,1]\n"
                "  %6 = div(%4, %5) : f32[2,16,16]\n"
                "  %7 = matmul(%6, %v) : f32[2,16,8]\n"
                "  return %7\n") <= 2);  // scaled queries may be a kernel of their own
  CHECK(kernels("  %0 = matmul(%q, %t) : f32[2,16,16]\n"
                "  %1 = softmax{.axis = -2}(%0) : f32[2,16,16]\n"
                "  %2 = matmul(%1, %v) : f32[2,16,8]\n"
                "  return %2\n") > 1);
}

TEST_CASE("values that nobody reads are gone with the pass that leaves them; inputs stay") {
  const ir::graph g = parse_graph(
      "graph(%x: f32[4], %unused: f32[4]) {\n"
      "  %0 = sub(%x, %unused) : f32[4]\n"
      "  %1 = mul(%0, %unused) : f32[4]\n"
      "  %2 = relu(%x) : f32[4]\n"
      "  return %2\n}\n");
  for (const pass p : {ir::expand_library, ir::canonicalize, ir::fold_constants, ir::fold_scale, ir::combine_parallel,
                       ir::fast_math, ir::legalize, ir::mixed_precision})
    CHECK(to_string(p(g, {})) ==
          "graph(%x: f32[4], %unused: f32[4]) {\n"
          "  %0 = relu(%x) : f32[4]\n"
          "  return %0\n}\n");
}

TEST_CASE("the text of a fused graph is in basic blocks: a block a kernel, and what needs none apart") {
  const ir::graph g = parse_graph(
      "graph(%x: f32[4,8], %w: f32[8,8]) {\n"
      "  %0 = matmul(%x, %w) : f32[4,8]\n"
      "  %1 = relu(%0) : f32[4,8]\n"
      "  %2 = transpose(%1) : f32[8,4]\n"
      "  %3 = matmul(%1, %2) : f32[4,4]\n"
      "  return %3\n}\n");
  const std::string text = to_string(g, ir::fuse(g));
  CHECK(text ==
        "graph(%x: f32[4,8], %w: f32[8,8]) {\n"
        "  // kernel 1\n"
        "  %0 = matmul(%x, %w) : f32[4,8]\n"
        "  %1 = relu(%0) : f32[4,8]\n"
        "  // in no kernel\n"
        "  %2 = transpose(%1) : f32[8,4]\n"
        "  // kernel 2\n"
        "  %3 = matmul(%1, %2) : f32[4,4]\n"
        "  return %3\n}\n");
  CHECK(ir::equal(parse_graph(text), g));
}
