// The wire format of protocol buffers, read in place: a message is a run of bytes that stays in the file, a field is a
// number with a value or with bytes. (https://protobuf.dev/programming-guides/encoding)
//
// No protobuf library: Debian's static one cannot be linked into a shared library (its thread-local storage is
// local-exec), a shared one would meet other versions in the user's process, and either copies every weight before we
// see it.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/core/error.hpp"

namespace tenon::onnx {

/// Deepest nesting of messages (graphs in attributes of nodes of graphs ...) that is read.
inline constexpr int max_depth = 32;

/// Text of a file as an error may show it: control characters as '?', and no more than some hundreds of characters.
inline std::string printable(std::string_view text) {
  constexpr std::size_t most = 400;
  std::string s(text.substr(0, most));
  for (char& c : s)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  if (text.size() > most) s += "...";
  return s;
}

enum class wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One field of a message.
struct field {
  std::uint32_t number = 0;
  wire type{};
  std::uint64_t value = 0;  ///< of a varint, or the bits of a fixed one
  std::string_view bytes;   ///< of text, a message, or a packed list

  std::int64_t integer() const { return static_cast<std::int64_t>(value); }
  float real() const {
    float f = 0;
    const auto bits = static_cast<std::uint32_t>(value);
    std::memcpy(&f, &bits, sizeof f);
    return f;
  }
  double real64() const {
    double f = 0;
    std::memcpy(&f, &value, sizeof f);
    return f;
  }
};

/// Reads a message's fields in order: `for (field f; r.next(f);)`. load_error for what is no such message.
class wire_reader {
 public:
  explicit wire_reader(std::string_view message) : all_(message), rest_(message) {}

  bool next(field& f) {
    if (rest_.empty()) return false;
    const std::uint64_t key = varint();
    f = {};
    f.number = static_cast<std::uint32_t>(key >> 3);
    f.type = static_cast<wire>(key & 7);
    if (f.number == 0 || key >> 32) fail("a field's number is out of range");
    switch (f.type) {
      case wire::varint:
        f.value = varint();
        break;
      case wire::fixed64:
        f.value = fixed(8);
        break;
      case wire::fixed32:
        f.value = fixed(4);
        break;
      case wire::bytes: {
        const std::uint64_t size = varint();
        if (size > rest_.size())
          fail("a field of " + std::to_string(size) + " bytes where " + std::to_string(rest_.size()) + " are left");
        f.bytes = rest_.substr(0, size);
        rest_.remove_prefix(size);
        break;
      }
      default:
        fail("a field of wire type " + std::to_string(static_cast<int>(f.type)));
    }
    return true;
  }
  bool at_end() const { return rest_.empty(); }
  std::uint64_t varint() {
    std::uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) fail("it ends inside a number");
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      v |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    fail("a number has more than ten bytes");
  }
  /// The little-endian bits of 4 or 8 bytes.
  std::uint64_t fixed(std::size_t size) {
    if (rest_.size() < size) fail("it ends inside a number");
    std::uint64_t v = 0;
    for (std::size_t i = size; i-- > 0;) v = (v << 8) | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(size);
    return v;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw load_error("no ONNX message: " + why + ", at byte " + std::to_string(all_.size() - rest_.size()) + " of " +
                     std::to_string(all_.size()));
  }
  std::string_view all_, rest_;
};

/// Calls f(element) for a repeated number, which comes packed or one by one.
template <class F>
void for_each_number(const field& f, wire element, F call) {
  if (f.type != wire::bytes) {
    call(f);
    return;
  }
  wire_reader list(f.bytes);
  while (!list.at_end()) {
    field e;
    e.number = f.number;
    e.type = element;
    e.value = element == wire::varint ? list.varint() : list.fixed(element == wire::fixed32 ? 4 : 8);
    call(e);
  }
}

}  // namespace tenon::onnx
