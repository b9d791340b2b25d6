// tensorize, as users write it: the tile contraction, a function of the user's, dot products, and what is refused.
#include <algorithm>
#include <atomic>

#include "schedule/by_hand.hpp"

using namespace tenon;
using namespace tenon::test;

namespace {

// Blocks of 6 x 32 of the result, those of columns in parallel.
struct blocks {
  loop_handle io, ii, jo, ji, k;
};
blocks in_blocks(any_schedule& s) {
  const auto [i, j, k] = s.loops<3>("matmul");
  const auto [io, ii] = s.split(i, 6, tail::shift);
  const auto [jo, ji] = s.split(j, 32);
  s.reorder(jo, io, k, ii, ji);
  s.parallel(jo);
  return {io, ii, jo, ji, k};
}

std::atomic<int> tiles_of_ours{0}, widest_of_ours{0};
template <class T>
void plain_tile(const tile_call& t) noexcept {
  ++tiles_of_ours;
  widest_of_ours = std::max(widest_of_ours.load(), static_cast<int>(t.columns));
  const T *a = static_cast<const T*>(t.a), *b = static_cast<const T*>(t.b);
  T* sums = static_cast<T*>(t.sums);
  for (std::int64_t i = 0; i < t.rows; ++i)
    for (std::int64_t j = 0; j < t.columns; ++j) {
      T sum = 0;
      for (std::int64_t k = 0; k < t.depth; ++k) sum += a[i * t.a_row + k * t.a_step] * b[k * t.b_step + j];
      sums[i * t.sums_row + j] = sum;
    }
}

}  // namespace

