#include "tenon/ops/activation.hpp"

#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<relu_op> : relu_op {
  template <class V>
  static V scalar(V x) {
    return max(x, x.like(0));
  }
};
template <>
struct meaning<sigmoid_op> : sigmoid_op {
  template <class V>
  static V scalar(V x) {
    return 1 / (1 + exp(-x));
  }
};
template <>
struct meaning<silu_op> : silu_op {
  template <class V>
  static V scalar(V x) {
    return x / (1 + exp(-x));
  }
};
template <>
struct meaning<softplus_op> : softplus_op {
  template <class V>
  static V scalar(V x) {
    return max(x, x.like(0)) + log1p(exp(-abs(x)));
  }
};
template <>
struct meaning<softsign_op> : softsign_op {
  template <class V>
  static V scalar(V x) {
    return x / (1 + abs(x));
  }
};
template <>
struct meaning<mish_op> : mish_op {
  template <class V>
  static V scalar(V x) {
    return x * tanh(max(x, x.like(0)) + log1p(exp(-abs(x))));
  }
};
template <>
struct meaning<selu_op> : selu_op {
  template <class V>
  static V scalar(V x) {
    return select(x > 0, x, expm1(x) * 1.67326319217681884765625) * 1.05070102214813232421875;
  }
};
template <>
struct meaning<hard_swish_op> : hard_swish_op {
  template <class V>
  static V scalar(V x) {
    return x * max(x.like(0), min(x.like(1), x * (1.0 / 6) + 0.5));
  }
};
template <>
struct meaning<leaky_relu_op> : leaky_relu_op {
  template <class V>
  static V scalar(const attrs& at, V x) {
    return select(x < 0, x * at.alpha, x);
  }
};
template <>
struct meaning<elu_op> : elu_op {
  template <class V>
  static V scalar(const attrs& at, V x) {
    return select(x < 0, expm1(x) * at.alpha, x);
  }
};
template <>
struct meaning<celu_op> : celu_op {
  template <class V>
  static V scalar(const attrs& at, V x) {
    return max(x, x.like(0)) + min(x.like(0), expm1(x / at.alpha) * at.alpha);
  }
};
template <>
struct meaning<hard_sigmoid_op> : hard_sigmoid_op {
  template <class V>
  static V scalar(const attrs& at, V x) {
    return max(x.like(0), min(x.like(1), x * at.alpha + at.beta));
  }
};
template <>
struct meaning<gelu_op> : gelu_op {
  template <class V>
  static V scalar(const attrs& at, V x) {
    // 0.5 (1 + tanh(u)) is 1 / (1 + exp(-2u)), which does not cancel.
    if (at.tanh) return x / (1 + exp((x + x * x * x * 0.044715) * -1.5957691216057308));
    return x * 0.5 * (1 + erf(x * 0.7071067811865476));
  }
};
template <>
struct meaning<threshold_op> : threshold_op {
  template <class V>
  static V scalar(const attrs& at, V x) {
    return select(x > at.at, x, x.like(at.otherwise));
  }
};
template <>
struct meaning<clip_op> : clip_op {
  template <class V>
  static V scalar(const attrs& at, V x) {
    if (at.low > -__builtin_inf()) x = max(x, x.like(at.low));
    if (at.high < __builtin_inf()) x = min(x, x.like(at.high));
    return x;
  }
};
template <>
struct meaning<prelu_op> : prelu_op {
  template <class V>
  static V scalar(V x, V slope) {
    return select(x < 0, x * slope, x);
  }
};

}  // namespace tenon::ops

TENON_DEFINE(relu_op)
TENON_DEFINE(sigmoid_op)
TENON_DEFINE(silu_op)
TENON_DEFINE(softplus_op)
TENON_DEFINE(softsign_op)
TENON_DEFINE(mish_op)
TENON_DEFINE(selu_op)
TENON_DEFINE(hard_swish_op)
TENON_DEFINE(leaky_relu_op)
TENON_DEFINE(elu_op)
TENON_DEFINE(celu_op)
TENON_DEFINE(hard_sigmoid_op)
TENON_DEFINE(gelu_op)
TENON_DEFINE(threshold_op)
TENON_DEFINE(clip_op)
TENON_DEFINE(prelu_op)
