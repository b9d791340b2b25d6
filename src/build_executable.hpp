// From a graph with fixed extents to its executable: groups, memory plan, loops, schedules, steps.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "pipeline.hpp"
#include "stage_times.hpp"

namespace tenon {

/// Every output of the graph is a buffer of its own (needed_copies.hpp). `strides` and `updates` as in `compile`.
std::unique_ptr<const compiled_graph> build_executable(const ir::graph&, const std::vector<const extent_t*>& strides,
                                                       std::span<const int> updates, detail::growth_range,
                                                       const compile_settings&, stage_times&);
/// Every kernel's computation, its parameters forgotten.
std::vector<ir::computation> lower_groups(const ir::graph&, const compile_settings&, stage_times&);

}  // namespace tenon
