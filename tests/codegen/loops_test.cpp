// Loops and memory: vectorized reductions, gathers, masks, local buffers, parallel ranges.
#include <doctest/doctest.h>

#include <deque>
#include <functional>

#include "codegen/harness.hpp"
#include "loop/interpreter.hpp"

using namespace tenon;
using namespace tenon::test;
using ir::expr_ref;
using ir::loop_kind;
using ir::prim;
using ir::reducer;

namespace {

constexpr std::int64_t lengths[] = {0, 1, 2, 3, 15, 16, 17, 31, 33, 63, 64, 100, 200};

/// A kernel under construction: parameters of one length, and statements.
struct builder {
  ir::kernel k;
  ir::expr_arena& a = k.make();
  expr_ref n, yes;
  builder() {
    k.name = "test";
    k.symbols = {"n"};
    n = a.symbol(0);
    yes = a.boolean(true);
  }
  std::int64_t parameter(std::string name, dtype t, std::vector<expr_ref> extents, bool written = false) {
    const auto id = k.add_buffer(std::move(name), t, ir::scope::parameter, std::move(extents));
    k.buffers[static_cast<std::size_t>(id)].written = written;
    return id;
  }
  std::int64_t local(std::string name, dtype t, std::vector<expr_ref> extents) {
    const auto id = k.add_buffer(std::move(name), t, ir::scope::local, std::move(extents));
    k.buffers[static_cast<std::size_t>(id)].written = true;
    return id;
  }
  expr_ref load(std::int64_t b, std::vector<expr_ref> at, expr_ref mask = nullptr) {
    return a.load(k.buffers[static_cast<std::size_t>(b)].type, b, at, mask);
  }
  ir::stmt_ref store(std::int64_t b, std::vector<expr_ref> at, expr_ref v, expr_ref mask = nullptr) {
    return ir::make_stmt(ir::store{b, std::move(at), v, mask ? mask : yes});
  }
  ir::stmt_ref update(reducer r, std::int64_t b, std::vector<expr_ref> at, expr_ref v, expr_ref mask = nullptr,
                      expr_ref position = nullptr) {
    return ir::make_stmt(ir::update{r, b, std::move(at), v, mask ? mask : yes, position});
  }
  ir::stmt_ref loop(expr_ref i, expr_ref end, loop_kind kind, std::vector<ir::stmt_ref> body, int width = 1) {
    return ir::make_stmt(ir::loop{i, a.index(0), end, kind, width, ir::make_block(std::move(body))});
  }
  ir::stmt_ref declare(std::int64_t b) { return ir::make_stmt(ir::declare{b}); }
};

void fill(guarded& g, std::mt19937_64& random, double special = 0) {
  for (std::int64_t i = 0; i < g.size(); ++i)
    if (is_float(g.type()))
      g.set(i, special != 0 && random() % 40 == 0 ? special : std::uniform_real_distribution<double>(-2, 2)(random));
    else
      g.set_bits(i, ir::canonical_bits(g.type(), static_cast<std::int64_t>(random() % 7) - 3));
}

}  // namespace

