// The loop of a kernel that does the most, as assembly, and what llvm-mca says of it.
#pragma once
#include <string>
#include <string_view>

namespace tenon {

/// The lines of the innermost loop with the most vector arithmetic, from its label to its jump; empty when there is no
/// loop. `assembly` is what generator::assembly prints.
std::string busiest_loop(std::string_view assembly);

/// What llvm-mca predicts for the loop on that processor: "llvm-mca: 12.0 cycles a trip"; empty when the tool is not on
/// the PATH or does not know the processor.
std::string predicted_throughput(const std::string& loop, const std::string& cpu);

}  // namespace tenon
