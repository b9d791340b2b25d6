// Passes that are no graph to graph functions, but have a level and a name that `disabled` and `required` take. They
// stand in src/pipeline.cpp's list.
#pragma once
#include "pass_runner.hpp"

namespace tenon {

/// Makes kernels of the graph: src/graph/fuse.cpp.
inline constexpr listed_pass fuse_pass = {"fuse", 1, nullptr};
/// Copies that need no kernel: src/graph/alias.cpp.
inline constexpr listed_pass alias_pass = {"alias", 1, nullptr};
/// Results over dying operands: src/graph/memory_plan.cpp.
inline constexpr listed_pass in_place_pass = {"in_place", 1, nullptr};
/// Convolutions by transformed tiles, which round more: src/schedule/winograd_rule.cpp.
inline constexpr listed_pass winograd_pass = {"winograd", 3, nullptr};
/// Loops and branches of small kernels, one kernel each: src/control_kernel.cpp.
inline constexpr listed_pass control_kernels_pass = {"control_kernels", 1, nullptr};

}  // namespace tenon