TEST_CASE("reductions over a vectorized loop, of every reducer and type") {
  std::mt19937_64 random(3);
  const dtype types[] = {f32, f64, i64, i32, i16, i8, u64, u32, u16, u8, b8};
  for (const auto& m : machines())
    for (dtype t : types)
      for (int r = 0; r < 8; ++r)
        for (const bool masked : {false, true}) {
          const auto op = static_cast<reducer>(r);
          const bool logical = op == reducer::all || op == reducer::any;
          if (logical != (t == b8)) continue;
          builder b;
          const auto x = b.parameter("x", t, {b.n}), c = b.parameter("c", b8, {b.n});
          const auto out = b.parameter("out", t, {b.a.index(1)}, true);
          b.parameter("at", i64, {b.a.index(1)}, true);
          expr_ref i = b.a.fresh_variable(), zero = b.a.index(0);
          b.k.body = b.loop(
              i, b.n, loop_kind::vectorized,
              {b.update(op, out, {zero}, b.load(x, {i}), masked ? b.load(c, {i}) : nullptr, is_arg(op) ? i : nullptr)},
              16);
          const compiled f(b.k, m);
          for (std::int64_t n : lengths) {
            guarded gx(t, n), gc(b8, n), go(t, 1), ga(i64, 1);
            fill(gx, random, random() % 3 == 0 ? NAN : 0);
            for (std::int64_t e = 0; e < n; ++e) gc.set_bits(e, static_cast<std::int64_t>(random() & 1));
            const std::int64_t start = op == reducer::argmax   ? ir::identity(reducer::max, t)
                                       : op == reducer::argmin ? ir::identity(reducer::min, t)
                                                               : ir::identity(op, t);
            go.set_bits(0, start);
            ga.set_bits(0, 0);
            std::int64_t want = start, want_at = 0;
            double sum = op == reducer::prod ? 1 : 0, size = 0;
            for (std::int64_t e = 0; e < n; ++e) {
              if (masked && !gc.bits(e)) continue;
              if (is_arg(op)) {
                if (ir::better(op, t, gx.bits(e), e, want, want_at)) {
                  want = gx.bits(e);
                  want_at = e;
                }
              } else {
                want = ir::combine(op, t, want, gx.bits(e));
              }
              sum = op == reducer::prod ? sum * gx.get(e) : sum + gx.get(e);
              size += std::fabs(gx.get(e));
            }
            REQUIRE(f({gx.data(), gc.data(), go.data(), ga.data()}, {n}) == 0);
            CAPTURE(m.text());
            CAPTURE(name(t));
            CAPTURE(ir::name(op));
            CAPTURE(n);
            CAPTURE(masked);
            if (is_float(t) && (op == reducer::sum || op == reducer::prod)) {
              const double e = t == f32 ? 1e-5 : 1e-13;
              const double scale = op == reducer::sum ? size : std::fabs(sum);
              const bool close =
                  std::isnan(sum) ? std::isnan(go.get(0)) : std::fabs(go.get(0) - sum) <= e * (scale + 1e-30);
              CHECK(close);
            } else {
              const bool same = same_value(t, go.bits(0), want) || both_zero(t, go.bits(0), want);
              CHECK(same);
            }
            if (is_arg(op)) CHECK(ga.bits(0) == want_at);
          }
        }
}

TEST_CASE("several reductions over a vectorized loop of known length read each element once") {
  std::mt19937_64 random(4);
  for (const auto& m : machines())
    for (const int sums : {1, 2, 3, 4, 6})
      for (const std::int64_t n : {0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 80, 96, 100}) {
        builder b;
        const auto x = b.parameter("x", i32, {b.a.index(n)});
        std::vector<ir::stmt_ref> updates;
        expr_ref i = b.a.fresh_variable(), zero = b.a.index(0);
        for (int s = 0; s < sums; ++s) {
          const auto out = b.parameter("out" + std::to_string(s), i32, {b.a.index(1)}, true);
          updates.push_back(b.update(reducer::sum, out, {zero}, b.a.mul(b.load(x, {i}), b.a.integer(i32, s + 1))));
        }
        b.k.body = b.loop(i, b.a.index(n), loop_kind::vectorized, std::move(updates), 16);
        const compiled f(b.k, m);
        guarded gx(i32, n);
        fill(gx, random);
        std::deque<guarded> results;
        std::vector<void*> buffers{gx.data()};
        for (int s = 0; s < sums; ++s) {
          results.emplace_back(i32, 1).set_bits(0, 0);
          buffers.push_back(results.back().data());
        }
        CAPTURE(m.text());
        CAPTURE(sums);
        CAPTURE(n);
        REQUIRE(f(buffers, {}) == 0);
        std::int64_t want = 0;
        for (std::int64_t e = 0; e < n; ++e) want += gx.bits(e);
        for (int s = 0; s < sums; ++s) CHECK(results[static_cast<std::size_t>(s)].bits(0) == want * (s + 1));
      }
}

