// What shares memory: slices and concat parts that need no copy, results made in the memory of a dying operand; what
// must not; and that values stay what they are.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "graph/alias.hpp"
#include "graph/memory_plan.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "graph/run_graph.hpp"
#include "targets.hpp"

using namespace tenon;

namespace {

const auto contiguous = [](const ir::node&) { return true; };

struct planned {
  ir::graph g;
  ir::fusion before, f;
  ir::buffer_parts parts;
  ir::memory_plan plan;
  explicit planned(const std::string& text) : g(parse_graph(text)) {
    before = f = ir::fuse(g);
    parts = ir::share_buffers(g, f, contiguous);
    plan = ir::plan_memory(g, f, parts, contiguous);
  }
  /// Kernels that only copied.
  std::size_t spared() const { return before.groups.size() - f.groups.size(); }
  std::int64_t offset_of(std::string_view op, std::size_t nth = 0) const {
    for (const ir::node* n : parts.values)
      if (n->op->name == op && nth-- == 0) return parts.offset(f, n);
    return -1;
  }
};

/// The graph on llvm, with and without sharing, against the unoptimised native result.
void runs_as_before(const std::string& text) {
  const ir::graph g = parse_graph(text);
  const auto in = test::inputs_for(g, 3);
  const auto expected = test::run(g, {.target = "native", .opt_level = 0, .cache = false}, in);
  std::vector<compile_options> all = {{.target = "native", .cache = false}};
  if (test::has_llvm)
    for (const char* target : {"llvm -num-threads=1", "llvm -num-threads=3"})
      for (const pass_names& without : {pass_names{}, pass_names{"in_place"}, pass_names{"alias"}})
        all.push_back({.target = target, .context = {.disabled = without}, .cache = false});
  for (const compile_options& o : all) {
    const auto got = test::run(g, o, in);
    for (std::size_t i = 0; i < got.size(); ++i) {
      // Products of products: a difference is measured by the largest value.
      double largest = 1, apart = 0;
      for (extent_t k = 0; k < got[i].get().size; ++k) {
        largest = std::max(largest, std::abs(test::element(expected[i], k)));
        apart = std::max(apart, std::abs(test::element(got[i], k) - test::element(expected[i], k)));
      }
      CHECK(apart <= 1e-5 * largest);
    }
  }
}

// h has two users, so it is stored; `body` reads it.
std::string two_products(const std::string& body) {
  return "graph(%x: f32[64,48], %w: f32[48,48], %v: f32[64,48]) {\n  %h = matmul(%x, %w) : f32[64,48]\n" + body + "}\n";
}

}  // namespace

TEST_CASE("a slice of rows is an offset") {
  const std::string text = two_products(
      "  %1 = slice{.start = {16}, .stop = {48}}(%h) : f32[32,48]\n"
      "  %2 = matmul(%1, %w) : f32[32,48]\n"
      "  %t = transpose(%1) : f32[48,32]\n"
      "  %3 = matmul(%1, %t) : f32[32,32]\n"
      "  %4 = matmul(%h, %w) : f32[64,48]\n"
      "  return %2, %3, %4\n");
  const planned p(text);
  CHECK(p.spared() == 1);
  CHECK(p.offset_of("slice") == 16 * 48 * 4);
  CHECK(p.plan.blocks.size() == 1);
  runs_as_before(text);
  // Of an argument, and of a slice.
  const std::string twice =
      "graph(%x: f32[1,64,48], %w: f32[48,48]) {\n"
      "  %0 = slice{.start = {8}, .stop = {60}, .axes = {1}}(%x) : f32[1,52,48]\n"
      "  %1 = slice{.start = {1}, .stop = {33}, .axes = {1}}(%0) : f32[1,32,48]\n"
      "  %2 = matmul(%0, %w) : f32[1,52,48]\n"
      "  %3 = matmul(%1, %w) : f32[1,32,48]\n"
      "  return %2, %3\n}\n";
  CHECK(planned(twice).offset_of("slice", 1) == 9 * 48 * 4);
  CHECK(planned(twice).plan.bytes == 0);
  runs_as_before(twice);
}

TEST_CASE("a slice that is no range of bytes, or somebody's result, is copied") {
  for (const char* body : {// columns
                           "  %1 = slice{.start = {16}, .stop = {48}, .axes = {1}}(%h) : f32[64,32]\n"
                           "  %2 = transpose(%1) : f32[32,64]\n"
                           "  %3 = matmul(%1, %2) : f32[64,64]\n"
                           "  return %3\n",
                           // every second row
                           "  %1 = slice{.start = {0}, .stop = {64}, .step = {2}}(%h) : f32[32,48]\n"
                           "  %2 = matmul(%1, %w) : f32[32,48]\n"
                           "  return %2\n",
                           // a result
                           "  %1 = slice{.start = {16}, .stop = {48}}(%h) : f32[32,48]\n"
                           "  %2 = matmul(%1, %w) : f32[32,48]\n"
                           "  return %1, %2\n"}) {
    const planned p(two_products(body));
    CHECK(p.spared() == 0);
    CHECK(p.parts.values.empty());
    runs_as_before(two_products(body));
  }
}

