// Reductions that are too long for one thread get kernels of their own.
//   before: y[c] = f(c, sum over i of x[c, i])                     few c: most threads have nothing to do
//   after:  part[p, c] = sum over i in block p of x[c, i]
//           whole[c] = sum over p of part[p, c]
//           y[c] = f(c, whole[c])                                  where y is no larger than whole, the two are one
// How many blocks there are follows from the extents alone: the same bits with any number of threads.
#pragma once
#include <functional>
#include <vector>

#include "loop/lower.hpp"
#include "schedule/rules.hpp"

namespace tenon::scheduling {

/// The computations of a group in the order they run, most often the one that `lower` gives; each call of it must give
/// the same again. What one leaves for a later one is a parameter without a node: a temporary of the group.
std::vector<ir::computation> split_reductions(const std::function<ir::computation()>& lower, const machine_model&);

}  // namespace tenon::scheduling
