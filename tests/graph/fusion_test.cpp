// What fuses, what does not, and the reasons that are given. The results are those of the operators one by one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "graph/fuse.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "run_graph.hpp"
#include "targets.hpp"

using namespace tenon;
using reason = ir::fusion_note::reason;

namespace {

ir::graph read(const std::string& inputs, const std::string& body) {
  return parse_graph("graph(" + inputs + ") {\n" + body + "}\n");
}
// The graph lives as long as what was fused.
struct fused_graph : ir::fusion {
  ir::graph g;
};
fused_graph fused(ir::graph g) { return {ir::fuse(g), std::move(g)}; }

const ir::group* kernel_of(const ir::fusion& f, std::string_view root) {
  for (const ir::group& k : f.groups)
    if (k.root->op->name == root) return &k;
  return nullptr;
}
/// The reason that is given for the value of this operator in any kernel.
const ir::fusion_note* note_of(const ir::fusion& f, std::string_view value) {
  for (const ir::group& k : f.groups)
    for (const ir::fusion_note& n : k.notes)
      if (n.value->op->name == value) return &n;
  return nullptr;
}
bool stored_for(const ir::fusion& f, std::string_view value, reason why) {
  const ir::fusion_note* const n = note_of(f, value);
  if (n) INFO(to_string(*n));
  return kernel_of(f, value) && n && n->why == why;
}

/// Compiled, with 1, 2 and 3 threads, against the operators one by one: the same bits whatever the threads.
void check_results(const ir::graph& g, double most = 1e-5) {
  const auto in = test::inputs_for(g, 1);
  const auto plain = test::run(g, {.target = "native", .opt_level = 0, .cache = false}, in);
  if (!test::has_llvm) return;
  std::vector<test::data> first;
  for (const char* target : {"llvm -num-threads=1", "llvm -num-threads=2", "llvm -num-threads=3"}) {
    const auto got = test::run(g, {.target = target, .cache = false}, in);
    REQUIRE(got.size() == plain.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK(test::difference(got[i], plain[i]) <= most);
      if (first.empty()) continue;
      const auto bytes = static_cast<std::size_t>(got[i].get().size * size_of(got[i].get().type));
      CHECK((bytes == 0 || std::memcmp(got[i].get().data, first[i].get().data, bytes) == 0));
    }
    if (first.empty()) first = test::run(g, {.target = target, .cache = false}, in);
  }
}

}  // namespace

TEST_CASE("reductions that drop their axes share a kernel with what reads them") {
  const ir::graph g = read("%x: f32[33,40]",
                           "  %0 = mean{.axes = {1}}(%x) : f32[33]\n"
                           "  %1 = unsqueeze{.axes = {1}}(%0) : f32[33,1]\n"
                           "  %2 = sub(%x, %1) : f32[33,40]\n"
                           "  %3 = mul(%2, %2) : f32[33,40]\n"
                           "  %4 = mean{.axes = {1}}(%3) : f32[33]\n"
                           "  %5 = reshape{.to = [33,1]}(%4) : f32[33,1]\n"
                           "  %6 = div(%2, %5) : f32[33,40]\n"
                           "  return %6\n");
  CHECK(fused(g).groups.size() == 1);
  check_results(g);
}

TEST_CASE("a view of what is stored anyway stays a view") {
  const ir::graph g = read("%x: f32[6,8], %w: f32[8,8]",
                           "  %0 = exp(%x) : f32[6,8]\n"
                           "  %1 = matmul(%0, %w) : f32[6,8]\n"
                           "  %2 = unsqueeze{.axes = {1}}(%0) : f32[6,1,8]\n"
                           "  %3 = tanh(%2) : f32[6,1,8]\n"
                           "  return %1, %3\n");
  const fused_graph f = fused(g);
  REQUIRE(f.groups.size() == 3);
  CHECK(f.alias.size() == 1);
  CHECK(f.groups[2].inlined.empty());
  check_results(g);
}