TEST_CASE("parts of a concat are written where they belong") {
  const std::string text =
      "graph(%x: f32[24,48], %w: f32[48,48], %v: f32[48,48]) {\n"
      "  %0 = matmul(%x, %w) : f32[24,48]\n"
      "  %1 = matmul(%x, %v) : f32[24,48]\n"
      "  %2 = concat(%0, %1) : f32[48,48]\n"
      "  %3 = matmul(%2, %w) : f32[48,48]\n"
      "  return %3\n}\n";
  const planned p(text);
  CHECK(p.spared() == 1);
  CHECK(p.parts.values.size() == 2);
  CHECK(p.offset_of("matmul", 1) == 24 * 48 * 4);
  CHECK(p.plan.bytes == 48 * 48 * 4);
  runs_as_before(text);
  // Into a result; through a reshape; a concat of concats.
  const std::string deep =
      "graph(%x: f32[4,48], %w: f32[48,48], %v: f32[48,48]) {\n"
      "  %0 = matmul(%x, %w) : f32[4,48]\n"
      "  %1 = matmul(%x, %v) : f32[4,48]\n"
      "  %2 = concat(%0, %1) : f32[8,48]\n"
      "  %3 = matmul(%1, %w) : f32[4,48]\n"
      "  %4 = reshape{.to = [1,4,48]}(%3) : f32[1,4,48]\n"
      "  %5 = reshape{.to = [4,48]}(%4) : f32[4,48]\n"
      "  %6 = concat(%2, %5) : f32[12,48]\n"
      "  return %6\n}\n";
  const planned d(deep);
  CHECK(d.spared() == 1);  // both concats were one kernel
  CHECK(d.plan.bytes == 0);
  runs_as_before(deep);
}

TEST_CASE("a concat whose parts are not its own is a kernel") {
  for (const char* body : {// an argument
                           "  %1 = matmul(%h, %w) : f32[64,48]\n"
                           "  %2 = concat(%1, %v) : f32[128,48]\n"
                           "  %3 = matmul(%2, %w) : f32[128,48]\n"
                           "  return %3\n",
                           // twice the same
                           "  %1 = matmul(%h, %w) : f32[64,48]\n"
                           "  %2 = concat(%1, %1) : f32[128,48]\n"
                           "  %3 = matmul(%2, %w) : f32[128,48]\n"
                           "  return %3\n",
                           // along columns
                           "  %1 = matmul(%h, %w) : f32[64,48]\n"
                           "  %2 = concat{.axis = 1}(%h, %1) : f32[64,96]\n"
                           "  %3 = transpose(%2) : f32[96,64]\n"
                           "  %4 = matmul(%2, %3) : f32[64,64]\n"
                           "  return %4\n",
                           // a part that is a result
                           "  %1 = matmul(%h, %w) : f32[64,48]\n"
                           "  %2 = concat(%h, %1) : f32[128,48]\n"
                           "  %3 = matmul(%2, %w) : f32[128,48]\n"
                           "  return %1, %3\n"}) {
    const planned p(two_products(body));
    CHECK(p.parts.values.empty());
    runs_as_before(two_products(body));
  }
  // A part of two: of the first one that is asked, and copied into the other.
  const std::string shared = two_products(
      "  %1 = matmul(%h, %w) : f32[64,48]\n"
      "  %2 = concat(%h, %1) : f32[128,48]\n"
      "  %3 = concat(%1, %h) : f32[128,48]\n"
      "  %4 = matmul(%2, %w) : f32[128,48]\n"
      "  %5 = matmul(%3, %w) : f32[128,48]\n"
      "  return %4, %5\n");
  CHECK(planned(shared).spared() == 1);
  runs_as_before(shared);
}

