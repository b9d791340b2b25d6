// Shape and type rules of the operators: one constexpr function each, so most of it is checked when C++ compiles; and
// the texts of refusals, whole.
#include <doctest/doctest.h>

#include <string>

#include "tenon/ops/ops.hpp"

namespace {

using namespace tenon;
using detail::dtypes;
using detail::outcome;
using detail::shapes;
using detail::type_outcome;

constexpr dims unknown_rank = detail::any_dims();
constexpr extent_t n = dim("n");

template <class Op, class... D>
constexpr outcome rule(const typename Op::attrs& at, const D&... d) {
  const dims operands[] = {d...};
  return Op::shape(at, shapes{operands, static_cast<int>(sizeof...(D))});
}
template <class Op, class... D>
constexpr dims result(const typename Op::attrs& at, const D&... d) {
  const outcome o = rule<Op>(at, d...);
  if (!o.ok) throw "refused";
  return o.out;
}
template <class Op, class... D>
std::string refusal(const typename Op::attrs& at, const D&... d) {
  const outcome o = rule<Op>(at, d...);
  return o.ok ? "accepted" : std::string(o.why.view());
}
template <class Op, class... T>
constexpr type_outcome type_rule(const typename Op::attrs& at, T... t) {
  const dtype operands[] = {t...};
  return Op::types(at, dtypes{operands, static_cast<int>(sizeof...(T))});
}
template <class Op, class... T>
std::string type_refusal(const typename Op::attrs& at, T... t) {
  const type_outcome o = type_rule<Op>(at, t...);
  return o.ok ? "accepted" : std::string(o.why.view());
}

// ---- maps
static_assert(result<ops::add_op>({}, dims{3, 1}, dims{4}) == dims{3, 4});
static_assert(result<ops::add_op>({}, dims{}, dims{2, 0}) == dims{2, 0});
static_assert(result<ops::add_op>({}, dims{n, 4}, dims{1, 4}) == dims{n, 4});
static_assert(result<ops::add_op>({}, dims{dyn, 4}, dims{5, 1}) == dims{5, 4});
static_assert(result<ops::add_op>({}, unknown_rank, dims{5, 1}) == unknown_rank);
static_assert(result<ops::select_op>({}, dims{2, 1}, dims{3}, dims{}) == dims{2, 3});
static_assert(type_rule<ops::less_op>({}, f32, f32).out == b8);
static_assert(type_rule<ops::select_op>({}, b8, f16, f16).out == f16);
static_assert(type_rule<ops::cast_op>({u8}, f32).out == u8);
static_assert(type_rule<ops::add_op>({}, any_dtype, f32).out == f32);
static_assert(type_rule<ops::bit_and_op>({}, b8, b8).out == b8);

TEST_CASE("maps refuse extents and types with their numbers") {
  CHECK(refusal<ops::mul_op>({}, dims{3, 5}, dims{4}) == "extents 5 != 4");
  CHECK(type_refusal<ops::mul_op>({}, f32, f16) == "element types differ");
  CHECK(type_refusal<ops::mul_op>({}, b8, b8) == "b8 is not a number");
  CHECK(type_refusal<ops::exp_op>({}, i32) == "i32 is not a float");
  CHECK(type_refusal<ops::bit_and_op>({}, f32, f32) == "f32 is not an integer or b8");
  CHECK(type_refusal<ops::shift_left_op>({}, b8, b8) == "b8 is not an integer");
  CHECK(type_refusal<ops::logical_and_op>({}, u8, u8) == "u8 is not b8");
  CHECK(type_refusal<ops::less_op>({}, b8, b8) == "b8 is not a number");
  CHECK(type_refusal<ops::select_op>({}, f32, f32, f32) == "the condition is f32, not b8");
  CHECK(type_refusal<ops::cast_op>({any_dtype}, f32) == "the new type is not stated");
  CHECK(type_refusal<ops::bitcast_op>({f64}, f32) == "the sizes of f32 and f64 differ");
  CHECK(type_refusal<ops::bitcast_op>({u8}, b8) == "b8 has no bits");
}

// ---- reductions
static_assert(result<ops::sum_op>({}, dims{2, 3}) == dims{});
static_assert(result<ops::sum_op>({.axes = {-1}, .keep = true}, dims{2, 3}) == dims{2, 1});
static_assert(result<ops::max_op>({.axes = {0, 2}}, dims{2, n, 4}) == dims{n});
static_assert(result<ops::sum_op>({}, dims{}) == dims{});
static_assert(result<ops::argmax_op>({.axis = 0}, dims{2, 3}) == dims{3});
static_assert(result<ops::argmax_op>({.axis = -1, .keep = true}, dims{2, 3}) == dims{2, 1});
static_assert(type_rule<ops::argmax_op>({}, f32).out == i64);
static_assert(type_rule<ops::sum_op>({}, u8).out == u8);

TEST_CASE("reductions refuse axes") {
  CHECK(refusal<ops::sum_op>({.axes = {2}}, dims{2, 3}) == "axis 2 is outside rank 2");
  CHECK(refusal<ops::sum_op>({.axes = {-3}}, dims{2, 3}) == "axis -3 is outside rank 2");
  CHECK(refusal<ops::mean_op>({.axes = {0, -2}}, dims{2, 3}) == "axis -2 is given twice");
  CHECK(refusal<ops::argmin_op>({.axis = 1}, dims{2, 0}) == "axis 1 has no elements");
  CHECK(refusal<ops::argmin_op>({}, dims{}) == "axis -1 is outside rank 0");
  CHECK(type_refusal<ops::sum_op>({}, b8) == "b8 is not a number");
  CHECK(type_refusal<ops::all_op>({}, f32) == "f32 is not b8");
}

// ---- products
static_assert(result<ops::matmul_op>({}, dims{n, 784}, dims{784, 10}) == dims{n, 10});
static_assert(result<ops::matmul_op>({}, dims{7}, dims{7}) == dims{});
static_assert(result<ops::matmul_op>({}, dims{7}, dims{2, 7, 3}) == dims{2, 3});
static_assert(result<ops::matmul_op>({}, dims{2, 5, 7}, dims{7}) == dims{2, 5});
static_assert(result<ops::matmul_op>({}, dims{6, 1, 5, 7}, dims{4, 7, 3}) == dims{6, 4, 5, 3});
static_assert(type_rule<ops::matmul_op>({}, u8, u8).out == i32);
static_assert(type_rule<ops::matmul_op>({}, bf16, bf16).out == bf16);
static_assert(result<ops::einsum_op>(einsum_attrs("id,jd->ij"), dims{2, 64}, dims{5, 64}) == dims{2, 5});
static_assert(result<ops::einsum_op>(einsum_attrs("ij,jk"), dims{2, 3}, dims{3, 4}) == dims{2, 4});
static_assert(result<ops::einsum_op>(einsum_attrs("ba"), dims{2, 3}) == dims{3, 2});
static_assert(result<ops::einsum_op>(einsum_attrs("ii"), dims{3, 3}) == dims{});
static_assert(result<ops::einsum_op>(einsum_attrs("ii->i"), dims{3, dyn}) == dims{3});
static_assert(result<ops::einsum_op>(einsum_attrs("ij,jk,kl->il"), dims{2, 3}, dims{3, 4}, dims{4, 5}) == dims{2, 5});
static_assert(result<ops::einsum_op>(einsum_attrs("i->"), dims{3}) == dims{});

TEST_CASE("products refuse extents with both numbers") {
  CHECK(refusal<ops::matmul_op>({}, dims{32, 784}, dims{512, 10}) == "inner extents 784 != 512");
  CHECK(refusal<ops::matmul_op>({}, dims{784}, dims{512}) == "inner extents 784 != 512");
  CHECK(refusal<ops::matmul_op>({}, dims{}, dims{5}) == "an operand has rank 0");
  CHECK(refusal<ops::matmul_op>({}, dims{2, 3, 4}, dims{3, 4, 5}) == "extents 2 != 3");
  CHECK(type_refusal<ops::matmul_op>({}, b8, b8) == "b8 is not a number");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("ij,jk->ik"), dims{2, 3}, dims{4, 5}) == "extents 3 != 4 of j");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("ij->i"), dims{2}) == "2 letters for rank 1");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("ij,j->i"), dims{2, 3}) == "2 terms for 1 operands");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("ij->k"), dims{2, 3}) == "'k' is in no operand");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("ij->ii"), dims{2, 3}) == "'i' is twice in the result");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("i1->i"), dims{2, 3}) == "'1' is no letter");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("a,b,c,d->abcd"), dims{1}, dims{1}, dims{1}) == "more than 3 operands");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("abcdefghij->a"), dims{1}) == "an operand has more than 8 letters");
  CHECK(refusal<ops::einsum_op>(einsum_attrs("                                                  i->i"), dims{1}) ==
        "a spec of 54 > 47 characters");
}

