#include "codegen/llvm/build_id.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <cstdint>
#include <cstring>

namespace tenon::codegen {
namespace {

bool holds(const dl_phdr_info& info, std::uintptr_t address) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const auto& p = info.dlpi_phdr[i];
    if (p.p_type == PT_LOAD && address - info.dlpi_addr - p.p_vaddr < p.p_memsz) return true;
  }
  return false;
}

/// A note is a header, a name and a description, both padded to 4 bytes.
std::string find_in(const unsigned char* at, const unsigned char* end) {
  std::string id;
  while (at + sizeof(Elf64_Nhdr) <= end) {
    Elf64_Nhdr note;
    std::memcpy(&note, at, sizeof note);
    const unsigned char* name = at + sizeof note;
    const unsigned char* bytes = name + (note.n_namesz + 3) / 4 * 4;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
      for (unsigned k = 0; k < note.n_descsz; ++k) id += fmt::format("{:02x}", bytes[k]);
    at = bytes + (note.n_descsz + 3) / 4 * 4;
  }
  return id;
}

int visit(dl_phdr_info* info, std::size_t, void* out) {
  if (!holds(*info, reinterpret_cast<std::uintptr_t>(&build_id))) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& p = info->dlpi_phdr[i];
    if (p.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const unsigned char*>(info->dlpi_addr + p.p_vaddr);
    *static_cast<std::string*>(out) += find_in(at, at + p.p_memsz);
  }
  return 1;
}

}  // namespace

std::string build_id() {
  std::string id;
  dl_iterate_phdr(visit, &id);
  return id.empty() ? "unknown" : id;
}

}  // namespace tenon::codegen
