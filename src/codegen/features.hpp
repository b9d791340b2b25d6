// The processor features that generated code may depend on; a machine has some of them, and nothing else counts.
#pragma once

namespace tenon::codegen {

// X(name): both LLVM's name and that of __builtin_cpu_supports; sorted.
// clang-format off
#define TENON_CPU_FEATURES(X)                                                                                       \
  X("avx") X("avx2") X("avx512bf16") X("avx512bw") X("avx512cd") X("avx512dq") X("avx512f") X("avx512vbmi")         \
  X("avx512vl") X("avx512vnni") X("bmi") X("bmi2") X("f16c") X("fma") X("lzcnt") X("popcnt") X("sse3")              \
  X("sse4.1") X("sse4.2") X("ssse3")
// clang-format on

/// Whether this processor and its operating system have a feature of the list; false for any other name.
bool host_has(const char* feature);

}  // namespace tenon::codegen
