#include "loop/text.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <random>

#include "loop/helpers.hpp"
#include "loop/kernel.hpp"

using namespace tenon;
using namespace tenon::ir;
using test::error_of;

namespace {

constexpr char everything[] = R"(kernel `fused.add+relu`(n0, n1)
  in a: f32[n0, n1] stride [n1 + 3, 1]
  in w: bf16[n1, 32]
  in `if`: f32[32]
  out y: f32[n0, n1]
  out z: f32[n0, 32] overlap 1
  out best: f32[n0]
  out at.best: i64[n0] overlap 1
  scratch packed: f32[n1, 32]
  local t: f32[4]
parallel for i0 in [0, n0)
  block
    declare t
    unrolled for i5 in [0, 4)
      t[i5] = 0.0f
    vectorized(16) for i1 in [0, n1)
      y[i0, i1] = max(a[i0, i1] + t[i1 % 4], 0.0f) if i1 < n1 - 1
      t[0] sum= fma(a[i0, i1], -2.5f, 1e-20f) if (i0 + i1) % 2 == 0 || i1 < 3
      best[i0] argmax= a[i0, i1] at i1
  if n0 < 7
    z[i0, 0] = select(isnan(a[i0, 0]), inff, -a[i0, n1 - 1 if 1 <= n1])
  else
    for i2 in [max(n1 - 5, 0), min(i0 * 3 + 8, n1))
      z[i0, i2] = f32(~i32(a[i0, 0]) & i32(a[i0, i2]) >> i32(3)) * bitcast<f32>(i32(a[0, 0]) << i32(1))
  for i9 in [0, n1)
    prefetch w[i9 + 4, 0]
    vectorized(32) for i10 in [0, 32)
      streamed packed[i9, i10] = f32(w[i9, i10])
  contraction 12 x 32 into z[i0 * 12 + i6, i7]
    rows i6
    columns i7 in [0, min(n1, 32))
    summing i8 in [0, n1)
    a = a[i0 * 12 + i6, i8]
    b = packed[i8, i7]
    prefetch = packed[i8 + 16, i7]
    function = n1
    value(acc0: f32) = max(acc0 + `if`[i7], 0.0f) if 2 <= i6
do
  at.best[0] = at.best[1]
  block
    declare t
    t[0] = best[0]
while at.best[0] < n0
  while best[0] < 4.0f
    best[0] sum= 1.0f
  at.best[1] sum= 1
)";

std::string parse_failure(const std::string& s) {
  return error_of<parse_error>([&] { parse_kernel(s); });
}

}  // namespace

TEST_CASE("text reads back as the same kernel") {
  const kernel k = parse_kernel(everything);
  CHECK(to_string(k) == everything);
  CHECK(k.parameters() == 7);
  CHECK(k.buffers[3].written);
  CHECK_FALSE(k.buffers[0].written);
  CHECK(k.buffers[4].overlap == 1);
  CHECK(k.buffers[5].overlap == 0);
  CHECK(k.arena->next_variable() == 11);
}

