// From a fused group of the graph to a computation: one element of the result as an expression over buffers.
#pragma once
#include <vector>

#include "graph/fuse.hpp"
#include "loop/kernel.hpp"

namespace tenon::ir {

/// What a kernel computes, before any loop exists: for every point of `axes`, buffers[output][axes] = value.
struct computation {
  struct axis {
    expr_ref variable;  ///< the constant 0 when the extent is 1
    expr_ref extent;    ///< a number or a symbol
    extent_t size;      ///< at this call
  };
  struct parameter {
    const node* value;   ///< as the kernel sees it: its extents are the buffer's
    const node* stored;  ///< whose buffer it is
    int temporary = -1;  ///< where both are null: what kernels of the group leave for later ones of it, by number
  };

  /// What is stored as well, at each point of the axes that its indices mention.
  struct result {
    std::int64_t buffer;
    std::vector<expr_ref> indices;  ///< axes' variables or 0
    expr_ref value;                 ///< in the stored type
  };

  ir::kernel kernel;                        ///< buffers and symbols; a program's body too, else none yet
  std::vector<parameter> parameters;        ///< in the order of the kernel's buffers; results last
  std::vector<std::int64_t> symbol_values;  ///< at this call
  std::vector<axis> axes;
  expr_ref value = nullptr;  ///< in the stored type, `reduce` inside; null for programs
  std::int64_t output = 0;   ///< buffer
  std::vector<result> also;

  /// Of the result, then of what is stored as well.
  std::vector<expr_ref> values() const;

  /// The number that an expression over symbols is at this call; of one that varies, what it is where loops begin.
  std::int64_t at_call(expr_ref) const;
};

/// Whether a map of contiguous operands runs over as few axes as it can, or over each of its result's.
enum class map_axes : std::uint8_t { merged, each };

/// `strides` gives the element strides of an input that is not contiguous, null else. `results` are the projections of
/// a root with several results (else unused).
computation lower(const fusion&, const group&, const std::function<const extent_t*(const node&)>& strides,
                  std::span<const node* const> results, map_axes = map_axes::merged);

}  // namespace tenon::ir
