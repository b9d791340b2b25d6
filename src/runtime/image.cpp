#include "runtime/image.hpp"

#include <cstring>
#include <type_traits>

#include "core/text.hpp"
#include "tenon/core/error.hpp"

namespace tenon::runtime {
namespace {

constexpr std::uint64_t magic = 0x314c4e4b4e4f4e54;  // "TNONKNL1"; another byte order reads another number
constexpr std::uint32_t format_version = 2;
constexpr std::uint64_t most_code = std::uint64_t{1} << 30;
constexpr std::uint32_t most_name = 4096;

// The container: this header, the name, the code; nothing behind.
struct header {
  std::uint64_t magic;
  std::uint32_t format, abi;
  detail::hash128 checksum;  // of all other bytes
  detail::hash128 key;
  std::uint64_t code_bytes;
  std::uint32_t name_bytes, entry, entry_size, machine;
};
static_assert(sizeof(header) == 72 && std::has_unique_object_representations_v<header>);

detail::hash128 checksum(std::span<const std::byte> container) {
  constexpr std::size_t at = offsetof(header, checksum), behind = at + sizeof(detail::hash128);
  const detail::hash128 front = detail::hash_bytes(container.data(), at);
  return detail::hash_bytes(container.data() + behind, container.size() - behind, front);
}

}  // namespace

std::string image_defect(const image& i) {
  using detail::cat;
  if (i.code.empty() || i.code.size() > most_code) return cat("code of ", i.code.size(), " bytes");
  if (i.entry >= i.code.size() || i.entry_size > i.code.size() - i.entry)
    return cat("entry at ", i.entry, " with ", i.entry_size, " bytes, but the code has ", i.code.size());
  if (i.name.size() > most_name) return cat("a name of ", i.name.size(), " bytes");
  if (i.name.find('\0') != i.name.npos) return "a name with a zero byte";
  return {};
}

std::vector<std::byte> write_image(const image& i) {
  if (const std::string defect = image_defect(i); !defect.empty())
    throw load_error(detail::cat("kernel image ", detail::quoted{i.name}, " cannot be written: ", defect));
  header h{magic,   format_version, abi_version, {}, i.key, i.code.size(), static_cast<std::uint32_t>(i.name.size()),
           i.entry, i.entry_size,   i.machine};
  std::vector<std::byte> out(sizeof(header) + i.name.size() + i.code.size());
  std::memcpy(out.data(), &h, sizeof(h));
  std::memcpy(out.data() + sizeof(h), i.name.data(), i.name.size());
  std::memcpy(out.data() + sizeof(h) + i.name.size(), i.code.data(), i.code.size());
  const detail::hash128 sum = checksum(out);
  std::memcpy(out.data() + offsetof(header, checksum), &sum, sizeof(sum));
  return out;
}

image read_image(std::span<const std::byte> bytes, const std::string& where) {
  const auto refuse = [&](const auto&... why) {
    throw load_error(detail::cat(where, ": not a kernel image: ", why...));
  };
  if (bytes.size() < sizeof(header)) refuse(bytes.size(), " bytes, the header alone has ", sizeof(header));
  header h;
  std::memcpy(&h, bytes.data(), sizeof(h));
  if (h.magic != magic) refuse("it does not begin with the magic number");
  if (h.format != format_version) refuse("format version ", h.format, ", this library reads ", format_version);
  if (h.abi != abi_version) refuse("kernel ABI version ", h.abi, ", this library has ", abi_version);
  if (h.name_bytes > most_name || h.code_bytes > most_code ||
      bytes.size() != sizeof(header) + h.name_bytes + h.code_bytes)
    refuse(bytes.size(), " bytes, the header says ", sizeof(header), " + ", h.name_bytes, " + ", h.code_bytes);
  if (checksum(bytes) != h.checksum) refuse("the checksum does not match, the bytes are damaged");
  image i;
  i.key = h.key;
  const std::byte* name = bytes.data() + sizeof(header);
  i.name.assign(reinterpret_cast<const char*>(name), h.name_bytes);
  i.code.assign(name + h.name_bytes, name + h.name_bytes + h.code_bytes);
  i.entry = h.entry;
  i.entry_size = h.entry_size;
  i.machine = h.machine;
  // A checksum is no proof of good will: what a writer with bad fields made is refused as well.
  if (const std::string defect = image_defect(i); !defect.empty()) refuse(defect);
  return i;
}

}  // namespace tenon::runtime
