// Several trips of a loop side by side: what one waits for (the end of a reduction, a square root) the others fill.
#pragma once
#include <vector>

#include "loop/kernel.hpp"

namespace tenon::scheduling {

/// The body for each of `values` of `variable`, statement by statement; loops are shared.
///   before: { declare s; s = 0; for j: s += x[i, j]; y[i] = s }
///   after:  { declare s_0; declare s_1; s_0 = 0; s_1 = 0; for j: { s_0 += x[v0, j]; s_1 += x[v1, j] } y[v0] = s_0; ...
///   }
/// Each value gets local and scratch buffers of its own, which are added to the kernel. The bounds of
/// loops and the conditions of branches are the same for all values, and no trip reads what another one writes.
ir::stmt_ref interleave(ir::kernel&, const ir::stmt_ref& body, ir::expr_ref variable,
                        const std::vector<ir::expr_ref>& values);
/// Whether the bounds of loops and the conditions of branches inside it are free of the variable, and what it holds are
/// statements that `interleave` knows.
bool can_interleave(const ir::stmt_ref& body, ir::expr_ref variable);

}  // namespace tenon::scheduling
