// Passes around contractions: before and after, where they must not fire, and values near what they were.
#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "graph/run_graph.hpp"
#include "ops/leaf.hpp"

using namespace tenon;

namespace {

const auto here = std::source_location::current();

ir::graph graph_of(std::vector<detail::node_ref> in, std::vector<detail::node_ref> out) {
  ir::graph g;
  g.inputs = std::move(in);
  g.outputs = std::move(out);
  return ir::expand_library(g);
}
template <extent_t... E>
tensor<f32, shape<E...>> constant(std::uint32_t seed) {
  const test::data d = test::filled(f32, dims{E...}, seed);
  return tensor<f32, shape<E...>>(ir::make_constant(f32, dims{E...}, d.get().data, here));
}
void close(const ir::graph& before, const ir::graph& after, double tolerance) {
  ir::verify(after);
  const auto in = test::inputs_for(before, 3);
  const auto want = test::run(before, {.target = "native", .opt_level = 0}, in),
             got = test::run(after, {.target = "native", .opt_level = 0}, in);
  for (std::size_t i = 0; i < want.size(); ++i) CHECK(test::difference(got[i], want[i]) <= tolerance);
}
ir::graph folded(const ir::graph& g) {
  return ir::fold_constants(ir::fold_scale(ir::canonicalize(ir::fold_constants(g))));
}

}  // namespace

TEST_CASE("fold_scale: what scales a product's columns goes into its weights") {
  const std::string weights =
      "  %0 = constant{.value = f32[2,2] {1,2,3,4}}() : f32[2,2]\n"
      "  %1 = constant{.value = f32[2] {10,20}}() : f32[2]\n";
  const ir::graph g = parse_graph("graph(%x: f32[3,2]) {\n" + weights +
                                  "  %2 = matmul(%x, %0) : f32[3,2]\n"
                                  "  %3 = mul(%2, %1) : f32[3,2]\n"
                                  "  return %3\n}\n");
  const ir::graph made = ir::fold_scale(g);
  CHECK(to_string(made) == "graph(%x: f32[3,2]) {\n" + weights +
                               "  %2 = reshape{.to = [1,2]}(%1) : f32[1,2]\n"
                               "  %3 = mul(%0, %2) : f32[2,2]\n"
                               "  %4 = matmul(%x, %3) : f32[3,2]\n"
                               "  return %4\n}\n");
  CHECK(ir::fold_constants(made).size() == 3);
  close(g, made, 1e-6);
}

TEST_CASE("fold_scale: a batch norm behind a convolution is its weights and its bias") {
  auto x = input<f32, 2, 3, 7, 5>("x");
  auto c = conv2d.with<{.padding = {1, 1}}>(x, constant<4, 3, 3, 3>(1));
  auto y = batch_norm(c + constant<4, 1, 1>(2), constant<4>(3), constant<4>(4), constant<4>(5),
                      constant<4>(6) * constant<4>(6));
  const ir::graph g = graph_of({x.node()}, {relu(y).node()}), made = folded(g);
  CHECK(made.count("mul") == 0);
  CHECK(made.count("add") == 1);
  CHECK(made.size() == 6);  // x, weights, conv2d, bias, add, relu
  close(g, made, 1e-4);
}

TEST_CASE("fold_scale: factors before the sum, along the axis that is summed") {
  auto x = input<f32, 5, 4>("x");
  const ir::graph g = graph_of({x.node()}, {matmul(x * constant<4>(1), constant<4, 3>(2)).node()});
  CHECK(folded(g).count("mul") == 0);
  close(g, folded(g), 1e-5);
  auto image = input<f32, 1, 6, 5, 5>("image");
  const ir::graph grouped = graph_of(
      {image.node()}, {conv2d.with<{.groups = 6}>(image * constant<6, 1, 1>(1), constant<6, 1, 3, 3>(2)).node()});
  CHECK(folded(grouped).count("mul") == 0);
  close(grouped, folded(grouped), 1e-5);
  // Extents that only the call knows do not matter.
  auto open = input<f32, dyn, 4>("open");
  CHECK(folded(graph_of({open.node()}, {(matmul(open, constant<4, 3>(2)) * 0.25f).node()})).count("mul") == 0);
}

TEST_CASE("fold_scale: where it must not") {
  auto x = input<f32, 5, 4>("x");
  auto s = input<f32, 3>("s");
  auto r = input<f32, 5, 1>("r");
  auto p = matmul(x, constant<4, 3>(2));
  const auto muls = [&](auto... out) {
    return folded(graph_of({x.node(), s.node(), r.node()}, {out.node()...})).count("mul");
  };
  CHECK(muls(p * s) == 1);                       // not known
  CHECK(muls(p * constant<5, 1>(3)) == 1);       // along rows, which the weights do not have
  CHECK(muls(p * constant<3>(3), exp(p)) == 1);  // somebody needs it as it is
  CHECK(muls(matmul(x * constant<5, 1>(1), constant<4, 3>(2))) == 1);
  auto image = input<f32, 1, 6, 5, 5>("image");
  const ir::graph g = graph_of(
      {image.node()}, {conv2d.with<{.groups = 2}>(image * constant<6, 1, 1>(1), constant<4, 3, 3, 3>(2)).node()});
  CHECK(folded(g).count("mul") == 1);  // both groups read the same places of their weights
  CHECK(muls(relu(p) * constant<3>(3)) == 1);
  // What is not finite: 0 * inf would be no number where the sum times inf is one.
  CHECK(muls(p * std::numeric_limits<float>::infinity()) == 1);
  CHECK(folded(graph_of({x.node()}, {(p / 0).node()})).count("div") == 1);
}

