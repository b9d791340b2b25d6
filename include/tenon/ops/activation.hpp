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
  template <class V>
  static V scalar(V x) {
    return max(x, x.like(0));
  }
};
/// 1 / (1 + e^-x). ONNX Sigmoid.
struct sigmoid_op : map_over<domain::floats> {
  static constexpr const char* name = "sigmoid";
  template <class V>
  static V scalar(V x) {
    return 1 / (1 + exp(-x));
  }
};
/// x sigmoid(x), also called swish. PyTorch silu.
struct silu_op : map_over<domain::floats> {
  static constexpr const char* name = "silu";
  template <class V>
  static V scalar(V x) {
    return x / (1 + exp(-x));
  }
};
/// log(1 + e^x), without overflow. ONNX Softplus.
struct softplus_op : map_over<domain::floats> {
  static constexpr const char* name = "softplus";
  template <class V>
  static V scalar(V x) {
    return max(x, x.like(0)) + log1p(exp(-abs(x)));
  }
};
/// x / (1 + |x|). ONNX Softsign.
struct softsign_op : map_over<domain::floats> {
  static constexpr const char* name = "softsign";
  template <class V>
  static V scalar(V x) {
    return x / (1 + abs(x));
  }
};
/// x tanh(softplus(x)). ONNX Mish.
struct mish_op : map_over<domain::floats> {
  static constexpr const char* name = "mish";
  template <class V>
  static V scalar(V x) {
    return x * tanh(max(x, x.like(0)) + log1p(exp(-abs(x))));
  }
};
/// The self-normalising exponential linear unit. ONNX Selu (its default constants).
struct selu_op : map_over<domain::floats> {
  static constexpr const char* name = "selu";
  template <class V>
  static V scalar(V x) {
    const V low = (exp(x) - 1) * 1.67326319217681884765625;
    return select(x > 0, x, low) * 1.05070102214813232421875;
  }
};
/// x clip(x / 6 + 1/2, 0, 1). ONNX HardSwish.
struct hard_swish_op : map_over<domain::floats> {
  static constexpr const char* name = "hard_swish";
  template <class V>
  static V scalar(V x) {
    return x * max(x.like(0), min(x.like(1), x * (1.0 / 6) + 0.5));
  }
};
/// x where x >= 0, else alpha x. ONNX LeakyRelu.
struct leaky_relu_op : map_over<domain::floats> {
  using attrs = leaky_relu_attrs;
  static constexpr const char* name = "leaky_relu";
  template <class V>
  static V scalar(const attrs& at, V x) {
    return select(x < 0, x * at.alpha, x);
  }
};
/// x where x >= 0, else alpha (e^x - 1). ONNX Elu.
struct elu_op : map_over<domain::floats> {
  using attrs = elu_attrs;
  static constexpr const char* name = "elu";
  template <class V>
  static V scalar(const attrs& at, V x) {
    return select(x < 0, expm1(x) * at.alpha, x);
  }
};
/// max(0, x) + min(0, alpha (e^(x / alpha) - 1)). ONNX Celu.
struct celu_op : map_over<domain::floats> {
  using attrs = elu_attrs;
  static constexpr const char* name = "celu";
  template <class V>
  static V scalar(const attrs& at, V x) {
    return max(x, x.like(0)) + min(x.like(0), expm1(x / at.alpha) * at.alpha);
  }
};
/// clip(alpha x + beta, 0, 1). ONNX HardSigmoid.
struct hard_sigmoid_op : map_over<domain::floats> {
  using attrs = hard_sigmoid_attrs;
  static constexpr const char* name = "hard_sigmoid";
  template <class V>
  static V scalar(const attrs& at, V x) {
    return max(x.like(0), min(x.like(1), x * at.alpha + at.beta));
  }
};
/// x times the normal distribution function of x. ONNX Gelu.
struct gelu_op : map_over<domain::floats> {
  using attrs = gelu_attrs;
  static constexpr const char* name = "gelu";
  template <class V>
  static V scalar(const attrs& at, V x) {
    if (at.tanh) return x * 0.5 * (1 + tanh((x + x * x * x * 0.044715) * 0.7978845608028654));
    return x * 0.5 * (1 + erf(x * 0.7071067811865476));
  }
};
/// x where x > at, else otherwise. PyTorch threshold.
struct threshold_op : map_over<domain::numbers> {
  using attrs = threshold_attrs;
  static constexpr const char* name = "threshold";
  template <class V>
  static V scalar(const attrs& at, V x) {
    return select(x > at.at, x, x.like(at.otherwise));
  }
};
/// min(max(x, low), high); NaN stays. ONNX Clip.
struct clip_op : map_over<domain::numbers> {
  using attrs = clip_attrs;
  static constexpr const char* name = "clip";
  template <class V>
  static V scalar(const attrs& at, V x) {
    if (at.low > -__builtin_inf()) x = max(x, x.like(at.low));
    if (at.high < __builtin_inf()) x = min(x, x.like(at.high));
    return x;
  }
};
/// x where x >= 0, else slope * x; the slope broadcasts. ONNX PRelu.
struct prelu_op : binary_map_over<domain::floats> {
  static constexpr const char* name = "prelu";
  template <class V>
  static V scalar(V x, V slope) {
    return select(x < 0, x * slope, x);
  }
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
