// Options, params and files that cannot be right: refused when the callable is made, with the values.
#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <tenon/tenon.hpp>

#include "callable/refusal.hpp"
#include "runtime/files.hpp"
#include "targets.hpp"

using namespace tenon;
using tenon::test::refusal;

namespace {

auto twice(compile_options o) {
  return jit([](tensor<f32, shape<dyn>> x) { return x * 2; }, std::move(o));
}
auto refused(auto options) {
  return [options] { (void)twice(options); };
}

struct dense {
  param weight, bias;
  dense(dtype d = f32) : weight("w", d, {3, 2}), bias("b", d, {2}) {}
  template <tensor_like X>
  auto operator()(X x) const {
    return matmul(x, weight) + bias;
  }
};
using rows = signature<tensor<f32, shape<dyn, 3>>>;

param_set good_params() {
  param_set p;
  p.set("w", array<f32>::uniform({3, 2}, 1)).set("b", array<f32>::uniform({2}, 2));
  return p;
}

std::string bytes_at(const std::string& path) {
  std::ifstream f(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(f), {}};
}

}  // namespace

TEST_CASE("targets with words that nobody knows") {
  auto text = [](const char* target) { return refusal<target_error>([&] { (void)twice({.target = target}); }); };
  CHECK(text("lvm") == "target 'lvm': 'lvm' is not understood; known targets: llvm, native");
  CHECK(text("") == "target '': it is empty; known targets: llvm, native");
  CHECK(text("llvm -mpcu=native") ==
        "target 'llvm -mpcu=native': '-mpcu=native' is not understood; known options: -mcpu=NAME, -num-threads=N");
  CHECK(text("llvm -num-threads=0") ==
        "target 'llvm -num-threads=0': '-num-threads=0' is not understood; -num-threads takes 1 to 1024");
  CHECK(text("llvm -num-threads=9999999999999999999999") ==
        "target 'llvm -num-threads=9999999999999999999999': '-num-threads=9999999999999999999999' is not understood; "
        "-num-threads takes 1 to 1024");
  CHECK(text("native -mcpu=native") ==
        "target 'native -mcpu=native': '-mcpu=native' is not understood; known options: -num-threads=N");
  CHECK(refusal<target_error>([] { (void)twice({.target = {{"cpu", "llvm"}, {"gpu", "nvptx"}}}); }) ==
        "target: a map of devices is given, and there is one device: the host");
}

TEST_CASE("a processor that LLVM does not know is refused when it is first asked for, and the callable stays" *
          doctest::skip(!test::has_llvm)) {
  const auto f = twice({.target = "llvm -mcpu=pentium5"});
  const std::string text = refusal<target_error>([&] { (void)f(array<f32>::zeros({3})); });
  CHECK(text == "llvm: there is no processor \"pentium5\"; near names: penryn, atom, knm, nehalem, westmere");
  CHECK(refusal<target_error>([&] { (void)f(array<f32>::zeros({3})); }) == text);
  CHECK(f.stats().kernels == 0);
}

TEST_CASE("optimisation levels out of range and contradicting") {
  CHECK(refusal<argument_error>(refused(compile_options{.opt_level = 5})) == "options: opt_level 5 is outside 0 to 4");
  CHECK(refusal<argument_error>(refused(compile_options{.opt_level = -1})) ==
        "options: opt_level -1 is outside 0 to 4");
  CHECK(refusal<argument_error>(refused(compile_options{.context = {.opt_level = 9}})) ==
        "options: opt_level 9 is outside 0 to 4");
  CHECK(refusal<argument_error>(refused(compile_options{.opt_level = 3, .context = {.opt_level = 2}})) ==
        "options: opt_level is 3 and the context's is 2");
  CHECK(twice({.target = "native", .opt_level = 2, .context = {.opt_level = 2}})(array<f32>::full({1}, 2.0f))(0) == 4);
}

TEST_CASE("passes that do not exist") {
  const std::string known =
      "; known: expand_library, mixed_precision, fast_math, canonicalize, move_views, fold_constants, fold_scale, "
      "combine_parallel, legalize, fuse, alias, in_place, control_kernels, winograd";
  CHECK(refusal<argument_error>(refused(compile_options{.context = {.disabled = {"fuse", "fues"}}})) ==
        "options: disabled names no pass: 'fues'" + known);
  CHECK(refusal<argument_error>(refused(compile_options{.context = {.required = {"vectorise"}}})) ==
        "options: required names no pass: 'vectorise'" + known);
}

