// The passes over a kernel's LLVM IR: few, chosen, no vectoriser and no unroller.
#pragma once
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

namespace tenon::codegen {

void run_passes(llvm::Module&, llvm::TargetMachine&);

}  // namespace tenon::codegen
