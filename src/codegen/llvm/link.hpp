// From an object file in memory to a closed image.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "runtime/image.hpp"

namespace tenon::codegen {

/// Lays out the allocatable sections of an x86-64 ELF object and applies its relocations, which must all be relative to
/// the program counter. Fills code, entry and entry_size. compile_error names a symbol that is not inside the object, a
/// relocation of another kind, a section that would have to be written at run time, or a missing entry.
runtime::image link_object(std::span<const std::byte> object, const std::string& entry, const std::string& kernel);

}  // namespace tenon::codegen
