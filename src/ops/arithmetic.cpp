#include "tenon/ops/arithmetic.hpp"

#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<add_op> : add_op {
  template <class V>
  static V scalar(V a, V b) {
    return a + b;
  }
};
template <>
struct meaning<sub_op> : sub_op {
  template <class V>
  static V scalar(V a, V b) {
    return a - b;
  }
};
template <>
struct meaning<mul_op> : mul_op {
  template <class V>
  static V scalar(V a, V b) {
    return a * b;
  }
};
template <>
struct meaning<div_op> : div_op {
  template <class V>
  static V scalar(V a, V b) {
    return a / b;
  }
};
template <>
struct meaning<mod_op> : mod_op {
  template <class V>
  static V scalar(V a, V b) {
    return a % b;
  }
};
template <>
struct meaning<pow_op> : pow_op {
  template <class V>
  static V scalar(V a, V b) {
    return pow(a, b);
  }
};
template <>
struct meaning<minimum_op> : minimum_op {
  template <class V>
  static V scalar(V a, V b) {
    return min(a, b);
  }
};
template <>
struct meaning<maximum_op> : maximum_op {
  template <class V>
  static V scalar(V a, V b) {
    return max(a, b);
  }
};
template <>
struct meaning<atan2_op> : atan2_op {
  template <class V>
  static V scalar(V a, V b) {
    return atan2(a, b);
  }
};
template <>
struct meaning<neg_op> : neg_op {
  template <class V>
  static V scalar(V x) {
    return -x;
  }
};
template <>
struct meaning<abs_op> : abs_op {
  template <class V>
  static V scalar(V x) {
    return abs(x);
  }
};
template <>
struct meaning<sign_op> : sign_op {
  template <class V>
  static V scalar(V x) {
    return sign(x);
  }
};

}  // namespace tenon::ops

TENON_DEFINE(add_op)
TENON_DEFINE(sub_op)
TENON_DEFINE(mul_op)
TENON_DEFINE(div_op)
TENON_DEFINE(mod_op)
TENON_DEFINE(pow_op)
TENON_DEFINE(minimum_op)
TENON_DEFINE(maximum_op)
TENON_DEFINE(atan2_op)
TENON_DEFINE(neg_op)
TENON_DEFINE(abs_op)
TENON_DEFINE(sign_op)