TEST_CASE("several results: a value that its readers' kernel stores and goes on with") {
  const ir::graph moments = read("%x: f32[33,40]",
                                 "  %0 = mean{.axes = {1}}(%x) : f32[33]\n"
                                 "  %1 = unsqueeze{.axes = {1}}(%0) : f32[33,1]\n"
                                 "  %2 = sub(%x, %1) : f32[33,40]\n"
                                 "  %3 = mul(%2, %2) : f32[33,40]\n"
                                 "  %4 = mean{.axes = {1}}(%3) : f32[33]\n"
                                 "  return %0, %4\n");
  fused_graph f = fused(moments);
  REQUIRE(f.groups.size() == 1);
  CHECK(f.groups[0].also.size() == 1);
  CHECK(note_of(f, "mean"));
  check_results(moments);

  // The sum goes on into the norm, and a product needs it later.
  const ir::graph residual = read("%x: f32[20,64], %y: f32[20,64], %w: f32[64,16]",
                                  "  %0 = add(%x, %y) : f32[20,64]\n"
                                  "  %1 = layer_norm(%0) : f32[20,64]\n"
                                  "  %2 = matmul(%1, %w) : f32[20,16]\n"
                                  "  %3 = matmul(%0, %w) : f32[20,16]\n"
                                  "  %4 = add(%2, %3) : f32[20,16]\n"
                                  "  return %4\n");
  f = fused(ir::expand_library(residual));
  REQUIRE(f.groups.size() == 3);
  REQUIRE(f.groups[0].also.size() == 1);
  CHECK(f.groups[0].also[0].value->op->name == "add");
  check_results(residual);

  // All of a row, none of it, one element each; in another kernel's loops they are stored apart.
  const ir::graph scalars = read("%x: f32[7,9]",
                                 "  %0 = max{.keep = true}(%x) : f32[1,1]\n"
                                 "  %1 = sub(%x, %0) : f32[7,9]\n"
                                 "  %2 = exp(%1) : f32[7,9]\n"
                                 "  return %2, %0, %1\n");
  f = fused(scalars);
  CHECK(f.groups.size() == 1);
  CHECK(f.groups[0].also.size() == 2);
  check_results(scalars);

  const ir::graph maps = read("%x: f32[3,4,5], %c: f32[4,1]",
                              "  %0 = add(%x, %c) : f32[3,4,5]\n"
                              "  %1 = exp(%0) : f32[3,4,5]\n"
                              "  %2 = mul(%1, %c) : f32[3,4,5]\n"
                              "  return %0, %2, %1\n");
  f = fused(maps);
  CHECK(f.groups.size() == 1);
  check_results(maps);
}

TEST_CASE("several results: kernels that read the same in the same loops") {
  const ir::graph rows = read("%x: f32[33,40]",
                              "  %0 = max{.axes = {1}}(%x) : f32[33]\n"
                              "  %1 = min{.axes = {1}}(%x) : f32[33]\n"
                              "  %2 = argmax{.axis = 1}(%x) : i64[33]\n"
                              "  return %0, %1, %2\n");
  fused_graph f = fused(rows);
  CHECK(f.groups.size() == 1);
  CHECK(note_of(f, "min")->why == reason::sibling);
  check_results(rows);

  const ir::graph columns = read("%x: f32[33,40]",
                                 "  %0 = max{.axes = {0}}(%x) : f32[40]\n"
                                 "  %1 = sum{.axes = {0}}(%x) : f32[40]\n"
                                 "  return %0, %1\n");
  CHECK(fused(columns).groups.size() == 1);
  check_results(columns);

  const ir::graph maps = read("%x: f32[5,7], %y: f32[7]",
                              "  %0 = exp(%x) : f32[5,7]\n"
                              "  %1 = mul(%x, %y) : f32[5,7]\n"
                              "  return %0, %1\n");
  CHECK(fused(maps).groups.size() == 1);
  check_results(maps);

  // The second waits for the first.
  const ir::graph chain = read("%x: f32[20,20], %w: f32[20,20]",
                               "  %0 = max{.axes = {1}, .keep = true}(%x) : f32[20,1]\n"
                               "  %1 = matmul(%w, %0) : f32[20,1]\n"
                               "  %2 = add(%x, %1) : f32[20,20]\n"
                               "  %3 = min{.axes = {1}, .keep = true}(%2) : f32[20,1]\n"
                               "  return %0, %3\n");
  CHECK(fused(chain).groups.size() == 3);
  check_results(chain);
}

