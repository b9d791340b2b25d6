// Blocks of bytes that live for some steps, placed so that those that live at once lie apart.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace tenon::ir {

/// A block of bytes that must hold from step `first` to step `last`, both included.
struct lifetime {
  std::int64_t bytes = 0;
  int first = 0, last = 0;
};
struct placement {
  std::int64_t bytes = 0;            ///< up to the end of the highest block
  std::vector<std::int64_t> offset;  ///< of each block
};
/// The largest sum of bytes that live at one step: no placement needs less.
std::int64_t peak_of(std::span<const lifetime>);
/// Offsets at which blocks that live at once lie apart, in O(n log n). Finding the least is NP-hard: this is the better
/// of two heuristics.
placement place(std::span<const lifetime>);

}  // namespace tenon::ir
