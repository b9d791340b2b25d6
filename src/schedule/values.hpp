// The values that loops of a nest read and that a schedule may keep nearer to them: operands, and intermediates that
// the computation makes on the way. Each is a function of indices.
#pragma once
#include <string>
#include <vector>

#include "loop/lower.hpp"

namespace tenon::scheduling {

struct readable {
  struct read {
    int reduction;                    ///< whose step reads it; -1: the result's expression
    ir::expr_ref e;                   ///< as it stands there
    std::vector<ir::expr_ref> index;  ///< one for each dimension
  };
  std::string name;                      ///< of the buffer, or of the function that makes the intermediate
  std::int64_t buffer = -1;              ///< an operand's
  std::vector<std::int64_t> extents;     ///< at this call
  std::vector<ir::expr_ref> parameters;  ///< variables that stand for the indices in `function`
  ir::expr_ref function = nullptr;
  std::vector<int> needs;  ///< reductions whose results, as accumulators, stand in `function`
  std::vector<read> reads;
};

/// The reductions of a computation, inner before outer: schedules number them so.
std::vector<ir::expr_ref> reductions_of(const ir::computation&);
/// In the order in which the computation reads them; the same for equal computations. `accumulators` are variables that
/// stand for the reductions' results.
std::vector<readable> readable_values(ir::computation&, const std::vector<ir::expr_ref>& accumulators);

}  // namespace tenon::scheduling