TEST_CASE("fusion does not fire where it costs more than it saves") {
  // 4096 exponentials for each of 64.
  const ir::graph broadcast = read("%x: f32[4096,64], %s: f32[64]",
                                   "  %0 = exp(%s) : f32[64]\n"
                                   "  %1 = mul(%x, %0) : f32[4096,64]\n"
                                   "  return %1\n");
  fused_graph f = fused(broadcast);
  CHECK(f.groups.size() == 2);
  CHECK(stored_for(f, "exp", reason::too_often));
  const ir::fusion_note* n = note_of(f, "exp");
  CHECK(n->times == 4096);
  CHECK(n->operations == 4095.0 * 64 * 20);
  CHECK(n->bytes == 2 * 64 * 4);
  CHECK(to_string(*n) ==
        "exp is stored: in the kernel of mul it would be computed 4096 times, 5.24e+06 operations more rather than 512 "
        "bytes written and read");
  // A sum is no more than reading it again; and along the rows it is computed once for each.
  CHECK(fused(read("%x: f32[4096,64], %s: f32[64]",
                   "  %0 = add(%s, %s) : f32[64]\n"
                   "  %1 = mul(%x, %0) : f32[4096,64]\n"
                   "  return %1\n"))
            .groups.size() == 1);
  CHECK(fused(read("%x: f32[4096,64], %s: f32[4096,1]",
                   "  %0 = exp(%s) : f32[4096,1]\n"
                   "  %1 = mul(%x, %0) : f32[4096,64]\n"
                   "  return %1\n"))
            .groups.size() == 1);

  // Windows that overlap: 9 times each; side by side: once.
  const auto pooled = [](const char* stride, const char* to) {
    return fused(
        ir::expand_library(read("%x: f32[1,2,33,33]", std::string("  %0 = erf(%x) : f32[1,2,33,33]\n") +
                                                          "  %1 = max_pool{.window = {3,3}, .stride = " + stride +
                                                          "}(%0) : f32[1,2," + to + "]\n  return %1\n")));
  };
  CHECK(stored_for(pooled("{1,1}", "31,31"), "erf", reason::too_often));
  CHECK(pooled("{3,3}", "11,11").groups.size() == 1);

  // A reduction of something else would be made again for each row.
  f = fused(read("%x: f32[300,40], %y: f32[7,40]",
                 "  %0 = sum{.axes = {0}, .keep = true}(%y) : f32[1,40]\n"
                 "  %1 = div(%x, %0) : f32[300,40]\n"
                 "  return %1\n"));
  CHECK(f.groups.size() == 2);
  CHECK(stored_for(f, "sum", reason::too_often));
  // Rows' maxima are made outside of the columns: no loops are left to be outside of the rows for the columns' sums.
  f = fused(read("%x: f32[300,40]",
                 "  %0 = max{.axes = {1}, .keep = true}(%x) : f32[300,1]\n"
                 "  %1 = sub(%x, %0) : f32[300,40]\n"
                 "  %2 = sum{.axes = {0}, .keep = true}(%1) : f32[1,40]\n"
                 "  %3 = div(%1, %2) : f32[300,40]\n"
                 "  return %3\n"));
  CHECK(f.groups.size() == 2);
}

