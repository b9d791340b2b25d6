// The tile contraction over random tiles, reductions, strides and types, against plain loops.
#include <doctest/doctest.h>

#include "codegen/harness.hpp"

using namespace tenon;
using namespace tenon::test;
using ir::expr_ref;
using ir::prim;

namespace {

struct problem {
  int rows = 4, tile_columns = 16;
  std::int64_t outer = 1, inner = 8, columns = 16;
  bool fixed_columns = false, fixed_strides = false, fixed_inner = false, transposed_a = false, masked_a = false,
       irregular_rows = false, masked_result = false;
  int group = 1;  // of steps that lie side by side, as in dot products
  dtype in = f32, in_b = f32, accumulate = f32, out = f32;
  std::int64_t depth() const { return inner * group; }
  bool stored(std::int64_t i, std::int64_t j) const { return !masked_result || (i + j) % 3 != 0; }

  std::string text() const {
    return std::to_string(rows) + "x" + std::to_string(tile_columns) + " of " + std::to_string(columns) + " columns, " +
           std::to_string(outer) + "x" + std::to_string(inner) + " deep, " + std::string(name(in)) + " " +
           std::string(name(out)) + (fixed_strides ? " fixed strides" : "") + (transposed_a ? " transposed" : "") +
           (masked_a ? " masked" : "") + (irregular_rows ? " irregular rows" : "") +
           (masked_result ? " masked result" : "") + " groups of " + std::to_string(group) + " with " +
           std::string(name(in_b));
  }
};

/// out[i, j] = sum over o, k of a[o, i, k] * b[o, k, j] + bias[j]; row i of a is i xor 1 where rows are irregular; in
/// groups b is b[o, k / group, j, k % group].
ir::kernel make(const problem& p) {
  ir::kernel k;
  k.name = "contraction";
  auto& e = k.make();
  k.symbols = {"columns", "outer", "inner"};
  const auto extent = [&](bool fixed, std::int64_t n, int symbol) { return fixed ? e.index(n) : e.symbol(symbol); };
  expr_ref columns = extent(p.fixed_columns, p.columns, 0), outer = e.symbol(1),
           inner = extent(p.fixed_inner, p.inner, 2);
  expr_ref depth = e.mul(extent(p.fixed_strides, p.inner, 2), e.index(p.group)),
           width = extent(p.fixed_strides, p.columns, 0);
  expr_ref rows = e.index(p.rows);
  const auto a = p.transposed_a ? k.add_buffer("a", p.in, ir::scope::parameter, {outer, depth, rows})
                                : k.add_buffer("a", p.in, ir::scope::parameter, {outer, rows, depth});
  const expr_ref groups = extent(p.fixed_strides, p.inner, 2);
  const auto b = p.group > 1 ? k.add_buffer("b", p.in_b, ir::scope::parameter, {outer, groups, width, e.index(p.group)})
                             : k.add_buffer("b", p.in_b, ir::scope::parameter, {outer, depth, width});
  const auto bias = k.add_buffer("bias", p.accumulate, ir::scope::parameter, {width});
  const auto c = k.add_buffer("c", p.out, ir::scope::parameter, {rows, width});
  k.buffers[static_cast<std::size_t>(c)].written = true;
  ir::contraction t;
  t.row = e.fresh_variable();
  t.column = e.fresh_variable();
  expr_ref o = e.fresh_variable(), r = e.fresh_variable();
  t.tile_rows = p.rows;
  t.tile_columns = p.tile_columns;
  t.columns = columns;
  t.reduction = {{o, outer}, {r, inner}};
  const expr_ref in_group = p.group > 1 ? e.fresh_variable() : e.index(0);
  if (p.group > 1) t.reduction.push_back({in_group, e.index(p.group)});
  const expr_ref step = e.add(e.mul(r, e.index(p.group)), in_group);
  expr_ref row = t.row;
  if (p.irregular_rows) row = e.min(e.apply(prim::bit_xor, t.row, e.index(1)), e.index(p.rows - 1));
  const std::vector<expr_ref> at_a = p.transposed_a ? std::vector{o, step, row} : std::vector{o, row, step};
  expr_ref mask = p.masked_a ? e.less(step, e.add(t.row, e.index(3))) : e.boolean(true);
  t.a = e.cast(p.accumulate, e.load(p.in, a, at_a, mask));
  std::vector<expr_ref> at_b{o, r, t.column};
  if (p.group > 1) at_b.push_back(in_group);
  t.b = e.cast(p.accumulate, e.load(p.in_b, b, at_b));
  t.accumulator = e.fresh_accumulator(p.accumulate);
  t.buffer = c;
  t.indices = {t.row, t.column};
  if (p.masked_result) t.mask = e.apply(prim::not_equal, e.mod(e.add(t.row, t.column), e.index(3)), e.index(0));
  t.value = e.cast(p.out, e.add(t.accumulator, e.load(p.accumulate, bias, std::span(&t.column, 1))));
  k.body = ir::make_stmt(std::move(t));
  return k;
}

struct storage {
  guarded a, b, bias, c;
  explicit storage(const problem& p, std::mt19937_64& random)
      : a(p.in, p.outer * p.rows * p.depth()),
        b(p.in_b, p.outer * p.depth() * p.columns),
        bias(p.accumulate, p.columns),
        c(p.out, p.rows * p.columns) {
    for (guarded* g : {&a, &b, &bias})
      for (std::int64_t i = 0; i < g->size(); ++i)
        if (is_float(g->type()))
          g->set(i, std::uniform_real_distribution<double>(-1, 1)(random));
        else
          g->set_bits(i, ir::canonical_bits(g->type(), static_cast<std::int64_t>(random())));
    c.fill_bytes(0x5a);
  }
  double a_at(const problem& p, std::int64_t o, std::int64_t i, std::int64_t k) const {
    return a.get(p.transposed_a ? (o * p.depth() + k) * p.rows + i : (o * p.rows + i) * p.depth() + k);
  }
  std::int64_t a_bits(const problem& p, std::int64_t o, std::int64_t i, std::int64_t k) const {
    return a.bits(p.transposed_a ? (o * p.depth() + k) * p.rows + i : (o * p.rows + i) * p.depth() + k);
  }
  static std::int64_t in_b(const problem& p, std::int64_t o, std::int64_t k, std::int64_t j) {
    return ((o * p.inner + k / p.group) * p.columns + j) * p.group + k % p.group;
  }
};

void check(const problem& p, const codegen::machine& m, std::mt19937_64& random) {
  CAPTURE(p.text());
  CAPTURE(m.text());
  const compiled f(make(p), m);
  storage x(p, random);
  std::int64_t untouched = 0;
  std::memset(&untouched, 0x5a, static_cast<std::size_t>(size_of(p.out)));
  untouched = ir::canonical_bits(p.out, untouched);
  REQUIRE(f({x.a.data(), x.b.data(), x.bias.data(), x.c.data()}, {p.columns, p.outer, p.inner}) == 0);
  int wrong = 0;
  for (std::int64_t i = 0; i < p.rows; ++i)
    for (std::int64_t j = 0; j < p.columns; ++j) {
      if (!p.stored(i, j)) {
        wrong += x.c.bits(i * p.columns + j) != untouched;
        continue;
      }
      double sum = 0, size = 0;
      std::uint64_t exact = 0;
      for (std::int64_t o = 0; o < p.outer; ++o)
        for (std::int64_t k = 0; k < p.depth(); ++k) {
          if (p.masked_a && k >= i + 3) continue;
          const std::int64_t row = p.irregular_rows ? std::min<std::int64_t>(i ^ 1, p.rows - 1) : i;
          const std::int64_t at = storage::in_b(p, o, k, j);
          if (is_float(p.in)) {
            const double v = x.a_at(p, o, row, k) * x.b.get(at);
            sum += v;
            size += std::fabs(v);
          } else {
            exact += static_cast<std::uint64_t>(x.a_bits(p, o, row, k)) * static_cast<std::uint64_t>(x.b.bits(at));
          }
        }
      const std::int64_t at = i * p.columns + j;
      if (is_float(p.in)) {
        const double epsilon = (p.accumulate == f64 ? 1e-15 : 1e-7) * static_cast<double>(p.outer * p.depth() + 2);
        const double rounding = p.out == f16 ? 1e-3 : p.out == bf16 ? 8e-3 : 0;
        const double want = sum + x.bias.get(j);
        if (!(std::fabs(x.c.get(at) - want) <= epsilon * (size + 1) + rounding * std::fabs(want))) ++wrong;
      } else if (x.c.bits(at) != ir::canonical_bits(p.out, static_cast<std::int64_t>(
                                                               exact + static_cast<std::uint64_t>(x.bias.bits(j))))) {
        ++wrong;
      }
    }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("contractions of random tiles, types and layouts are right") {
  struct types {
    dtype in, accumulate, out;
  };
  const types kinds[] = {{f32, f32, f32}, {f64, f64, f64}, {bf16, f32, bf16}, {f16, f32, f16}, {bf16, f32, f32},
                         {i32, i32, i32}, {u8, i32, i32},  {i8, i32, i32},    {i64, i64, i64}};
  std::mt19937_64 random(11);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const int widths[] = {1, 2, 3, 8, 16, 17, 24, 32, 48, 64};
  for (const auto& m : machines())
    for (int round = 0; round < 40; ++round) {
      problem p;
      const types& t = kinds[round % static_cast<int>(std::size(kinds))];
      p.in = p.in_b = t.in;
      p.accumulate = t.accumulate;
      p.out = t.out;
      p.rows = 1 + below(14);
      p.tile_columns = widths[below(static_cast<int>(std::size(widths)))];
      if (p.rows * p.tile_columns > 384) p.rows = std::max(1, 384 / p.tile_columns);
      p.columns = below(3) ? 1 + below(p.tile_columns) : p.tile_columns;
      p.outer = below(8) ? 1 + below(3) : 0;
      p.inner = below(8) ? 1 + below(40) : below(5);
      p.fixed_columns = below(2);
      p.fixed_strides = below(2);
      p.fixed_inner = below(2);
      p.transposed_a = below(3) == 0;
      p.masked_a = below(6) == 0;
      p.irregular_rows = below(4) == 0;
      p.masked_result = below(5) == 0;
      check(p, m, random);
    }
}

TEST_CASE("dot products of groups are exact for bytes of any signs, and sums of bf16 pairs in f32") {
  struct types {
    dtype a, b, accumulate;
  };
  const types kinds[] = {{u8, i8, i32}, {i8, i8, i32}, {i8, u8, i32}, {u8, u8, i32}, {bf16, bf16, f32}};
  std::mt19937_64 random(17);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const int widths[] = {1, 3, 8, 16, 17, 32, 48, 64};
  for (const auto& m : machines())
    for (int round = 0; round < 40; ++round) {
      problem p;
      const types& t = kinds[round % static_cast<int>(std::size(kinds))];
      p.in = t.a;
      p.in_b = t.b;
      p.accumulate = p.out = t.accumulate;
      p.group = t.accumulate == f32 ? 2 : 4;
      p.rows = 1 + below(14);
      p.tile_columns = widths[below(static_cast<int>(std::size(widths)))];
      if (p.rows * p.tile_columns > 384) p.rows = std::max(1, 384 / p.tile_columns);
      p.columns = below(3) ? 1 + below(p.tile_columns) : p.tile_columns;
      p.outer = below(8) ? 1 + below(3) : 0;
      p.inner = below(8) ? 1 + below(40) : below(5);
      p.fixed_columns = below(2);
      p.fixed_strides = below(2);
      p.fixed_inner = below(2);
      p.transposed_a = below(8) == 0;  // no groups there: the plain way
      p.masked_a = below(8) == 0;
      check(p, m, random);
    }
}

TEST_CASE("the dot product instructions are used where there are any") {
  problem p;
  p.rows = 4;
  p.tile_columns = static_cast<int>(p.columns = 32);
  p.fixed_columns = true;
  p.group = 2;
  p.in = p.in_b = bf16;
  const auto assembly = [&](const char* cpu) {
    return codegen::llvm().assembly(make(p), codegen::llvm().resolve(cpu));
  };
  for (const char* cpu : {"cooperlake", "sapphirerapids"}) CHECK(assembly(cpu).find("vdpbf16ps") != std::string::npos);
  CHECK(assembly("cascadelake").find("vdpbf16ps") == std::string::npos);
  p.group = 4;
  p.in = p.in_b = i8;
  p.accumulate = p.out = i32;
  for (const char* cpu : {"cascadelake", "icelake-server"}) CHECK(assembly(cpu).find("vpdpbusd") != std::string::npos);
  CHECK(assembly("skylake-avx512").find("vpmaddwd") != std::string::npos);
  CHECK(assembly("haswell").find("vpmaddwd") != std::string::npos);
}

TEST_CASE("the last columns, masked, have the bits of full tiles") {
  std::mt19937_64 random(5);
  for (const auto& m : machines())
    for (const int rows : {1, 3, 6})
      for (const int tile : {8, 32}) {
        problem p;
        p.rows = rows;
        p.tile_columns = static_cast<int>(p.columns = tile);
        p.inner = 37;
        const compiled f(make(p), m);
        storage full(p, random);
        REQUIRE(f({full.a.data(), full.b.data(), full.bias.data(), full.c.data()}, {p.columns, 1, p.inner}) == 0);
        for (std::int64_t columns = 0; columns < tile; columns += 3) {
          problem q = p;
          q.columns = columns;
          storage part(q, random);
          std::memcpy(part.a.data(), full.a.data(), static_cast<std::size_t>(p.rows * p.inner * 4));
          for (std::int64_t j = 0; j < columns; ++j) {
            part.bias.set_bits(j, full.bias.bits(j));
            for (std::int64_t k = 0; k < p.inner; ++k) part.b.set_bits(k * columns + j, full.b.bits(k * p.columns + j));
          }
          REQUIRE(f({part.a.data(), part.b.data(), part.bias.data(), part.c.data()}, {columns, 1, p.inner}) == 0);
          int different = 0;
          for (std::int64_t i = 0; i < p.rows; ++i)
            for (std::int64_t j = 0; j < columns; ++j)
              different += part.c.bits(i * columns + j) != full.c.bits(i * p.columns + j);
          CAPTURE(m.text());
          CAPTURE(rows);
          CAPTURE(tile);
          CAPTURE(columns);
          CHECK(different == 0);
        }
      }
}