TEST_CASE("combine_parallel: products of one value are one product, and what follows each goes along") {
  auto x = input<f32, 5, 4>("x");
  const auto head = [&](auto w, auto b) { return relu(matmul(x, w) + b); };
  auto a = head(constant<4, 3>(1), constant<3>(2));
  auto b = head(constant<4, 2>(3), constant<2>(4));
  auto c = head(constant<4, 7>(5), constant<7>(6));
  const ir::graph g = graph_of({x.node()}, {a.node(), b.node(), (c * 2).node()});
  const ir::graph made = ir::fold_constants(ir::canonicalize(ir::combine_parallel(g)));
  CHECK(made.count("matmul") == 1);
  CHECK(made.count("relu") == 1);
  CHECK(made.count("slice") == 3);
  CHECK(made.count("concat") == 0);  // of constants
  close(g, made, 1e-5);
}

TEST_CASE("combine_parallel: convolutions and batched products") {
  auto image = input<f32, 2, 3, 6, 6>("image");
  const ir::graph convolutions =
      graph_of({image.node()},
               {conv2d.with<{.padding = {1, 1}}>(image, constant<4, 3, 3, 3>(1)).node(),
                (conv2d.with<{.padding = {1, 1}}>(image, constant<2, 3, 3, 3>(2)) + constant<2, 1, 1>(3)).node()});
  CHECK(ir::combine_parallel(convolutions).count("conv2d") == 1);
  close(convolutions, ir::combine_parallel(convolutions), 1e-5);
  auto x = input<f32, 3, 5, 4>("x");
  const ir::graph batched =
      graph_of({x.node()}, {matmul(x, constant<3, 4, 2>(1)).node(), matmul(x, constant<3, 4, 6>(2)).node()});
  CHECK(ir::combine_parallel(batched).count("matmul") == 1);
  close(batched, ir::combine_parallel(batched), 1e-5);
}

TEST_CASE("combine_parallel: where it must not") {
  auto x = input<f32, 5, 4>("x"), y = input<f32, 5, 4>("y");
  auto w = input<f32, 4, 3>("w");
  const auto products = [&](auto... out) {
    return ir::combine_parallel(graph_of({x.node(), y.node(), w.node()}, {out.node()...})).count("matmul");
  };
  CHECK(products(matmul(x, constant<4, 3>(1)), matmul(y, constant<4, 3>(2))) == 2);
  CHECK(products(matmul(x, constant<4, 3>(1)), matmul(x, w)) == 2);
  CHECK(products(matmul(x, constant<4, 3>(1)), matmul(x, constant<2, 4, 3>(2))) == 2);
  auto image = input<f32, 1, 4, 6, 6>("image");
  const ir::graph g = graph_of({image.node()}, {conv2d.with<{.groups = 2}>(image, constant<4, 2, 3, 3>(1)).node(),
                                                conv2d.with<{.groups = 2}>(image, constant<2, 2, 3, 3>(2)).node()});
  CHECK(ir::combine_parallel(g).count("conv2d") == 2);  // a group's channels would be another group's
  const ir::pass_settings three({{"combine_parallel.least", 3}});
  CHECK(ir::combine_parallel(
            graph_of({x.node()}, {matmul(x, constant<4, 3>(1)).node(), matmul(x, constant<4, 3>(2)).node()}), three)
            .count("matmul") == 2);
}

TEST_CASE("mixed_precision: products in 16 bits, sensitive operators in 32") {
  const std::string before =
      "graph(%x: f32[3,2], %w: f32[2,2], %b: f32[2]) {\n"
      "  %0 = matmul(%x, %w) : f32[3,2]\n"
      "  %1 = relu(%0) : f32[3,2]\n"
      "  %2 = exp(%1) : f32[3,2]\n"
      "  return %2\n}\n";
  const ir::graph g = parse_graph(before);
  const ir::pass_settings low({{"mixed_precision", "bf16"}});
  CHECK(to_string(ir::canonicalize(ir::mixed_precision(g, low))) ==
        "graph(%x: f32[3,2], %w: f32[2,2], %b: f32[2]) {\n"
        "  %0 = cast{.to = bf16}(%x) : bf16[3,2]\n"
        "  %1 = cast{.to = bf16}(%w) : bf16[2,2]\n"
        "  %2 = matmul(%0, %1) : bf16[3,2]\n"
        "  %3 = relu(%2) : bf16[3,2]\n"
        "  %4 = cast(%3) : f32[3,2]\n"
        "  %5 = exp(%4) : f32[3,2]\n"
        "  return %5\n}\n");
  CHECK(to_string(ir::mixed_precision(g)) == before);  // nobody asked for it
  auto x = input<f32, 4, 8>("x");
  auto w = input<f32, 8, 8>("w");
  const ir::graph network =
      graph_of({x.node(), w.node()}, {softmax(matmul(relu(matmul(x, w)), w)).node(), layer_norm(x).node()});
  for (const char* type : {"bf16", "f16"}) {
    const ir::pass_settings s({{"mixed_precision", type}});
    const ir::graph made = ir::canonicalize(ir::mixed_precision(network, s));
    for (const ir::node* n : ir::post_order(made.outputs))
      if (n->op->kind == ir::op_kind::reduction) CHECK(n->type.element == f32);
    int products = 0;
    for (const ir::node* n : ir::post_order(made.outputs))
      products += n->op->name == "matmul" && n->type.element != f32;
    CHECK(products == 2);
    close(network, made, 0.1);
  }
  const ir::graph integers =
      parse_graph("graph(%x: i32[3,2], %w: i32[2,2]) {\n  %0 = matmul(%x, %w) : i32[3,2]\n  return %0\n}\n");
  CHECK(to_string(ir::mixed_precision(integers, low)) == to_string(integers));
}