TEST_CASE("stages to dump that do not exist") {
  auto text = [](const char* dump) {
    return refusal<argument_error>(refused(compile_options{.context = {.dump = dump}}));
  };
  const std::string known = " is no stage[:before|:after][:pass]; stages: graph, loop, llvm, asm";
  CHECK(text("grahp") == "options: dump 'grahp': 'grahp'" + known);
  CHECK(text("graph,loops:after") == "options: dump 'graph,loops:after': 'loops:after'" + known);
  CHECK(text("graph:after:fuse:more") == "options: dump 'graph:after:fuse:more': 'graph:after:fuse:more'" + known);
  CHECK(text("graph:") == "options: dump 'graph:': 'graph:'" + known);
  CHECK(text("graph, loop") == "options: dump 'graph, loop': ' loop'" + known);
  CHECK(text("graph,") == "options: dump 'graph,': ''" + known);
  for (const char* good : {"", "graph", "loop:after,graph:before", "graph:fuse,loop,llvm:before,asm"})
    CHECK(twice({.target = "native", .context = {.dump = good}}).stats().kernels == 0);
}

TEST_CASE("params that are missing, or of another shape or type") {
  for (const char* target : test::targets) {
    CAPTURE(std::string(target));
    auto text = [&](auto type, param_set p) {
      return refusal<typename decltype(type)::type>(
          [&] { (void)build(dense(), rows{}, {.target = target, .params = p}); });
    };
    using missing = std::type_identity<argument_error>;
    param_set only_w = good_params(), wrong_shape = good_params(), wrong_rank = good_params(),
              wrong_type = good_params();
    only_w.erase("b");
    CHECK(text(missing{}, {}) == "build: params without a value: w f32[3,2], b f32[2]");
    CHECK(text(missing{}, only_w) == "build: params without a value: b f32[2]");
    wrong_shape.set("w", array<f32>::zeros({2, 3}));
    CHECK(text(std::type_identity<shape_error>{}, wrong_shape) ==
          "param w: extents differ; stated f32[3,2], given f32[2,3]; at bad_options_test.cpp:LINE");
    wrong_rank.set("b", array<f32>::zeros({1, 2}));
    CHECK(text(std::type_identity<shape_error>{}, wrong_rank) ==
          "param b: extents differ; stated f32[2], given f32[1,2]; at bad_options_test.cpp:LINE");
    wrong_type.set("b", array<f64>::zeros({2}));
    CHECK(text(std::type_identity<type_error>{}, wrong_type) ==
          "param b: element types differ; stated f32[2], given f64[2]; at bad_options_test.cpp:LINE");
    const array<f32> x = array<f32>::full({1, 3}, 1.0f),
                     y = build(dense(), rows{}, {.target = target, .params = good_params()})(x);
    CHECK(y.dims() == dims{1, 2});
  }
  const auto lambda = [] {
    param scale("scale", f32, {});
    return jit([scale](tensor<f32, shape<3>> x) { return x * scale; });
  };
  CHECK(refusal<argument_error>([&] { (void)lambda(); }) == "build: params without a value: scale f32[]");
}

TEST_CASE("element types that only the run time knows") {
  const auto x = input<f32, 4, 3>("x");
  CHECK(refusal<type_error>([&] { (void)dense(f64)(x); }) ==
        "matmul: element types differ; x f32[4,3], w f64[3,2]; at bad_options_test.cpp:LINE");
  const param w("w", f64, {3, 2}), v("v", f32, {3, 2}), mask("mask", b8, {3});
  CHECK(refusal<type_error>([&] { (void)(w + v); }) ==
        "add: element types differ; w f64[3,2], v f32[3,2]; at bad_options_test.cpp:LINE");
  CHECK(refusal<type_error>([&] { (void)exp(mask); }) ==
        "exp: b8 is not a float; mask b8[3]; at bad_options_test.cpp:LINE");
  CHECK(refusal<type_error>([&] { (void)as<f32, shape<3, 2>>(w); }) ==
        "as: it is f64, not f32; w f64[3,2]; at bad_options_test.cpp:LINE");
  CHECK(refusal<shape_error>([&] { (void)as<f64, shape<2, 3>>(w); }) ==
        "as: extents 3 != 2 of [2,3]; w f64[3,2]; at bad_options_test.cpp:LINE");
  CHECK(refusal<type_error>([&] { (void)(mask & 1.5); }) == "number 1.5: no value of b8; at bad_options_test.cpp:LINE");
  CHECK(refusal<type_error>([] { (void)good_params()["w"].as<f64>(); }) ==
        "parameter 'w': the elements are f32, not f64");
  CHECK(refusal<argument_error>([] { (void)good_params()["weight"]; }) == "no parameter 'weight' among 2: 'b', 'w'");
  CHECK(refusal<argument_error>([] { param p("p", f32, {2, -3}); }) ==
        "param p: extent -3 is negative; at bad_options_test.cpp:LINE");
  CHECK(refusal<argument_error>([] { good_params().set("", array<f32>::zeros({1})); }) == "param_set: a name is empty");
}

