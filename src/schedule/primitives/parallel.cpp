// parallel(i): any thread may run any of the trips.
//
//   for i                        parallel for i
//     y[i] = ...                   y[i] = ...
//
// Only the outermost loop (object_to), so that a call has one region of parallel work a kernel; and none that carries a
// reduction, whose trips write the same accumulator.
#include <fmt/format.h>

#include "schedule/primitives/primitives.hpp"

namespace tenon::scheduling {

std::vector<int> parallel(nest& n, const step& s) {
  const int id = s.loops[0];
  nest::loop& l = n.loops[static_cast<std::size_t>(id)];
  // A partitioned loop may be: each trip chooses its code.
  if (!l.cut || l.kind != ir::loop_kind::serial) require_serial(n, id, "parallel");
  if (l.reduction >= 0)
    throw refusal{
        fmt::format("{} carries the reduction acc{}: its trips write the same accumulator", l.name, l.reduction), id};
  l.kind = ir::loop_kind::parallel;
  return {};
}

}  // namespace tenon::scheduling