TEST_CASE("gathers, strides, reversals, scatters and masked loads read and write where they should") {
  std::mt19937_64 random(4);
  for (const auto& m : machines())
    for (dtype t : {f32, f64, i8, i16, i64, b8, bf16}) {
      builder b;
      b.k.symbols.push_back("stride");
      expr_ref n = b.n, stride = b.a.symbol(1), i = b.a.fresh_variable();
      const auto x = b.parameter("x", t, {n, stride}), index = b.parameter("index", i64, {n});
      const auto c = b.parameter("c", b8, {n});
      std::vector<std::int64_t> y;
      for (int j = 0; j < 8; ++j) y.push_back(b.parameter("y" + std::to_string(j), t, {n}, true));
      expr_ref zero = b.a.index(0), last = b.a.sub(b.a.sub(n, b.a.index(1)), i);
      const auto load = [&](expr_ref row, expr_ref column, expr_ref mask = nullptr) {
        return b.load(x, {row, column}, mask);
      };
      b.k.body = b.loop(i, n, loop_kind::vectorized,
                        {b.store(y[0], {i}, load(b.load(index, {i}), zero)),          // gather
                         b.store(y[1], {i}, load(i, b.a.sub(stride, b.a.index(1)))),  // symbolic stride
                         b.store(y[2], {i}, load(last, zero)),                        // backwards, strided
                         b.store(y[3], {last}, load(i, zero)),                        // reversed store
                         b.store(y[4], {b.load(index, {i})}, load(i, zero)),          // scatter (a permutation)
                         b.store(y[5], {i}, load(zero, zero, b.load(c, {i}))),        // one element, masked
                         b.store(y[6], {i}, load(i, zero), b.load(c, {i})),           // masked store
                         b.store(y[7], {i}, load(zero, i, b.a.less(i, stride)))},     // outside: masked off
                        16);
      const compiled f(b.k, m);
      for (std::int64_t n_ : lengths)
        for (std::int64_t s : {1, 3}) {
          guarded gx(t, n_ * s), gi(i64, n_), gc(b8, n_);
          fill(gx, random);
          std::vector<std::int64_t> order(static_cast<std::size_t>(n_));
          for (std::int64_t e = 0; e < n_; ++e) order[static_cast<std::size_t>(e)] = e;
          std::shuffle(order.begin(), order.end(), random);
          for (std::int64_t e = 0; e < n_; ++e) {
            gi.set_bits(e, order[static_cast<std::size_t>(e)]);
            gc.set_bits(e, static_cast<std::int64_t>(random() & 1));
          }
          std::vector<std::unique_ptr<guarded>> out;
          std::vector<void*> pointers{gx.data(), gi.data(), gc.data()};
          for (int j = 0; j < 8; ++j) {
            out.push_back(std::make_unique<guarded>(t, n_));
            out.back()->fill_bytes(1);
            pointers.push_back(out.back()->data());
          }
          REQUIRE(f(pointers, {n_, s}) == 0);
          int wrong[8] = {};
          guarded untouched(t, 1);
          untouched.fill_bytes(1);
          for (std::int64_t e = 0; e < n_; ++e) {
            const std::int64_t p = order[static_cast<std::size_t>(e)], back = n_ - 1 - e;
            const auto check = [&](int j, std::int64_t at, std::int64_t want) {
              wrong[j] += out[static_cast<std::size_t>(j)]->bits(at) != want;
            };
            check(0, e, gx.bits(p * s));
            check(1, e, gx.bits(e * s + s - 1));
            check(2, e, gx.bits(back * s));
            check(3, back, gx.bits(e * s));
            check(4, p, gx.bits(e * s));
            check(5, e, gc.bits(e) ? gx.bits(0) : 0);
            check(6, e, gc.bits(e) ? gx.bits(e * s) : untouched.bits(0));
            check(7, e, e < s ? gx.bits(e) : 0);
          }
          CAPTURE(m.text());
          CAPTURE(name(t));
          CAPTURE(n_);
          CAPTURE(s);
          for (int j = 0; j < 8; ++j) {
            CAPTURE(j);
            CHECK(wrong[j] == 0);
          }
        }
    }
}

