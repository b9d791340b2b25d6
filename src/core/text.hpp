// Texts of errors, built at run time and of any length (`detail::text` is the one for constant expressions).
#pragma once
#include <concepts>
#include <string>
#include <string_view>

#include "tenon/core/dtype.hpp"
#include "tenon/core/extent.hpp"

namespace tenon::detail {

/// An address, printed in hexadecimal.
struct address {
  const void* p;
};
/// Text from a file or a user: printed in quotes, with control characters escaped, cut after 100 bytes.
struct quoted {
  std::string_view s;
};
/// A list of integers, printed as [1,2,3].
struct list {
  const extent_t* first;
  std::size_t size;
};

void append(std::string&, std::string_view);
void append(std::string&, address);
void append(std::string&, quoted);
void append(std::string&, list);
void append(std::string&, const dims&);
void append(std::string&, dtype);
void append_signed(std::string&, std::int64_t);
void append_unsigned(std::string&, std::uint64_t);
template <std::signed_integral I>
void append(std::string& s, I v) {
  append_signed(s, v);
}
template <std::unsigned_integral I>
void append(std::string& s, I v) {
  append_unsigned(s, v);
}
inline void append(std::string& s, const char* v) { append(s, std::string_view(v)); }

/// The parts one after another: cat("extent ", 3, " of ", d).
template <class... Part>
std::string cat(const Part&... parts) {
  std::string s;
  (append(s, parts), ...);
  return s;
}

}  // namespace tenon::detail
