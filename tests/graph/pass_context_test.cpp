// Which passes run, in what order, what the user adds, and what is printed, checked and measured around them.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "callable/refusal.hpp"
#include "loop/kernel.hpp"
#include "targets.hpp"
#include "tenon/tenon.hpp"

using namespace tenon;
using test::refusal;

namespace {

// What is written to standard error while `f` runs.
template <class F>
std::string standard_error(F f) {
  std::fflush(stderr);
  std::FILE* file = std::tmpfile();
  REQUIRE(file);
  const int kept = dup(2);
  dup2(fileno(file), 2);
  f();
  std::fflush(stderr);
  dup2(kept, 2);
  close(kept);
  std::string s(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  CHECK(std::fread(s.data(), 1, s.size(), file) == s.size());
  std::fclose(file);
  return s;
}

struct watcher : pass_instrument {
  std::vector<std::string> seen;
  double spent = 0;
  void before(std::string_view pass, const ir::graph&) override { seen.push_back("before " + std::string(pass)); }
  void after(std::string_view pass, const ir::graph&, double seconds) override {
    seen.push_back("after " + std::string(pass));
    spent += seconds;
  }
  bool saw(const std::string& what) const { return std::ranges::find(seen, what) != seen.end(); }
  std::size_t place(const std::string& what) const {
    return static_cast<std::size_t>(std::ranges::find(seen, what) - seen.begin());
  }
};

// Runs once on `native` with the context, and gives the passes that ran.
watcher passes_of(pass_context c) {
  watcher w;
  c.add(w);
  const auto f = jit([](tensor<f32, shape<4>> x) { return relu(relu(x * 1.0f)); }, {.target = "native", .context = c});
  const array<f32> y = f(array<f32>::full({4}, 2.0f));
  CHECK(y(3) == 2);
  return w;
}

std::string text_of(const std::vector<detail::node_ref>& in, const std::vector<detail::node_ref>& out) {
  ir::graph g;
  g.inputs = in;
  g.outputs = out;
  return to_string(g);
}

}  // namespace

TEST_CASE("levels decide which passes run; disabled and required overrule them") {
  CHECK(passes_of({.opt_level = 0}).saw("after expand_library"));
  CHECK_FALSE(passes_of({.opt_level = 0}).saw("after canonicalize"));
  CHECK(passes_of({.opt_level = 1}).saw("after canonicalize"));
  CHECK_FALSE(passes_of({.opt_level = 1}).saw("after fold_constants"));
  CHECK(passes_of({.opt_level = 2}).saw("after fold_constants"));
  CHECK_FALSE(passes_of({.opt_level = 2}).saw("after fold_scale"));
  CHECK(passes_of({}).saw("after fold_scale"));
  CHECK_FALSE(passes_of({}).saw("after fast_math"));
  CHECK(passes_of({.opt_level = 4}).saw("after fast_math"));
  CHECK(passes_of({.required = {"fast_math"}}).saw("after fast_math"));
  CHECK_FALSE(passes_of({.opt_level = 4, .disabled = {"fast_math"}, .required = {"fast_math"}}).saw("after fast_math"));
  CHECK(passes_of({}).spent > 0);
  CHECK(passes_of({}).place("before canonicalize") < passes_of({}).place("before fold_constants"));
}

TEST_CASE("fast_math as an option is the pass of its name, at any level") {
  watcher w;
  pass_context c{.opt_level = 1};
  c.add(w);
  const auto half = [](tensor<f32, shape<4>> x) { return x / 3.0f; };
  const auto f = jit(half, {.target = "native", .context = c, .fast_math = true});
  CHECK(f(array<f32>::full({4}, 6.0f))(0) == doctest::Approx(2));
  CHECK(w.saw("after fast_math"));
  CHECK(refusal<argument_error>([&] {
          (void)jit(half, {.target = "native", .context = {.disabled = {"fast_math"}}, .fast_math = true});
        }) == "options: fast_math is true and the context disables the pass of that name");
  CHECK_NOTHROW((void)jit(half, {.target = "native", .context = {.disabled = {"fast_math"}}}));
  if (!test::has_llvm) return;
  // A product and its sum are rounded once where the machine can, and twice where nobody asked for it.
  const auto line = [](tensor<f32, shape<1>> x) { return x * x - 1.0f; };
  const float e = 0x1p-12f;
  const array<f32> x = array<f32>::full({1}, 1 + e);
  const float exact = 2 * e + e * e, twice = 2 * e;
  CHECK(jit(line, {.target = "llvm", .cache = false})(x)(0) == twice);
  const float once = jit(line, {.target = "llvm", .cache = false, .fast_math = true})(x)(0);
  CHECK((once == exact || once == twice));
  if (__builtin_cpu_supports("fma")) CHECK(once == exact);
  CHECK(jit(line, {.target = "llvm", .opt_level = 4, .cache = false})(x)(0) == once);
}

TEST_CASE("what makes kernels and places values obeys levels, disabled and required") {
  if (!test::has_llvm) return;
  const auto done = [](int level, pass_names disabled, pass_names required) {
    const auto f = jit(
        [](tensor<f32, shape<16, 16>> x, tensor<f32, shape<16, 16>> w) {
          const auto h = matmul(x, w), m = matmul(h, w), a = tanh(m);
          const auto joined = concat(matmul(h * a, w), matmul(a, w));
          return matmul(joined, w);
        },
        {.target = "llvm -num-threads=1",
         .opt_level = level,
         .context = {.disabled = std::move(disabled), .required = std::move(required)},
         .cache = false});
    const array<f32> x = array<f32>::uniform({16, 16}, 1);
    static_cast<void>(f(x, x));
    return std::pair(f.stats().kernels, f.memory_plan().text());
  };
  const auto plain = done(0, {}, {});
  CHECK(plain.first == 8);
  CHECK(done(3, {"fuse", "alias", "in_place"}, {}) == plain);
  CHECK(done(0, {}, {"alias"}).first == 7);
  CHECK(done(3, {"fuse", "in_place"}, {}) == done(0, {}, {"alias"}));
  const auto takes_over = [](const auto& d) { return d.second.find("in place") != std::string::npos; };
  CHECK_FALSE(takes_over(plain));
  CHECK(takes_over(done(0, {}, {"in_place"})));
  CHECK(done(3, {"fuse", "alias"}, {}) == done(0, {}, {"in_place"}));
  CHECK(done(0, {}, {"fuse"}).first < plain.first);
  CHECK(done(3, {"alias", "in_place"}, {}) == done(0, {}, {"fuse"}));
  CHECK(done(3, {}, {}).first < done(0, {}, {"fuse"}).first);
}

TEST_CASE("options of passes: the known ones are listed") {
  const auto with = [](pass_options o) {
    return refusal<argument_error>(
        [o] { (void)jit([](tensor<f32, shape<4>> x) { return x; }, {.target = "native", .context = {.options = o}}); });
  };
  CHECK(with({{"fold_constants.bytes", 4}}) ==
        "options: there is no 'fold_constants.bytes'; known: combine_parallel.least, fold_constants.max_bytes, "
        "fold_constants.max_work, fuse.strips, mixed_precision, verify");
  CHECK(with({{"mixed_precision", "f8"}}) == "options: mixed_precision is 'f8'; it takes off, bf16, f16");
  CHECK(with({{"combine_parallel.least", 1}}) ==
        "options: combine_parallel.least is '1'; it takes an integer from 2 to 1048576");
  CHECK(with({{"combine_parallel.least", "two"}}) ==
        "options: combine_parallel.least is 'two'; it takes an integer from 2 to 1048576");
}

TEST_CASE("a rule of the user's own runs where it is put") {
  pass_context c;
  c.add(graph_pass("my_rule", rule(relu(relu(any("x"))) >> relu(any("x")))), after("canonicalize"));
  c.add(graph_pass("mine_before", [](const ir::graph& g) { return g; }), before("my_rule"));
  c.add(graph_pass("last", [](const ir::graph& g) { return g; }), before("fuse"));
  const watcher w = passes_of(c);
  CHECK(w.place("after canonicalize") + 1 == w.place("before mine_before"));
  CHECK(w.place("after mine_before") + 1 == w.place("before my_rule"));
  CHECK(w.place("after my_rule") < w.place("before fold_constants"));
  CHECK(w.seen.back() == "after last");
  c.disabled = {"my_rule"};
  CHECK_FALSE(passes_of(c).saw("before my_rule"));
}

TEST_CASE("what a rule matches, and what it does not") {
  const auto x = input<f32, 2, 3>("x"), y = input<f32, 2, 3>("y");
  const auto applied = [&](const rewrite_rule& r, auto out) {
    ir::graph g;
    g.inputs = {x.node(), y.node()};
    g.outputs = {out.node()};
    return to_string(graph_pass("p", r)(g));
  };
  const auto text = [&](auto out) { return text_of({x.node(), y.node()}, {out.node()}); };
  const rewrite_rule twice = rule(relu(relu(any("x"))) >> relu(any("x")));
  CHECK(applied(twice, relu(relu(relu(relu(x))))) == text(relu(x)));
  CHECK(applied(twice, relu(exp(relu(x)))) == text(relu(exp(relu(x)))));
  // One name, one value; numbers match constants of their value.
  const auto a = input<f32, any_shape>("a");
  const rewrite_rule sum = rule((a + a) >> a * 2.0f);
  CHECK(applied(sum, exp(x) + exp(x)) == text(exp(x) * 2.0f));
  CHECK(applied(sum, x + y) == text(x + y));
  const rewrite_rule half = rule(a * 2.0f * 0.5f >> abs(abs(a)));
  CHECK(applied(half, x * 2.0f * 0.5f) == text(abs(abs(x))));
  CHECK(applied(half, x * 2.0f * 0.25f) == text(x * 2.0f * 0.25f));
  // Attributes are part of what is matched.
  const rewrite_rule last =
      rule(softmax(softmax(any("x"), {.axis = 0}), {.axis = 0}) >> softmax(any("x"), {.axis = 0}));
  CHECK(applied(last, softmax(softmax(x, {.axis = 1}), {.axis = 1})) ==
        text(softmax(softmax(x, {.axis = 1}), {.axis = 1})));
  CHECK(applied(last, softmax(softmax(x, {.axis = 0}), {.axis = 0})) == text(softmax(x, {.axis = 0})));
  const rewrite_rule integers =
      rule((input<i32, any_shape>("a") + input<i32, any_shape>("a")) >> input<i32, any_shape>("a"));
  CHECK(applied(integers, x + x) == text(x + x));
}

TEST_CASE("a rule is checked for equal shape and type when it is made") {
  const auto made = [](detail::rule_sides s) { return refusal<argument_error>([s] { (void)rule(s); }); };
  CHECK(made(relu(any("x")) >> sum(any("x"))).find("the right side") != std::string::npos);
  CHECK(made((any("x") + any("y")) >> any("x")).find("the left side is") != std::string::npos);
  CHECK(made(relu(any("x")) >> relu(any("y"))).find("the right side has variable y, which the left side lacks") !=
        std::string::npos);
  CHECK(made(any("x") >> relu(any("x"))).find("it would match every value") != std::string::npos);
  CHECK(made(equal(any("x"), any("y")) >> (any("x") - any("y"))).find("the right side") != std::string::npos);
  CHECK(made(conv2d(any("x"), any("x")) >> any("x")).find("rule: ") == 0);
  // These hold.
  const auto x = input<f32, any_shape>("x");
  (void)rule(transpose(transpose(x)) >> exp(log(x)));
  const auto a = input<f32, dyn, dyn>("a"), b = input<f32, dyn, dyn>("b");
  (void)rule(matmul(a, b) >> transpose(matmul(transpose(b), transpose(a))));
  // Not of vectors, which have no axes to swap.
  CHECK(made(matmul(any("a"), any("b")) >> transpose(matmul(transpose(any("b")), transpose(any("a")))))
            .find("transpose: rank 1 < 2") != std::string::npos);
}

TEST_CASE("a pass of the user's own that breaks the graph is found at once") {
  const auto broken = [](auto f) {
    pass_context c;
    c.add(graph_pass("broken", f), after("canonicalize"));
    return refusal<compile_error>([&] { (void)passes_of(c); });
  };
  const auto swapped = [](const ir::graph&) {
    return parse_graph("graph(%x: f32[4]) {\n  %0 = cast{.to = f64}(%x) : f64[4]\n  return %0\n}\n");
  };
  CHECK(broken(swapped) == "pass broken: output 1 was f32[4] and is f64[4]");
  CHECK(broken([](ir::graph g) {
          g.inputs.clear();
          return g;
        }) == "pass broken: there were 1 inputs and are 0");
  CHECK(broken([](ir::graph g) {
          g.outputs = {input<f32, 4>("other").node()};
          return g;
        }).find("graph: an input is not in the list of inputs") == 0);
}

TEST_CASE("passes that cannot be where they are put") {
  const auto f = [](const ir::graph& g) { return g; };
  const auto with = [&](std::string name, pass_place at) {
    pass_context c;
    c.add(graph_pass(std::move(name), f), std::move(at));
    return refusal<argument_error>([&] { (void)passes_of(c); });
  };
  CHECK(with("mine", after("canonicalise"))
            .find("options: the place of pass mine names no pass: 'canonicalise'; known: ") == 0);
  CHECK(with("canonicalize", after("fold_constants")) == "options: the name of pass 'canonicalize' is taken");
  CHECK(with("mine", after("mine")).find("options: the place of pass mine names no pass: 'mine'") == 0);
  CHECK(with("mine", after("fuse")) ==
        "options: pass mine cannot stand behind fuse: there are no graph passes from there on");
  pass_context c;
  c.add(graph_pass("mine", f), after("canonicalize"));
  CHECK(refusal<argument_error>([&] { c.add(graph_pass("mine", f), after("canonicalize")); }) ==
        "pass_context: a pass 'mine' was added before");
}

TEST_CASE("a context is a value: a copy does not see what is added later") {
  pass_context a;
  a.add(graph_pass("first", [](const ir::graph& g) { return g; }), after("canonicalize"));
  const pass_context b = a;
  a.add(graph_pass("second", [](const ir::graph& g) { return g; }), after("first"));
  CHECK(passes_of(a).saw("after second"));
  CHECK_FALSE(passes_of(b).saw("after second"));
  CHECK(passes_of(b).saw("after first"));
}

TEST_CASE("what is dumped reads back") {
  const auto compile = [](std::string dump, const char* target) {
    return standard_error([&] {
      const auto f = jit([](tensor<f32, shape<4, 8>> x) { return exp(relu(relu(x))) * 0.5f; },
                         {.target = target, .context = {.dump = dump}, .cache = false});
      CHECK(f(array<f32>::zeros({4, 8}))(0, 0) == 0.5f);
    });
  };
  const std::string graph = compile("graph:after:fold_scale", "native");
  REQUIRE(graph.starts_with("// graph after fold_scale\n"));
  const std::string first = graph.substr(0, graph.find("// graph", 1));
  CHECK(to_string(parse_graph(first)) == first.substr(first.find('\n') + 1));
  const std::string before = compile("graph:before:canonicalize", "native");
  CHECK(before.find("// graph before canonicalize\n") == 0);
  CHECK(before.find("after") == std::string::npos);
  CHECK(compile("", "native").empty());
  if (!test::has_llvm) return;
  // Kernel by kernel; each under a comment.
  const std::string fused = compile("graph:after:fuse", "llvm");
  CHECK(fused.find("// kernel 1\n") != std::string::npos);
  CHECK(parse_graph(fused).count("exp") == 1);
  for (const char* word :
       {"loop:before:schedule", "loop:after:schedule", "loop:before:expand_math", "loop:after:expand_math"}) {
    const std::string loops = compile(word, "llvm");
    CAPTURE(loops);
    REQUIRE(loops.starts_with("// loop "));
    CHECK(to_string(ir::parse_kernel(loops)) == loops.substr(loops.find('\n') + 1));
  }
  CHECK(compile("llvm:before", "llvm").find("define i32 @tenon_kernel") != std::string::npos);
  CHECK(compile("llvm", "llvm").find("define i32 @tenon_kernel") != std::string::npos);
  CHECK(compile("asm", "llvm").find("tenon_kernel:") != std::string::npos);
}

TEST_CASE("the environment dumps and measures, too") {
  const auto compile = [] {
    return standard_error(
        [] { (void)jit([](tensor<f32, shape<4>> x) { return x + x; }, {.target = "native"})(array<f32>::zeros({4})); });
  };
  setenv("TENON_DUMP", "graph:after:legalize", 1);
  CHECK(compile().find("// graph after legalize\ngraph(") == 0);
  setenv("TENON_DUMP", "graph:sideways:legalize", 1);
  CHECK(refusal<argument_error>([&] { (void)compile(); }) ==
        "environment variable TENON_DUMP: 'graph:sideways:legalize': 'graph:sideways:legalize' is no "
        "stage[:before|:after][:pass]; stages: graph, loop, llvm, asm");
  unsetenv("TENON_DUMP");
  setenv("TENON_TIME", "1", 1);
  const std::string times = compile();
  unsetenv("TENON_TIME");
  for (const char* stage : {"canonicalize", "fold_constants", "legalize", "fuse", "memory plan", "all stages"})
    CHECK(times.find(stage) != std::string::npos);
  CHECK(compile().empty());
}