TEST_CASE("a reduction across the rows puts the columns' loops outside") {
  const ir::graph columns = read("%x: f32[300,40]",
                                 "  %0 = sum{.axes = {0}, .keep = true}(%x) : f32[1,40]\n"
                                 "  %1 = div(%x, %0) : f32[300,40]\n"
                                 "  return %1, %0\n");
  const fused_graph f = fused(columns);
  REQUIRE(f.groups.size() == 1);
  CHECK(f.groups[0].also.size() == 1);
  check_results(columns);
  // One inside of the other: planes, then their columns.
  const ir::graph nested = read("%x: f32[6,30,40]",
                                "  %0 = max{.axes = {1,2}, .keep = true}(%x) : f32[6,1,1]\n"
                                "  %1 = sub(%x, %0) : f32[6,30,40]\n"
                                "  %2 = exp(%1) : f32[6,30,40]\n"
                                "  %3 = sum{.axes = {1}, .keep = true}(%2) : f32[6,1,40]\n"
                                "  %4 = div(%2, %3) : f32[6,30,40]\n"
                                "  return %4\n");
  CHECK(fused(nested).groups.size() == 1);
  check_results(nested);
}

TEST_CASE("fusion does not fire into contractions, programs and under conditions") {
  fused_graph f = fused(read("%x: f32[32,64], %w: f32[64,16]",
                             "  %0 = exp(%x) : f32[32,64]\n"
                             "  %1 = matmul(%0, %w) : f32[32,16]\n"
                             "  return %1\n"));
  CHECK(f.groups.size() == 2);
  CHECK(stored_for(f, "exp", reason::products));
  CHECK(note_of(f, "exp")->times == 16);

  // The columns of one product are the rows' sums of another kernel.
  f = fused(read("%x: f32[32,64], %w: f32[64,16]",
                 "  %0 = matmul(%x, %w) : f32[32,16]\n"
                 "  %1 = sum{.axes = {1}, .keep = true}(%0) : f32[32,1]\n"
                 "  return %1\n"));
  CHECK(f.groups.size() == 2);
  CHECK(stored_for(f, "matmul", reason::one_kind));

  f = fused(read("%x: f32[32,64]",
                 "  %0 = sum{.axes = {1}, .keep = true}(%x) : f32[32,1]\n"
                 "  %1 = max{.axes = {1}, .keep = true}(%x) : f32[32,1]\n"
                 "  %2 = concat{.axis = 1}(%0, %1) : f32[32,2]\n"
                 "  return %2\n"));
  CHECK(stored_for(f, "sum", reason::masked));

  // A chain is cut where a kernel is full.
  std::string body;
  for (int i = 0; i < 100; ++i)
    body += "  %" + std::to_string(i) + " = exp(%" + (i ? std::to_string(i - 1) : "x") + ") : f32[8]\n";
  f = fused(read("%x: f32[8]", body + "  return %99\n"));
  CHECK(f.groups.size() == 2);
  CHECK(f.groups[0].notes[0].why == reason::full);

  // Each step reads two places of the one before: after a few they are too many.
  body = "";
  extent_t extent = 4096;
  for (int i = 0; i < 8; ++i) {
    const std::string x = i ? std::to_string(3 * i - 1) : "x", n = std::to_string(extent -= 1 << i);
    const std::string a = std::to_string(3 * i), b = std::to_string(3 * i + 1), c = std::to_string(3 * i + 2);
    body += "  %" + a + " = slice{.start = {0}, .stop = {-" + std::to_string(1 << i) + "}, .axes = {0}}(%" + x +
            ") : f32[" + n + "]\n  %" + b + " = slice{.start = {" + std::to_string(1 << i) +
            "}, .stop = {2147483647}, .axes = {0}}(%" + x + ") : f32[" + n + "]\n  %" + c + " = add(%" + a + ", %" + b +
            ") : f32[" + n + "]\n";
  }
  const ir::graph pyramid = read("%x: f32[4096]", body + "  return %23\n");
  f = fused(pyramid);
  CHECK(f.groups.size() > 1);
  CHECK(std::ranges::any_of(f.groups, [](const ir::group& k) { return k.notes[0].why == reason::copies; }));
  check_results(pyramid);
}

