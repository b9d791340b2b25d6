// Callables in which an extent depends on data: cut into segments, each a callable of its own.
//
//   y = gather(x, nonzero(x > 0))    ->   segment 0: x -> positions, count
//                                         segment 1: x, positions[:, :count] -> y
//
// A `narrow` ends the segment that makes its count: the count is read, the buffer's view is cut, and the next segment
// is called with it, so that it is compiled, or found, for the extents that came out.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graph/node.hpp"
#include "tenon/dsl/function.hpp"
#include "tenon/graph/graph.hpp"
#include "tenon/runtime/array.hpp"

namespace tenon::detail {

class segments {
 public:
  /// Null where no extent depends on data.
  static std::unique_ptr<const segments> of(const ir::graph&, const compile_options&, binding, const loc&);

  /// What a run made: a view of each result, in memory that it keeps or that the arguments have.
  struct made {
    std::vector<any_view> results;
    std::vector<std::unique_ptr<array_storage>> kept;
  };
  /// Runs one segment after the other. Throws what calls throw, and shape_error when a count is not one of its buffer.
  made run(const any_view* const* arguments) const;

  call_stats stats() const;
  std::string explain() const;

 private:
  /// Values have numbers: the arguments first.
  struct cut {
    int value, buffer, count, axis;
    loc where;
  };
  struct segment {
    std::vector<cut> cuts;  ///< before it runs
    function_ref run;
    std::vector<int> inputs, outputs;  ///< values; without outputs there is nothing to run
    std::vector<dtype> types;          ///< of the outputs
  };
  std::vector<segment> segments_;
  std::vector<int> results_;
  int arguments_ = 0, values_ = 0;
};

}  // namespace tenon::detail
