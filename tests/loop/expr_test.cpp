#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "loop/helpers.hpp"
#include "loop/kernel.hpp"

using namespace tenon;
using namespace tenon::ir;
using test::value_of_expression;

namespace {

struct fixture {
  expr_arena m;
  expr_ref i = m.fresh_variable(), j = m.fresh_variable(), n = m.symbol(0), k = m.symbol(1);
  expr_ref x = m.fresh_accumulator(f32), y = m.fresh_accumulator(f32), d = m.fresh_accumulator(i64);
  expr_ref p = m.load(b8, 0, {}), q = m.load(b8, 1, {});
  expr_ref c(std::int64_t v) { return m.index(v); }
  expr_ref f(double v) { return m.constant(f32, v); }
};

std::int64_t eval(prim p, dtype type, dtype from, std::initializer_list<std::int64_t> x) {
  return evaluate(p, type, from, std::vector<std::int64_t>(x));
}
std::int64_t f32_bits(float v) { return std::bit_cast<std::uint32_t>(v); }

}  // namespace

TEST_CASE("equal expressions are one pointer") {
  fixture t;
  CHECK(t.m.add(t.i, t.j) == t.m.add(t.j, t.i));
  const std::size_t size = t.m.size();
  t.m.add(t.i, t.j);
  CHECK(t.m.size() == size);
  CHECK(t.m.integer(i32, 1) != t.m.integer(i64, 1));
  CHECK(t.m.constant(f32, 0.0) != t.m.constant(f32, -0.0));
  CHECK(t.m.integer(i8, 255) == t.m.integer(i8, -1));
  CHECK(t.m.integer(u8, -1)->payload == 255);
}

TEST_CASE("index arithmetic simplifies") {
  fixture t;
  auto& m = t.m;
  CHECK(m.add(t.i, t.c(0)) == t.i);
  CHECK(m.mul(t.i, t.c(1)) == t.i);
  CHECK(m.mul(t.i, t.c(0)) == t.c(0));
  CHECK(m.mul(m.mul(t.i, t.c(3)), t.c(5)) == m.mul(t.i, t.c(15)));
  CHECK(m.add(m.add(t.i, t.c(3)), t.c(-3)) == t.i);
  CHECK(m.add(m.add(t.i, t.c(3)), m.add(t.j, t.c(4))) == m.add(m.add(t.i, t.j), t.c(7)));
  CHECK(m.sub(t.i, t.i) == t.c(0));
  CHECK(m.sub(m.add(t.i, t.j), t.i) == t.j);
  CHECK(m.add(m.sub(t.i, t.j), t.j) == t.i);
  CHECK(m.sub(m.sub(t.c(5), t.i), t.c(5)) == m.apply(prim::neg, t.i));
  CHECK(m.min(t.i, t.i) == t.i);
  CHECK(m.max(m.max(t.i, t.c(3)), t.c(7)) == m.max(t.i, t.c(7)));
  CHECK(m.min(m.add(t.i, t.c(4)), t.i) == t.i);
  CHECK(m.div(m.mul(t.i, t.c(16)), t.c(16)) == t.i);
  CHECK(m.div(m.mul(t.i, t.c(32)), t.c(16)) == m.mul(t.i, t.c(2)));
  CHECK(m.div(m.mul(t.i, t.n), t.n) == t.i);
  CHECK(m.mod(m.mul(t.i, t.c(16)), t.c(16)) == t.c(0));
  CHECK(m.mod(m.add(m.mul(t.i, t.c(32)), t.j), t.c(16)) == m.mod(t.j, t.c(16)));
  CHECK(m.div(m.add(m.mul(t.i, t.c(64)), t.j), t.c(64)) == m.add(t.i, m.div(t.j, t.c(64))));
  CHECK(m.div(m.mod(t.i, t.c(64)), t.c(64)) == t.c(0));
  CHECK(m.mod(m.mod(t.i, t.c(64)), t.c(64)) == m.mod(t.i, t.c(64)));
  CHECK(m.div(m.div(t.i, t.c(4)), t.c(8)) == m.div(t.i, t.c(32)));
  CHECK(m.div(t.i, t.c(1)) == t.i);
  CHECK(m.mod(t.i, t.c(1)) == t.c(0));
  CHECK(m.less(m.add(t.i, t.c(2)), t.c(5)) == m.less(t.i, t.c(3)));
  CHECK(m.less(t.i, t.c(0)) == m.boolean(false));
  CHECK(m.apply(prim::greater_equal, t.i, t.c(0))->is_true());
  CHECK(m.less(m.mod(t.i, t.c(8)), t.c(8))->is_true());
  CHECK(m.apply(prim::logical_not, m.less(t.i, t.n)) == m.apply(prim::less_equal, t.n, t.i));
  CHECK(m.max(t.n, t.c(0)) == t.n);
}

