#include "schedule/tile_functions.hpp"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "tenon/core/error.hpp"

namespace tenon {
namespace scheduling {
namespace {

struct registry {
  std::mutex mutex;
  std::map<std::string, known_function, std::less<>> functions;
};
registry& all() {
  static registry r;
  return r;
}

}  // namespace

std::optional<known_function> find_tile_function(std::string_view name) {
  std::lock_guard lock(all().mutex);
  const auto it = all().functions.find(name);
  return it == all().functions.end() ? std::nullopt : std::optional(it->second);
}
std::string tile_function_names() {
  std::lock_guard lock(all().mutex);
  std::string names;
  for (const auto& [name, f] : all().functions) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "none" : names;
}

}  // namespace scheduling

void register_tile_function(std::string_view name, dtype t, tile_function f) {
  if (name.empty()) throw argument_error("register_tile_function: the name is empty");
  if (!f) throw argument_error(fmt::format("register_tile_function: {} is a null pointer", name));
  if (t != f64 && t != f32 && t != i64 && t != i32)
    throw type_error(
        fmt::format("register_tile_function: {} is for {}; f64, f32, i64 and i32 are expected", name, tenon::name(t)));
  std::lock_guard lock(scheduling::all().mutex);
  const auto known = scheduling::all().functions.try_emplace(std::string(name), scheduling::known_function{t, f}).first;
  // Schedules that name it were checked against its type.
  if (known->second.type != t)
    throw type_error(fmt::format("register_tile_function: {} is for {} already, not {}", name,
                                 tenon::name(known->second.type), tenon::name(t)));
  known->second.f = f;
}

}  // namespace tenon
