// Copies between strided memory: what most movement is on the native target.
#pragma once
#include "graph/op_def.hpp"

namespace tenon::ir::native {

/// A strided block of elements; `data` is the address of its first element.
struct strided_block {
  char* data;
  extent_t strides[dims::max_rank];  ///< in elements; 0 repeats
};
/// to[i] = from[i] for every index below `extents`, elements of `size` bytes (1, 2, 4 or 8).
void copy_block(const dims& extents, int size, const strided_block& to, const strided_block& from);
/// to[i] = the element of `size` bytes at `value`.
void fill_block(const dims& extents, int size, const strided_block& to, const void* value);
/// An operand as it lies in memory, from element `offset` on.
strided_block block_of(const native_operand&, extent_t offset = 0);

/// The first result, element by element from a block.
void copy_from(const native_call&, const strided_block& from);

}  // namespace tenon::ir::native