TEST_CASE("nothing is assumed of data: it may be negative and overflow") {
  fixture t;
  auto& m = t.m;
  CHECK(m.max(t.d, t.c(0)) != t.d);
  CHECK(m.less(t.d, t.c(0)) != m.boolean(false));
  CHECK(m.div(m.mul(t.d, t.c(16)), t.c(16)) != t.d);
  CHECK(m.mod(m.mul(t.d, t.c(16)), t.c(16)) != t.c(0));
  CHECK(m.less(m.add(t.d, t.c(2)), t.c(5)) != m.less(t.d, t.c(3)));
  // A difference of indices may be negative as well.
  expr_ref e = m.sub(t.i, t.j);
  CHECK(m.max(e, t.c(0)) != e);
}

TEST_CASE("logic and selection simplify") {
  fixture t;
  auto& m = t.m;
  expr_ref yes = m.boolean(true), no = m.boolean(false);
  CHECK(m.both(t.p, yes) == t.p);
  CHECK(m.both(no, t.p) == no);
  CHECK(m.both(t.p, t.p) == t.p);
  CHECK(m.both(m.both(t.p, t.q), t.p) == m.both(t.p, t.q));
  CHECK(m.apply(prim::logical_or, t.p, yes) == yes);
  CHECK(m.apply(prim::logical_or, t.p, no) == t.p);
  CHECK(m.both(t.p, m.apply(prim::logical_not, t.p)) == no);
  CHECK(m.apply(prim::logical_not, m.apply(prim::logical_not, t.p)) == t.p);
  CHECK(m.select(yes, t.x, t.y) == t.x);
  CHECK(m.select(no, t.x, t.y) == t.y);
  CHECK(m.select(t.p, t.x, t.x) == t.x);
  CHECK(m.select(t.p, yes, no) == t.p);
  CHECK(m.select(m.apply(prim::logical_not, t.p), t.x, t.y) == m.select(t.p, t.y, t.x));
  CHECK(m.apply(prim::greater, t.x, t.y) == m.less(t.y, t.x));
  // NaN: neither is the other's opposite.
  CHECK(m.apply(prim::logical_not, m.less(t.x, t.y))->is(prim::logical_not));
  CHECK(m.apply(prim::equal, t.x, t.x)->is(prim::equal));
  CHECK(m.load(f32, 0, {}, no) == t.f(0));
}

TEST_CASE("floats simplify only where every bit stays") {
  fixture t;
  auto& m = t.m;
  CHECK(m.mul(t.x, t.f(1)) == t.x);
  CHECK(m.add(t.x, t.f(0)) != t.x);
  CHECK(m.add(t.x, t.f(-0.0)) == t.x);
  CHECK(m.sub(t.x, t.f(0)) == t.x);
  CHECK(m.mul(t.x, t.f(0)) != t.f(0));
  CHECK(m.sub(t.x, t.x) != t.f(0));
  CHECK(m.add(m.add(t.x, t.f(1)), t.f(2))->operands[0] == m.add(t.x, t.f(1)));
  CHECK(m.div(t.x, t.f(8)) == m.mul(t.x, t.f(0.125)));
  CHECK(m.div(t.x, t.f(3))->is(prim::div));
  CHECK(m.apply(prim::neg, m.apply(prim::neg, t.x)) == t.x);
  CHECK(m.apply(prim::pow, t.x, t.f(2)) == m.mul(t.x, t.x));
}

