// Where the values between kernels live: one workspace per call, offsets from liveness.
#pragma once
#include <unordered_map>

#include "graph/fuse.hpp"

namespace tenon::ir {

struct memory_plan {
  std::int64_t bytes = 0;                                ///< of the workspace
  std::unordered_map<const node*, std::int64_t> offset;  ///< of each stored value that is no input, output or constant
};
memory_plan plan_memory(const graph&, const fusion&);

}  // namespace tenon::ir
