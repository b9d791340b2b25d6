// Activations.
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

/// Softmax and its like before set 13: over all axes from `axis` on, as one.
template <class F>
void along_axis(node_call& n, F f) {
  const any_tensor x = n.in(0);
  const int rank = n.rank(0), axis = n.axis("axis", n.version() < 13 ? 1 : -1, rank);
  if (n.version() >= 13 || axis == rank - 1) return n.out(f(x, axis));
  const dims whole = n.shape(0);
  dims flat;
  for (int i = 0; i < axis; ++i) flat.push_back(whole[i]);
  flat.push_back(dyn);
  n.out(reshaped(f(reshaped(x, flat), axis), whole));
}
/// 1 at the first of the largest, else 0.
any_tensor hardmax(node_call& n, const any_tensor& x, int axis) {
  const dims& d = x.node()->type.shape;
  if (d[axis] < 0) n.refuse("the extent of the axis is not known: give it in onnx_options::extents");
  return one_hot(argmax(x, {.axis = axis}),
                 {.depth = n.few(d[axis], "extent"), .axis = axis, .type = x.node()->type.element});
}
void selu_of(node_call& n) {
  n.ignore({"consumed_inputs"});
  const any_tensor x = n.in(0);
  const double alpha = n.real("alpha", 1.67326319217681884765625f), gamma = n.real("gamma", 1.05070102214813232421875f);
  n.out(select(greater(x, n.scalar(n.type(0), 0)), x, expm1(x) * alpha) * gamma);
}
void prelu_of(node_call& n) {
  n.ignore({"consumed_inputs"});
  any_tensor slope = n.in(1);
  // Before set 7 a vector of slopes belongs to the channels.
  if (n.version() < 7 && n.rank(1) == 1 && n.rank(0) > 2 && n.shape(1)[0] != 1)
    slope = ops::per_channel(slope, n.rank(0));
  n.out(prelu(n.in(0), slope));
}
void shrink(node_call& n) {
  const any_tensor x = n.in(0);
  const dtype d = n.type(0);
  const double bias = n.real("bias", 0), lambda = n.real("lambd", 0.5f);
  const any_tensor b = n.scalar(d, bias), zero = n.scalar(d, 0);
  if (is_float(d))
    return n.out(select(less(x, n.scalar(d, -lambda)), x + b, select(greater(x, n.scalar(d, lambda)), x - b, zero)));
  n.refuse("of " + std::string(name(d)));
}

constexpr mapping table[] = {
    {"Celu", [](node_call& n) { n.out(celu(n.in(0), {.alpha = n.real("alpha", 1)})); }},
    {"Elu",
     [](node_call& n) {
       n.ignore({"consumed_inputs"});
       n.out(elu(n.in(0), {.alpha = n.real("alpha", 1)}));
     }},
    {"Gelu", [](node_call& n) { n.out(gelu(n.in(0), {.tanh = n.text("approximate", "none") == "tanh"})); }},
    {"HardSigmoid",
     [](node_call& n) {
       n.ignore({"consumed_inputs"});
       n.out(hard_sigmoid(n.in(0), {.alpha = n.real("alpha", 0.2f), .beta = n.real("beta", 0.5f)}));
     }},
    {"HardSwish", unary<ops::hard_swish_op>},
    {"Hardmax",
     [](node_call& n) { along_axis(n, [&](const any_tensor& x, int axis) { return hardmax(n, x, axis); }); }},
    {"LeakyRelu",
     [](node_call& n) {
       n.ignore({"consumed_inputs"});
       n.out(leaky_relu(n.in(0), {.alpha = n.real("alpha", 0.01f)}));
     }},
    {"LogSoftmax",
     [](node_call& n) {
       along_axis(n, [](const any_tensor& x, int axis) -> any_tensor { return log_softmax(x, {.axis = axis}); });
     }},
    {"Mish", unary<ops::mish_op>},
    {"PRelu", prelu_of},
    {"Relu", unary<ops::relu_op>},
    {"Selu", selu_of},
    {"Shrink", shrink},
    {"Sigmoid", unary<ops::sigmoid_op>},
    {"Softmax",
     [](node_call& n) {
       along_axis(n, [](const any_tensor& x, int axis) -> any_tensor { return softmax(x, {.axis = axis}); });
     }},
    {"Softplus", unary<ops::softplus_op>},
    {"Softsign", unary<ops::softsign_op>},
    {"ThresholdedRelu", [](node_call& n) { n.out(threshold(n.in(0), {.at = n.real("alpha", 1)})); }},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> activation_operators() { return table; }

}  // namespace tenon::onnx