TEST_CASE("casts drop out where no bits are lost") {
  fixture t;
  auto& m = t.m;
  expr_ref h = m.load(f16, 0, {}), w = m.load(i32, 1, {}), b = m.load(u8, 2, {});
  CHECK(m.cast(f32, t.x) == t.x);
  CHECK(m.cast(f16, m.cast(f32, h)) == h);
  CHECK(m.cast(f64, m.cast(f32, h)) == m.cast(f64, h));
  CHECK(m.cast(f32, m.cast(f16, t.x)) != t.x);
  CHECK(m.cast(i32, m.cast(i64, w)) == w);
  CHECK(m.cast(i8, m.cast(i16, w)) == m.cast(i8, w));
  CHECK(m.cast(i64, m.cast(i32, t.d)) != t.d);
  CHECK(m.cast(f32, m.cast(i32, b)) == m.cast(f32, b));
  // Through a float it saturates, alone it wraps.
  CHECK(m.cast(i8, m.cast(f64, w))->operands[0]->is(prim::cast));
  CHECK(m.cast(i64, m.cast(f64, w)) == m.cast(i64, w));
  CHECK(m.bitcast(f32, m.bitcast(i32, t.x)) == t.x);
}

TEST_CASE("evaluation follows the semantics of prim.hpp") {
  constexpr std::int64_t lowest = std::numeric_limits<std::int32_t>::min();
  CHECK(eval(prim::add, i32, i32, {2147483647, 1}) == lowest);
  CHECK(eval(prim::add, u8, u8, {250, 10}) == 4);
  CHECK(eval(prim::mul, i64, i64, {INT64_MAX, 2}) == -2);
  CHECK(eval(prim::div, i32, i32, {-7, 2}) == -3);
  CHECK(eval(prim::div, i32, i32, {7, 0}) == 0);
  CHECK(eval(prim::div, i32, i32, {lowest, -1}) == lowest);
  CHECK(eval(prim::div, i64, i64, {INT64_MIN, -1}) == INT64_MIN);
  CHECK(eval(prim::mod, i32, i32, {-7, 3}) == 2);
  CHECK(eval(prim::mod, i32, i32, {7, -3}) == -2);
  CHECK(eval(prim::mod, i32, i32, {7, 0}) == 0);
  CHECK(eval(prim::mod, f32, f32, {f32_bits(-7), f32_bits(3)}) == f32_bits(-1));
  CHECK(eval(prim::shift_left, i32, i32, {1, 32}) == 0);
  CHECK(eval(prim::shift_left, i32, i32, {1, 31}) == lowest);
  CHECK(eval(prim::shift_right, i32, i32, {-8, 40}) == -1);
  CHECK(eval(prim::shift_right, i32, i32, {-8, 1}) == -4);
  CHECK(eval(prim::shift_right_logical, i32, i32, {-1, 28}) == 15);
  CHECK(eval(prim::shift_right, u8, u8, {200, 3}) == 25);
  CHECK(eval(prim::abs, i8, i8, {-128}) == -128);
  CHECK(eval(prim::pow, i32, i32, {-2, 5}) == -32);
  CHECK(eval(prim::pow, i32, i32, {2, -1}) == 0);
  CHECK(eval(prim::pow, i32, i32, {-1, -3}) == -1);
  const std::int64_t nan = 0x7fc00000;
  CHECK(std::isnan(value_of(f32, eval(prim::min, f32, f32, {nan, f32_bits(1)}))));
  CHECK(std::isnan(value_of(f32, eval(prim::max, f32, f32, {f32_bits(1), nan}))));
  CHECK(eval(prim::less, b8, f32, {nan, nan}) == 0);
  CHECK(eval(prim::not_equal, b8, f32, {nan, nan}) == 1);
  CHECK(std::isnan(value_of(f32, eval(prim::sign, f32, f32, {nan}))));
  CHECK(eval(prim::round, f32, f32, {f32_bits(2.5f)}) == f32_bits(2));
  CHECK(eval(prim::cast, i8, f32, {f32_bits(300)}) == 127);
  CHECK(eval(prim::cast, u8, f32, {f32_bits(-3)}) == 0);
  CHECK(eval(prim::cast, i64, f32, {f32_bits(1e30f)}) == INT64_MAX);
  CHECK(eval(prim::cast, u64, f64, {std::bit_cast<std::int64_t>(1e19)}) ==
        static_cast<std::int64_t>(10000000000000000000u));
  CHECK(eval(prim::cast, i32, f32, {nan}) == 0);
  CHECK(eval(prim::cast, b8, f32, {nan}) == 1);
  CHECK(eval(prim::cast, i8, i32, {300}) == 44);
  CHECK(eval(prim::cast, f16, f32, {f32_bits(1.5f)}) == 0x3e00);
  CHECK(eval(prim::cast, f64, bf16, {0x3fc0}) == std::bit_cast<std::int64_t>(1.5));
  CHECK(eval(prim::fma, f32, f32, {f32_bits(1 + 0x1p-12f), f32_bits(1 - 0x1p-12f), f32_bits(-1)}) ==
        f32_bits(-0x1p-24f));
}

