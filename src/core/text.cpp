#include "core/text.hpp"

#include <charconv>

namespace tenon::detail {
namespace {

template <class I>
void append_number(std::string& s, I v, int base) {
  char digits[24];
  s.append(digits, std::to_chars(digits, digits + sizeof digits, v, base).ptr);
}

}  // namespace

void append(std::string& s, std::string_view v) { s.append(v); }
void append_signed(std::string& s, std::int64_t v) { append_number(s, v, 10); }
void append_unsigned(std::string& s, std::uint64_t v) { append_number(s, v, 10); }
void append(std::string& s, dtype d) { s.append(name(d)); }

void append(std::string& s, address a) {
  s.append("0x");
  append_number(s, reinterpret_cast<std::uintptr_t>(a.p), 16);
}

void append(std::string& s, quoted q) {
  constexpr std::size_t longest = 100;
  s.push_back('\'');
  for (char c : q.s.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      s.append(byte < 0x10 ? "\\x0" : "\\x");
      append_number(s, static_cast<unsigned>(byte), 16);
    } else {
      s.push_back(c);
    }
  }
  s.append(q.s.size() > longest ? "...'" : "'");
}

void append(std::string& s, list l) {
  s.push_back('[');
  for (std::size_t i = 0; i < l.size; ++i) {
    if (i) s.push_back(',');
    text t;
    t << l.first[i];
    s.append(t.view());
  }
  s.push_back(']');
}

void append(std::string& s, const dims& d) {
  if (d.any())
    s.append("[...]");
  else
    append(s, list{d.e, static_cast<std::size_t>(d.rank)});
}

}  // namespace tenon::detail