TEST_CASE("lanes in groups that read an element of a block each read nothing outside of the buffer") {
  std::mt19937_64 random(5);
  constexpr std::pair<std::int64_t, std::int64_t> forms[] = {{2, 1}, {2, 2},   {4, 4},   {4, 8}, {8, 4}, {4, 2},
                                                             {8, 8}, {16, 16}, {16, 32}, {3, 4}, {4, 3}};
  for (const auto& m : machines())
    for (dtype t : {f32, f64, i8, b8})
      for (const auto& [together, elements] : forms) {
        const auto groups = 1 + static_cast<std::int64_t>(random() % 8);
        // Twice: where blocks are known to be whole, and where the number of elements is not known.
        builder b;
        expr_ref i = b.a.fresh_variable(), group = b.a.div(i, b.a.index(together));
        const auto all = b.a.mul(b.n, b.a.index(together));
        const auto known = b.parameter("known", t, {b.a.index(2), b.a.index(groups * elements)});
        const auto unknown = b.parameter("unknown", t, {b.a.mul(b.n, b.a.index(elements))});
        const auto c = b.parameter("c", b8, {all});
        std::vector<std::int64_t> y;
        for (int j = 0; j < 5; ++j) y.push_back(b.parameter("y" + std::to_string(j), t, {all}, true));
        const auto at = [&](std::int64_t in_block) {
          return b.a.add(b.a.mul(group, b.a.index(elements)), b.a.index(in_block));
        };
        const expr_ref first = at(0), last = at(elements - 1), row = b.a.index(1), mask = b.load(c, {i});
        const auto whole = b.loop(
            i, all, loop_kind::vectorized,
            {b.store(y[0], {i}, b.load(known, {b.a.index(0), first})), b.store(y[1], {i}, b.load(known, {row, last})),
             b.store(y[2], {i}, b.load(known, {row, first}, mask)), b.store(y[3], {i}, b.load(unknown, {last}))},
            16);
        // Groups that begin elsewhere than vectors do.
        const auto shifted = ir::make_stmt(
            ir::loop{i, row, all, loop_kind::vectorized, 16, b.store(y[4], {i}, b.load(known, {row, last}))});
        b.k.body = ir::make_block({whole, shifted});
        const compiled f(b.k, m);
        guarded gk(t, 2 * groups * elements), gu(t, groups * elements), gc(b8, groups * together);
        fill(gk, random);
        fill(gu, random);
        for (std::int64_t e = 0; e < gc.size(); ++e) gc.set_bits(e, static_cast<std::int64_t>(random() & 1));
        std::vector<std::unique_ptr<guarded>> out;
        std::vector<void*> pointers{gk.data(), gu.data(), gc.data()};
        for (int j = 0; j < 5; ++j) {
          out.push_back(std::make_unique<guarded>(t, groups * together));
          pointers.push_back(out.back()->data());
        }
        REQUIRE(f(pointers, {groups}) == 0);
        int wrong[5] = {};
        for (std::int64_t e = 0; e < groups * together; ++e) {
          const std::int64_t block = e / together * elements, to_last = block + elements - 1;
          const std::int64_t want[5] = {gk.bits(block), gk.bits(groups * elements + to_last),
                                        gc.bits(e) ? gk.bits(groups * elements + block) : 0, gu.bits(to_last),
                                        gk.bits(groups * elements + to_last)};
          for (int j = e == 0 ? 3 : 4; j >= 0; --j)
            wrong[j] += !same_value(t, out[static_cast<std::size_t>(j)]->bits(e), want[j]);
        }
        CAPTURE(m.text());
        CAPTURE(name(t));
        CAPTURE(together);
        CAPTURE(elements);
        CAPTURE(groups);
        for (int j = 0; j < 5; ++j) {
          CAPTURE(j);
          CHECK(wrong[j] == 0);
        }
      }
}

