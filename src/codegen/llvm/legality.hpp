// What LLVM may be given: what it cannot take it reports by ending the process.
#pragma once
#include <llvm/IR/Module.h>

#include "codegen/codegen.hpp"

namespace tenon::codegen {

/// Throws compile_error naming the instruction for types, intrinsics or calls that are not on the closed list.
void check_legal(const llvm::Module&, const machine&, const std::string& kernel);

}  // namespace tenon::codegen
