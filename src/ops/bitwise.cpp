#include "tenon/ops/bitwise.hpp"

#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<bit_and_op> : bit_and_op {
  template <class V>
  static V scalar(V a, V b) {
    return a & b;
  }
};
template <>
struct meaning<bit_or_op> : bit_or_op {
  template <class V>
  static V scalar(V a, V b) {
    return a | b;
  }
};
template <>
struct meaning<bit_xor_op> : bit_xor_op {
  template <class V>
  static V scalar(V a, V b) {
    return a ^ b;
  }
};
template <>
struct meaning<shift_left_op> : shift_left_op {
  template <class V>
  static V scalar(V a, V b) {
    return shift_left(a, b);
  }
};
template <>
struct meaning<shift_right_op> : shift_right_op {
  template <class V>
  static V scalar(V a, V b) {
    return shift_right(a, b);
  }
};
template <>
struct meaning<bit_not_op> : bit_not_op {
  template <class V>
  static V scalar(V x) {
    return bit_not(x);
  }
};

}  // namespace tenon::ops

TENON_DEFINE(bit_and_op)
TENON_DEFINE(bit_or_op)
TENON_DEFINE(bit_xor_op)
TENON_DEFINE(shift_left_op)
TENON_DEFINE(shift_right_op)
TENON_DEFINE(bit_not_op)
