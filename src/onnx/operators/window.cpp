#include "onnx/operators/window.hpp"

namespace tenon::onnx {

window window_of(node_call& n, const dims& kernel, automatic_padding automatic) {
  const dims d = n.shape(0);
  const int spatial = d.rank - 2;
  if (spatial < 1 || kernel.rank < spatial) n.refuse("no spatial axes");
  window w;
  w.stride = n.few("strides");
  w.dilation = n.few("dilations");
  w.padding = n.few("pads");
  if (w.stride.size == 0)
    for (int i = 0; i < spatial; ++i) w.stride.v[w.stride.size++] = 1;
  if (w.stride.size != spatial || (w.dilation.size && w.dilation.size != spatial) ||
      (w.padding.size && w.padding.size != 2 * spatial))
    n.refuse("strides, dilations or pads are not as many as " + std::to_string(spatial) + " spatial axes need");
  for (int s : w.stride)
    if (s < 1) n.refuse("stride " + std::to_string(s) + " < 1");
  const std::string_view mode = n.text("auto_pad", "NOTSET");
  if (mode == "NOTSET" || automatic == automatic_padding::ignored) return w;
  w.padding = {};
  if (mode == "VALID") return w;
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") n.refuse("auto_pad '" + std::string(mode) + "' is not known");
  w.padding.size = 2 * spatial;
  for (int i = 0; i < spatial; ++i) {
    const extent_t extent = d[i + 2], taps = kernel[kernel.rank - spatial + i];
    const int stride = w.stride[i];
    if (taps < 0 || (extent < 0 && stride != 1))
      n.refuse("auto_pad needs extents that only the call knows: give them in onnx_options::extents");
    const extent_t reach = ops::window_reach(taps, ops::entry(w.dilation, i, 1));
    // With stride 1 the padding does not depend on the extent.
    const extent_t steps = extent < 0 ? 0 : (extent + stride - 1) / stride;
    const extent_t total = extent < 0 ? reach - 1 : std::max<extent_t>((steps - 1) * stride + reach - extent, 0);
    const int small = n.few(total / 2, "padding"), large = n.few(total - total / 2, "padding");
    w.padding.v[i] = mode == "SAME_UPPER" ? small : large;
    w.padding.v[spatial + i] = mode == "SAME_UPPER" ? large : small;
  }
  return w;
}

conv_attrs convolution(node_call& n, const window& w) {
  return {.stride = w.stride,
          .padding = w.padding,
          .dilation = w.dilation,
          .groups = n.few(n.integer("group", 1), "group")};
}
any_tensor convolved(node_call& n, const any_tensor& x, const any_tensor& weights, const window& w) {
  const conv_attrs at = convolution(n, w);
  switch (n.rank(0) - 2) {
    case 1:
      return conv1d(x, weights, at);
    case 2:
      return conv2d(x, weights, at);
    case 3:
      return conv3d(x, weights, at);
    default:
      n.refuse(std::to_string(n.rank(0) - 2) + " spatial axes, 1 to 3 are supported");
  }
}

}  // namespace tenon::onnx
