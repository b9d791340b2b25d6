// Copies that need no kernel: parts of buffers, and buffers made of parts.
#pragma once
#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "graph/fuse.hpp"

namespace tenon::ir {

/// Values that lie in part of a buffer. `share_buffers` takes out of a fusion the kernels that would only copy:
///   a slice whose elements lie side by side in its operand's buffer is an offset into it;
///   a concat whose parts lie one after the other in its result is written by the kernels that make the parts.
/// What that asks for:
///   slice: it is no result of the graph; its operand lies in the same order of axes, in a buffer that holds it whole
///     and as it was made: no constant (each kernel packs it on its own) and no strided input.
///   concat: along the outermost axis of more than one element, in row-major order; each part comes out of a kernel of
///     its own, once, whole, and is no result, no input and no part of another concat.
/// Afterwards the fusion's `alias` leads from each part to the buffer.
struct buffer_parts {
  std::vector<const node*> values;
  std::unordered_map<const node*, std::int64_t> shift;  ///< bytes from the beginning of the buffer, where not 0
  /// Where a value begins in the buffer that holds it, in bytes.
  std::int64_t offset(const fusion&, const node* value) const;
};
buffer_parts share_buffers(const graph&, fusion&, const std::function<bool(const node&)>& contiguous);

}  // namespace tenon::ir