TEST_CASE("a reducer's first position wins, and NaN is best") {
  const std::int64_t nan = 0x7fc00000, one = f32_bits(1), two = f32_bits(2);
  CHECK(better(reducer::argmax, f32, two, 5, one, 0));
  CHECK_FALSE(better(reducer::argmax, f32, two, 5, two, 0));
  CHECK(better(reducer::argmin, f32, two, 0, two, 5));
  CHECK(better(reducer::argmin, f32, nan, 5, one, 0));
  CHECK_FALSE(better(reducer::argmax, f32, nan, 5, nan, 0));
  CHECK(better(reducer::argmax, u8, 200, 1, 100, 0));
}

TEST_CASE("rewriting and substituting do not touch what they made") {
  fixture t;
  auto& m = t.m;
  const std::pair<expr_ref, expr_ref> swap[] = {{t.i, t.j}, {t.j, t.i}};
  expr_ref e = m.add(m.mul(t.i, t.c(3)), t.j);
  CHECK(m.substitute(e, swap) == m.add(m.mul(t.j, t.c(3)), t.i));
  const std::pair<expr_ref, expr_ref> zero[] = {{t.j, t.c(0)}, {t.i, t.j}};
  CHECK(m.substitute(m.add(t.i, t.j), zero) == t.j);
  expr_ref r = m.rewrite(m.add(t.i, t.j), [&](expr_ref v) -> expr_ref {
    if (v == t.j) return t.c(0);
    return v == t.i ? t.j : nullptr;
  });
  CHECK(r == t.j);
}

