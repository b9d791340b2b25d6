// Kernels as code: found in the process, found on disk, or compiled, several at once.
#pragma once
#include <memory>
#include <vector>

#include "pipeline.hpp"
#include "stage_times.hpp"

namespace tenon {

struct wanted_kernel {
  ir::kernel k;
  detail::hash128 key;                        ///< of its structure and of what compiles it
  std::vector<std::size_t> steps;             ///< that run it
  std::shared_ptr<const runtime::code> code;  ///< null until it is there
};

/// Each kernel's code. What was found where goes into the report. Throws what compilation throws.
void obtain(std::vector<wanted_kernel>&, const compile_settings&, compile_report&, stage_times&);

}  // namespace tenon
