// The targets that this build of tenon has. A build without libtenon-llvm says so when it is configured: a test that
// asked the library would pass where the code generator is merely broken.
#pragma once

namespace tenon::test {

#ifdef TENON_WITHOUT_LLVM
inline constexpr bool has_llvm = false;
inline constexpr const char* targets[] = {"native"};
#else
inline constexpr bool has_llvm = true;
inline constexpr const char* targets[] = {"llvm", "native"};
#endif

}  // namespace tenon::test
