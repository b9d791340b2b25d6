// Packing b of a product in panels: [panel][reduction...][width], each panel as the register tile reads it; where a
// step is a dot product of groups, [panel][reduction..., by groups][width][group].
#pragma once
#include <utility>
#include <vector>

#include "schedule/product.hpp"
#include "schedule/rules.hpp"

namespace tenon::scheduling {

/// Where the panels of a product's columns begin. The last begins so that it ends at the edge: it repeats columns of
/// the one before it, and nothing is padded. All columns fit in one panel: it begins at 0, and is masked.
struct panels {
  ir::expr_ref count, columns;
  extent_t columns_at_call = 0;
  int width = 0;
  int group = 1;  ///< steps of the innermost loop that lie side by side in each column
  bool narrow() const { return columns_at_call <= width; }
  ir::expr_ref first(ir::expr_arena&, ir::expr_ref panel) const;
};

/// A part of the innermost loop of the reduction: `extent` steps from `begin`, at most `most` in any part.
struct depth_block {
  ir::expr_ref begin, extent, most;
};

/// A local copy of a block of panels, made by whoever works on it:
///   for r..., p in [begin, end), c: packed[p - begin][r...][c] = b(r..., first(p) + c)
/// `at` are the values of the computation's other axes. Gives the buffer; `most` panels fit. Groups are whole: behind
/// the last step are zeros. Elements are stored in `type`.
struct local_pack {
  std::int64_t buffer;
  ir::stmt_ref fill;
};
local_pack pack_block(ir::computation&, const product&, dtype type, const panels&, ir::expr_ref begin, ir::expr_ref end,
                      ir::expr_ref most, const depth_block&, int lanes,
                      std::vector<std::pair<ir::expr_ref, ir::expr_ref>> at);

/// Whether b is a constant that nothing else in the kernel reads, so that it can be packed when the callable is built.
bool is_constant_operand(const ir::computation&, const product&);
/// The axis beside the columns that b changes along, as the weights of a grouped convolution do; -1: there is none, or
/// there are several.
int batch_axis(const product&);
/// Makes the kernel read it from panels; the answer tells what has to be bound in its place.
constant_packing pack_constant(ir::computation&, const product&, const panels&);

/// How many steps ahead panels of a constant are asked for: none where one stays in the first-level cache, more where
/// all of them do not stay in the second.
int packed_steps_ahead(const machine_model&, const panels&, extent_t depth, int element_bytes);

/// b's operand of the contraction, read from packed panels; `batch` is null where there is one batch, `in_group`
/// where groups are of one.
ir::expr_ref packed_operand(ir::computation&, const product&, std::int64_t buffer, ir::expr_ref batch,
                            ir::expr_ref panel, const std::vector<ir::expr_ref>& reduction, ir::expr_ref column,
                            ir::expr_ref in_group);

/// A local copy of a part of `count` rows of a, from `first` on, stored in `type`; each row is a contiguous run of
/// whole groups with zeros behind the last step.
///   for i in [0, count), s: copied[i][s] = a(first + i, begin + s)
local_pack copy_rows(ir::computation&, const product&, dtype type, ir::expr_ref first, int count, const depth_block&,
                     int group, int lanes, std::vector<std::pair<ir::expr_ref, ir::expr_ref>> at);
/// How many groups cover so many steps.
ir::expr_ref groups_of(ir::expr_arena&, ir::expr_ref steps, int group);

}  // namespace tenon::scheduling
