// The tile functions that users have made known.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "tenon/schedule/tile_function.hpp"

namespace tenon::scheduling {

struct known_function {
  dtype type;
  tile_function f;
};
std::optional<known_function> find_tile_function(std::string_view name);
/// "mine, yours", or "none".
std::string tile_function_names();

}  // namespace tenon::scheduling