TEST_CASE("a product packed and tensorized by hand") {
  auto mm = jit([](tensor<f32, shape<37, 29>> a, tensor<f32, shape<29, 75>> b) { return matmul(a, b); }, uncached());
  const array<f32> a = whole_numbers({37, 29}, 1), b = whole_numbers({29, 75}, 2), want = plain_product(a, b);
  schedule s = mm.schedule();
  auto [io, ii, jo, ji, k] = in_blocks(s);
  CHECK(refused([&, i = ii, k = k] {
          s.tensorize(i, k);
        }).starts_with("tensorize(i0.i, i2): i2 is no loop of the result"));
  const auto panel = s.pack("x1", jo, 1, 32);
  CHECK(panel.size() == 3);
  s.vectorize(panel[2], 16);
  s.tensorize(ii, ji);
  CHECK(to_string(s) + "\n" == text_of(R"(
matmul(x0 f32[37,29], x1 f32[29,75]) -> y f32[37,75]
  parallel for i1.o in [0, 3)
    x1.p[29, 32]
    for x1.p1 in [0, 1)
      for x1.c0 in [0, 29)
        vectorized(16) for x1.w1 in [0, 32)
          x1.p[x1.c0, x1.p1 * 32 + x1.w1] = x1[x1.c0, i1.o * 32 + x1.p1 * 32 + x1.w1]
    for i0.o in [0, 7)
      tile i0.i < 6, i1.i < 32
        for i2 in [0, 29)
          acc0 sum= x0[i0, i2] * x1.p[i2, i1]
        y[i0, i1] = acc0
)"));
  CHECK(refused([&, k = k] { s.unroll(k); }).starts_with("unroll(i2): i2 of the tile contraction i0.i x i1.i"));
  check_same(want, s.compile()(a, b));
  check_same(want, mm.schedule(s.json()).compile()(a, b));
}

TEST_CASE("tensorize to a function of the user's") {
  register_tile_function("plain", f32, plain_tile<float>);
  register_tile_function("plain_i32", i32, plain_tile<std::int32_t>);
  auto mm = jit([](tensor<f32, shape<37, 29>> a, tensor<f32, shape<29, 75>> b,
                   tensor<f32, shape<75>> c) { return relu(matmul(a, b) + c); },
                uncached());
  const array<f32> a = whole_numbers({37, 29}, 1), b = whole_numbers({29, 75}, 2), c = whole_numbers({75}, 3),
                   want = mm(a, b, c);
  schedule s = mm.schedule();
  auto [io, ii, jo, ji, k] = in_blocks(s);
  const auto refusal = [&, r = ii, q = ji](const char* name) { return refused([&] { s.tensorize(r, q, name); }); };
  CHECK(refusal("unknown").starts_with(
      "tensorize(unknown, i0.i, i1.i): no tile function unknown is registered; there are: plain, plain_i32\n"));
  CHECK(refusal("plain_i32")
            .starts_with("tensorize(plain_i32, i0.i, i1.i): the tile function plain_i32 is for i32, and x0 is f32\n"));
  schedule two = s;
  two.split(k, 4);
  CHECK(refused([&, r = ii, q = ji] {
          two.tensorize(r, q, "plain");
        }).starts_with("tensorize(plain, i0.i, i1.i): the tile function plain sums over one loop, and acc0 has 2\n"));
  s.tensorize(ii, ji, "plain");
  CHECK(refused([&, r = k] {
          s.split(r, 4);
        }).starts_with("split(i2, 4): the tile function plain sums over one loop, and acc0 has 2\n"));
  CHECK(to_string(s).find("tile i0.i < 6, i1.i < 32 by plain\n") != std::string::npos);
  tiles_of_ours = widest_of_ours = 0;
  check_same(want, s.compile()(a, b, c));
  CHECK(tiles_of_ours == 7 * 3);
  CHECK(widest_of_ours == 32);
  check_same(want, mm.schedule(s.json()).compile()(a, b, c));
  CHECK(tiles_of_ours == 2 * 7 * 3);

  CHECK(refused<argument_error>([] { register_tile_function("", f32, plain_tile<float>); }) ==
        "register_tile_function: the name is empty");
  CHECK(refused<argument_error>([] { register_tile_function("none", f32, nullptr); }) ==
        "register_tile_function: none is a null pointer");
  CHECK(refused<type_error>([] { register_tile_function("plain", i32, plain_tile<std::int32_t>); }) ==
        "register_tile_function: plain is for f32 already, not i32");
  CHECK(refused<type_error>([] { register_tile_function("half", f16, plain_tile<float>); }) ==
        "register_tile_function: half is for f16; f64, f32, i64 and i32 are expected");
}

TEST_CASE("tensorize: what is no tile is refused") {
  auto mm = jit([](tensor<f32, shape<37, 29>> a, tensor<f32, shape<29, 75>> b) { return matmul(a, b); }, uncached());
  const array<f32> a = whole_numbers({37, 29}, 1), b = whole_numbers({29, 75}, 2), want = plain_product(a, b);
  schedule s = mm.schedule();
  auto [i, j, k] = s.loops<3>("matmul");
  auto [io, ii] = s.split(i, 6);
  auto [jo, ji] = s.split(j, 32);
  CHECK(refused([&, r = ii, c = ji] {
          s.tensorize(r, c);
        }).starts_with("tensorize(i0.i, i1.i): i1.o would be inside of the tile contraction i0.i x i1.i"));
  s.reorder(io, jo, k, ii, ji);
  CHECK(refused([&, r = ii, c = ji] { s.tensorize(r, c); })
            .starts_with("tensorize(i0.i, i1.i): the tile i0.i x i1.i has a tail of rows: 37 is no multiple of 6; "
                         "split with tail::shift, or "
                         "partition i0.o"));
  CHECK(refused([&, r = ii, c = ji] { s.tensorize(c, r); })
            .starts_with("tensorize(i1.i, i0.i): one operand would have to be the same for all i0.i, the other one for "
                         "all i1.i and "
                         "contiguous in i0.i"));
  s.partition(io);
  s.tensorize(ii, ji);
  check_same(want, s.compile()(a, b));

  // Rows of x @ w.T are dot products.
  auto dots =
      jit([](tensor<f32, shape<5, 45>> x, tensor<f32, shape<7, 45>> w) { return matmul(x, transpose(w)); }, uncached());
  schedule d = dots.schedule();
  auto [p, q, r] = d.loops<3>("matmul");
  CHECK(refused([&, q = q] { d.tensorize(q); }).starts_with("tensorize(i1): i1 is no loop of a sum of products"));
  d.tensorize(r);
  const array<f32> x = whole_numbers({5, 45}, 1), w = whole_numbers({7, 45}, 2);
  check_same(dots(x, w), d.compile()(x, w));
  schedule t = mm.schedule();
  CHECK(refused([&] {
          t.tensorize(t.loops<3>("matmul")[2]);
        }).find("acc0 is no sum of products of two operands that are contiguous in i2") != std::string::npos);
}
