// What later loops over a row compute while memory would stand idle.
#pragma once
#include "loop/kernel.hpp"
#include "loop/lower.hpp"
#include "schedule/rules.hpp"

namespace tenon::scheduling {

/// The body for one value of `row`, where several vector loops go over what it reads: the last of them that reads it
/// asks for the same lines at row + `ahead`.
///   before: { for j: s += x[row, j];  for j: y[row, j] = x[row, j] - s }
///   after:  { for j: s += x[row, j];  for j: { prefetch x[row + 1, j]; y[row, j] = x[row, j] - s } }
/// The first loop waits for memory, while in the others memory waits: the processor's own look-ahead ends with each
/// page, and what it may begin before a loop ends is less than a row. Rows too short for that, and inputs that the
/// first-level cache holds, are left as they are.
ir::stmt_ref ask_for_next_row(ir::computation&, const machine_model&, const ir::stmt_ref& body, ir::expr_ref row,
                              ir::expr_ref rows, int ahead);

}  // namespace tenon::scheduling
