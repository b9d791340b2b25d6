// Which build of the compiler made a kernel: part of every cache key.
#pragma once
#include <string>

namespace tenon::codegen {

/// Changes with every change of the sources that decide what code is made, and with LLVM's version. Known without
/// loading the code generator.
std::string identity();

}  // namespace tenon::codegen