TEST_CASE("local buffers: one for every lane inside, partial results outside, columns of a matrix") {
  std::mt19937_64 random(6);
  for (const auto& m : machines()) {
    builder b;
    auto& a = b.a;
    b.k.symbols.push_back("rows");
    expr_ref n = b.n, rows = a.symbol(1), i = a.fresh_variable(), j = a.fresh_variable(), u = a.fresh_variable(),
             u2 = a.fresh_variable(), r = a.fresh_variable();
    const auto x = b.parameter("x", f32, {rows, n});
    const auto columns = b.parameter("columns", f32, {n}, true), sums = b.parameter("sums", f32, {rows}, true),
               powers = b.parameter("powers", f32, {n}, true),
               histogram = b.parameter("histogram", i64, {a.index(4)}, true),
               quarter = b.parameter("quarter", f32, {a.index(4)}, true);
    const auto best = b.local("best", f32, {}), table = b.local("table", f32, {a.index(4)}),
               total = b.local("total", f32, {}), parts = b.local("parts", f32, {a.index(4)});
    const auto number = [&](double v) { return a.constant(f32, v); };
    expr_ref bucket = a.mod(i, a.index(4));
    std::vector<ir::stmt_ref> body;
    // Every lane: the largest of its column, and a small table indexed by the lane itself.
    body.push_back(b.loop(
        i, n, loop_kind::vectorized,
        {b.declare(best), b.declare(table), b.store(best, {}, number(-INFINITY)),
         b.loop(j, rows, loop_kind::serial, {b.update(reducer::max, best, {}, b.load(x, {j, i}))}),
         b.store(columns, {i}, b.load(best, {})),
         b.loop(u, a.index(4), loop_kind::unrolled, {b.store(table, {u}, a.mul(b.load(best, {}), a.cast(f32, u)))}),
         b.store(powers, {i}, b.load(table, {bucket})), b.update(reducer::sum, histogram, {bucket}, a.index(1))},
        8));
    // Rows: a total declared outside of the lanes' loop; and a table of partial results, one an inner index.
    expr_ref i2 = a.fresh_variable();
    body.push_back(
        b.loop(r, rows, loop_kind::serial,
               {b.declare(total), b.store(total, {}, number(0)),
                b.loop(i2, n, loop_kind::vectorized, {b.update(reducer::sum, total, {}, b.load(x, {r, i2}))}, 16),
                b.store(sums, {r}, b.load(total, {}))}));
    expr_ref i3 = a.fresh_variable(), q = a.fresh_variable();
    body.push_back(b.declare(parts));
    body.push_back(b.loop(u2, a.index(4), loop_kind::serial, {b.store(parts, {u2}, number(0))}));
    body.push_back(b.loop(
        i3, n, loop_kind::vectorized,
        {b.loop(q, a.index(4), loop_kind::serial,
                {b.update(reducer::sum, parts, {q}, b.load(x, {a.index(0), i3}), a.less(q, a.mod(i3, a.index(5))))})},
        16));
    expr_ref q2 = a.fresh_variable();
    body.push_back(b.loop(q2, a.index(4), loop_kind::serial, {b.store(quarter, {q2}, b.load(parts, {q2}))}));
    b.k.body = ir::make_block(body);
    const compiled f(b.k, m);
    for (std::int64_t n_ : lengths) {
      const std::int64_t rows_ = 5;
      guarded gx(f32, rows_ * n_), gc(f32, n_), gs(f32, rows_), gp(f32, n_), gh(i64, 4), gq(f32, 4);
      fill(gx, random);
      gh.fill_bytes(0);
      REQUIRE(f({gx.data(), gc.data(), gs.data(), gp.data(), gh.data(), gq.data()}, {n_, rows_}) == 0);
      CAPTURE(m.text());
      CAPTURE(n_);
      int wrong = 0;
      std::int64_t count[4] = {};
      double part[4] = {};
      for (std::int64_t e = 0; e < n_; ++e) {
        double largest = -INFINITY;
        for (std::int64_t k = 0; k < rows_; ++k) largest = std::max(largest, gx.get(k * n_ + e));
        wrong += gc.get(e) != largest;
        wrong += gp.get(e) != static_cast<float>(largest) * static_cast<float>(e % 4);
        ++count[e % 4];
        for (int k = 0; k < 4; ++k)
          if (k < e % 5) part[k] += gx.get(e);
      }
      CHECK(wrong == 0);
      for (int k = 0; k < 4; ++k) {
        CHECK(gh.bits(k) == count[k]);
        CHECK(std::fabs(gq.get(k) - part[k]) <= 1e-4);
      }
      for (std::int64_t k = 0; k < rows_; ++k) {
        double sum = 0;
        for (std::int64_t e = 0; e < n_; ++e) sum += gx.get(k * n_ + e);
        CHECK(std::fabs(gs.get(k) - sum) <= 1e-4);
      }
    }
  }
}

