#include "runtime/debug_register.hpp"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

#include "runtime/image.hpp"

// gdb's JIT interface ("JIT Compilation Interface" in its manual): gdb reads the list and stops at the function. It
// looks for the two names in every loaded file. They are exported, but bound here (protected): another copy in the
// process (a second LLVM) has its own list with its own lock. Weak: linked statically beside another copy, one of them
// is used.
extern "C" {
struct jit_code_entry {
  jit_code_entry *next, *previous;
  const char* file;
  std::uint64_t file_bytes;
};
struct jit_descriptor {
  std::uint32_t version, action;
  jit_code_entry *relevant, *first;
};
[[gnu::weak, gnu::visibility("protected"), gnu::used]] jit_descriptor __jit_debug_descriptor = {1, 0, nullptr, nullptr};
[[gnu::weak, gnu::visibility("protected"), gnu::used, gnu::noinline]] void __jit_debug_register_code() {
  asm volatile("" ::: "memory");
}
}

namespace tenon::runtime {
namespace {

enum action : std::uint32_t { nothing, add, remove };

constexpr char section_names[] = "\0.text\0.symtab\0.strtab";
constexpr Elf64_Word text_name = 1, symtab_name = 7, strtab_name = 15;

// The smallest file that gdb takes: a section that says where the code lies (without its bytes), one symbol, the names.
struct object_file {
  jit_code_entry entry;
  Elf64_Ehdr header;
  Elf64_Shdr sections[4];
  Elf64_Sym symbols[2];
};  // the strings follow: names of the sections, name of the function

}  // namespace

debug_registration::debug_registration(const std::string& name, const std::byte* function, std::size_t bytes) {
  const std::size_t size = sizeof(object_file) + sizeof(section_names) + name.size() + 1;
  void* memory = ::operator new(size);
  auto file = new (memory) object_file{};
  char* strings = static_cast<char*>(memory) + sizeof(object_file);
  const auto at = [&](const void* p) {
    return static_cast<Elf64_Off>(static_cast<const char*>(p) - reinterpret_cast<const char*>(&file->header));
  };
  std::memcpy(strings, section_names, sizeof(section_names));
  std::memcpy(strings + sizeof(section_names), name.c_str(), name.size() + 1);

  Elf64_Ehdr& h = file->header;
  std::memcpy(h.e_ident, ELFMAG, SELFMAG);
  h.e_ident[EI_CLASS] = ELFCLASS64;
  h.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
  h.e_ident[EI_VERSION] = EV_CURRENT;
  h.e_type = ET_REL;
  h.e_machine = static_cast<Elf64_Half>(host_machine);
  h.e_version = EV_CURRENT;
  h.e_shoff = at(file->sections);
  h.e_ehsize = sizeof(Elf64_Ehdr);
  h.e_shentsize = sizeof(Elf64_Shdr);
  h.e_shnum = 4;
  h.e_shstrndx = 3;

  Elf64_Shdr& text = file->sections[1];
  text.sh_name = text_name;
  text.sh_type = SHT_NOBITS;
  text.sh_flags = SHF_ALLOC | SHF_EXECINSTR;
  text.sh_addr = reinterpret_cast<std::uintptr_t>(function);
  text.sh_size = bytes;
  text.sh_addralign = 1;
  Elf64_Shdr& symtab = file->sections[2];
  symtab.sh_name = symtab_name;
  symtab.sh_type = SHT_SYMTAB;
  symtab.sh_offset = at(file->symbols);
  symtab.sh_size = sizeof(file->symbols);
  symtab.sh_link = 3;
  symtab.sh_info = 1;  // the first global symbol
  symtab.sh_addralign = alignof(Elf64_Sym);
  symtab.sh_entsize = sizeof(Elf64_Sym);
  Elf64_Shdr& strtab = file->sections[3];
  strtab.sh_name = strtab_name;
  strtab.sh_type = SHT_STRTAB;
  strtab.sh_offset = at(strings);
  strtab.sh_size = sizeof(section_names) + name.size() + 1;
  strtab.sh_addralign = 1;

  Elf64_Sym& symbol = file->symbols[1];
  symbol.st_name = sizeof(section_names);
  symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  symbol.st_shndx = 1;
  symbol.st_value = 0;  // in its section
  symbol.st_size = bytes;

  entry_ = &file->entry;
  entry_->file = reinterpret_cast<const char*>(&file->header);
  entry_->file_bytes = size - offsetof(object_file, header);
  jit_descriptor& list = __jit_debug_descriptor;
  entry_->next = list.first;
  if (entry_->next) entry_->next->previous = entry_;
  list.first = entry_;
  list.relevant = entry_;
  list.action = add;
  __jit_debug_register_code();
}

debug_registration::~debug_registration() {
  if (!entry_) return;
  jit_descriptor& list = __jit_debug_descriptor;
  (entry_->previous ? entry_->previous->next : list.first) = entry_->next;
  if (entry_->next) entry_->next->previous = entry_->previous;
  list.relevant = entry_;
  list.action = remove;
  __jit_debug_register_code();
  list.relevant = nullptr;
  list.action = nothing;
  ::operator delete(entry_);
}

void append_perf_map(const std::string& name, const std::byte* function, std::size_t bytes) noexcept {
  char path[64], place[64];
  std::snprintf(path, sizeof(path), "/tmp/perf-%ld.map", static_cast<long>(::getpid()));
  const int place_size =
      std::snprintf(place, sizeof(place), "%llx %zx ",
                    static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(function)), bytes);
  // The name is known to everybody and the folder is everybody's: never through somebody else's link.
  const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0) return;
  try {
    const std::string line = std::string(place, static_cast<std::size_t>(place_size)) + name + "\n";
    if (::write(file, line.data(), line.size()) < 0) { /* a full disk: the name is missing in the profile */
    }
  } catch (...) {  // no memory for a line of a profile
  }
  ::close(file);
}

}  // namespace tenon::runtime
