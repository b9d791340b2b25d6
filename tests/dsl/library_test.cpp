// What the operators beside tenon.hpp say of operands that do not fit, and the functions that are no operators.
#include <doctest/doctest.h>

#include <type_traits>
#include <vector>

#include "tenon/ops/boxes.hpp"
#include "tenon/ops/factors.hpp"
#include "tenon/ops/linear.hpp"
#include "tenon/ops/order.hpp"
#include "tenon/ops/pieces.hpp"
#include "tenon/ops/quantize.hpp"
#include "tenon/ops/recurrent.hpp"
#include "tenon/ops/triangle.hpp"
#include "tenon/ops/unpool.hpp"
#include "tenon/tenon.hpp"

namespace {

using namespace tenon;
using any_tensor = tensor<any_dtype, any_shape>;

template <dtype D, extent_t... E>
any_tensor of() {
  return input<D, E...>("x");
}
#define CHECK_SHAPE(call, words) CHECK_THROWS_WITH_AS((void)(call), doctest::Contains(words), shape_error)
#define CHECK_TYPE(call, words) CHECK_THROWS_WITH_AS((void)(call), doctest::Contains(words), type_error)

TEST_CASE("order") {
  CHECK_SHAPE(sort(of<f32, 3>(), {.axis = 1}), "sort: axis 1 is outside rank 1");
  CHECK_SHAPE(argsort(of<f32>()), "axis -1 is outside rank 0");
  CHECK_TYPE(sort(of<b8, 3>()), "b8 is not a number");
  CHECK_SHAPE(unique(of<f32, 3>(), {.flat = false, .axis = 2}), "unique: axis 2 is outside rank 1");
  CHECK_TYPE(unique(of<b8, 3>()), "b8 is not a number");
}

TEST_CASE("products") {
  CHECK_SHAPE(bias_add(of<f32, 2, 3>(), of<f32, 2>()), "bias_add: bias [2] along an axis of 3");
  CHECK_SHAPE(dense(of<f32, 2, 3>(), of<f32, 3, 4>(), of<f32, 5>()), "dense: bias [5] of 4 outputs");
  CHECK_SHAPE(dense(of<f32, 2, 3>(), of<f32, 4, 4>()), "inner extents 3 != 4");
  CHECK_SHAPE(outer(of<f32, 2, 3>(), of<f32, 3>()), "outer: ranks 2 and 1, not 1");
  CHECK_SHAPE(bilinear(of<f32, 2, 3>(), of<f32, 2, 4>(), of<f32, 5, 4, 3>()), "weights [5,4,3] for 3 and 4 elements");
  CHECK_SHAPE(rotary_embedding(of<f32, 2, 6>(), of<f32, 2, 4>(), of<f32, 2, 3>()), "rotary_embedding: extents 3 != 4");
  CHECK_SHAPE(rotary_embedding(of<f32, 2, 6>(), of<f32, 2, 3>(), of<f32, 2, 3>(), {.width = 3}),
              "width 3 holds no pairs");
  CHECK_TYPE(rotary_embedding(of<i32, 2, 6>(), of<i32, 2, 3>(), of<i32, 2, 3>()), "i32 is not a float");
  const any_tensor s = of<f32>(), z = of<u8>();
  CHECK_SHAPE(qlinear_matmul(of<u8, 2, 3>(), s, z, of<u8, 4, 5>(), s, z, s, z), "qlinear_matmul: inner extents 3 != 4");
  CHECK_TYPE(qlinear_matmul(of<u8, 2, 3>(), s, z, of<f32, 3, 5>(), s, z, s, z), "f32 is neither i8 nor u8");
  CHECK_SHAPE(qlinear_conv(of<u8, 1, 2, 4, 4>(), s, z, of<u8, 3, 2, 3, 3>(), s, z, s, z, of<i32, 4>()),
              "bias [4] of 3 channels");
}

TEST_CASE("factors") {
  CHECK_SHAPE(lu_factor(of<f32, 3>()), "lu_factor: rank 1 < 2");
  CHECK_SHAPE(det(of<f64, 2, 3, 4>()), "det: [2,3,4] holds no square matrices");
  CHECK_TYPE(lu_factor(of<f16, 3, 3>()), "f16 is neither f32 nor f64");
  CHECK_TYPE(det(of<i32, 3, 3>()), "i32 is not a float");
  static_assert(std::is_same_v<decltype(det(input<f32, 5, 3, 3>("x"))), tensor<f32, shape<5>>>);
  // What only the call knows: how large the matrices are, and whether they are square.
  auto f = jit([](tensor<f64, shape<dyn, dyn, dyn>> x) { return det(x); });
  const array<f64> y = f(array<f64>({2, 2, 2}, std::vector<double>{1, 2, 3, 4, 0, 5, 7, 0}.data()));
  CHECK(y.dims() == dims{2});
  CHECK(y(0) == doctest::Approx(-2));
  CHECK(y(1) == -35);
  CHECK(f(array<f64>::full({1, 1, 1}, 3))(0) == 3);
  CHECK(f(array<f64>::zeros({3, 0, 0}))(2) == 1);
  CHECK_THROWS_AS((void)f(array<f64>::zeros({1, 2, 3})), shape_error);
}

TEST_CASE("layers over sequences") {
  const any_tensor x = of<f32, 5, 2, 3>(), w = of<f32, 1, 16, 3>(), r = of<f32, 1, 16, 4>();
  CHECK_SHAPE(lstm(x, of<f32, 1, 12, 3>(), r), "lstm: weights [1,12,3], not [1,16,3]");
  CHECK_SHAPE(gru(x, of<f32, 1, 12, 3>(), r), "recurrent weights [1,16,4], not [1,12,4]");
  CHECK_SHAPE(rnn(x, of<f32, 2, 4, 3>(), of<f32, 1, 4, 4>()), "weights [2,4,3], not [1,4,3]");
  CHECK_SHAPE(lstm(x, w, r, of<f32, 1, 32>(), of<f32, 1, 3, 4>()), "first state [1,3,4], not [1,2,4]");
  CHECK_SHAPE(lstm(x, w, r, {.linear_before_reset = true}), "linear_before_reset is not of this layer");
  CHECK_SHAPE(lstm(x, w, r, {.functions = {0, 1}}), "2 functions, 3 are needed");
  CHECK_SHAPE(lstm(x, w, r, {.functions = {0, 1, 77}}), "no function has the number 77");
  CHECK_SHAPE(lstm(of<f32, 70000, 2, 3>(), w, r), "length 70000 > 65536");
  CHECK_TYPE(lstm(of<i32, 5, 2, 3>(), of<i32, 1, 16, 3>(), of<i32, 1, 16, 4>()), "i32 is not a float");
}

TEST_CASE("pooling, diagonals and boxes") {
  CHECK_SHAPE(adaptive_avg_pool(of<f32, 3, 4>(), {.to = {}}), "adaptive_avg_pool: no extents are given");
  CHECK_SHAPE(adaptive_max_pool(of<f32, 3, 4>(), {.to = {2, 0}}), "extent 0 < 1");
  CHECK_SHAPE(adaptive_max_pool(of<f32, 3>(), {.to = {2, 2}}), "2 extents for rank 1");
  CHECK_SHAPE(diag(of<f32, 3, 4, 5>()), "diag: rank 3, neither 1 nor 2");
  CHECK_SHAPE(crop_and_resize(of<f32, 1, 2, 4, 4>(), of<f32, 3, 4>(), of<i64, 2>(), {.height = 2}),
              "crop_and_resize: 3 boxes and 2 indices");
  CHECK_SHAPE(crop_and_resize(of<f32, 1, 2, 4, 4>(), of<f32, 3, 4>(), of<i64, 3>(), {.height = 0}), "height 0");
  CHECK_SHAPE(non_max_suppression(of<f32, 1, 5, 4>(), of<f32, 1, 2, 6>(), {}), "boxes [1,5,4] and scores [1,2,6]");
  CHECK_SHAPE(non_max_suppression(of<f32, 1, 5, 4>(), of<f32, 1, 2, 5>(), {.most = -1}), "most -1 < 0");
  CHECK_TYPE(crop_and_resize(of<f32, 1, 2, 4, 4>(), of<f32, 3, 4>(), of<f32, 3>()), "indices of f32");
}

TEST_CASE("windows and repeats without end are refused, and nothing overflows on the way") {
  constexpr int huge = 2147483647;
  CHECK_SHAPE(max_pool(of<f32, 1, 1, 4, 4>(), {.window = {huge, huge}, .dilation = {huge, huge}}), "max_pool: window");
  CHECK_SHAPE(conv2d(of<f32, 1, 1, 4, 4>(), of<f32, 1, 1, 3, 3>(), {.dilation = {huge, huge}}), "conv2d: window");
  const any_tensor padded = pad(of<f32, 4>(), {.before = {huge}, .after = {huge}});
  CHECK(detail::shape_of(padded.node()) == dims{2 * extent_t{huge} + 4});
  CHECK_SHAPE(tile(of<f32, 100000, 100000>(), {.repeats = {huge, huge}}), "too large for memory");
  CHECK_SHAPE(repeat(of<f32, 1000000, 1000000>(), {.count = huge, .axis = 0}), "too large for memory");
  CHECK_SHAPE(conv_transpose2d(of<f32, 1, 1, 100000, 100000>(), of<f32, 1, 1, 3, 3>(), {.stride = {huge, huge}}),
              "too large for memory");
}

TEST_CASE("chunk and meshgrid") {
  auto f = jit([](tensor<f32, shape<2, 5>> x) {
    const auto parts = chunk(x, 3, {.axis = 1});
    return std::tuple{parts.at(0), parts.at(1), parts.at(2)};
  });
  array<f32> x = array<f32>::zeros({2, 5});
  for (int i = 0; i < 10; ++i) x.data()[i] = static_cast<float>(i);
  const auto [a, b, c] = f(x);
  CHECK(a.dims() == dims{2, 2});
  CHECK(c.dims() == dims{2, 1});
  CHECK(b(1, 0) == 7);
  CHECK(c(1, 0) == 9);
  auto g = jit([](tensor<f32, shape<dim("n")>> u, tensor<f32, shape<3>> v) {
    const auto grid = meshgrid(std::vector<tensor<f32, any_shape>>{u, v});
    return std::tuple{grid[0], grid[1]};
  });
  const auto [p, q] = g(array<f32>::from({1, 2}), array<f32>::from({4, 5, 6}));
  CHECK(p.dims() == dims{2, 3});
  CHECK(p(1, 2) == 2);
  CHECK(q(1, 2) == 6);
  CHECK_THROWS_WITH_AS((void)chunk(of<f32, 4>(), 0), doctest::Contains("chunk: 0 parts"), argument_error);
  CHECK_SHAPE(chunk(of<f32, 4>(), 2, {.axis = 3}), "axis 3 is outside rank 1");
  CHECK_SHAPE(meshgrid(std::vector<tensor<f32, any_shape>>{input<f32, 2, 2>("x")}),
              "meshgrid: [2,2] of 1 is no vector");
}

}  // namespace
