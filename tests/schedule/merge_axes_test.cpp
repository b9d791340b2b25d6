// Axes that become one, and those that must not.
#include "schedule/merge_axes.hpp"

#include <doctest/doctest.h>

#include <functional>

using namespace tenon;
using namespace tenon::ir;
using namespace tenon::scheduling;

namespace {

// y[n, h, w] = x[n, h, w] + b[n] over symbols N, H, W; `value` may say otherwise.
struct example {
  computation c;
  expr_arena& a = c.kernel.make();
  expr_ref N, H, W, n, h, w;
  std::int64_t x = 0, b = 0, y = 0;

  example() {
    c.kernel.symbols = {"N", "H", "W"};
    c.symbol_values = {2, 5, 7};
    N = a.symbol(0), H = a.symbol(1), W = a.symbol(2);
    n = a.fresh_variable(), h = a.fresh_variable(), w = a.fresh_variable();
    c.axes = {{n, N, 2}, {h, H, 5}, {w, W, 7}};
    x = c.kernel.add_buffer("x", f32, scope::parameter, {N, H, W});
    b = c.kernel.add_buffer("b", f32, scope::parameter, {N});
    y = c.output = c.kernel.add_buffer("y", f32, scope::parameter, {N, H, W});
    c.value = a.add(load(x, {n, h, w}), load(b, {n}));
  }
  expr_ref load(std::int64_t id, std::vector<expr_ref> at) { return a.load(f32, id, at); }
  std::size_t merged() {
    merge_axes(c);
    return c.axes.size();
  }
};

std::size_t axes_after(const std::function<void(example&)>& change) {
  example e;
  change(e);
  return e.merged();
}

}  // namespace

TEST_CASE("rows that every value has whole become one axis") {
  example e;
  CHECK(e.merged() == 2);
  CHECK(e.c.axes[0].variable == e.n);
  CHECK(e.c.axes[1].size == 35);
  CHECK(e.c.axes[1].extent == e.a.mul(e.H, e.W));
  for (const std::int64_t id : {e.x, e.y}) {
    const auto& extents = e.c.kernel.buffers[static_cast<std::size_t>(id)].extents;
    REQUIRE(extents.size() == 2);
    CHECK(extents[0] == e.N);
    CHECK(extents[1] == e.a.mul(e.H, e.W));
  }
  CHECK(e.c.kernel.buffers[static_cast<std::size_t>(e.b)].extents.size() == 1);
  const expr_ref at[] = {e.n, e.c.axes[1].variable}, only[] = {e.n};
  CHECK(e.c.value == e.a.add(e.a.load(f32, e.x, at), e.a.load(f32, e.b, only)));
}

TEST_CASE("all axes where nothing is broadcast") {
  CHECK(axes_after([](example& e) { e.c.value = e.load(e.x, {e.n, e.h, e.w}); }) == 1);
}

TEST_CASE("a reduction's own loops stay") {
  example e;
  const expr_ref k = e.a.fresh_variable(), K = e.a.index(3);
  const auto wide = e.c.kernel.add_buffer("wide", f32, scope::parameter, {K, e.H, e.W});
  const auto weight = e.c.kernel.add_buffer("weight", f32, scope::parameter, {e.N, K});
  const std::pair<expr_ref, expr_ref> loops[] = {{k, K}};
  e.c.value = e.a.reduce(reducer::sum, loops, e.a.mul(e.load(wide, {k, e.h, e.w}), e.load(weight, {e.n, k})));
  CHECK(e.merged() == 2);  // a 1 x 1 convolution is a product over h * w columns
  CHECK(e.c.kernel.buffers[static_cast<std::size_t>(wide)].extents.size() == 2);
}

TEST_CASE("the loops of a reduction over the same dimensions become one with the axes") {
  // y[n, h, w] = x[n, h, w] - sum over i, j of x[n, i, j]
  example e;
  const expr_ref i = e.a.fresh_variable(), j = e.a.fresh_variable();
  const std::pair<expr_ref, expr_ref> loops[] = {{i, e.H}, {j, e.W}};
  const expr_ref sum = e.a.reduce(reducer::sum, loops, e.load(e.x, {e.n, i, j}));
  e.c.value = e.a.sub(e.load(e.x, {e.n, e.h, e.w}), sum);
  CHECK(e.merged() == 2);
  const expr_ref rest = e.c.value->operands[1];
  REQUIRE(rest->is(expr_kind::reduce));
  CHECK(rest->loops() == 1);
  CHECK(rest->loop_extent(0) == e.a.mul(e.H, e.W));
  CHECK(e.c.kernel.buffers[static_cast<std::size_t>(e.x)].extents.size() == 2);
}

TEST_CASE("loops that must stay") {
  // One of them is a number in the value; or the axes that read the same dimensions cannot become one.
  for (const bool counted : {true, false}) {
    example e;
    const expr_ref i = e.a.fresh_variable(), j = e.a.fresh_variable();
    const std::pair<expr_ref, expr_ref> loops[] = {{i, e.H}, {j, e.W}};
    const expr_ref each = e.load(e.x, {e.n, i, j});
    const expr_ref sum = e.a.reduce(reducer::sum, loops, counted ? e.a.mul(each, e.a.cast(f32, j)) : each);
    e.c.value = e.a.add(sum, e.load(e.x, {e.n, counted ? e.h : e.a.index(1), e.w}));
    CHECK(e.merged() == 3);
    CHECK(e.c.value->operands[0]->loops() == 2);
  }
}

TEST_CASE("axes that must stay") {
  // A window.
  CHECK(axes_after([](example& e) { e.c.value = e.load(e.x, {e.n, e.a.add(e.h, e.a.index(1)), e.w}); }) == 3);
  // One of the two is a number in the value.
  CHECK(axes_after([](example& e) {
          e.c.value = e.a.add(e.load(e.x, {e.n, e.h, e.w}), e.a.cast(f32, e.a.mul(e.w, e.n)));
        }) == 3);
  // Only one of the two is in an operand.
  CHECK(axes_after([](example& e) {
          const auto row = e.c.kernel.add_buffer("row", f32, scope::parameter, {e.W});
          e.c.value = e.a.add(e.load(e.x, {e.n, e.h, e.w}), e.load(row, {e.w}));
        }) == 2);  // n and h are one, w stays
  // The other order.
  CHECK(axes_after([](example& e) {
          const auto turned = e.c.kernel.add_buffer("turned", f32, scope::parameter, {e.W, e.H});
          e.c.value = e.load(turned, {e.w, e.h});
        }) == 3);
  // Rows of an operand that are longer than the axis, or lie apart.
  CHECK(axes_after([](example& e) {
          const auto longer =
              e.c.kernel.add_buffer("longer", f32, scope::parameter, {e.N, e.H, e.a.add(e.W, e.a.index(1))});
          e.c.value = e.load(longer, {e.n, e.h, e.w});
        }) == 2);
  CHECK(axes_after([](example& e) {
          e.c.kernel.buffers[static_cast<std::size_t>(e.x)].strides = {e.a.index(100), e.a.index(10), e.a.index(1)};
        }) == 3);
  // One buffer, read twice in different ways.
  CHECK(axes_after([](example& e) {
          e.c.value = e.a.add(e.load(e.x, {e.n, e.h, e.w}), e.load(e.x, {e.n, e.a.index(0), e.a.index(0)}));
        }) == 3);
  // A mask that tells rows apart.
  CHECK(axes_after([](example& e) {
          const expr_ref at[] = {e.n, e.h, e.w};
          e.c.value = e.a.load(f32, e.x, at, e.a.less(e.h, e.a.index(3)));
        }) == 3);
}