// ---- convolution and windows
static_assert(result<ops::conv2d_op>({}, dims{2, 5, 19, 23}, dims{7, 5, 3, 3}) == dims{2, 7, 17, 21});
static_assert(result<ops::conv2d_op>({.stride = {2, 2}, .padding = {1, 1}}, dims{2, 5, 19, 23}, dims{7, 5, 3, 3}) ==
              dims{2, 7, 10, 12});
static_assert(result<ops::conv2d_op>({.padding = {0, 1, 2, 3}}, dims{n, 5, 8, 8}, dims{7, 5, 3, 3}) ==
              dims{n, 7, 8, 10});
static_assert(result<ops::conv2d_op>({.dilation = {2, 3}}, dims{1, 4, 9, 9}, dims{4, 4, 3, 3}) == dims{1, 4, 5, 3});
static_assert(result<ops::conv2d_op>({.groups = 4}, dims{1, 4, 9, 9}, dims{8, 1, 3, 3}) == dims{1, 8, 7, 7});
static_assert(result<ops::conv1d_op>({}, dims{1, 4, 9}, dims{8, 4, 3}) == dims{1, 8, 7});
static_assert(result<ops::conv3d_op>({}, dims{1, 4, 9, 9, 9}, dims{8, 4, 3, 2, 1}) == dims{1, 8, 7, 8, 9});
constexpr dims conv_operands[] = {{2, 5, 19, 23}, {7, 5, 3, 3}};
static_assert(ops::conv2d_op::unknown(shapes{conv_operands, 2}) == dims{2, 7, dyn, dyn});
static_assert(result<ops::conv_transpose2d_op>({.stride = {2, 2}}, dims{1, 4, 5, 6}, dims{4, 3, 3, 3}) ==
              dims{1, 3, 11, 13});