TEST_CASE("a part of a buffer is read by the product itself, a border is not") {
  const ir::graph parts = read("%x: f32[2,24,192], %w: f32[16,16]",
                               "  %0 = slice{.start = {64}, .stop = {128}, .axes = {2}}(%x) : f32[2,24,64]\n"
                               "  %1 = reshape{.to = [2,24,4,16]}(%0) : f32[2,24,4,16]\n"
                               "  %2 = transpose{.axes = {0,2,1,3}}(%1) : f32[2,4,24,16]\n"
                               "  %3 = matmul(%2, %w) : f32[2,4,24,16]\n"
                               "  return %3\n");
  fused_graph f = fused(parts);
  CHECK(f.groups.size() == 1);
  check_results(parts);
  // Every second element: no stride of 1 is left.
  f = fused(read("%x: f32[24,32], %w: f32[16,8]",
                 "  %0 = slice{.start = {0}, .stop = {32}, .axes = {1}, .step = {2}}(%x) : f32[24,16]\n"
                 "  %1 = matmul(%0, %w) : f32[24,8]\n"
                 "  return %1\n"));
  CHECK(f.groups.size() == 2);
  f = fused(read("%x: f32[1,8,9,9], %w: f32[4,4,3,3]",
                 "  %0 = slice{.start = {0}, .stop = {4}, .axes = {1}}(%x) : f32[1,4,9,9]\n"
                 "  %1 = conv2d{.padding = {1,1}}(%0, %w) : f32[1,4,9,9]\n"
                 "  return %1\n"));
  CHECK(f.groups.size() == 2);
}

