// Runs kernels statement by statement: the independent judge of code generation and of schedules.
#pragma once
#include <cstdint>
#include <span>

#include "loop/kernel.hpp"

namespace tenon::test {

struct interpreter_options {
  /// The part of the parallel loop to run; `end` -1: all of it.
  std::int64_t begin = 0, end = -1;
  /// Whether a contraction of floats rounds once a step (as machines with fma do) or twice.
  bool fused = true;
};

/// Runs a kernel on raw memory: `buffers` are the parameters' data, `symbols` the values of the kernel's symbols.
/// Vectorized loops run lane by lane with the partial results that updates promise; local buffers start as garbage.
/// Throws compile_error that shows the statement when an index is outside of its buffer's extents.
void interpret(const ir::kernel&, std::span<void* const> buffers, std::span<const std::int64_t> symbols,
               interpreter_options = {});

}  // namespace tenon::test