TEST_CASE("a chain of 100,000 operations is rewritten without recursion") {
  fixture t;
  expr_ref e = t.x;
  for (int i = 0; i < 100'000; ++i) e = t.m.apply(i % 2 ? prim::sin : prim::exp, e);
  const std::pair<expr_ref, expr_ref> to[] = {{t.x, t.y}};
  expr_ref r = t.m.substitute(e, to);
  CHECK(post_order(std::span(&r, 1)).size() == 100'001);
  CHECK(contains(r, [&](expr_ref v) { return v == t.y; }));
  CHECK_FALSE(contains(r, [&](expr_ref v) { return v == t.x; }));
}

TEST_CASE("affine forms") {
  fixture t;
  auto& m = t.m;
  const expr_ref v[] = {t.i, t.j};
  // i * n + 3 * (j - i) + k + 5
  affine_form f = affine(m, m.add(m.add(m.mul(t.i, t.n), m.mul(m.sub(t.j, t.i), t.c(3))), m.add(t.k, t.c(5))), v);
  REQUIRE(f.ok);
  CHECK(f.coefficients[0] == m.sub(t.n, t.c(3)));
  CHECK(f.coefficients[1] == t.c(3));
  CHECK(f.rest == m.add(t.k, t.c(5)));
  f = affine(m, m.div(t.n, t.c(2)), v);
  REQUIRE(f.ok);
  CHECK(f.coefficients[0]->is_constant(0));
  CHECK(f.rest == m.div(t.n, t.c(2)));
  CHECK_FALSE(affine(m, m.mul(t.i, t.j), v).ok);
  CHECK_FALSE(affine(m, m.div(t.i, t.c(2)), v).ok);
  CHECK_FALSE(affine(m, m.mod(m.add(t.i, t.n), t.c(2)), v).ok);
  const expr_ref at[] = {t.i};
  CHECK_FALSE(affine(m, m.load(i64, 0, at), v).ok);
  CHECK(affine(m, m.load(i64, 0, std::span(&t.k, 1)), v).ok);
  CHECK_FALSE(affine(m, t.x, v).ok);
}

TEST_CASE("simplified index expressions keep their values") {
  std::mt19937 random(1);
  const auto pick = [&](int n) { return static_cast<int>(random() % n); };
  constexpr int samples = 4;
  for (int round = 0; round < 3000; ++round) {
    expr_arena m;
    struct sampled {
      expr_ref e;
      std::array<std::int64_t, samples> v;
    };
    std::vector<sampled> pool;
    std::array<std::unordered_map<expr_ref, std::int64_t>, samples> given;
    for (int i = 0; i < 5; ++i) {
      sampled s{i < 3 ? m.variable(i64, i) : m.symbol(i - 3), {}};
      for (int k = 0; k < samples; ++k) s.v[k] = given[k][s.e] = pick(20) + (i < 3 ? 0 : 1);
      pool.push_back(s);
    }
    for (std::int64_t c : {-3, 0, 1, 2, 4, 8, 12}) {
      sampled s{m.index(c), {}};
      s.v.fill(c);
      pool.push_back(s);
    }
    for (int step = 0; step < 14; ++step) {
      constexpr prim ops[] = {prim::add, prim::add, prim::sub, prim::mul, prim::div, prim::mod, prim::min, prim::max};
      const prim p = ops[pick(8)];
      const sampled &a = pool[pick(static_cast<int>(pool.size()))], &b = pool[pick(static_cast<int>(pool.size()))];
      sampled r{nullptr, {}};
      bool small = true;
      for (int k = 0; k < samples; ++k) {
        r.v[k] = eval(p, i64, i64, {a.v[k], b.v[k]});
        small &= std::abs(r.v[k]) < (std::int64_t{1} << 30);
      }
      if (!small) continue;
      r.e = m.apply(p, a.e, b.e);
      for (int k = 0; k < samples; ++k) REQUIRE_MESSAGE(value_of_expression(r.e, given[k]) == r.v[k], to_string(r.e));
      REQUIRE_MESSAGE(m.apply(p, a.e, b.e) == r.e, to_string(r.e));
      if (r.e->is(expr_kind::apply)) REQUIRE_MESSAGE(m.apply(r.e->op, r.e->operands) == r.e, to_string(r.e));
      if (r.e->nonnegative)
        for (int k = 0; k < samples; ++k) REQUIRE((r.v[k] >= 0 && r.v[k] <= r.e->upper));
      constexpr prim tests[] = {prim::equal, prim::not_equal, prim::less, prim::less_equal, prim::greater};
      const prim q = tests[pick(5)];
      expr_ref truth = m.apply(q, r.e, b.e), opposite = m.apply(prim::logical_not, truth);
      for (int k = 0; k < samples; ++k) {
        const std::int64_t expected = eval(q, b8, i64, {r.v[k], b.v[k]});
        REQUIRE_MESSAGE(value_of_expression(truth, given[k]) == expected, to_string(truth));
        REQUIRE_MESSAGE(value_of_expression(opposite, given[k]) == !expected, to_string(opposite));
      }
      pool.push_back(r);
    }
  }
}

TEST_CASE("simplified data expressions keep every bit") {
  std::mt19937_64 random(2);
  const auto pick = [&](std::size_t n) { return random() % n; };
  constexpr prim floats[] = {prim::add, prim::sub, prim::mul, prim::div,  prim::min,   prim::max,
                             prim::pow, prim::neg, prim::abs, prim::sign, prim::floor, prim::trunc};
  constexpr prim integers[] = {prim::add,
                               prim::sub,
                               prim::mul,
                               prim::div,
                               prim::mod,
                               prim::min,
                               prim::max,
                               prim::pow,
                               prim::neg,
                               prim::abs,
                               prim::bit_and,
                               prim::bit_or,
                               prim::bit_xor,
                               prim::bit_not,
                               prim::shift_left,
                               prim::shift_right,
                               prim::shift_right_logical,
                               prim::sign};
  constexpr std::int64_t patterns[] = {0, 1, -1, 2, 3, 7, 8, 31, 127, -128, INT64_MAX, INT64_MIN, 0x7fffffff, 1000003};
  constexpr double reals[] = {0.0, -0.0, 1, -1, 2, 0.5, 3, 8, 1e30, -1e-30, INFINITY, -INFINITY, NAN, 1e-41};
  for (dtype t : {f32, f64, i8, u8, i32, u32, i64, u64})
    for (int round = 0; round < 300; ++round) {
      expr_arena m;
      std::vector<std::pair<expr_ref, std::int64_t>> pool;
      std::unordered_map<expr_ref, std::int64_t> given;
      const auto constant = [&] {
        return is_float(t) ? bits_of(t, reals[pick(std::size(reals))])
                           : canonical_bits(t, patterns[pick(std::size(patterns))]);
      };
      for (int i = 0; i < 4; ++i) {
        expr_ref v = m.fresh_accumulator(t);
        pool.emplace_back(v, given[v] = constant());
        const std::int64_t c = constant();
        pool.emplace_back(m.constant_bits(t, c), c);
      }
      for (int step = 0; step < 20; ++step) {
        const prim p = is_float(t) ? floats[pick(std::size(floats))] : integers[pick(std::size(integers))];
        std::vector<expr_ref> x;
        std::vector<std::int64_t> v;
        for (int i = 0; i < arity(p); ++i) {
          const auto& s = pool[pick(pool.size())];
          x.push_back(s.first);
          v.push_back(s.second);
        }
        expr_ref e = m.apply(p, x);
        const std::int64_t expected = evaluate(p, t, t, v), got = value_of_expression(e, given);
        const bool nan = is_float(t) && std::isnan(value_of(t, expected)) && std::isnan(value_of(t, got));
        REQUIRE_MESSAGE((got == expected || nan), to_string(e));
        pool.emplace_back(e, got);
        const dtype other[] = {f32, f64, i8, u8, i32, u32, i64, u64, b8};
        const dtype to = other[pick(9)], back = other[pick(9)];
        const std::int64_t through = evaluate(prim::cast, to, t, std::span(&got, 1));
        const std::int64_t last = evaluate(prim::cast, back, to, std::span(&through, 1));
        const std::int64_t seen = value_of_expression(m.cast(back, m.cast(to, e)), given);
        const bool both_nan = is_float(back) && std::isnan(value_of(back, last)) && std::isnan(value_of(back, seen));
        REQUIRE_MESSAGE((seen == last || both_nan), name(t), " ", name(to), " ", name(back));
      }
    }
}
