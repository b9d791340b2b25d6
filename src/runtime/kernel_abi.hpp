// What generated code and its callers agree on. A kernel is a closed, position-independent function: buffers, extents,
// its part of the parallel loop and the few functions it may call all come through one argument.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tenon::runtime {

/// What a kernel image was compiled against: `kernel_call`, `runtime_table`. Another number is not loaded.
inline constexpr std::uint32_t abi_version = 1;

/// Scalar functions that generated code calls where vector code does not pay (f64 and rare ones); order is the ABI.
/// The list stands here once: X(name, arity).
// clang-format off
#define TENON_RUNTIME_MATH(X)                                                                                    \
  X(exp, 1) X(exp2, 1) X(expm1, 1) X(log, 1) X(log2, 1) X(log1p, 1) X(sin, 1) X(cos, 1) X(tan, 1) X(asin, 1)     \
  X(acos, 1) X(atan, 1) X(sinh, 1) X(cosh, 1) X(tanh, 1) X(asinh, 1) X(acosh, 1) X(atanh, 1) X(erf, 1) X(pow, 2) \
  X(atan2, 2) X(fmod, 2)
// clang-format on

using unary_f64 = double (*)(double);
using binary_f64 = double (*)(double, double);

/// Grows only at the end. One instance per process, constant; `version` is abi_version.
struct runtime_table {
  std::uint64_t version;
#define TENON_ENTRY_1(n) unary_f64 n;
#define TENON_ENTRY_2(n) binary_f64 n;
#define X(n, arity) TENON_ENTRY_##arity(n)
  TENON_RUNTIME_MATH(X)
#undef X
#undef TENON_ENTRY_1
#undef TENON_ENTRY_2
};
extern const runtime_table host_table;

/// The one argument of a kernel.
struct kernel_call {
  void* const* buffers;        ///< inputs, then outputs, then workspace parts, in the order of the kernel's parameters
  const std::int64_t* values;  ///< symbolic extents and strides (in elements)
  std::int64_t begin, end;     ///< the part of the kernel's parallel loop to run; 0 and 1 when it has none
  std::byte* scratch;          ///< scratch of this worker, 64-byte aligned
  const runtime_table* runtime;
  const void* context;  ///< native kernels only: what to run
};
/// 0: done. Anything else is a broken invariant of the compiler (generated code never reports user errors). Generated
/// code does not throw; what a native kernel throws (a user's own function) reaches the caller of `executable::run`.
using kernel_fn = std::int32_t (*)(const kernel_call*);

}  // namespace tenon::runtime