TEST_CASE("a depthwise convolution goes into the kernel of the pointwise one that alone reads it") {
  const std::string inputs = "%x: f32[1,8,9,9], %d: f32[8,1,3,3], %b: f32[8,1,1], %w: f32[4,8,1,1]";
  const std::string deep =
      "  %0 = conv2d{.padding = {1,1}, .groups = 8}(%x, %d) : f32[1,8,9,9]\n"
      "  %1 = add(%0, %b) : f32[1,8,9,9]\n"
      "  %2 = relu(%1) : f32[1,8,9,9]\n";
  const std::string both = deep +
                           "  %3 = conv2d(%2, %w) : f32[1,4,9,9]\n"
                           "  %4 = exp(%3) : f32[1,4,9,9]\n";
  const auto fused_with = [](const std::string& in, const std::string& body, ir::strips made = ir::strips::good) {
    ir::graph g = read(in, body);
    return fused_graph{ir::fuse(g, {.as_strips = [made](const auto&, const auto&) { return made; }}), std::move(g)};
  };
  fused_graph f = fused_with(inputs, both + "  return %4\n");
  REQUIRE(f.groups.size() == 1);
  CHECK(f.groups[0].inlined.size() == 4);
  CHECK(f.groups[0].operands.size() == 4);
  REQUIRE(note_of(f, "relu"));
  CHECK(to_string(*note_of(f, "relu")) ==
        "relu is computed in the kernel of conv2d, a strip of rows at a time, rather than 5.18e+03 bytes written and "
        "read");
  // The rule says that it does not pay, or that no kernel can be made of both.
  f = fused_with(inputs, both + "  return %4\n", ir::strips::costly);
  CHECK(f.groups.size() == 2);
  CHECK(stored_for(f, "relu", reason::strips));
  CHECK(to_string(*note_of(f, "relu")) ==
        "relu is stored: cut into strips of its rows, the products of conv2d would cost more");
  f = fused_with(inputs, both + "  return %4\n", ir::strips::impossible);
  CHECK(f.groups.size() == 2);
  CHECK(stored_for(f, "relu", reason::products));
  CHECK(ir::fuse(read(inputs, both + "  return %4\n")).groups.size() == 2);
  // A result; read by two; by what follows the product, too.
  CHECK(fused_with(inputs, both + "  return %4, %2\n").groups.size() == 2);
  CHECK(fused_with(inputs + ", %v: f32[2,8,1,1]", both + "  %5 = conv2d(%2, %v) : f32[1,2,9,9]\n  return %4, %5\n")
            .groups.size() == 3);
  CHECK(fused_with("%x: f32[1,8,9,9], %d: f32[8,1,3,3], %b: f32[8,1,1], %w: f32[8,8,1,1]",
                   deep + "  %3 = conv2d(%2, %w) : f32[1,8,9,9]\n  %4 = add(%3, %2) : f32[1,8,9,9]\n  return %4\n")
            .groups.size() == 2);
  // The reader skips elements, reads neighbours, or a border, or some of the channels.
  const auto read_by = [&](const std::string& attributes, const std::string& weights, const std::string& result) {
    return fused_with("%x: f32[1,8,9,9], %d: f32[8,1,3,3], %b: f32[8,1,1], %w: f32" + weights,
                      deep + "  %3 = conv2d" + attributes + "(%2, %w) : f32" + result + "\n  return %3\n")
        .groups.size();
  };
  CHECK(read_by("", "[4,8,1,1]", "[1,4,9,9]") == 1);
  CHECK(read_by("{.stride = {2,2}}", "[4,8,1,1]", "[1,4,5,5]") == 2);
  CHECK(read_by("", "[4,8,2,2]", "[1,4,8,8]") == 2);
  CHECK(read_by("{.padding = {1,1}}", "[4,8,1,1]", "[1,4,11,11]") == 2);
  CHECK(read_by("{.groups = 2}", "[4,4,1,1]", "[1,4,9,9]") == 2);
  // What is read is no depthwise convolution, but one of groups, or pointwise, or of bf16.
  const auto reads = [&](const std::string& type, const std::string& attributes, const std::string& weights) {
    return fused_with("%x: " + type + "[1,8,9,9], %d: " + type + weights + ", %w: " + type + "[4,8,1,1]",
                      "  %0 = conv2d" + attributes + "(%x, %d) : " + type +
                          "[1,8,9,9]\n  %1 = conv2d(%0, %w) : " + type + "[1,4,9,9]\n  return %1\n")
        .groups.size();
  };
  CHECK(reads("f64", "{.padding = {1,1}, .groups = 8}", "[8,1,3,3]") == 1);
  CHECK(reads("bf16", "{.padding = {1,1}, .groups = 8}", "[8,1,3,3]") == 2);
  CHECK(reads("f32", "{.padding = {1,1}, .groups = 4}", "[8,2,3,3]") == 2);
  CHECK(reads("f32", "", "[8,8,1,1]") == 2);
  // Of three in a row, two.
  f = fused_with(inputs + ", %v: f32[4,4,1,1]", both + "  %5 = conv2d(%4, %v) : f32[1,4,9,9]\n  return %5\n");
  CHECK(f.groups.size() == 2);
}

