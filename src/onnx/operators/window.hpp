// Windows over spatial axes: strides, dilations and paddings as convolutions and pooling of ONNX state them.
#pragma once
#include "onnx/operators/common.hpp"

namespace tenon::onnx {

struct window {
  ints stride, dilation, padding;
};
/// Whether `auto_pad` decides the padding here.
enum class automatic_padding : std::uint8_t { computed, ignored };

/// Of a node whose operand 0 is [n, c, spatial...]; `kernel` ends in the window's extents. SAME_UPPER and SAME_LOWER
/// pad so that a result has ceil(extent / stride) elements.
window window_of(node_call&, const dims& kernel, automatic_padding = automatic_padding::computed);

/// The attributes of a convolution with this window and the node's groups.
conv_attrs convolution(node_call&, const window&);
/// The convolution, over 1 to 3 spatial axes.
any_tensor convolved(node_call&, const any_tensor& x, const any_tensor& weights, const window&);

}  // namespace tenon::onnx
