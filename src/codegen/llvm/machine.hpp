// Machines: names, features, LLVM's objects for them.
#pragma once
#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string_view>

#include "codegen/codegen.hpp"

namespace tenon::codegen {

/// See generator::resolve.
machine resolve_machine(std::string_view cpu);
/// A new TargetMachine: position-independent code, small code model, floats contracted nowhere.
std::unique_ptr<llvm::TargetMachine> make_target_machine(const machine&);

}  // namespace tenon::codegen
