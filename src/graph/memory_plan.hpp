// Where the values between kernels live: one workspace per call, offsets from liveness.
#pragma once
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "graph/alias.hpp"
#include "graph/fuse.hpp"
#include "graph/placement.hpp"

namespace tenon::ir {

/// Part of the workspace, and what it holds. Steps are the groups of the fusion, in order.
struct memory_block {
  lifetime life;
  std::int64_t offset = 0;
  /// Whose buffer it is: one value, or several where each was made in the memory of the one before.
  std::vector<const node*> holds;
};
struct memory_plan {
  std::int64_t bytes = 0;  ///< of the workspace
  std::int64_t peak = 0;   ///< the largest sum of blocks that live at one step
  std::vector<memory_block> blocks;
  std::unordered_map<const node*, std::int64_t> offset;  ///< of each stored value that is no input, output or constant
  /// Of a kernel's result that is made in the memory of one of its operands: that operand.
  std::unordered_map<const node*, const node*> in_place;
};
/// With `contiguous`, which says it of inputs, a kernel makes its result in the memory of an operand where
///   - the kernel is elementwise, with one result: a map of maps, all of whose operands of more than one axis lie as
///   its result does;
///   - the operand is read at the point that is stored and nowhere else, and has the result's type;
///   - nothing reads the operand's memory afterwards, whatever name it goes by;
///   - both are whole buffers of the workspace: no arguments, results, constants or parts of others.
memory_plan plan_memory(const graph&, const fusion&, const buffer_parts& = {},
                        const std::function<bool(const node&)>& contiguous = {});

}  // namespace tenon::ir