TEST_CASE("attributes that only the run time knows") {
  const auto x = input<f32, 4, 3>("x");
  CHECK(refusal<shape_error>([&] { (void)sum(x, {.axes = {2}}); }) ==
        "sum: axis 2 is outside rank 2; x f32[4,3]; at bad_options_test.cpp:LINE");
  CHECK(refusal<shape_error>([&] { (void)softmax(x, {.axis = -3}); }) ==
        "softmax: axis -3 is outside rank 2; x f32[4,3]; at bad_options_test.cpp:LINE");
  CHECK(refusal<shape_error>([&] { (void)transpose(x, {0, 0}); }) ==
        "transpose: axis 0 is given twice; x f32[4,3]; at bad_options_test.cpp:LINE");
  CHECK(refusal<shape_error>([&] { (void)reshape(x, {5, -1}); }) ==
        "reshape: 12 elements do not fit [5,dyn]; x f32[4,3]; at bad_options_test.cpp:LINE");
  CHECK(refusal<shape_error>([&] { (void)split(x, 3); }) ==
        "split: extent 4 does not split into 3; [4,3]; at bad_options_test.cpp:LINE");
}

TEST_CASE("weights whose file is damaged are refused whole, and nothing of them is used") {
  test::folder files;
  save_safetensors(files.path("w.safetensors"), good_params());
  const std::string whole = bytes_at(files.path("w.safetensors"));
  auto text = [&](const std::string& bytes) {
    const std::string path = files.write("bad.safetensors", bytes),
                      text = refusal<load_error>([&] { (void)load_safetensors(path); });
    const std::size_t at = text.find(path);
    CHECK(at != text.npos);
    return at == text.npos ? text : text.substr(0, at) + "FILE" + text.substr(at + path.size());
  };
  CHECK(text("") == "FILE: has 0 bytes, too few for the header's length");
  CHECK(text(whole.substr(0, whole.size() - 1)) ==
        "FILE: tensor 'w': data_offsets [8,32] lie outside the 31 bytes of data");
  CHECK(text(whole + "x") == "FILE: the tensors end at byte 32 of 33 bytes of data");
  std::string header = whole;
  header[0] = '\xff', header[7] = '\x7f';
  CHECK(text(header) == "FILE: the header's length is 9151314442816848127, the most is 100000000");
  std::string type = whole;
  type.replace(type.find("F32"), 3, "F31");
  CHECK(text(type) == "FILE: tensor 'b': element type 'F31' is not supported");
  std::string extents = whole;
  extents.replace(extents.find("[3,2]"), 5, "[3,9]");
  CHECK(text(extents) == "FILE: tensor 'w': data_offsets [8,32] do not hold the 108 bytes of f32[3,9]");
  CHECK(refusal<load_error>([&] {
          (void)load_safetensors(files.path("none.safetensors"));
        }).ends_with("No such file or directory"));
  // The whole one still loads and runs.
  const auto net =
      build(dense(), rows{}, {.target = "native", .params = load_safetensors(files.path("w.safetensors"))});
  CHECK(net(array<f32>::zeros({1, 3}))(0, 1) == good_params()["b"].as<f32>()(1));
}

TEST_CASE("archives that are damaged") {
  test::folder files;
  const std::string path = files.write("bad.npz", "PK\3\4 this is no archive");
  const std::string text = refusal<load_error>([&] { (void)load_npz(path); });
  CHECK(text.ends_with("/bad.npz: no zip archive: its end record is missing in 23 bytes"));
}