TEST_CASE("constants of every type read back exactly") {
  kernel k;
  auto& m = k.make();
  std::vector<expr_ref> all;
  for (double v : {0.0, -0.0, 1.0, 0.1, 1e300, -1e-320, HUGE_VAL, -HUGE_VAL, 1e22, 3e38})
    for (dtype t : {f64, f32, f16, bf16}) all.push_back(m.constant(t, v));
  for (std::int64_t b : {0x7fc00000L, 0x7fc00001L, 0xffc00000L, 1L}) all.push_back(m.constant_bits(f32, b));
  for (std::int64_t b : {0x7ff8000000000000L, 0x7ff8000000000001L}) all.push_back(m.constant_bits(f64, b));
  for (std::int64_t b : {0x7e00L, 0xfe01L, 0x7f81L}) {
    all.push_back(m.constant_bits(f16, b));
    all.push_back(m.constant_bits(bf16, b));
  }
  for (std::int64_t v : {INT64_MIN, INT64_MAX, std::int64_t{-1}, std::int64_t{200}})
    for (dtype t : {i64, i32, i16, i8, u64, u32, u16, u8, b8}) all.push_back(m.integer(t, v));
  std::vector<stmt_ref> list;
  for (expr_ref e : all) {
    const std::int64_t id = k.add_buffer("y" + std::to_string(list.size()), e->type, scope::parameter, {});
    k.buffers[id].written = true;
    list.push_back(make_stmt(store{.buffer = id, .indices = {}, .value = e, .mask = m.boolean(true)}));
  }
  k.name = "constants";
  k.body = make_block(list);
  const kernel r = parse_kernel(to_string(k));
  const auto& stores = std::get<block>(r.body->v).list;
  REQUIRE(stores.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const expr_ref e = std::get<store>(stores[i]->v).value;
    CAPTURE(to_string(all[i]));
    CHECK(e->is(expr_kind::constant));
    CHECK(e->type == all[i]->type);
    CHECK(e->payload == all[i]->payload);
  }
}

TEST_CASE("names that are no words, or not unique, stay what they are") {
  kernel k;
  auto& m = k.make();
  k.name = "a `b`\\\nc";
  k.symbols = {"n", "n", "parallel", "1"};
  k.add_buffer("x", f32, scope::parameter, {m.symbol(0)});
  k.add_buffer("x", f32, scope::parameter, {m.symbol(1), m.symbol(2), m.symbol(3)});
  k.buffers[1].written = true;
  const expr_ref zero = m.index(0);
  k.body = make_stmt(store{1, {zero, zero, zero}, m.load(f32, 0, std::span(&zero, 1)), m.boolean(true)});
  const std::string text = to_string(k);
  CHECK(text ==
        "kernel `a \\`b\\`\\\\\\nc`(n@0, n@1, `parallel`, `1`)\n  in x@0: f32[n@0]\n"
        "  out x@1: f32[n@1, `parallel`, `1`]\nx@1[0, 0, 0] = x@0[0]\n");
  const kernel r = parse_kernel(text);
  CHECK(to_string(r) == text);
  CHECK(r.name == k.name);
  CHECK(r.symbols == k.symbols);
  CHECK(r.buffers[1].name == "x");
}

