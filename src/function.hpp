// What schedules ask of a callable.
#pragma once
#include <vector>

#include "pipeline.hpp"
#include "tenon/dsl/function.hpp"

namespace tenon::detail {

/// The kernels' plain loops for arguments of these extents; none given, those that the parameters state are filled in.
/// schedule_error when they are not all known or not one for each argument, shape_error when they do not fit.
std::vector<scheduling::nest> plain_nests(function&, std::vector<dims>& extents);
/// The same function with these schedules, compiled for the record's extents.
function_ref with_schedule(function&, const scheduling::record&);

}  // namespace tenon::detail
