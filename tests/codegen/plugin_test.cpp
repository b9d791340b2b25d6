// Machines and their names, refusals, and what is in an image.
#include <doctest/doctest.h>

#include <thread>

#include "codegen/harness.hpp"
#include "tenon/core/error.hpp"

using namespace tenon;
using namespace tenon::test;
using ir::expr_ref;

namespace {

template <class E, class F>
std::string thrown(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return {};
}
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

ir::kernel twice(dtype t) {
  ir::kernel k;
  k.name = "twice";
  auto& a = k.make();
  k.symbols = {"n"};
  const auto x = k.add_buffer("x", t, ir::scope::parameter, {a.symbol(0)});
  const auto y = k.add_buffer("y", t, ir::scope::parameter, {a.symbol(0)});
  k.buffers[static_cast<std::size_t>(y)].written = true;
  expr_ref i = a.fresh_variable(), v = a.load(t, x, std::span(&i, 1));
  k.body = ir::make_stmt(ir::loop{i, a.index(0), a.symbol(0), ir::loop_kind::vectorized, 16,
                                  ir::make_stmt(ir::store{y, {i}, a.add(v, v), a.boolean(true)})});
  return k;
}

}  // namespace

TEST_CASE("machines have their real features, and unknown names are answered with near ones") {
  const auto& g = codegen::llvm();
  CHECK(g.resolve("x86-64").vector_bits == 128);
  CHECK_FALSE(g.resolve("x86-64-v2").fma);
  CHECK(g.resolve("x86-64-v3").vector_bits == 256);
  CHECK(g.resolve("x86-64-v3").fma);
  CHECK(g.resolve("x86-64-v4").vector_bits == 512);
  CHECK(g.resolve("skylake-avx512").vector_bits == 512);
  CHECK(g.resolve("haswell").vector_bits == 256);
  const auto native = g.resolve("native");
  CHECK(native.cpu != "native");
  CHECK(codegen::runs_here(native));
  CHECK(codegen::runs_here(g.resolve("x86-64")));
  CHECK(native.l1_bytes >= 16 << 10);
  CHECK(native.l2_bytes >= 128 << 10);
  auto foreign = native;
  foreign.features += ",+a-feature-of-tomorrow";
  CHECK_FALSE(codegen::runs_here(foreign));
  const std::string text = thrown<target_error>([&] { g.resolve("znver44"); });
  CHECK(has(text, "znver44"));
  CHECK(has(text, "znver4,"));
  CHECK_FALSE(thrown<target_error>([&] { g.resolve(""); }).empty());
  CHECK(has(g.identity(), "llvm 19"));
}

TEST_CASE("images are the same each time, hold no key but what they are given, and many threads may compile") {
  const auto& g = codegen::llvm();
  const auto m = g.resolve("native");
  const auto k = twice(f32);
  const auto first = g.compile(k, m, {1, 2});
  CHECK(first.key == detail::hash128{1, 2});
  CHECK(first.entry + first.entry_size <= first.code.size());
  CHECK(first.entry_size > 0);
  std::vector<runtime::image> images(4);
  std::vector<std::thread> threads;
  for (auto& image : images)
    threads.emplace_back([&] {
      const auto mine = twice(f32);
      for (int i = 0; i < 3; ++i) image = g.compile(mine, m, {1, 2});
    });
  for (auto& t : threads) t.join();
  for (const auto& image : images) CHECK(image.code == first.code);
}

TEST_CASE("the text forms are LLVM IR and assembly") {
  const auto& g = codegen::llvm();
  const auto m = g.resolve("x86-64-v3");
  CHECK(has(g.llvm_ir(twice(f32), m, false), "define i32 @tenon_kernel"));
  CHECK(has(g.llvm_ir(twice(f32), m, true), "fadd <16 x float>"));
  CHECK(has(g.assembly(twice(f32), m), "vaddps"));
}

TEST_CASE("what the loop IR does not allow is refused with the kernel's name, and the next kernel compiles") {
  const auto& g = codegen::llvm();
  const auto m = g.resolve("native");
  const auto refuse = [&](ir::stmt_ref body, ir::kernel k) {
    k.body = std::move(body);
    return thrown<compile_error>([&] { g.compile(k, m, {}); });
  };
  {
    auto k = twice(f32);
    auto& a = k.make();
    expr_ref i = a.fresh_variable(), j = a.fresh_variable(), stray = a.fresh_variable();
    auto body = ir::make_stmt(ir::store{1, {stray}, a.constant(f32, 1), a.boolean(true)});
    CHECK(has(refuse(body, std::move(k)), "twice"));
    auto l = twice(f32);
    auto& b = l.make();
    i = b.fresh_variable(), j = b.fresh_variable();
    auto store = ir::make_stmt(ir::store{1, {j}, b.constant(f32, 1), b.boolean(true)});
    auto inner = ir::make_stmt(ir::loop{j, b.index(0), i, ir::loop_kind::serial, 1, store});
    CHECK(has(
        refuse(ir::make_stmt(ir::loop{i, b.index(0), b.symbol(0), ir::loop_kind::vectorized, 8, inner}), std::move(l)),
        "vary between lanes"));
  }
  const compiled f(twice(i32), m);
  guarded x(i32, 5), y(i32, 5);
  for (int i = 0; i < 5; ++i) x.set(i, i);
  REQUIRE(f({x.data(), y.data()}, {5}) == 0);
  CHECK(y.get(4) == 8);
}
