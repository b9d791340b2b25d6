// Quantised values: integers that stand for scale * (q - zero point).
#include "onnx/operators/window.hpp"
#include "tenon/ops/quantize.hpp"

namespace tenon::onnx {
namespace {

quantize_attrs quantized_axis(node_call& n) {
  n.ignore({"saturate"});
  if (n.integer("block_size", 0) != 0) n.refuse("blocks along an axis are not supported");
  return {.axis = n.version() >= 13 ? n.few(n.integer("axis", 1), "axis") : 1};
}
void quantize(node_call& n) {
  const quantize_attrs at = quantized_axis(n);
  const std::int64_t wanted = n.integer("output_dtype", 0);
  const dtype to = wanted ? element_type(wanted) : u8;
  if (to == any_dtype) n.refuse("to " + element_name(wanted));
  const any_tensor x = is_integer(n.type(0)) ? any_tensor(cast(n.in(0), f32)) : n.in(0);
  n.out(quantize_linear(x, n.in(1), n.has(2) ? n.in(2) : n.scalar(to, 0), at));
}
void dequantize(node_call& n) {
  const quantize_attrs at = quantized_axis(n);
  n.out(n.has(2) ? any_tensor(dequantize_linear(n.in(0), n.in(1), n.in(2), at))
                 : any_tensor(dequantize_linear(n.in(0), n.in(1), at)));
}
void dynamic_quantize(node_call& n) {
  const auto [q, scale, zero] = dynamic_quantize_linear(n.in(0));
  n.out(0, any_tensor(q));
  n.out(1, any_tensor(scale));
  n.out(2, any_tensor(zero));
}

/// The zero point of an operand; 0 of its type where there is none.
any_tensor zero_point(node_call& n, int operand, int zero) {
  return n.has(zero) ? n.in(zero) : n.scalar(n.type(operand), 0);
}
void integer_convolution(node_call& n) {
  n.ignore({"kernel_shape"});
  n.out(conv_integer(n.in(0), n.in(1), zero_point(n, 0, 2), zero_point(n, 1, 3),
                     convolution(n, window_of(n, n.shape(1)))));
}
void quantized_product(node_call& n) {
  n.out(qlinear_matmul(n.in(0), n.in(1), n.in(2), n.in(3), n.in(4), n.in(5), n.in(6), n.in(7)));
}
void quantized_convolution(node_call& n) {
  n.ignore({"kernel_shape"});
  const conv_attrs at = convolution(n, window_of(n, n.shape(3)));
  n.out(n.has(8)
            ? any_tensor(
                  qlinear_conv(n.in(0), n.in(1), n.in(2), n.in(3), n.in(4), n.in(5), n.in(6), n.in(7), n.in(8), at))
            : any_tensor(qlinear_conv(n.in(0), n.in(1), n.in(2), n.in(3), n.in(4), n.in(5), n.in(6), n.in(7), at)));
}

constexpr mapping table[] = {
    {"ConvInteger", integer_convolution},
    {"DequantizeLinear", dequantize},
    {"DynamicQuantizeLinear", dynamic_quantize},
    {"MatMulInteger",
     [](node_call& n) { n.out(matmul_integer(n.in(0), n.in(1), zero_point(n, 0, 2), zero_point(n, 1, 3))); }},
    {"QLinearConv", quantized_convolution},
    {"QLinearMatMul", quantized_product},
    {"QuantizeLinear", quantize},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> quantized_operators() { return table; }

}  // namespace tenon::onnx
