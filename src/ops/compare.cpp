#include "tenon/ops/compare.hpp"

#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<equal_op> : equal_op {
  template <class V>
  static auto scalar(V a, V b) {
    return a == b;
  }
};
template <>
struct meaning<not_equal_op> : not_equal_op {
  template <class V>
  static auto scalar(V a, V b) {
    return a != b;
  }
};
template <>
struct meaning<less_op> : less_op {
  template <class V>
  static auto scalar(V a, V b) {
    return a < b;
  }
};
template <>
struct meaning<less_equal_op> : less_equal_op {
  template <class V>
  static auto scalar(V a, V b) {
    return a <= b;
  }
};
template <>
struct meaning<greater_op> : greater_op {
  template <class V>
  static auto scalar(V a, V b) {
    return a > b;
  }
};
template <>
struct meaning<greater_equal_op> : greater_equal_op {
  template <class V>
  static auto scalar(V a, V b) {
    return a >= b;
  }
};

}  // namespace tenon::ops

TENON_DEFINE(equal_op)
TENON_DEFINE(not_equal_op)
TENON_DEFINE(less_op)
TENON_DEFINE(less_equal_op)
TENON_DEFINE(greater_op)
TENON_DEFINE(greater_equal_op)
