// The whole compilation: from a traced graph to an executable. src/pipeline.cpp is the list of what happens.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "codegen/target.hpp"
#include "graph/passes.hpp"
#include "loop/lower.hpp"
#include "memory_plan_text.hpp"
#include "pass_runner.hpp"
#include "runtime/disk_cache.hpp"
#include "runtime/executable.hpp"
#include "schedule/steps.hpp"
#include "tenon/dsl/options.hpp"

namespace tenon {

/// Options, read and checked once per callable.
struct compile_settings {
  codegen::target_spec target;
  pass_runner passes;
  runtime::disk_cache disk;
  bool time = false;                                   ///< print what each stage took
  bool fast_math = false;                              ///< products and sums may be rounded once
  std::shared_ptr<const scheduling::record> schedule;  ///< the user's; null: the default schedules

  /// Throws argument_error or target_error with the value that is not understood.
  explicit compile_settings(const compile_options&);
};

/// What happened: for stats() and explain().
struct compile_report {
  std::int64_t compilations = 0, memory_hits = 0, disk_hits = 0;
  struct kernel {
    std::string name, loops;  ///< loops: the scheduled loop nest as text; empty for native
    std::int64_t extent = 1, nanoseconds = 0;
    std::int64_t bytes_read = 0, bytes_written = 0;
    std::int64_t bytes_to_workspace = 0;  ///< of those written
    std::vector<std::string> calls{};     ///< its schedule, as calls of primitives
    std::vector<std::string> fusion{};    ///< why its result is stored, and what is computed more than once
    double operations = 0;                ///< of scalars
    std::size_t step = 0;                 ///< of the executable; of a body that is there twice the first
  };
  std::vector<kernel> kernels;
  /// Of a loop or a branch: one kernel, or why it is not.
  struct control_note {
    std::string text;
    std::int64_t branch = -1;  ///< the step that it begins with, while that is not decided
  };
  std::vector<control_note> control;
  workspace_report workspace;
  std::int64_t constant_bytes = 0;
  std::string cpu;  ///< that kernels are made for, as -mcpu= names it; empty for native
};

/// An executable with the types of its arguments and results.
struct compiled_graph {
  std::vector<ir::value_type> arguments, results;  ///< extents that grow as in core/growing.hpp
  detail::growth_range range;
  runtime::executable run;
  compile_report report;
};

/// The passes that do not need a call's extents: everything that hangs on params alone is done once.
ir::graph prepare(const ir::graph&, const compile_settings&);
/// Compiles for arguments of these types. `strides` gives argument i's element strides where it is not contiguous, null
/// else. `updates`: the arguments whose new values are the graph's last outputs; they are no results, but written into
/// the arguments' memory. shape_error when one has other extents.
std::unique_ptr<const compiled_graph> compile(const ir::graph& prepared, std::span<const ir::value_type> arguments,
                                              const std::vector<const extent_t*>& strides, std::span<const int> updates,
                                              const compile_settings&);
/// The same for all values of an extent that grows: `arguments` have it as core/growing.hpp says, and so the results'
/// types. An error when the graph cannot be compiled so, though it may be for each value alone.
std::unique_ptr<const compiled_graph> compile(const ir::graph& prepared, std::span<const ir::value_type> arguments,
                                              const std::vector<const extent_t*>& strides, std::span<const int> updates,
                                              detail::growth_range, const compile_settings&);

/// What the kernels compute, in order, before loops exist: where schedules begin. schedule_error for the native target.
std::vector<ir::computation> lower_all(const ir::graph& prepared, std::span<const ir::value_type> arguments,
                                       const compile_settings&);

}  // namespace tenon
