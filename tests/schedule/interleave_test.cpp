// Trips of a loop side by side: before and after, as text.
#include "schedule/interleave.hpp"

#include <doctest/doctest.h>

using namespace tenon;
using namespace tenon::ir;

namespace {

constexpr char rows[] = R"(kernel two(n0, n1)
  in x: f32[n0, n1]
  out y: i64[n0]
  local best: f32[]
  local at.best: i64[]
  scratch row: f32[n1]
parallel for i0 in [0, n0)
  declare best
  declare at.best
  best[] = -inff
  at.best[] = 0
  vectorized(16) for i1 in [0, n1)
    row[i1] = x[i0, i1] * 2.0f
    best[] argmax= x[i0, i1] at i1 if i1 < n1
  y[i0] = at.best[]
)";

}  // namespace

TEST_CASE("two rows: shared loops, buffers of their own, argmax's positions beside its values") {
  kernel k = parse_kernel(rows);
  const loop outer = std::get<loop>(k.body->v);
  expr_arena& a = k.make();
  REQUIRE(scheduling::can_interleave(outer.body, outer.variable));
  const expr_ref b = a.fresh_variable(), first = a.mul(b, a.index(2));
  loop blocks = outer;
  blocks.variable = b;
  blocks.end = a.div(outer.end, a.index(2));
  blocks.body = scheduling::interleave(k, outer.body, outer.variable, {first, a.add(first, a.index(1))});
  k.body = make_stmt(blocks);
  verify(k);
  CHECK(to_string(k) == R"(kernel two(n0, n1)
  in x: f32[n0, n1]
  out y: i64[n0]
  local best: f32[]
  local at.best: i64[]
  scratch row: f32[n1]
  local best_0: f32[]
  local at.best_0: i64[]
  local best_1: f32[]
  local at.best_1: i64[]
  scratch row_1: f32[n1]
parallel for i2 in [0, n0 / 2)
  declare best_0
  declare best_1
  declare at.best_0
  declare at.best_1
  best_0[] = -inff
  best_1[] = -inff
  at.best_0[] = 0
  at.best_1[] = 0
  vectorized(16) for i1 in [0, n1)
    row[i1] = x[i2 * 2, i1] * 2.0f
    row_1[i1] = x[i2 * 2 + 1, i1] * 2.0f
    best_0[] argmax= x[i2 * 2, i1] at i1 if i1 < n1
    best_1[] argmax= x[i2 * 2 + 1, i1] at i1 if i1 < n1
  y[i2 * 2] = at.best_0[]
  y[i2 * 2 + 1] = at.best_1[]
)");
}

TEST_CASE("what loops over other bounds for each trip stays as it is") {
  const kernel k = parse_kernel(R"(kernel triangle(n0)
  in x: f32[n0, n0]
  out y: f32[n0, n0]
parallel for i0 in [0, n0)
  for i1 in [0, min(i0 + 1, n0))
    y[i0, i1] = x[i0, i1]
)");
  const loop& outer = std::get<loop>(k.body->v);
  CHECK_FALSE(scheduling::can_interleave(outer.body, outer.variable));
}
