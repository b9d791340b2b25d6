// Default schedules: rules over what a computation is (a contraction, row reductions, a map), not templates per
// operator.
#pragma once
#include <cstdint>

#include "loop/lower.hpp"

namespace tenon::schedule {

/// What the rules ask of a machine.
struct machine_model {
  int vector_bits = 128;  ///< widest natural vector
  int registers = 16;     ///< vector registers
};

/// What the caller needs to know of a scheduled kernel.
struct launch {
  std::int64_t extent = 1;       ///< trips of the parallel loop at this call
  std::int64_t nanoseconds = 0;  ///< predicted for one thread: short kernels run serially
};

/// Gives the computation's kernel its loops. A program has them already: only its launch is computed.
launch schedule_default(ir::computation&, const machine_model&);

// The rules; each answers false when the computation is not of its kind.
bool schedule_contraction(ir::computation&, const machine_model&);
void schedule_loops(ir::computation&, const machine_model&);

/// Lanes of a vector loop over these expressions: the widest element decides.
int lanes_for(const ir::computation&, const machine_model&);
/// One parallel loop over all of `extents`: gives its variable, its extent, and each index in terms of the variable.
struct fused_loop {
  ir::expr_ref variable, extent;
  std::vector<ir::expr_ref> indices;
};
fused_loop fuse_loops(ir::expr_arena&, const std::vector<ir::expr_ref>& extents);

}  // namespace tenon::schedule