static_assert(result<ops::conv_transpose1d_op>({.stride = {3}, .padding = {1}, .output_padding = {1}}, dims{1, 4, 5},
                                               dims{4, 3, 3}) == dims{1, 3, 14});
static_assert(result<ops::max_pool_op>({.window = {3, 3}, .stride = {2, 2}}, dims{1, 2, 9, 10}) == dims{1, 2, 4, 4});
static_assert(result<ops::max_pool_op>({.window = {3, 3}, .stride = {2, 2}, .ceil_mode = true}, dims{1, 2, 9, 10}) ==
              dims{1, 2, 4, 5});
// A window that would begin behind the operand and its front padding does not count.
static_assert(result<ops::max_pool_op>({.window = {1}, .stride = {2}, .ceil_mode = true}, dims{4}) == dims{2});
static_assert(result<ops::avg_pool_op>({.window = {2, 2}}, dims{7, 7}) == dims{6, 6});
static_assert(result<ops::global_avg_pool_op>({}, dims{2, 3, 5, n}) == dims{2, 3, 1, 1});

TEST_CASE("convolutions and windows refuse with their numbers") {
  const dims x{1, 4, 9, 9};
  CHECK(refusal<ops::conv2d_op>({}, x, dims{8, 5, 3, 3}) == "channels 4 != 5");
  CHECK(refusal<ops::conv2d_op>({.groups = 2}, x, dims{8, 4, 3, 3}) == "channels 4 != 8");
  CHECK(refusal<ops::conv2d_op>({.groups = 2}, x, dims{7, 2, 3, 3}) == "7 outputs in 2 groups");
  CHECK(refusal<ops::conv2d_op>({.groups = 0}, x, dims{7, 2, 3, 3}) == "groups 0 < 1");
  CHECK(refusal<ops::conv2d_op>({}, dims{4, 9, 9}, dims{8, 4, 3, 3}) == "ranks 3 and 4, not 4");
  CHECK(refusal<ops::conv2d_op>({}, x, dims{8, 4, 11, 3}) == "window 11 > extent 9");
  CHECK(refusal<ops::conv2d_op>({.stride = {1}}, x, dims{8, 4, 3, 3}) == "stride has 1 numbers for 2 axes");
  CHECK(refusal<ops::conv2d_op>({.stride = {0, 1}}, x, dims{8, 4, 3, 3}) == "stride 0 < 1");
  CHECK(refusal<ops::conv2d_op>({.padding = {-1, 0}}, x, dims{8, 4, 3, 3}) == "padding -1 < 0");
  CHECK(refusal<ops::conv_transpose2d_op>({}, x, dims{5, 4, 3, 3}) == "channels 4 != 5");
  CHECK(refusal<ops::max_pool_op>({}, x) == "the window has no extents");
  CHECK(refusal<ops::max_pool_op>({.window = {2, 2}, .padding = {2, 0}}, x) == "padding 2 >= window 2");
  CHECK(refusal<ops::max_pool_op>({.window = {10, 1}}, x) == "window 10 > extent 9");
  CHECK(refusal<ops::max_pool_op>({.window = {2, 2}}, dims{3}) == "a window of rank 2 over rank 1");
  CHECK(refusal<ops::global_max_pool_op>({}, dims{3, 4}) == "rank 2 < 3");
}

