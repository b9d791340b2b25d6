// The one symbol that libtenon-llvm exports, and what libtenon checks before it uses it.
#pragma once
#include <cstdint>

#include "codegen/codegen.hpp"

namespace tenon::codegen {

/// Changes whenever `generator`, the loop IR or `image` change their layout: both libraries are of one build.
inline constexpr std::uint64_t llvm_plugin_abi = 2;
inline constexpr char llvm_plugin_symbol[] = "tenon_llvm_generator";

struct llvm_plugin {
  std::uint64_t abi;
  /// The generator, made at the first call; lives until the process ends. Throws target_error.
  const generator& (*get)();
};

}  // namespace tenon::codegen
