// Which build of libtenon-llvm this is.
#pragma once
#include <string>

namespace tenon::codegen {

/// The linker's build id of this library in hexadecimal, or "unknown": two builds of it never share kernels.
std::string build_id();

}  // namespace tenon::codegen