// ---- movement
static_assert(result<ops::reshape_op>({{3, 4}}, dims{2, 6}) == dims{3, 4});
static_assert(result<ops::reshape_op>({{-1, 64}}, dims{2, 8, 8}) == dims{2, 64});
static_assert(result<ops::reshape_op>({{n, -1}}, dims{n, 8, 8}) == dims{n, 64});
static_assert(result<ops::reshape_op>({{-1, 8, 8}}, dims{n, 64}) == dims{n, 8, 8});
static_assert(result<ops::reshape_op>({{-1, 64}}, dims{dyn, 8, 8}) == dims{dyn, 64});
static_assert(result<ops::reshape_op>({{}}, dims{1, 1}) == dims{});
static_assert(result<ops::reshape_op>({{0, 5}}, dims{3, 0}) == dims{0, 5});
static_assert(result<ops::flatten_op>({}, dims{n, 4, 5}) == dims{n, 20});
static_assert(result<ops::flatten_op>({.axis = 0}, dims{3, 4}) == dims{1, 12});
static_assert(result<ops::squeeze_op>({}, dims{1, 3, 1}) == dims{3});
static_assert(result<ops::squeeze_op>({{-1}}, dims{1, 3, 1}) == dims{1, 3});
static_assert(result<ops::unsqueeze_op>({{0, -1}}, dims{3}) == dims{1, 3, 1});
static_assert(result<ops::transpose_op>({}, dims{2, 3, 4}) == dims{2, 4, 3});
static_assert(result<ops::transpose_op>({{2, 0, 1}}, dims{2, 3, n}) == dims{n, 2, 3});
static_assert(result<ops::broadcast_to_op>({{5, 3, 4}}, dims{3, 1}) == dims{5, 3, 4});
static_assert(result<ops::broadcast_to_op>({{5, dyn}}, dims{4}) == dims{5, 4});
static_assert(result<ops::pad_op>({.before = {1, 0}, .after = {2, 0}}, dims{3, n}) == dims{6, n});
static_assert(result<ops::slice_op>({.start = {1}, .stop = {-1}}, dims{5, 3}) == dims{3, 3});
static_assert(result<ops::slice_op>({.start = {-1}, .stop = {slice_end}, .step = {-1}}, dims{5}) == dims{5});
static_assert(result<ops::slice_op>({.start = {-2}, .stop = {-100}, .step = {-2}}, dims{5}) == dims{2});
static_assert(result<ops::slice_op>({.start = {7}, .stop = {9}}, dims{5}) == dims{0});
static_assert(result<ops::slice_op>({.start = {0}, .stop = {slice_end}, .axes = {1}}, dims{5, n}) == dims{5, n});
static_assert(result<ops::concat_op>({}, dims{2, 3}, dims{4, 3}) == dims{6, 3});
static_assert(result<ops::concat_op>({.axis = -1}, dims{dyn, 3}, dims{2, 4}, dims{2, 0}) == dims{2, 7});
static_assert(result<ops::reverse_op>({{0}}, dims{2, 3}) == dims{2, 3});
static_assert(result<ops::tile_op>({{2, 3}}, dims{2, 1}) == dims{4, 3});
static_assert(result<ops::repeat_op>({.count = 3, .axis = 0}, dims{2, 5}) == dims{6, 5});
static_assert(result<ops::roll_op>({{1}, {-1}}, dims{2, 5}) == dims{2, 5});