TEST_CASE("an elementwise kernel's result takes over an operand that dies") {
  const std::string map =
      "graph(%x: f32[300,257], %w: f32[257,257]) {\n"
      "  %m = matmul(%x, %w) : f32[300,257]\n"
      "  %a = cumsum{.axis = 1}(%m) : f32[300,257]\n"
      "  %h = cumsum{.axis = 0}(%x) : f32[300,257]\n"
      "  %y = mul(%a, %h) : f32[300,257]\n"
      "  %z = matmul(%y, %w) : f32[300,257]\n"
      "  %o = matmul(%a, %w) : f32[300,257]\n"
      "  return %z, %o\n}\n";
  const planned p(map);
  CHECK(p.plan.in_place.size() == 1);
  CHECK(p.plan.bytes == 2 * 308'416);  // 300 x 257 floats each, in whole lines
  const ir::memory_plan apart = ir::plan_memory(p.g, p.f, p.parts);
  CHECK(apart.in_place.empty());
  CHECK(apart.bytes > p.plan.bytes);
  runs_as_before(map);
}

TEST_CASE("what is read again, elsewhere or wider, is not taken over") {
  const auto body = [](const char* lines) {
    return std::string(
               "graph(%x: f32[40,40], %w: f32[40,40]) {\n"
               "  %h = matmul(%x, %w) : f32[40,40]\n"
               "  %m = matmul(%h, %w) : f32[40,40]\n") +
           lines + "}\n";
  };
  for (const char* lines : {// h is read by the last product, too
                            "  %a = tanh(%m) : f32[40,40]\n"
                            "  %y = mul(%h, %a) : f32[40,40]\n"
                            "  %z = matmul(%y, %a) : f32[40,40]\n"
                            "  %o = matmul(%z, %h) : f32[40,40]\n"
                            "  return %o\n",
                            // h is a result
                            "  %a = tanh(%m) : f32[40,40]\n"
                            "  %y = mul(%h, %a) : f32[40,40]\n"
                            "  %z = matmul(%y, %a) : f32[40,40]\n"
                            "  return %z, %h\n",
                            // y is a result
                            "  %a = tanh(%m) : f32[40,40]\n"
                            "  %y = mul(%h, %a) : f32[40,40]\n"
                            "  %z = matmul(%a, %w) : f32[40,40]\n"
                            "  return %z, %y\n",
                            // twice the bytes
                            "  %a = tanh(%m) : f32[40,40]\n"
                            "  %b = mul(%h, %a) : f32[40,40]\n"
                            "  %y = cast{.to = f64}(%b) : f64[40,40]\n"
                            "  %z = matmul(%y, %y) : f64[40,40]\n"
                            "  %o = matmul(%a, %w) : f32[40,40]\n"
                            "  return %z, %o\n",
                            // its transpose is read in the same kernel
                            "  %a = tanh(%m) : f32[40,40]\n"
                            "  %t = transpose(%h) : f32[40,40]\n"
                            "  %u = mul(%h, %t) : f32[40,40]\n"
                            "  %y = mul(%u, %a) : f32[40,40]\n"
                            "  %z = matmul(%y, %w) : f32[40,40]\n"
                            "  %o = matmul(%a, %w) : f32[40,40]\n"
                            "  return %z, %o\n"}) {
    const std::string text = body(lines);
    CAPTURE(text);
    for (const auto& [result, operand] : planned(text).plan.in_place) {
      const planned p(text);
      CHECK(operand->op->name != "matmul");
      static_cast<void>(result);
    }
    runs_as_before(text);
  }
}

TEST_CASE("the plan prints, and draws kernels across and bytes up") {
  const auto f = jit(
      [](tensor<f32, shape<16, 16>> x) {
        const auto h = matmul(x, x);
        return matmul(matmul(h, x), h);
      },
      {.cache = false});
  CHECK(f.memory_plan().text() == "workspace 0 bytes, 0 kernels; what lives at once takes 0 bytes at most\n");
  const array<f32> y = f(array<f32>::uniform({16, 16}, 1));
  const workspace_plan p = f.memory_plan();
  CHECK(
      p.text().starts_with("workspace 2048 bytes, 3 kernels; what lives at once takes 2048 bytes at most\n"
                           "      offset        bytes  kernels      holds\n"));
  CHECK(p.text().find("         1024  1..3         matmul f32[16,16]\n") != std::string::npos);
  CHECK(p.text().find("         1024  2..3         matmul f32[16,16]\n") != std::string::npos);
  CHECK(to_string(p) == p.text());
  const std::string& s = p.svg();
  CHECK(s.starts_with("<svg "));
  CHECK(s.ends_with("</svg>\n"));
  const auto count = [&](std::string_view what) {
    std::size_t n = 0;
    for (std::size_t at = s.find(what); at != std::string::npos; at = s.find(what, at + 1)) ++n;
    return n;
  };
  CHECK(count("<rect") == 3);  // the frame and two blocks
  CHECK(count("<g>") == 2);
  CHECK(count("<g>") == count("</g>"));
  CHECK(count("<text") == count("</text>"));
  CHECK(count("matmul f32[16,16]: 1024 bytes at ") == 2);
}
