// Graphs that once came out wrong, as the fuzzer reduced them.
#pragma once
#include <vector>

namespace tenon::test {

inline const std::vector<const char*> kept_graphs = {
    // Numbers below 0 as attributes of unsigned maps: they wrapped in code and saturated natively.
    "graph(%x: u64[5,3,33]) {\n"
    "  %0 = clip{.low = -0.8125, .high = -1.1875}(%x) : u64[5,3,33]\n"
    "  return %0\n}\n",
    "graph(%x: u8[33,2]) {\n"
    "  %0 = clip{.low = 1, .high = -1.8125}(%x) : u8[33,2]\n"
    "  return %0\n}\n",
    // A convolution of no channels: a tile of it had no step.
    "graph(%x: f32[4,0,4,5,4], %w: f32[4,0,4,5,4]) {\n"
    "  %0 = conv3d{.padding = {1,0,0}}(%x, %w) : f32[4,4,3,1,1]\n"
    "  return %0\n}\n",
    // Constant indices outside: the read behind the condition was refused.
    "graph(%x: f32[1], %u: f32[1]) {\n"
    "  %0 = constant{.value = i64[1] {-7}}() : i64[1]\n"
    "  %1 = scatter_elements{.mode = max}(%x, %0, %u) : f32[1]\n"
    "  return %1\n}\n",
    "graph(%x: u8[3,1], %u: u8[1,1]) {\n"
    "  %0 = constant{.value = i64[1,1] {-4}}() : i64[1,1]\n"
    "  %1 = scatter_nd{.mode = max}(%x, %0, %u) : u8[3,1]\n"
    "  return %1\n}\n",
    // A window over channels of which there are none.
    "graph(%x: f32[2,0,4]) {\n"
    "  %0 = lrn{.size = 2, .alpha = 0.5, .beta = 0.75, .bias = 1}(%x) : f32[2,0,4]\n"
    "  return %0\n}\n",
    // iota under padding, where it is 0.
    "graph(%w: f32[5,4,2,3]) {\n"
    "  %0 = iota{.type = f32, .to = [5,4,2,3], .axis = -3}() : f32[5,4,2,3]\n"
    "  %1 = conv2d{.stride = {2,1}, .padding = {1,1}}(%0, %w) : f32[5,5,2,3]\n"
    "  return %1\n}\n",
    // A reduction inside of one inside of one: it was made in the outermost.
    "graph(%x: f32[1,8,17]) {\n"
    "  %0 = lrn{.size = 4, .alpha = 1.8125, .beta = 1.8125, .bias = 0.25}(%x) : f32[1,8,17]\n"
    "  %1 = global_max_pool(%0) : f32[1,8,1]\n"
    "  %2 = sum(%1) : f32[]\n"
    "  return %2\n}\n",
    // Sums of i64 are no index arithmetic.
    "graph(%x: i64[8], %w: i64[8,8]) {\n"
    "  %0 = constant{.value = i64[8] {1,1,1,1,1,1,1,1}}() : i64[8]\n"
    "  %1 = dense(%x, %w, %0) : i64[8]\n"
    "  return %1\n}\n",
    // Masks of a transposed read become bit reversals.
    "graph(%x: i64[8,8,2,5]) {\n"
    "  %0 = depth_to_space{.block = 2}(%x) : i64[8,2,4,10]\n"
    "  return %0\n}\n",
    // Ranks have no room for an axis more.
    "graph(%x: f32[2,1,3,1,1,1,1,4], %c: f32[2,1,3,1,1,1,1,2], %s: f32[2,1,3,1,1,1,1,2]) {\n"
    "  %0 = rotary_embedding{.interleaved = true}(%x, %c, %s) : f32[2,1,3,1,1,1,1,4]\n"
    "  return %0\n}\n",
    // Where 1.875 x cancels 1.625, its rounding is what is left; level 4 does not round it.
    "graph(%x: f32[2,9,17]) {\n"
    "  %0 = hard_sigmoid{.alpha = 1.875, .beta = -1.625}(%x) : f32[2,9,17]\n"
    "  return %0\n}\n",
    // At one tap what a window reads has a condition of its own, of the channel.
    "graph() {\n"
    "  %0 = eye{.type = i64, .to = [16,2,7], .diagonal = 3}() : i64[16,2,7]\n"
    "  %1 = conv1d{.padding = {0,1}}(%0, %0) : i64[16,16,2]\n"
    "  return %1\n}\n",
    // A product less itself became, as one fma at level 4, what rounding had cut off of it.
    "graph(%x: f32[1,5], %y: f32[1,5]) {\n"
    "  %0 = mse_loss{.reduction = none}(%x, %y) : f32[1,5]\n"
    "  %1 = mse_loss{.reduction = sum}(%0, %0) : f32[]\n"
    "  return %1\n}\n",
    // Scaled by 0, a sum keeps its sign.
    "graph(%x: f32[5,6]) {\n"
    "  %0 = constant{.value = f32[6,3] {1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}}() : f32[6,3]\n"
    "  %1 = matmul(%x, %0) : f32[5,3]\n"
    "  %2 = constant{.value = f32[3] {0,0,0}}() : f32[3]\n"
    "  %3 = mul(%1, %2) : f32[5,3]\n"
    "  %4 = reciprocal(%3) : f32[5,3]\n"
    "  return %4\n}\n",
    // A matrix without an inverse: what its last pivots are, rounding says.
    "graph(%x: f32[3,2,5], %y: f32[3,2,5]) {\n"
    "  %0 = einsum{.spec = \"bhi,bhj->bij\"}(%x, %y) : f32[3,5,5]\n"
    "  %1 = det(%0) : f32[3]\n"
    "  %2 = reciprocal(%1) : f32[3]\n"
    "  return %2\n}\n",
    // Which of the results of a convolution of infinities is NaN is open, and so is which one is first.
    "graph(%x0: f32[0,9,16]) {\n"
    "  %0 = max{.axes = {0,1}, .keep = true}(%x0) : f32[1,1,16]\n"
    "  %1 = conv_transpose1d{.stride = {2}, .padding = {0}, .dilation = {1}, .output_padding = {6}}(%0, %0) : "
    "f32[1,1,52]\n"
    "  %2 = reciprocal(%1) : f32[1,1,52]\n"
    "  %3 = squeeze(%2) : f32[52]\n"
    "  %4 = top_k{.axis = 0}(%3) : f32[1], i64[1]\n"
    "  %5 = result{.index = 1}(%4) : i64[1]\n"
    "  return %5\n}\n",
};

}  // namespace tenon::test
