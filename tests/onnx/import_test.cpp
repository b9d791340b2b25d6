// What an import makes of a model, and what it says of one that it cannot take.
#include <doctest/doctest.h>

#include <string>

#include "runtime/files.hpp"
#include "tenon/onnx/onnx.hpp"
#include "tenon/tenon.hpp"
#include "writer.hpp"

using namespace tenon;
using namespace writer;

namespace {

onnx_model imported(const std::string& m, const onnx_options& o = {}) { return import_onnx(bytes(m), o); }
std::string refusal(const std::string& m, const onnx_options& o = {}) {
  try {
    (void)imported(m, o);
  } catch (const load_error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

// x [batch, 2, 3] -> y [batch, 6], the batch read from x.
const std::string flatten_by_shape = input("x", {"batch", "2", "3"}) + integers("zero", {0}) + integers("rest", {-1}) +
                                     node("Shape", {"x"}, {"s"}) + node("Gather", {"s", "zero"}, {"n"}) +
                                     node("Concat", {"n", "rest"}, {"to"}, {attribute("axis", 0)}) +
                                     node("Reshape", {"x", "to"}, {"y"}) + output("y");

}  // namespace

TEST_CASE("inputs and outputs have the model's names, and named dimensions are named extents") {
  const onnx_model m = imported(model(input("left", {"batch", "4"}) + input("right", {"batch", ""}) +
                                      node("Add", {"left", "right"}, {"sum"}) + output("sum")));
  CHECK(m.inputs() == std::vector<std::string>{"left", "right"});
  CHECK(m.outputs() == std::vector<std::string>{"sum"});
  CHECK(test::has(to_string(m.graph()), "[batch,4]"));
  const untyped_function f = build(m, {.target = "native"});
  const array<f32> a = array<f32>::full({3, 4}, 2), b = array<f32>::full({3, 1}, 5);
  const std::vector<param_value> y = f(a, b);
  REQUIRE(y.size() == 1);
  CHECK(y[0].name() == "sum");
  CHECK(y[0].dims() == dims{3, 4});
  CHECK(y[0].as<f32>()(2, 3) == 7);
  CHECK_THROWS_AS((void)f(a, array<f32>::full({2, 1}, 5)), shape_error);  // another batch
  CHECK_THROWS_AS((void)f(a), argument_error);
  CHECK_THROWS_AS((void)f(param_set().set("left", a).set("middle", b)), argument_error);
  CHECK(f(param_set().set("left", a).set("right", b))[0].as<f32>()(0, 0) == 7);
}

TEST_CASE("a shape that the model computes of a named extent folds, and serves every batch") {
  const untyped_function f = build(imported(model(flatten_by_shape)), {.target = "native"});
  for (const extent_t batch : {1, 3}) {
    const array<f32> x = array<f32>::uniform({batch, 2, 3}, 1);
    const std::vector<param_value> y = f(x);
    CHECK(y[0].dims() == dims{batch, 6});
    for (extent_t i = 0; i < x.size(); ++i) CHECK(y[0].as<f32>().data()[i] == x.data()[i]);
  }
  const onnx_model fixed = imported(model(flatten_by_shape), {.values = {}, .extents = {{"batch", 4}}});
  CHECK(fixed.graph().inputs[0].get() != nullptr);
  CHECK(test::has(to_string(fixed.graph()), "[4,2,3]"));
  const onnx_model by_axis = imported(model(flatten_by_shape), {.values = {}, .extents = {{"x[0]", 5}}});
  CHECK(test::has(to_string(by_axis.graph()), "[5,2,3]"));
}

TEST_CASE("a signature makes a typed callable, and must fit the model") {
  const onnx_model m = imported(model(flatten_by_shape));
  auto f = build<tensor<f32, shape<dyn, 6>>>(m, signature<tensor<f32, shape<dyn, 2, 3>>>{}, {.target = "native"});
  const array<f32> y = f(array<f32>::full({2, 2, 3}, 1));
  CHECK(y.dims() == dims{2, 6});
  using result = tensor<f32, any_shape>;
  using other_result = tensor<i32, any_shape>;
  using other_type = signature<tensor<f64, shape<dyn, 2, 3>>>;
  using other_extent = signature<tensor<f32, shape<dyn, 2, 4>>>;
  using open = signature<tensor<f32, any_shape>>;
  CHECK_THROWS_AS((void)build<result>(m, other_type{}), type_error);
  CHECK_THROWS_AS((void)build<result>(m, other_extent{}), shape_error);
  CHECK_THROWS_AS((void)build<other_result>(m, open{}), type_error);
}

TEST_CASE("one error lists every node that is not supported, and every attribute") {
  const std::string text = refusal(
      model(input("x", {"4"}) + node("Frobnicate", {"x"}, {"a"}) + node("Relu", {"a"}, {"behind"}) +
            node("LeakyRelu", {"x"}, {"b"}, {attribute("slope", 3)}) + node("Thing", {"x"}, {"c"}, {}, "my.domain") +
            node("Relu", {"nowhere"}, {"d"}) + node("Relu", {"x"}, {"y"}) + output("y")));
  CHECK(test::has(text, "Frobnicate 'make_a': the operator is not supported"));
  CHECK(test::has(text, "LeakyRelu 'make_b': attribute 'slope' is not supported"));
  CHECK(test::has(text, "Thing 'make_c': the operator, of domain 'my.domain', is not supported"));
  CHECK(test::has(text, "Relu 'make_d': no node before it makes its input 'nowhere'"));
  CHECK(text.find("make_behind") == text.npos);
  CHECK(test::has(text, "(4 faults)"));
}

TEST_CASE("what an operator refuses is said with the node") {
  const std::string text =
      refusal(model(input("x", {"2", "3"}) + input("y", {"4", "5"}) + node("MatMul", {"x", "y"}, {"z"}) + output("z")));
  CHECK(test::has(text, "MatMul 'make_z': matmul: inner extents 3 != 4"));
  CHECK(test::has(refusal(model(input("x", {"2"}) + node("Relu", {"x"}, {"y"}) + output("y"), 40)),
                  "operator set 40 is outside 1 to 25"));
  CHECK(test::has(refusal(model(input("x", {"2"}, 8) + output("x"))), "input 'x' is string, no tensor"));
  CHECK(test::has(refusal(model(input("x", {"2"}) + output("y"))), "output 'y': no node makes it"));
  CHECK(test::has(refusal("\x12"), "no ONNX message"));
  CHECK(test::has(refusal(""), "it has no graph"));
}

TEST_CASE("the user's operators stand for nodes of their names, and what they refuse is said with the node") {
  onnx_options own;
  own.operators.push_back({"my.domain", "Scaled", [](const onnx_call& n) {
                             if (n.inputs() > 1) throw argument_error("Scaled takes one input");
                             const tensor<any_dtype, any_shape> x = n.input(0);
                             return std::vector<tensor<any_dtype, any_shape>>{x * n.integer("by", 1), -x};
                           }});
  own.operators.push_back(
      {"", "Relu", [](const onnx_call& n) { return std::vector<tensor<any_dtype, any_shape>>{abs(n.input(0))}; }});
  const onnx_model m =
      imported(model(input("x", {"2"}) + node("Scaled", {"x"}, {"a", "b"}, {attribute("by", 3)}, "my.domain") +
                     node("Relu", {"b"}, {"c"}) + node("Add", {"a", "c"}, {"y"}) + output("y")),
               own);
  const std::vector<param_value> y = build(m, {.target = "native"})(array<f32>::from({-3, 4}));
  CHECK(y[0].as<f32>()(0) == -6);
  CHECK(y[0].as<f32>()(1) == 16);
  const auto wrong = [&](const std::string& n) { return refusal(model(input("x", {"2"}) + n + output("y")), own); };
  CHECK(test::has(wrong(node("Scaled", {"x"}, {"y"}, {}, "my.domain")),
                  "Scaled 'make_y': the user's operator makes 2 results, the node has 1"));
  CHECK(test::has(wrong(node("Scaled", {"x", "x"}, {"y", "z"}, {}, "my.domain")),
                  "Scaled 'make_y': Scaled takes one input"));
  CHECK(test::has(wrong(node("Scaled", {"x"}, {"y", "z"}, {attribute("to", 3)}, "my.domain")),
                  "attribute 'to' is not supported"));
}

TEST_CASE("arithmetic on extents folds where it can, and one that follows from the others is left to the call") {
  // y [batch * seq, 4] and back: the product of two names is what a reshape finds by itself.
  const std::string product =
      input("x", {"batch", "seq", "4"}) + integers("i0", {0}) + integers("i1", {1}) + integers("four", {4}) +
      integers("two", {2}) + node("Shape", {"x"}, {"s"}) + node("Gather", {"s", "i0"}, {"b"}) +
      node("Gather", {"s", "i1"}, {"q"}) + node("Mul", {"b", "q"}, {"n"}) + node("Div", {"four", "two"}, {"half"}) +
      node("Mul", {"half", "two"}, {"width"}) + node("Concat", {"n", "width"}, {"to"}, {attribute("axis", 0)}) +
      node("Reshape", {"x", "to"}, {"y"}) + output("y");
  const untyped_function f = build(imported(model(product)), {.target = "native"});
  CHECK(f(array<f32>::zeros({3, 5, 4}))[0].dims() == dims{15, 4});
  CHECK(f(array<f32>::zeros({2, 1, 4}))[0].dims() == dims{2, 4});
  // Where(Equal(wanted, -1), ones, wanted), as exporters write an Expand.
  const std::string expand =
      input("x", {"1", "4"}) + input("like", {"batch"}) + integers("minus", {-1}) + integers("one", {1}) +
      integers("four", {4}) + node("Shape", {"like"}, {"n"}) +
      node("Concat", {"n", "four"}, {"to"}, {attribute("axis", 0)}) + node("Equal", {"to", "minus"}, {"open"}) +
      node("Where", {"open", "one", "to"}, {"extents"}) + node("Expand", {"x", "extents"}, {"wide"}) +
      node("Add", {"wide", "wide"}, {"y"}) + output("y");
  const untyped_function g = build(imported(model(expand)), {.target = "native"});
  CHECK(g(array<f32>::zeros({1, 4}), array<f32>::zeros({3}))[0].dims() == dims{3, 4});
}

TEST_CASE("the least integer as the end of a slice is no name of an extent") {
  const onnx_model m = imported(model(input("x", {"4"}) + integers("start", {-1}) + integers("end", {INT64_MIN + 1}) +
                                      integers("axis", {0}) + integers("step", {-1}) +
                                      node("Slice", {"x", "start", "end", "axis", "step"}, {"y"}) + output("y")));
  const std::vector<param_value> y = build(m, {.target = "native"})(array<f32>::from({1, 2, 3, 4}));
  REQUIRE(y[0].dims() == dims{4});
  CHECK(y[0].as<f32>()(0) == 4);
}

TEST_CASE("results whose extents depend on data have as many elements as there are") {
  const onnx_model m =
      imported(model(input("x", {"n"}) + node("NonZero", {"x"}, {"at"}) + node("Transpose", {"at"}, {"y"}) +
                     node("Unique", {"x"}, {"u"}) + output("y") + output("u")));
  const std::vector<param_value> y = build(m, {.target = "native"})(array<f32>::from({0, 3, 0, 3, 1}));
  REQUIRE(y[0].dims() == dims{3, 1});
  CHECK(y[0].as<i64>()(2, 0) == 4);
  REQUIRE(y[1].dims() == dims{3});
  CHECK(y[1].as<f32>()(2) == 3);
}

TEST_CASE("a model that is written out without end is refused") {
  // A function that calls itself twice.
  const std::string body =
      part(1, "Again") + part(4, "in") + part(5, "out") + node("Again", {"in"}, {"mid"}, {}, "own", 7) +
      node("Again", {"mid"}, {"out"}, {}, "own", 7) + part(9, part(1, "") + integer(2, 17)) + part(10, "own");
  CHECK(test::has(
      refusal(model(input("x", {"2"}) + node("Again", {"x"}, {"y"}, {}, "own") + output("y"), 17, part(25, body))),
      "Again"));
}

TEST_CASE("inputs whose values decide extents are asked for, and become constants") {
  const std::string m =
      model(input("x", {"6"}) + input("to", {"2"}, 7) + node("Reshape", {"x", "to"}, {"y"}) + output("y"));
  try {
    (void)imported(m);
    FAIL("nothing was thrown");
  } catch (const onnx_error& e) {
    CHECK(e.wanted_inputs() == std::vector<std::string>{"to"});
  }
  onnx_options known;
  known.values.set("to", array<i64>::from({2, 3}));
  const onnx_model made = imported(m, known);
  CHECK(made.inputs() == std::vector<std::string>{"x"});
  CHECK(build(made, {.target = "native"})(array<f32>::zeros({6}))[0].dims() == dims{2, 3});
}

TEST_CASE("functions of the model are written out, with their attributes") {
  const std::string slope = part(1, "alpha") + part(21, "steepness");
  const std::string body = part(1, "Bent") + part(4, "in") + part(5, "out") + part(6, "steepness") +
                           node("LeakyRelu", {"in"}, {"mid"}, {slope}, "", 7) +
                           node("Neg", {"mid"}, {"out"}, {}, "", 7) + part(9, part(1, "") + integer(2, 17)) +
                           part(10, "own");
  const std::string steep = part(1, "steepness") + varint(2 << 3 | 5) + std::string("\0\0\0\x40", 4);
  const onnx_model m =
      imported(model(input("x", {"2"}) + node("Bent", {"x"}, {"y"}, {steep}, "own") + output("y"), 17, part(25, body)));
  const std::vector<param_value> y = build(m, {.target = "native"})(array<f32>::from({-3, 4}));
  CHECK(y[0].as<f32>()(0) == 6);
  CHECK(y[0].as<f32>()(1) == -4);
}

TEST_CASE("external data is mapped, and stays below the model's folder") {
  const test::folder folder;
  const float data[] = {9, 9, 1, 2, 3};
  folder.write("weights.data", test::bytes_of(data));
  const auto with = [&](const std::string& location, const std::string& offset) {
    const auto entry = [](std::string_view k, const std::string& v) { return part(13, part(1, k) + part(2, v)); };
    const std::string w = part(5, integer(1, 3) + integer(2, 1) + part(8, "w") + entry("location", location) +
                                      entry("offset", offset) + integer(14, 1));
    return import_onnx(
        folder.write("model.onnx", model(w + input("x", {"3"}) + node("Add", {"x", "w"}, {"y"}) + output("y"))));
  };
  const std::vector<param_value> y = build(with("weights.data", "8"), {.target = "native"})(array<f32>::zeros({3}));
  CHECK(y[0].as<f32>()(2) == 3);
  CHECK_THROWS_AS((void)with("weights.data", "12"), load_error);  // beyond its end
  CHECK_THROWS_AS((void)with("../weights.data", "8"), load_error);
  CHECK_THROWS_AS((void)with("/etc/passwd", "0"), load_error);
  CHECK_THROWS_AS((void)with("none.data", "0"), load_error);
}

TEST_CASE("If whose condition the call brings is an if_ of the graph") {
  const auto branch = [](std::string_view name, std::string_view op) {
    return part(1, name) + part(6, node(op, {"x"}, {"r"}) + output("r"));
  };
  const onnx_model m = imported(
      model(input("c", {}, 9) + input("x", {"n"}) +
            node("If", {"c"}, {"y"}, {branch("then_branch", "Neg"), branch("else_branch", "Abs")}) + output("y")));
  CHECK(test::has(to_string(m.graph()), "= if"));
  const untyped_function f = build(m, {.target = "native"});
  const array<f32> x = array<f32>::from({3, -4});
  CHECK(f(array<b8>::full({}, true), x)[0].as<f32>()(1) == 4);
  CHECK(f(array<b8>::full({}, true), x)[0].as<f32>()(0) == -3);
  CHECK(f(array<b8>::full({}, false), x)[0].as<f32>()(0) == 3);
  // Branches that differ name both types.
  const std::string other =
      part(1, "else_branch") + part(6, node("Cast", {"x"}, {"r"}, {attribute("to", 6)}) + output("r"));
  CHECK(test::has(refusal(model(input("c", {}, 9) + input("x", {"2"}) +
                                node("If", {"c"}, {"y"}, {branch("then_branch", "Neg"), other}) + output("y"))),
                  "If 'make_y': if: "));
}

TEST_CASE("Loop that only the call ends is a while_ of the graph") {
  // x is doubled while it is below 100, at most `turns` times.
  const std::string body = input("t", {}, 7) + input("go", {}, 9) + input("s", {"2"}) + node("Add", {"s", "s"}, {"d"}) +
                           node("ReduceMax", {"d"}, {"m"}, {attribute("keepdims", 0)}) +
                           node("Less", {"m", "hundred"}, {"on"}) + output("on") + output("d");
  const float hundred = 100;
  const std::string limit = part(
      5, integer(2, 1) + part(8, "hundred") + part(9, std::string_view(reinterpret_cast<const char*>(&hundred), 4)));
  const auto looped = [&](const std::string& inputs, const std::vector<std::string>& operands) {
    return model(limit + inputs + input("x", {"2"}) + node("Loop", operands, {"y"}, {part(1, "body") + part(6, body)}) +
                 output("y"));
  };
  const array<f32> x = array<f32>::from({3, -4});
  const onnx_model unbounded = imported(looped("", {"", "", "x"}));
  CHECK(test::has(to_string(unbounded.graph()), "= while"));
  for (const char* target : {"native", "llvm"}) {
    CHECK(build(unbounded, {.target = target})(x)[0].as<f32>()(0) == 192);
    const untyped_function counted =
        build(imported(looped(input("turns", {}, 7), {"turns", "", "x"})), {.target = target});
    for (const std::int64_t turns : {0, 1, 3, 100}) {
      float want = 3;
      for (std::int64_t t = 0; t < turns && want < 100; ++t) want *= 2;
      CHECK(counted(array<i64>::full({}, turns), x)[0].as<f32>()(0) == want);
    }
  }
}

TEST_CASE("Loop that collects until the call ends it, of at most so many turns") {
  // x is doubled while it is below 100; what it was in each turn, and how large that is.
  const std::string body = input("t", {}, 7) + input("go", {}, 9) + input("s", {"2"}) + node("Add", {"s", "s"}, {"d"}) +
                           node("ReduceMax", {"d"}, {"m"}, {attribute("keepdims", 0)}) +
                           node("Less", {"m", "hundred"}, {"on"}) + node("Identity", {"s"}, {"was"}) + output("on") +
                           output("d") + output("was") + output("m");
  const auto number = [](std::string_view name, int type, const auto& value) {
    return part(5, integer(2, static_cast<std::uint64_t>(type)) + part(8, name) +
                       part(9, std::string_view(reinterpret_cast<const char*>(&value), sizeof value)));
  };
  const auto looped = [&](std::int64_t most, const std::string& inputs, const char* turns) {
    return model(number("hundred", 1, 100.0F) + number("most", 7, most) + inputs + input("x", {"2"}) +
                 node("Loop", {turns, "", "x"}, {"y", "all", "sizes"}, {part(1, "body") + part(6, body)}) +
                 node("Neg", {"all"}, {"z"}) + output("y") + output("z") + output("sizes"));
  };
  for (const char* target : {"native", "llvm"})
    for (const std::int64_t most : {1, 4, 2000}) {
      CAPTURE(std::string(target));
      CAPTURE(most);
      const untyped_function f = build(imported(looped(most, "", "most")), {.target = target});
      for (const float first : {3.0F, 60.0F, 0.5F}) {
        const std::vector<param_value> y = f(array<f32>::from({first, -4}));
        float want = first;
        extent_t turns = 0;
        for (bool on = true; on && turns < most; ++turns) {
          REQUIRE(turns < y[1].dims()[0]);
          CHECK(y[1].as<f32>()(turns, 0) == -want);
          want *= 2;
          CHECK(y[2].as<f32>()(turns) == want);
          on = want < 100;
        }
        CHECK(y[0].as<f32>()(0) == want);
        CHECK(y[1].dims() == dims{turns, 2});
        CHECK(y[2].dims() == dims{turns});
      }
    }
  // How much there may be of it has to be known, and to be little.
  CHECK(test::has(refusal(looped(std::int64_t{1} << 40, "", "most")),
                  "it may collect 1099511627776 times, more than 268435456 bytes"));
  CHECK(test::has(refusal(looped(5, input("turns", {}, 7), "turns")), "Loop 'make_y': "));
}

TEST_CASE("Scan over an extent that only the call knows is a scan of the graph, forwards and backwards") {
  const std::string body = input("s", {"2"}) + input("e", {"2"}) + node("Add", {"s", "e"}, {"n"}) +
                           node("Identity", {"n"}, {"c"}) + output("n") + output("c");
  for (const bool backwards : {false, true}) {
    std::vector<std::string> attributes = {part(1, "body") + part(6, body), attribute("num_scan_inputs", 1)};
    if (backwards)
      attributes.insert(attributes.end(), {list("scan_input_directions", {1}), list("scan_output_directions", {1})});
    const onnx_model m =
        imported(model(input("s0", {"2"}) + input("xs", {"steps", "2"}) +
                       node("Scan", {"s0", "xs"}, {"last", "all"}, attributes) + output("last") + output("all")));
    CHECK(test::has(to_string(m.graph()), "= scan"));
    const untyped_function f = build(m, {.target = "native"});
    for (const extent_t steps : {1, 5}) {
      const array<f32> xs = array<f32>::uniform({steps, 2}, 1), s0 = array<f32>::from({1, 2});
      const std::vector<param_value> y = f(s0, xs);
      REQUIRE(y[1].dims() == dims{steps, 2});
      for (extent_t j = 0; j < 2; ++j) {
        float sum = s0(j);
        for (extent_t k = 0; k < steps; ++k) {
          const extent_t t = backwards ? steps - 1 - k : k;
          sum += xs(t, j);
          CHECK(y[1].as<f32>()(t, j) == sum);
        }
        CHECK(y[0].as<f32>()(j) == sum);
      }
    }
  }
}
