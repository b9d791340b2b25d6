// The one way to read environment variables: a value that is not valid is an argument_error with the name and the
// value.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace tenon::runtime {

/// The value, or nothing when it is not set (or the program runs with raised privileges, where it is not to be
/// trusted).
std::optional<std::string_view> environment_text(const char* name);
/// A decimal integer in [least, most]; `fallback` when not set or empty.
std::int64_t environment_integer(const char* name, std::int64_t fallback, std::int64_t least, std::int64_t most);
/// Bytes: a decimal integer, with K, M, G or T for powers of 1024 (also small, also with a B); `fallback` when not set
/// or empty.
std::int64_t environment_bytes(const char* name, std::int64_t fallback);
/// 1, on, yes, true or 0, off, no, false; `fallback` when not set or empty.
bool environment_flag(const char* name, bool fallback);

}  // namespace tenon::runtime
