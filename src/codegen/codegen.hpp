// What libtenon asks of a code generator. libtenon-llvm implements it and is opened when first needed.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loop/kernel.hpp"
#include "runtime/image.hpp"

namespace tenon::codegen {

/// A machine to compile for: canonical, with its real features; `text` is part of every key.
struct machine {
  std::string cpu;        ///< "x86-64-v3", "znver4"; never "native"
  std::string features;   ///< "+avx512f,+fma,..." sorted
  int vector_bits = 128;  ///< widest natural vector: 128, 256, 512
  bool fma = false;
  std::int64_t l1_bytes = 32 << 10, l2_bytes = 512 << 10;
  std::string text() const { return cpu + ":" + features; }
  /// Whether x * 2^n is an instruction.
  bool scales() const { return has("+avx512f") && has("+avx512vl"); }
  bool has(std::string_view feature) const { return features.find(feature) != std::string::npos; }
};

/// Seconds of one compilation.
struct compile_times {
  double code = 0;     ///< from the kernel to an object file
  double linking = 0;  ///< from there to an image
};

class generator {
 public:
  virtual ~generator() = default;
  /// Identity of this build of the compiler: part of every key.
  virtual std::string identity() const = 0;
  /// The machine that `-mcpu=` names; "native" asks the processor. target_error for an unknown one lists near names.
  virtual machine resolve(std::string_view cpu) const = 0;
  /// Compiles and links one verified kernel (math already expanded where `expand_math` says so).
  virtual runtime::image compile(const ir::kernel&, const machine&, const detail::hash128& key,
                                 compile_times* spent = nullptr) const = 0;
  /// For people: the IR before and after its passes, and the assembly.
  virtual std::string llvm_ir(const ir::kernel&, const machine&, bool optimized) const = 0;
  virtual std::string assembly(const ir::kernel&, const machine&) const = 0;
};

/// Whether this processor has every feature that code for the machine may use. Needs no LLVM.
bool runs_here(const machine&);

/// Opens libtenon-llvm (TENON_LLVM_LIBRARY, else beside libtenon, else by name) once; target_error says what was looked
/// for, where, and why it failed.
const generator& llvm();
/// Whether it can be opened, and why not.
bool llvm_available(std::string* why = nullptr);

}  // namespace tenon::codegen