TEST_CASE("shared and deep expressions stay linear in the text and read back") {
  kernel k;
  auto& m = k.make();
  k.name = "deep";
  k.add_buffer("x", f32, scope::parameter, {});
  k.add_buffer("y", f32, scope::parameter, {});
  k.buffers[1].written = true;
  expr_ref e = m.load(f32, 0, {});
  for (int i = 0; i < 200; ++i) e = m.mul(m.add(e, e), e);
  for (int i = 0; i < 3000; ++i) e = m.apply(prim::sin, e);
  k.body = make_stmt(store{1, {}, e, m.boolean(true)});
  const std::string text = to_string(k);
  CHECK(text.size() < 60'000);
  CHECK(text.find("let t0 = ") != text.npos);
  const kernel r = parse_kernel(text);
  CHECK(to_string(r) == text);
  CHECK(std::get<store>(r.body->v).value->hash == e->hash);
}

TEST_CASE("an expression alone has text") {
  expr_arena m;
  expr_ref i = m.fresh_variable(), n = m.symbol(2);
  CHECK(to_string(m.sub(m.mul(i, n), m.add(i, m.index(4)))) == "i0 * s2 - i0 - 4");
  CHECK(to_string(m.apply(prim::neg, m.mul(i, i))) == "-(i0 * i0)");
  const std::pair<expr_ref, expr_ref> loops[] = {{i, n}};
  CHECK(to_string(m.reduce(reducer::max, loops, m.load(f32, 3, std::span(&i, 1), m.less(i, m.index(3))))) ==
        "max{i0 < s2}(b3[i0 if i0 < 3])");
}

TEST_CASE("what does not parse is named with its place") {
  const std::string head = "kernel k(n)\n  in a: f32[n]\n  out y: f32[n]\n";
  CHECK(parse_failure("") == "line 1, column 1: expected 'kernel', not the end of the text");
  CHECK(parse_failure("kernel (n)") == "line 1, column 8: expected the kernel's name, not '('");
  CHECK(parse_failure("kernel k(n, n)") == "line 1, column 14: there is already a symbol named n");
  CHECK(parse_failure("kernel k()\n  in a: f31[]") == "line 2, column 9: expected an element type, not 'f31'");
  CHECK(parse_failure("kernel k()\n  in a: f32[4 5]") == "line 2, column 15: expected ',' or ']', not '5'");
  CHECK(parse_failure("kernel k()\n  in a: f32[m]") == "line 2, column 13: there is no symbol named 'm'");
  CHECK(parse_failure("kernel k()\n in a: f32[]") == "line 2, column 2: expected a declaration indented by 2 spaces");
  CHECK(parse_failure(head + "y[0] a[0]") == "line 4, column 6: expected '=' or a reducer, not 'a'");
  CHECK(parse_failure(head + "q[0] = 1") == "line 4, column 1: expected the name of a buffer, not 'q'");
  CHECK(parse_failure(head + "y[0] = q[0]") == "line 4, column 8: there is no buffer named 'q'");
  CHECK(parse_failure(head + "y[0] = 1 +") == "line 4, column 11: expected an expression, not the end of the line");
  CHECK(parse_failure(head + "y[0] = 1.5.2") == "line 4, column 11: unexpected '.' in a number");
  CHECK(parse_failure(head + "y[0] = 99999999999999999999") ==
        "line 4, column 8: the number does not fit into 64 bits");
  CHECK(parse_failure(head + "y[0] = max(a[0])") == "line 4, column 8: max takes 2 operands, not 1");
  CHECK(parse_failure(head + "y[0] = f32(a[0], a[0])") == "line 4, column 8: a cast takes 1 operand, not 2");
  CHECK(parse_failure(head + "y[0] = acc0") == "line 4, column 8: expected an expression, not 'acc0'");
  CHECK(parse_failure(head + "y[0] = 1 < 2 < 3") == "line 4, column 14: expected the end of the line, not '<'");
  CHECK(parse_failure(head + "y[0] = `a[0]") == "line 4, column 8: a name in backquotes does not end on its line");
  CHECK(parse_failure(head + "y[0] = $") == "line 4, column 8: unexpected character '$'");
  CHECK(parse_failure(head + "y[0] = \xc3\xa4") == "line 4, column 8: unexpected byte 0xc3");
  CHECK(parse_failure(head + "for j in [0, n)") == "line 4, column 5: expected a loop variable, like i0, not 'j'");
  CHECK(parse_failure(head + "for i0 in [0, n)") ==
        "line 5, column 1: expected a statement indented by 2 spaces, not the end of the text");
  CHECK(parse_failure(head + "for i0 in [0, n)\ny[0] = 1") ==
        "line 5, column 1: expected a statement indented by 2 spaces");
  CHECK(parse_failure(head + "for i0 in [0, n)\n  y[0] = 1\n   y[0] = 1") ==
        "line 6, column 4: expected an indentation of 2 spaces, not 3");
  CHECK(parse_failure(head + "for i0 in (0, n)") == "line 4, column 11: expected '[', not '('");
  CHECK(parse_failure(head + "\ty[0] = 1") ==
        "line 4, column 1: a tab in the indentation; two spaces per level are expected");
  CHECK(parse_failure(head + "vectorized(x) for i0 in [0, n)") ==
        "line 4, column 12: expected a number of lanes, not 'x'");
  CHECK(parse_failure(head + "contraction 2 x 4 into y[0]\n  columns i1 in [0, 4)") ==
        "line 5, column 3: expected 'rows' of the contraction, indented by 2 spaces");
  CHECK(parse_failure(head + "do\n  y[0] = 1.0f") == "line 6, column 1: expected 'while' after what runs before it");
  CHECK(parse_failure(head + "do\n  y[0] = 1.0f\ny[0] = 1.0f\n") ==
        "line 6, column 1: expected 'while' after what runs before it");
  CHECK(parse_failure(head + "while\n  y[0] = 1.0f") ==
        "line 4, column 6: expected an expression, not the end of the line");
  CHECK(parse_failure(head + "while y[0] < 1.0f") ==
        "line 5, column 1: expected a statement indented by 2 spaces, not the end of the text");
  CHECK(parse_failure("kernel k()\n  in a: f32[] overlap x") ==
        "line 2, column 23: expected the number of an overlap, not 'x'");
  CHECK(parse_failure(head + "let u = 1") == "line 4, column 5: expected a name like t0, not 'u'");
  CHECK(parse_failure(head + "y[0] = " + std::string(5000, '(')) ==
        "line 4, column 508: expressions are nested deeper than 1000 levels");
}

TEST_CASE("random expressions read back as themselves") {
  std::mt19937 random(4);
  const auto pick = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 300; ++round) {
    kernel k;
    auto& m = k.make();
    k.name = "k";
    k.symbols = {"n"};
    for (dtype t : {f32, i32, b8, i64})
      k.add_buffer(std::string("x_") + std::string(name(t)), t, scope::parameter, {m.symbol(0)});
    std::vector<expr_ref> pool = {m.variable(i64, 0), m.symbol(0), m.index(3), m.constant(f32, 0.1),
                                  m.integer(i32, -7)};
    for (int step = 0; step < 60; ++step) {
      const prim p = static_cast<prim>(pick(prim_count));
      if (pick(4) == 0) {
        const std::int64_t b = static_cast<std::int64_t>(pick(4));
        expr_ref index = pool[pick(pool.size())], mask = pool[pick(pool.size())];
        if (index->type == i64 && !index->is(expr_kind::constant))
          pool.push_back(m.load(k.buffers[b].type, b, std::span(&index, 1), mask->type == b8 ? mask : nullptr));
        continue;
      }
      std::vector<expr_ref> x;
      for (int i = 0; i < arity(p); ++i) x.push_back(pool[pick(pool.size())]);
      const dtype types[] = {f32, i32, b8, i64, f64, u8, f16};
      const dtype t =
          p == prim::cast || p == prim::bitcast ? types[pick(7)] : result_type(p, x[0]->type, x.back()->type);
      if (!well_typed(p, t, x)) continue;
      pool.push_back(p == prim::cast ? m.cast(t, x[0]) : p == prim::bitcast ? m.bitcast(t, x[0]) : m.apply(p, x));
    }
    std::vector<stmt_ref> list;
    for (expr_ref e : pool) {
      const std::int64_t id = k.add_buffer("y" + std::to_string(list.size()), e->type, scope::parameter, {});
      k.buffers[id].written = true;
      list.push_back(make_stmt(store{.buffer = id, .indices = {}, .value = e, .mask = m.boolean(true)}));
    }
    k.body = make_stmt(loop{.variable = pool[0], .begin = m.index(0), .end = m.index(4), .body = make_block(list)});
    verify(k);
    const std::string text = to_string(k);
    const kernel r = parse_kernel(text);
    REQUIRE(to_string(r) == text);
    const auto& stores = std::get<block>(std::get<loop>(r.body->v).body->v).list;
    for (std::size_t i = 0; i < pool.size(); ++i)
      REQUIRE_MESSAGE(std::get<store>(stores[i]->v).value->hash == pool[i]->hash, to_string(pool[i]));
  }
}

TEST_CASE("every prefix of a kernel's text parses or is an error with a place") {
  const std::string text = everything;
  int errors = 0;
  for (std::size_t n = 0; n < text.size(); ++n) {
    const std::string what = parse_failure(text.substr(0, n));
    if (what == "no error") continue;
    ++errors;
    CHECK_MESSAGE(what.starts_with("line "), what);
  }
  CHECK(errors > 500);
}
