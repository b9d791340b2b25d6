// The one list of operators, sorted: lookup by name, documentation and generated tests follow it. Leaves that only the
// graph makes (input, param, constant, result, as) are not in it: src/ops/leaf.hpp.
#pragma once
#include <boost/hana/tuple.hpp>

#include "tenon/ops/boxes.hpp"
#include "tenon/ops/dynamic.hpp"
#include "tenon/ops/factors.hpp"
#include "tenon/ops/image.hpp"
#include "tenon/ops/linear.hpp"
#include "tenon/ops/loss.hpp"
#include "tenon/ops/ops.hpp"
#include "tenon/ops/order.hpp"
#include "tenon/ops/quantize.hpp"
#include "tenon/ops/random.hpp"
#include "tenon/ops/recurrent.hpp"
#include "tenon/ops/scatter.hpp"
#include "tenon/ops/triangle.hpp"
#include "tenon/ops/unpool.hpp"

namespace tenon::ir {

inline constexpr auto operator_types = boost::hana::tuple_t<
    ops::abs_op, ops::acos_op, ops::acosh_op, ops::adaptive_avg_pool_op, ops::adaptive_max_pool_op, ops::add_op,
    ops::all_op, ops::any_op, ops::argmax_op, ops::argmin_op, ops::asin_op, ops::asinh_op, ops::atan2_op, ops::atan_op,
    ops::atanh_op, ops::avg_pool_op, ops::batch_norm_op, ops::bernoulli_op, ops::bias_add_op, ops::bilinear_op,
    ops::bit_and_op, ops::bit_not_op, ops::bit_or_op, ops::bit_xor_op, ops::bitcast_op, ops::broadcast_to_op,
    ops::cast_op, ops::causal_mask_op, ops::ceil_op, ops::celu_op, ops::clip_op, ops::compress_op, ops::concat_op,
    ops::conv1d_op, ops::conv2d_op, ops::conv3d_op, ops::conv_integer_op, ops::conv_transpose1d_op,
    ops::conv_transpose2d_op, ops::conv_transpose3d_op, ops::cos_op, ops::cosh_op, ops::crop_and_resize_op,
    ops::cross_entropy_op, ops::cumprod_op, ops::cumsum_op, ops::dense_op, ops::depth_to_space_op,
    ops::dequantize_linear_op, ops::det_op, ops::diag_op, ops::div_op, ops::dynamic_quantize_linear_op, ops::einsum_op,
    ops::elu_op, ops::embedding_op, ops::equal_op, ops::erf_op, ops::exp2_op, ops::exp_op, ops::expm1_op, ops::eye_op,
    ops::flatten_op, ops::floor_op, ops::gather_elements_op, ops::gather_nd_op, ops::gather_op, ops::gelu_op,
    ops::global_avg_pool_op, ops::global_max_pool_op, ops::glu_op, ops::greater_equal_op, ops::greater_op,
    ops::grid_sample_op, ops::group_norm_op, ops::gru_op, ops::hard_sigmoid_op, ops::hard_swish_op, ops::huber_loss_op,
    ops::instance_norm_op, ops::iota_op, ops::isinf_op, ops::isnan_op, ops::kl_div_op, ops::l1_norm_op, ops::l2_norm_op,
    ops::l2_normalize_op, ops::layer_norm_op, ops::leaky_relu_op, ops::less_equal_op, ops::less_op, ops::log1p_op,
    ops::log2_op, ops::log_op, ops::log_softmax_op, ops::logical_and_op, ops::logical_not_op, ops::logical_or_op,
    ops::logical_xor_op, ops::logsumexp_op, ops::lp_pool_op, ops::lrn_op, ops::lstm_op, ops::lu_factor_op,
    ops::matmul_integer_op, ops::matmul_op, ops::max_op, ops::max_pool_op, ops::max_pool_positions_op,
    ops::max_unpool_op, ops::maximum_op, ops::mean_op, ops::min_op, ops::minimum_op, ops::mish_op, ops::mod_op,
    ops::mse_loss_op, ops::mul_op, ops::narrow_op, ops::neg_op, ops::nll_loss_op, ops::non_max_suppression_op,
    ops::nonzero_op, ops::not_equal_op, ops::one_hot_op, ops::outer_op, ops::pad_op, ops::pow_op, ops::prelu_op,
    ops::prod_op, ops::qlinear_conv_op, ops::qlinear_matmul_op, ops::quantize_linear_op, ops::random_bits_op,
    ops::random_normal_op, ops::random_uniform_op, ops::reciprocal_op, ops::relu_op, ops::repeat_op, ops::reshape_op,
    ops::resize_op, ops::reverse_op, ops::rms_norm_op, ops::rnn_op, ops::roi_align_op, ops::roll_op,
    ops::rotary_embedding_op, ops::round_op, ops::rsqrt_op, ops::scaled_dot_product_attention_op,
    ops::scatter_elements_op, ops::scatter_nd_op, ops::select_op, ops::selu_op, ops::shift_left_op, ops::shift_right_op,
    ops::sigmoid_op, ops::sign_op, ops::silu_op, ops::sin_op, ops::sinh_op, ops::slice_at_op, ops::slice_op,
    ops::softmax_op, ops::softplus_op, ops::softsign_op, ops::sort_op, ops::space_to_depth_op, ops::sqrt_op,
    ops::squeeze_op, ops::sub_op, ops::sum_op, ops::sum_pool_op, ops::suppress_overlaps_op, ops::tan_op, ops::tanh_op,
    ops::threshold_op, ops::tile_op, ops::top_k_op, ops::transpose_op, ops::tril_op, ops::triu_op, ops::trunc_op,
    ops::unique_op, ops::unsqueeze_op, ops::update_slice_op>;

}  // namespace tenon::ir