TEST_CASE("movement refuses with its numbers") {
  CHECK(refusal<ops::reshape_op>({{5, 2}}, dims{3, 4}) == "12 elements do not fit [5,2]");
  CHECK(refusal<ops::reshape_op>({{5, -1}}, dims{3, 4}) == "12 elements do not fit [5,dyn]");
  CHECK(refusal<ops::reshape_op>({{-1, -1}}, dims{3, 4}) == "two extents are dyn in [dyn,dyn]");
  CHECK(refusal<ops::reshape_op>({{-2}}, dims{3, 4}) == "extent -2 < 0");
  CHECK(refusal<ops::reshape_op>({{n, 5}}, dims{n, 4}) == "4 elements do not fit [n,5]");
  CHECK(refusal<ops::squeeze_op>({{1}}, dims{1, 3}) == "axis 1 has extent 3");
  CHECK(refusal<ops::unsqueeze_op>({{0}}, dims{1, 1, 1, 1, 1, 1, 1, 1}) == "rank 9 > 8");
  CHECK(refusal<ops::transpose_op>({}, dims{3}) == "rank 1 < 2");
  CHECK(refusal<ops::transpose_op>({{0, 1}}, dims{3, 4, 5}) == "2 axes for rank 3");
  CHECK(refusal<ops::transpose_op>({{0, 0}}, dims{3, 4}) == "axis 0 is given twice");
  CHECK(refusal<ops::broadcast_to_op>({{4}}, dims{3}) == "extents 3 != 4");
  CHECK(refusal<ops::broadcast_to_op>({{4}}, dims{1, 4}) == "rank 2 > 1");
  CHECK(refusal<ops::pad_op>({.before = {1}, .after = {1}}, dims{3, 4}) == "1 and 1 paddings, rank 2");
  CHECK(refusal<ops::pad_op>({.before = {-1}, .after = {1}}, dims{3}) == "padding -1 < 0");
  CHECK(refusal<ops::pad_op>({.before = {1}, .after = {1}, .mode = pad_mode::edge}, dims{0}) == "axis 0 has no edge");
  CHECK(refusal<ops::slice_op>({.start = {0}, .stop = {}}, dims{3}) == "lists of different lengths");
  CHECK(refusal<ops::slice_op>({.start = {0}, .stop = {1}, .step = {0}}, dims{3}) == "step 0");
  CHECK(refusal<ops::slice_op>({.start = {0, 0}, .stop = {1, 1}}, dims{3}) == "2 ranges for rank 1");
  CHECK(refusal<ops::slice_op>({.start = {0}, .stop = {1}, .axes = {3}}, dims{3}) == "axis 3 is outside rank 1");
  CHECK(refusal<ops::concat_op>({}, dims{2, 3}, dims{2, 4}) == "extents 3 != 4 of axis 1");
  CHECK(refusal<ops::concat_op>({}, dims{2, 3}, dims{2}) == "ranks 2 and 1");
  CHECK(refusal<ops::tile_op>({{2}}, dims{2, 3}) == "1 repeats for rank 2");
  CHECK(refusal<ops::repeat_op>({.count = -1}, dims{2}) == "count -1 < 0");
  CHECK(refusal<ops::roll_op>({{1, 2}, {0}}, dims{2, 2}) == "2 shifts for 1 axes");
}

