// What a block of windows reads, copied into the worker's scratch with zeros beyond the border: inside the block no
// window is masked, and nothing is padded in memory.
#pragma once
#include <span>
#include <utility>
#include <vector>

#include "loop/lower.hpp"

namespace tenon::scheduling {

/// Whether a load is unmasked, or its mask says just that some of its indices are inside of the buffer.
bool masked_by_border(ir::computation&, ir::expr_ref load, std::span<const ir::expr_ref> variables);

/// before: for h in [begin, begin + count), kh: ... x[h + kh - 1] where 0 <= h + kh - 1 < H ...
/// after:  for j in [0, count + 2): padded[j] = 0 <= begin - 1 + j < H ? x[begin - 1 + j] : 0
///         for h in [begin, begin + count), kh: ... padded[h - begin + kh] ...
struct padded_block {
  /// The values that a variable takes while the block is worked on.
  struct range {
    ir::expr_ref variable, begin, count;
    ir::expr_ref most;     ///< that `count` ever is
    bool is_more = false;  ///< than are read: some are there to fill up a group, and may lie behind the buffer's end
  };
  ir::stmt_ref fill;
  ir::expr_ref load;  ///< what reads the copy in place of the load
};
/// `inside` are the variables that change while the block is worked on; `at` the values of all others. The load is
/// masked by the border, with indices that `inside` only adds to. The dimension that `dense` walks along becomes the
/// copy's innermost; null: they stay in order.
padded_block copy_padded(ir::computation&, ir::expr_ref load, std::span<const padded_block::range> inside, int lanes,
                         std::span<const std::pair<ir::expr_ref, ir::expr_ref>> at, ir::expr_ref dense = nullptr);

}  // namespace tenon::scheduling
