// From a nest to statements.
#pragma once
#include "schedule/nest.hpp"

namespace tenon::scheduling {

/// Gives the computation that the nest was made of its loops. `fused`: sums of products round once a step (a machine
/// with fma).
void build_nest(ir::computation&, const nest&, bool fused);

}  // namespace tenon::scheduling
