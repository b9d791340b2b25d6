#include "codegen/llvm/link.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "tenon/core/error.hpp"

namespace tenon::codegen {
namespace {

/// Reads an object with every offset checked; what it reads is copied, since nothing in a file is aligned by promise.
class object_file {
 public:
  object_file(std::span<const std::byte> bytes, const std::string& kernel) : bytes_(bytes), kernel_(kernel) {
    header_ = at<Elf64_Ehdr>(0);
    if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 || header_.e_ident[EI_CLASS] != ELFCLASS64 ||
        header_.e_type != ET_REL || header_.e_machine != EM_X86_64)
      fail("what the compiler made is no x86-64 ELF object");
    for (std::size_t i = 0; i < header_.e_shnum; ++i)
      sections_.push_back(at<Elf64_Shdr>(header_.e_shoff + i * sizeof(Elf64_Shdr)));
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw compile_error(fmt::format("linking of {}: {}", kernel_, what));
  }
  template <class T>
  T at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) fail("the object is cut off");
    T t;
    std::memcpy(&t, bytes_.data() + offset, sizeof(T));
    return t;
  }
  std::span<const std::byte> contents(const Elf64_Shdr& s) const {
    if (s.sh_offset > bytes_.size() || bytes_.size() - s.sh_offset < s.sh_size) fail("the object is cut off");
    return bytes_.subspan(s.sh_offset, s.sh_size);
  }
  std::string text(const Elf64_Shdr& table, std::uint64_t offset) const {
    const auto all = contents(table);
    if (offset >= all.size()) fail("a name lies outside of its table");
    const auto* s = reinterpret_cast<const char*>(all.data()) + offset;
    return std::string(s, strnlen(s, all.size() - offset));
  }
  const Elf64_Shdr& section(std::size_t i) const {
    if (i >= sections_.size()) fail(fmt::format("there is no section {}", i));
    return sections_[i];
  }
  std::size_t count() const { return sections_.size(); }
  std::string section_name(std::size_t i) const { return text(section(header_.e_shstrndx), section(i).sh_name); }

 private:
  std::span<const std::byte> bytes_;
  const std::string& kernel_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
};

struct symbol {
  std::string name;
  std::uint64_t offset = 0, size = 0;  ///< in the image
};

}  // namespace

runtime::image link_object(std::span<const std::byte> bytes, const std::string& entry, const std::string& kernel) {
  const object_file object(bytes, kernel);
  runtime::image image;
  image.name = kernel;

  std::vector<std::optional<std::uint64_t>> place(object.count());
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < object.count(); ++i) {
    const Elf64_Shdr& s = object.section(i);
    if (!(s.sh_flags & SHF_ALLOC) || s.sh_size == 0) continue;
    if (s.sh_flags & (SHF_WRITE | SHF_TLS)) object.fail("the section " + object.section_name(i) + " is writable");
    if (s.sh_type != SHT_PROGBITS) object.fail("the section " + object.section_name(i) + " holds no code or constants");
    const std::uint64_t align = std::max<std::uint64_t>(s.sh_addralign, 1);
    if (align > 4096 || s.sh_size > (64u << 20)) object.fail("the section " + object.section_name(i) + " is too large");
    size = (size + align - 1) / align * align;
    place[i] = size;
    size += s.sh_size;
  }
  image.code.resize(size);
  for (std::size_t i = 0; i < object.count(); ++i)
    if (place[i]) {
      const auto from = object.contents(object.section(i));
      std::memcpy(image.code.data() + *place[i], from.data(), from.size());
    }

  std::vector<std::optional<symbol>> symbols;
  bool found = false;
  for (std::size_t i = 0; i < object.count(); ++i) {
    const Elf64_Shdr& s = object.section(i);
    if (s.sh_type != SHT_SYMTAB) continue;
    for (std::uint64_t k = 0; k < s.sh_size / sizeof(Elf64_Sym); ++k) {
      const auto e = object.at<Elf64_Sym>(s.sh_offset + k * sizeof(Elf64_Sym));
      symbol y{object.text(object.section(s.sh_link), e.st_name), 0, e.st_size};
      const bool file = ELF64_ST_TYPE(e.st_info) == STT_FILE;
      if (k > 0 && !file && e.st_shndx == SHN_UNDEF) object.fail("generated code calls outside: " + y.name);
      if (k == 0 || file || e.st_shndx >= object.count() || !place[e.st_shndx]) {
        symbols.emplace_back();
        continue;
      }
      y.offset = *place[e.st_shndx] + e.st_value;
      if (y.name == entry) {
        found = true;
        image.entry = static_cast<std::uint32_t>(y.offset);
        image.entry_size = static_cast<std::uint32_t>(y.size);
      }
      symbols.emplace_back(std::move(y));
    }
  }
  if (!found) object.fail("the object has no " + entry);

  for (std::size_t i = 0; i < object.count(); ++i) {
    const Elf64_Shdr& s = object.section(i);
    if (s.sh_type == SHT_REL && place.at(s.sh_info)) object.fail("relocations without addends");
    if (s.sh_type != SHT_RELA || s.sh_info >= place.size() || !place[s.sh_info]) continue;
    for (std::uint64_t k = 0; k < s.sh_size / sizeof(Elf64_Rela); ++k) {
      const auto r = object.at<Elf64_Rela>(s.sh_offset + k * sizeof(Elf64_Rela));
      const std::uint64_t index = ELF64_R_SYM(r.r_info), kind = ELF64_R_TYPE(r.r_info);
      if (index >= symbols.size() || !symbols[index]) object.fail("a relocation against what is not loaded");
      const std::uint64_t where = *place[s.sh_info] + r.r_offset;
      const std::int64_t v =
          static_cast<std::int64_t>(symbols[index]->offset) + r.r_addend - static_cast<std::int64_t>(where);
      const std::size_t width = kind == R_X86_64_PC64 ? 8 : 4;
      if (kind != R_X86_64_PC32 && kind != R_X86_64_PLT32 && kind != R_X86_64_PC64)
        object.fail(
            fmt::format("relocation {} against {} is not relative to the program counter", kind, symbols[index]->name));
      if (where + width > size || where + width > *place[s.sh_info] + object.section(s.sh_info).sh_size)
        object.fail("a relocation outside of its section");
      if (width == 4 && (v < std::numeric_limits<std::int32_t>::min() || v > std::numeric_limits<std::int32_t>::max()))
        object.fail("a relocation too far");
      std::memcpy(image.code.data() + where, &v, width);
    }
  }
  return image;
}

}  // namespace tenon::codegen