TEST_CASE("views move to the ends of kernels") {
  const auto after = [](const std::string& inputs, const std::string& body) {
    return to_string(ir::canonicalize(ir::move_views(read(inputs, body))));
  };
  // Behind the product's epilogue.
  CHECK(after("%x: f32[6,8], %w: f32[8,4], %b: f32[4]",
              "  %0 = matmul(%x, %w) : f32[6,4]\n"
              "  %1 = reshape{.to = [2,3,4]}(%0) : f32[2,3,4]\n"
              "  %2 = add(%1, %b) : f32[2,3,4]\n"
              "  return %2\n") ==
        "graph(%x: f32[6,8], %w: f32[8,4], %b: f32[4]) {\n"
        "  %0 = matmul(%x, %w) : f32[6,4]\n"
        "  %1 = add(%0, %b) : f32[6,4]\n"
        "  %2 = reshape{.to = [2,3,4]}(%1) : f32[2,3,4]\n"
        "  return %2\n}\n");
  // A scale of each channel in the extents of groups.
  CHECK(after("%x: f32[3,4,3,5], %s: f32[12,1]",
              "  %0 = mean{.axes = {2,3}, .keep = true}(%x) : f32[3,4,1,1]\n"
              "  %1 = sub(%x, %0) : f32[3,4,3,5]\n"
              "  %2 = reshape{.to = [3,12,5]}(%1) : f32[3,12,5]\n"
              "  %3 = mul(%2, %s) : f32[3,12,5]\n"
              "  return %3\n") ==
        "graph(%x: f32[3,4,3,5], %s: f32[12,1]) {\n"
        "  %0 = mean{.axes = {2,3}, .keep = true}(%x) : f32[3,4,1,1]\n"
        "  %1 = sub(%x, %0) : f32[3,4,3,5]\n"
        "  %2 = reshape{.to = [4,3,1]}(%s) : f32[4,3,1]\n"
        "  %3 = mul(%1, %2) : f32[3,4,3,5]\n"
        "  %4 = reshape{.to = [3,12,5]}(%3) : f32[3,12,5]\n"
        "  return %4\n}\n");
  // Before a map of a buffer, for the sum that reads it.
  CHECK(after("%x: f32[6,8]",
              "  %0 = exp(%x) : f32[6,8]\n"
              "  %1 = reshape{.to = [6,2,4]}(%0) : f32[6,2,4]\n"
              "  %2 = sum{.axes = {2}}(%1) : f32[6,2]\n"
              "  return %2\n") ==
        "graph(%x: f32[6,8]) {\n"
        "  %0 = reshape{.to = [6,2,4]}(%x) : f32[6,2,4]\n"
        "  %1 = exp(%0) : f32[6,2,4]\n"
        "  %2 = sum{.axes = {2}}(%1) : f32[6,2]\n"
        "  return %2\n}\n");
  // Not where another reads the product as it is, not where a scale has a part of the axes that were one, not in front
  // of a map that others read.
  for (const auto& [inputs, body] :
       std::vector<std::pair<std::string, std::string>>{{"%x: f32[6,8], %w: f32[8,4]",
                                                         "  %0 = matmul(%x, %w) : f32[6,4]\n"
                                                         "  %1 = reshape{.to = [2,3,4]}(%0) : f32[2,3,4]\n"
                                                         "  %2 = exp(%1) : f32[2,3,4]\n"
                                                         "  return %2, %1\n"},
                                                        {"%x: f32[6,8], %w: f32[8,4], %s: f32[2,1]",
                                                         "  %0 = matmul(%x, %w) : f32[6,4]\n"
                                                         "  %1 = reshape{.to = [6,2,2]}(%0) : f32[6,2,2]\n"
                                                         "  %2 = reshape{.to = [2,12]}(%0) : f32[2,12]\n"
                                                         "  %3 = mul(%2, %s) : f32[2,12]\n"
                                                         "  return %3, %1\n"},
                                                        {"%x: f32[6,8]",
                                                         "  %0 = exp(%x) : f32[6,8]\n"
                                                         "  %1 = reshape{.to = [6,2,4]}(%0) : f32[6,2,4]\n"
                                                         "  %2 = sum{.axes = {2}}(%1) : f32[6,2]\n"
                                                         "  return %2, %0\n"}}) {
    const ir::graph g = read(inputs, body);
    CHECK(to_string(ir::move_views(g)) == to_string(g));
  }
}
