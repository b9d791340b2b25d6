// Targets: the text a user writes, and the machine it means.
#pragma once
#include <string>
#include <string_view>

#include "schedule/rules.hpp"

namespace tenon::codegen {

/// A target's text, read: "llvm -mcpu=x86-64-v3 -num-threads=1".
struct target_spec {
  enum class kind : unsigned char { llvm, native };
  kind what = kind::llvm;
  std::string cpu = "native";
  int threads = 0;  ///< 0: as many as there are
};
/// Throws target_error that names the word which is not understood, and what is.
target_spec parse_target(std::string_view text);

/// What schedules and cache keys need of a machine, without the code generator: a program whose kernels are all cached
/// never loads it.
struct machine_summary {
  scheduling::machine_model model;
  bool fma = false;
  std::string key;  ///< part of every kernel's key: the processor's level or its real features
};
/// "native", "x86-64", "x86-64-v2" to "-v4"; any other name is asked of the code generator. target_error for a
/// processor whose instructions this one lacks.
machine_summary summarize(const std::string& cpu);

}  // namespace tenon::codegen
