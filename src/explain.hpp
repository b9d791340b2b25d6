// What a compiled graph is made of and how it does, as text.
#pragma once
#include <string>

#include "pipeline.hpp"

namespace tenon {

/// Kernel by kernel: its schedule as calls, what bounds it on this machine, its loops.
std::string kernels_text(const compiled_graph&);
/// Kernel by kernel, on these arguments: the time on one core, beside the machine's peaks as measured in the same run;
/// the assembly of its busiest loop, and what llvm-mca says of it where the tool is there. Then the whole call's time.
std::string bench_text(const compiled_graph&, void* const* arguments, void* const* results, executor*, memory*,
                       int threads, std::int64_t below);

}  // namespace tenon
