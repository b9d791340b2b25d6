#include "tenon/ops/logical.hpp"

#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<logical_and_op> : logical_and_op {
  template <class V>
  static V scalar(V a, V b) {
    return a & b;
  }
};
template <>
struct meaning<logical_or_op> : logical_or_op {
  template <class V>
  static V scalar(V a, V b) {
    return a | b;
  }
};
template <>
struct meaning<logical_xor_op> : logical_xor_op {
  template <class V>
  static V scalar(V a, V b) {
    return a ^ b;
  }
};
template <>
struct meaning<logical_not_op> : logical_not_op {
  template <class V>
  static V scalar(V x) {
    return !x;
  }
};

}  // namespace tenon::ops

TENON_DEFINE(logical_and_op)
TENON_DEFINE(logical_or_op)
TENON_DEFINE(logical_xor_op)
TENON_DEFINE(logical_not_op)
