// The memory plan of a compiled graph for people: as text, and drawn.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tenon {

/// What is to be known of a call's workspace. Kernels count from 1.
struct workspace_report {
  struct block {
    std::int64_t offset = 0, bytes = 0;
    std::int64_t first = 1, last = 1;  ///< the kernels between which it lives, both included
    std::vector<std::string> holds;    ///< values by operator and type; each in the memory of the one before
  };
  std::int64_t bytes = 0;    ///< of all blocks
  std::int64_t peak = 0;     ///< the largest sum of blocks that live at once
  std::int64_t between = 0;  ///< behind the blocks: what the kernels of one group leave for each other
  std::int64_t scratch = 0;  ///< that each thread has for itself
  std::int64_t kernels = 0;
  std::vector<block> blocks;       ///< in the order in which they are first written
  std::vector<std::string> parts;  ///< values that lie in part of a buffer: what, and where
};

/// One line a block.
std::string plan_text(const workspace_report&);
/// An SVG image: kernels across, bytes up; a block is a rectangle that says what it holds.
std::string plan_svg(const workspace_report&);

}  // namespace tenon
