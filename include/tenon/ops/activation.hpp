// Activation functions: maps of one float (relu, clip and threshold: of any number). The shape and type stay.
#pragma once
#include "tenon/ops/call.hpp"

namespace tenon {

/// Of `leaky_relu`: the slope below 0.
struct leaky_relu_attrs {
  double alpha = 0.01;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("alpha", s.alpha);
  }
  friend constexpr bool operator==(const leaky_relu_attrs&, const leaky_relu_attrs&) = default;
};
/// Of `elu` and `celu`: the scale below 0.
struct elu_attrs {
  double alpha = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("alpha", s.alpha);
  }
  friend constexpr bool operator==(const elu_attrs&, const elu_attrs&) = default;
};
/// Of `hard_sigmoid`: clip(alpha x + beta, 0, 1).
struct hard_sigmoid_attrs {
  double alpha = 0.2;
  double beta = 0.5;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("alpha", s.alpha);
    v("beta", s.beta);
  }
  friend constexpr bool operator==(const hard_sigmoid_attrs&, const hard_sigmoid_attrs&) = default;
};
/// Of `gelu`: whether by the tanh approximation.
struct gelu_attrs {
  bool tanh = false;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("tanh", s.tanh);
  }
  friend constexpr bool operator==(const gelu_attrs&, const gelu_attrs&) = default;
};
/// Of `threshold`: x where x > `at`, else `otherwise`.
struct threshold_attrs {
  double at = 0;
  double otherwise = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("at", s.at);
    v("otherwise", s.otherwise);
  }
  friend constexpr bool operator==(const threshold_attrs&, const threshold_attrs&) = default;
};
/// Of `clip`: the lowest and the highest value; the type's own where not given.
struct clip_attrs {
  double low = -__builtin_inf();
  double high = __builtin_inf();
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("low", s.low);
    v("high", s.high);
  }
  friend constexpr bool operator==(const clip_attrs&, const clip_attrs&) = default;
};
namespace ops {

/// max(x, 0); NaN stays. ONNX Relu.
struct relu_op : map_over<domain::numbers> {
  static constexpr const char* name = "relu";
};
/// 1 / (1 + e^-x). ONNX Sigmoid.
struct sigmoid_op : map_over<domain::floats> {
  static constexpr const char* name = "sigmoid";
};
/// x sigmoid(x), also called swish. PyTorch silu.
struct silu_op : map_over<domain::floats> {
  static constexpr const char* name = "silu";
};
/// log(1 + e^x), without overflow. ONNX Softplus.
struct softplus_op : map_over<domain::floats> {
  static constexpr const char* name = "softplus";
};
/// x / (1 + |x|). ONNX Softsign.
struct softsign_op : map_over<domain::floats> {
  static constexpr const char* name = "softsign";
};
/// x tanh(softplus(x)). ONNX Mish.
struct mish_op : map_over<domain::floats> {
  static constexpr const char* name = "mish";
};
/// The self-normalising exponential linear unit. ONNX Selu (its default constants).
struct selu_op : map_over<domain::floats> {
  static constexpr const char* name = "selu";
};
/// x clip(x / 6 + 1/2, 0, 1). ONNX HardSwish.
struct hard_swish_op : map_over<domain::floats> {
  static constexpr const char* name = "hard_swish";
};
/// x where x >= 0, else alpha x. ONNX LeakyRelu.
struct leaky_relu_op : map_over<domain::floats> {
  using attrs = leaky_relu_attrs;
  static constexpr const char* name = "leaky_relu";
};
/// x where x >= 0, else alpha (e^x - 1). ONNX Elu.
struct elu_op : map_over<domain::floats> {
  using attrs = elu_attrs;
  static constexpr const char* name = "elu";
};
/// max(0, x) + min(0, alpha (e^(x / alpha) - 1)). ONNX Celu.
struct celu_op : map_over<domain::floats> {
  using attrs = elu_attrs;
  static constexpr const char* name = "celu";
};
/// clip(alpha x + beta, 0, 1). ONNX HardSigmoid.
struct hard_sigmoid_op : map_over<domain::floats> {
  using attrs = hard_sigmoid_attrs;
  static constexpr const char* name = "hard_sigmoid";
};
/// x times the normal distribution function of x. ONNX Gelu.
struct gelu_op : map_over<domain::floats> {
  using attrs = gelu_attrs;
  static constexpr const char* name = "gelu";
};
/// x where x > at, else otherwise. PyTorch threshold.
struct threshold_op : map_over<domain::numbers> {
  using attrs = threshold_attrs;
  static constexpr const char* name = "threshold";
};
/// min(max(x, low), high); NaN stays. ONNX Clip.
struct clip_op : map_over<domain::numbers> {
  using attrs = clip_attrs;
  static constexpr const char* name = "clip";
};
/// x where x >= 0, else slope * x; the slope broadcasts. ONNX PRelu.
struct prelu_op : binary_map_over<domain::floats> {
  static constexpr const char* name = "prelu";
};

}  // namespace ops

TENON_UNARY_FUNCTION(relu)
TENON_UNARY_FUNCTION(sigmoid)
TENON_UNARY_FUNCTION(silu)
TENON_UNARY_FUNCTION(softplus)
TENON_UNARY_FUNCTION(softsign)
TENON_UNARY_FUNCTION(mish)
TENON_UNARY_FUNCTION(selu)
TENON_UNARY_FUNCTION(hard_swish)
TENON_BINARY_FUNCTION(prelu)

/// x where x >= 0, else alpha x. ONNX LeakyRelu.
inline constexpr detail::attr_fn<ops::leaky_relu_op> leaky_relu{};
/// x where x >= 0, else alpha (e^x - 1). ONNX Elu.
inline constexpr detail::attr_fn<ops::elu_op> elu{};
/// max(0, x) + min(0, alpha (e^(x / alpha) - 1)). ONNX Celu.
inline constexpr detail::attr_fn<ops::celu_op> celu{};
/// clip(alpha x + beta, 0, 1). ONNX HardSigmoid.
inline constexpr detail::attr_fn<ops::hard_sigmoid_op> hard_sigmoid{};
/// x times the normal distribution function of x. ONNX Gelu.
inline constexpr detail::attr_fn<ops::gelu_op> gelu{};
/// x where x > at, else otherwise. PyTorch threshold.
inline constexpr detail::attr_fn<ops::threshold_op> threshold{};
/// min(max(x, low), high); NaN stays. ONNX Clip.
inline constexpr detail::attr_fn<ops::clip_op> clip{};

}  // namespace tenon