TEST_CASE("a parallel loop runs the part of its range that it is given, and branches take one side") {
  for (const auto& m : machines()) {
    builder b;
    auto& a = b.a;
    expr_ref r = a.fresh_variable();
    const auto y = b.parameter("y", i32, {b.n, a.index(20)}, true);
    const auto value = [&](int k) { return a.add(a.cast(i32, a.mul(r, a.index(100))), a.integer(i32, k)); };
    const auto row = [&](int k) {
      expr_ref v = a.fresh_variable();
      return b.loop(v, a.index(20), loop_kind::vectorized, {b.store(y, {r, v}, value(k))}, 16);
    };
    auto choose = ir::make_stmt(ir::branch{a.less(r, a.index(5)), row(1), row(2)});
    b.k.body = b.loop(r, b.n, loop_kind::parallel, {choose});
    const compiled f(b.k, m);
    guarded g(i32, 10 * 20);
    g.fill_bytes(0);
    REQUIRE(f({g.data()}, {10}, 2, 8) == 0);
    int wrong = 0;
    for (std::int64_t k = 0; k < 200; ++k) {
      const std::int64_t at = k / 20;
      wrong += g.bits(k) != (at < 2 || at >= 8 ? 0 : at * 100 + (at < 5 ? 1 : 2));
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a while runs as the interpreter does, whatever lies over what") {
  // Two names of one memory: what one writes is what the other reads, vectors and elements.
  const ir::kernel k = ir::parse_kernel(R"(kernel k(n, turns)
  in start: f32[n]
  out x: f32[n] overlap 1
  out half: f32[n / 2] overlap 1
  out y: f32[n]
  out turn: i64[]
  local more: b8[]
  local best: f32[]
declare more
turn[] = 0
do
  more[] = turn[] < turns
while more[]
  turn[] sum= 1
  vectorized(16) for i0 in [0, n)
    x[i0] = start[i0] + f32(turn[])
  vectorized(8) for i1 in [0, n / 2)
    half[i1] = half[i1] * 0.5f
  block
    declare best
    best[] = 0.0f
    vectorized(16) for i2 in [0, n)
      best[] max= x[i2]
    while best[] < 20.0f
      best[] sum= 1.5f
    for i3 in [0, n)
      y[i3] = x[i3] + best[]
)");
  ir::verify(k);
  std::mt19937_64 random(8);
  for (const auto& m : machines()) {
    const compiled f(k, m);
    for (std::int64_t n : {0, 2, 6, 16, 34, 64})
      for (std::int64_t turns : {0, 1, 2, 7}) {
        CAPTURE(m.text());
        CAPTURE(n);
        CAPTURE(turns);
        guarded start(f32, n), x(f32, n), y(f32, n), at(i64, 1), x2(f32, n), y2(f32, n), at2(i64, 1);
        fill(start, random);
        for (guarded* g : {&x, &y, &x2, &y2}) g->fill_bytes(0);
        REQUIRE(f({start.data(), x.data(), x.data(), y.data(), at.data()}, {n, turns}) == 0);
        void* buffers[] = {start.data(), x2.data(), x2.data(), y2.data(), at2.data()};
        const std::int64_t symbols[] = {n, turns};
        interpret(k, buffers, symbols, {.fused = m.fma});
        CHECK(at.bits(0) == turns);
        CHECK(at2.bits(0) == turns);
        int wrong = 0;
        for (std::int64_t i = 0; i < n; ++i) wrong += x.bits(i) != x2.bits(i) || y.bits(i) != y2.bits(i);
        CHECK(wrong == 0);
        if (n > 0 && turns > 0) CHECK(x.get(0) == static_cast<float>(start.get(0) + turns) / 2);
      }
  }
}
