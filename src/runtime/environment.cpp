#include "runtime/environment.hpp"

#include <charconv>
#include <cstdlib>
#include <string>

#include "core/text.hpp"
#include "tenon/core/error.hpp"

namespace tenon::runtime {
namespace {

[[noreturn]] void refuse(const char* name, std::string_view value, std::string_view expected) {
  throw argument_error(detail::cat("environment variable ", name, "=", detail::quoted{value}, ": expected ", expected));
}

}  // namespace

std::optional<std::string_view> environment_text(const char* name) {
#ifdef __GLIBC__
  const char* value = ::secure_getenv(name);
#else
  const char* value = std::getenv(name);
#endif
  if (!value) return std::nullopt;
  return std::string_view(value);
}

std::int64_t environment_integer(const char* name, std::int64_t fallback, std::int64_t least, std::int64_t most) {
  const std::string_view value = environment_text(name).value_or("");
  if (value.empty()) return fallback;
  std::int64_t result = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (code != std::errc() || end != value.data() + value.size() || result < least || result > most)
    refuse(name, value, detail::cat("an integer from ", least, " to ", most));
  return result;
}

std::int64_t environment_bytes(const char* name, std::int64_t fallback) {
  const std::string_view value = environment_text(name).value_or("");
  if (value.empty()) return fallback;
  const auto bad = [&] { refuse(name, value, "bytes: an integer from 0, optionally with K, M, G or T"); };
  std::int64_t number = 0;
  const char* last = value.data() + value.size();
  auto [end, code] = std::from_chars(value.data(), last, number);
  if (code != std::errc() || number < 0) bad();
  int shift = 0;
  if (end != last) {
    constexpr std::string_view units = "KMGTkmgt";
    const std::size_t unit = units.find(*end);
    if (unit != units.npos) {
      shift = 10 * (static_cast<int>(unit % 4) + 1);
      ++end;
    }
    if (end != last && (*end == 'B' || *end == 'b')) ++end;
  }
  if (end != last || number > (INT64_MAX >> shift)) bad();
  return number << shift;
}

bool environment_flag(const char* name, bool fallback) {
  const std::string_view value = environment_text(name).value_or("");
  if (value.empty()) return fallback;
  for (std::string_view yes : {"1", "on", "yes", "true"})
    if (value == yes) return true;
  for (std::string_view no : {"0", "off", "no", "false"})
    if (value == no) return false;
  refuse(name, value, "1, on, yes, true or 0, off, no, false");
}

}  // namespace tenon::runtime
