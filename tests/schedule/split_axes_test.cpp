// Axes that become two, and those that must not.
#include "schedule/split_axes.hpp"

#include <doctest/doctest.h>

using namespace tenon;
using namespace tenon::ir;
using namespace tenon::scheduling;

namespace {

// y[n, o] = bias[o] + sum over c of x[n, o / part * 3 + c] * w[o, c], a grouped product.
struct example {
  computation c;
  expr_arena& a = c.kernel.make();
  expr_ref N, O, n, o, r;
  std::int64_t x, w, bias, y;

  example(extent_t outputs, extent_t part) {
    c.kernel.symbols = {"N", "O"};
    c.symbol_values = {5, outputs};
    N = a.symbol(0), O = a.symbol(1);
    n = a.fresh_variable(), o = a.fresh_variable(), r = a.fresh_variable();
    c.axes = {{n, N, 5}, {o, O, outputs}};
    x = c.kernel.add_buffer("x", f32, scope::parameter, {N, O});
    w = c.kernel.add_buffer("w", f32, scope::parameter, {O, a.index(3)});
    bias = c.kernel.add_buffer("bias", f32, scope::parameter, {O});
    y = c.output = c.kernel.add_buffer("y", f32, scope::parameter, {N, O});
    const std::pair<expr_ref, expr_ref> loops[] = {{r, a.index(3)}};
    const expr_ref of_group = part == 0 ? r : a.add(a.mul(a.div(o, a.index(part)), a.index(3)), r);
    c.value = a.add(load(bias, {o}), a.reduce(reducer::sum, loops, a.mul(load(x, {n, of_group}), load(w, {o, r}))));
  }
  expr_ref load(std::int64_t id, std::vector<expr_ref> at) { return a.load(f32, id, at); }
};

}  // namespace

TEST_CASE("channels of a grouped product become groups and channels of one") {
  example e(20, 4);
  split_axes(e.c);
  REQUIRE(e.c.axes.size() == 3);
  const expr_ref g = e.c.axes[1].variable, p = e.c.axes[2].variable;
  CHECK(e.c.axes[1].size == 5);
  CHECK(e.c.axes[2].size == 4);
  const std::vector<expr_ref>& extents = e.c.kernel.buffers[static_cast<std::size_t>(e.y)].extents;
  REQUIRE(extents.size() == 3);
  CHECK(extents[1]->is_constant(5));
  CHECK(extents[2]->is_constant(4));
  const expr_ref whole = e.a.add(e.a.mul(g, e.a.index(4)), p);
  const std::pair<expr_ref, expr_ref> loops[] = {{e.r, e.a.index(3)}};
  CHECK(e.c.value ==
        e.a.add(e.load(e.bias, {whole}), e.a.reduce(reducer::sum, loops,
                                                    e.a.mul(e.load(e.x, {e.n, e.a.add(e.a.mul(g, e.a.index(3)), e.r)}),
                                                            e.load(e.w, {whole, e.r})))));
}

TEST_CASE("strides of the result are split with it") {
  example e(20, 4);
  e.c.kernel.buffers[static_cast<std::size_t>(e.y)].strides = {e.a.index(1), e.a.index(7)};
  split_axes(e.c);
  const std::vector<expr_ref>& strides = e.c.kernel.buffers[static_cast<std::size_t>(e.y)].strides;
  REQUIRE(strides.size() == 3);
  CHECK(strides[1]->is_constant(28));
  CHECK(strides[2]->is_constant(7));
}

TEST_CASE("what is not divided, or not evenly, stays") {
  for (const extent_t part : {0, 3, 20, 1}) {
    example e(20, part);
    const expr_ref before = e.c.value;
    split_axes(e.c);
    CHECK(e.c.axes.size() == 2);
    CHECK(e.c.value == before);
  }
}
