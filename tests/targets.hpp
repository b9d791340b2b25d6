// The targets that this build of tenon has. A build without libtenon-llvm says so when it is configured: a test that
// asked the library would pass where the code generator is merely broken.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

namespace tenon::test {

#ifdef TENON_WITHOUT_LLVM
inline constexpr bool has_llvm = false;
inline constexpr const char* targets[] = {"native"};
#else
inline constexpr bool has_llvm = true;
inline constexpr const char* targets[] = {"llvm", "native"};
#endif

/// Generated code for this machine and for each level of instructions that runs here; says which one does not.
inline std::vector<std::string> instruction_levels() {
  std::vector<std::string> r{"llvm", "llvm -mcpu=x86-64-v2"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    r.emplace_back("llvm -mcpu=x86-64-v3");
  else
    std::printf("skipped: x86-64-v3: this processor has no AVX2\n");
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
    r.emplace_back("llvm -mcpu=x86-64-v4");
  else
    std::printf("skipped: x86-64-v4: this processor has no AVX-512\n");
  return r;
}

}  // namespace tenon::test
