// The scalar operations of the loop IR: the one list. Text, parsing, types, evaluation and code generation follow it.
#pragma once
#include <cstdint>
#include <string_view>

#include "tenon/core/dtype.hpp"

namespace tenon::ir {

// X(name, operands). Semantics, the same on every target:
//  - integers wrap; integer division truncates, x / 0 is 0 and the most negative / -1 wraps; mod takes the sign of the
//    divisor for integers (0 for a divisor of 0) and is C's fmod for floats (both as ONNX Mod); shifts by the width or
//    more give 0 (or the sign)
//  - min, max propagate NaN; comparisons with NaN are false, not_equal true; round is half to even; sign(NaN) is NaN
//  - float to integer casts truncate and saturate, NaN gives 0; integer to integer casts wrap; to b8 is "not equal 0"
//  - scale is x * 2^floor(n), rounded once; for generated kernels: on a machine without AVX-512, expand_math makes
//    products of it, for 1/2 <= |x| <= 2 and whole n in [-250, 254] only
//  - fma rounds once; f16 and bf16 are only loaded, stored and cast: arithmetic happens in f32
// clang-format off
#define TENON_PRIMS(X)                                                                                              \
  X(add, 2) X(sub, 2) X(mul, 2) X(div, 2) X(mod, 2) X(min, 2) X(max, 2) X(pow, 2) X(atan2, 2) X(fma, 3) X(scale, 2) \
  X(neg, 1) X(abs, 1) X(sign, 1) X(floor, 1) X(ceil, 1) X(round, 1) X(trunc, 1) X(sqrt, 1) X(rsqrt, 1)              \
  X(reciprocal, 1) X(exp, 1) X(exp2, 1) X(expm1, 1) X(log, 1) X(log2, 1) X(log1p, 1) X(sin, 1) X(cos, 1)            \
  X(tan, 1) X(asin, 1) X(acos, 1) X(atan, 1) X(sinh, 1) X(cosh, 1) X(tanh, 1) X(asinh, 1) X(acosh, 1)               \
  X(atanh, 1) X(erf, 1) X(equal, 2) X(not_equal, 2) X(less, 2) X(less_equal, 2) X(greater, 2)                       \
  X(greater_equal, 2) X(logical_and, 2) X(logical_or, 2) X(logical_xor, 2) X(logical_not, 1) X(bit_and, 2)          \
  X(bit_or, 2) X(bit_xor, 2) X(bit_not, 1) X(shift_left, 2) X(shift_right, 2) X(shift_right_logical, 2)             \
  X(isnan, 1) X(isinf, 1) X(select, 3) X(cast, 1) X(bitcast, 1)
// clang-format on

enum class prim : std::uint8_t {
#define X(name, n) name,
  TENON_PRIMS(X)
#undef X
};

constexpr std::string_view name(prim p) {
  constexpr std::string_view names[] = {
#define X(name, n) #name,
      TENON_PRIMS(X)
#undef X
  };
  return names[static_cast<int>(p)];
}
constexpr int arity(prim p) {
  constexpr std::uint8_t n[] = {
#define X(name, n) n,
      TENON_PRIMS(X)
#undef X
  };
  return n[static_cast<int>(p)];
}
inline constexpr int prim_count = 0
#define X(name, n) +1
    TENON_PRIMS(X)
#undef X
    ;
constexpr bool is_comparison(prim p) { return p >= prim::equal && p <= prim::greater_equal; }
/// The type of the result, `cast` and `bitcast` excepted (their type is stated): comparisons and tests give b8.
constexpr dtype result_type(prim p, dtype first, dtype second) {
  if (is_comparison(p) || p == prim::isnan || p == prim::isinf) return b8;
  return p == prim::select ? second : first;
}

/// What a reduction combines with; argmax and argmin give the i64 position of the first best (NaN counts as best).
enum class reducer : std::uint8_t { sum, prod, max, min, all, any, argmax, argmin };
constexpr std::string_view name(reducer r) {
  constexpr std::string_view names[] = {"sum", "prod", "max", "min", "all", "any", "argmax", "argmin"};
  return names[static_cast<int>(r)];
}
constexpr bool is_arg(reducer r) { return r >= reducer::argmax; }

}  // namespace tenon::ir