// ---- indexing, normalisation, scans, order
static_assert(result<ops::gather_op>({.axis = 1}, dims{3, 4, 5}, dims{6, 7}) == dims{3, 6, 7, 5});
static_assert(result<ops::gather_op>({}, dims{3, 4}, dims{}) == dims{4});
static_assert(result<ops::gather_elements_op>({}, dims{3, 4}, dims{7, 2}) == dims{7, 2});
static_assert(result<ops::embedding_op>({}, dims{2, n}, dims{1000, 64}) == dims{2, n, 64});
static_assert(result<ops::one_hot_op>({.depth = 10}, dims{4}) == dims{4, 10});
static_assert(result<ops::one_hot_op>({.depth = 10, .axis = 0}, dims{4}) == dims{10, 4});
static_assert(type_rule<ops::one_hot_op>({.type = i32}, u8).out == i32);
static_assert(type_rule<ops::gather_op>({}, f16, i32).out == f16);
static_assert(type_rule<ops::embedding_op>({}, i32, bf16).out == bf16);
static_assert(result<ops::softmax_op>({}, dims{n, 10}) == dims{n, 10});
static_assert(result<ops::layer_norm_op>({}, dims{2, 3, 8}, dims{8}, dims{8}) == dims{2, 3, 8});
static_assert(result<ops::batch_norm_op>({}, dims{2, 3, 8}, dims{3}, dims{3}, dims{3}, dims{3}) == dims{2, 3, 8});
static_assert(result<ops::glu_op>({}, dims{2, 8}) == dims{2, 4});
static_assert(result<ops::cumsum_op>({}, dims{2, 3}) == dims{2, 3});
static_assert(result<ops::top_k_op>({.k = 2}, dims{4, 3}) == dims{4, 2});
static_assert(type_rule<ops::top_k_op>({}, f32).more[0] == i64);

TEST_CASE("indexing, normalisation, scans and order refuse with their numbers") {
  CHECK(refusal<ops::gather_op>({.axis = 2}, dims{3, 4}, dims{1}) == "axis 2 is outside rank 2");
  CHECK(type_refusal<ops::gather_op>({}, f32, f32) == "indices of f32");
  CHECK(refusal<ops::gather_elements_op>({}, dims{3, 4}, dims{2, 5}) == "extents 5 > 4 of axis 1");
  CHECK(refusal<ops::one_hot_op>({.depth = -1}, dims{3}) == "depth -1 < 0");
  CHECK(type_refusal<ops::one_hot_op>({}, f32) == "f32 is not an integer");
  CHECK(refusal<ops::iota_op>({.to = {3}, .axis = 1}) == "axis 1 is outside rank 1");
  CHECK(refusal<ops::softmax_op>({.axis = 2}, dims{3, 4}) == "axis 2 is outside rank 2");
  CHECK(type_refusal<ops::softmax_op>({}, i32) == "i32 is not a float");
  CHECK(refusal<ops::layer_norm_op>({}, dims{2, 8}, dims{7}) == "extents 8 != 7");
  CHECK(refusal<ops::layer_norm_op>({}, dims{2, 8}, dims{3, 2, 8}) == "scale [3,2,8] is wider");
  CHECK(refusal<ops::batch_norm_op>({}, dims{2, 3, 8}, dims{4}, dims{3}, dims{3}, dims{3}) == "channels 3 != 4");
  CHECK(refusal<ops::batch_norm_op>({}, dims{2, 3, 8}, dims{3, 1}, dims{3}, dims{3}, dims{3}) ==
        "operand 2 has rank 2, not 1");
  CHECK(refusal<ops::group_norm_op>({.groups = 2}, dims{2, 3, 8}, dims{3}, dims{3}) == "3 channels in 2 groups");
  CHECK(refusal<ops::glu_op>({}, dims{2, 7}) == "extent 7 is odd");
  CHECK(refusal<ops::cumsum_op>({.axis = 1}, dims{2}) == "axis 1 is outside rank 1");
  CHECK(refusal<ops::top_k_op>({.k = 4}, dims{3}) == "k 4 > extent 3");
  CHECK(refusal<ops::top_k_op>({.k = -1}, dims{3}) == "k -1 < 0");
}

}  // namespace
