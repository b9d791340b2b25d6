// From a fused group of the graph to a computation: one element of the result as an expression over buffers.
#pragma once
#include <vector>

#include "core/growing.hpp"
#include "graph/fuse.hpp"
#include "loop/kernel.hpp"

namespace tenon::ir {

/// What a kernel computes, before any loop exists: for every point of `axes`, buffers[output][axes] = value.
struct computation {
  struct axis {
    expr_ref variable;  ///< the constant 0 when the extent is 1
    expr_ref extent;    ///< a number or a symbol
    extent_t size;      ///< at this call; of one that grows, at most
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
  std::vector<std::int64_t> symbol_values;  ///< at this call; of what grows, at most
  std::vector<std::int64_t> growths;        ///< of the first symbols: how often the extent that grows is in each
  detail::growth_range range;               ///< of that extent
  std::vector<axis> axes;
  expr_ref value = nullptr;  ///< in the stored type, `reduce` inside; null for programs
  std::int64_t output = 0;   ///< buffer
  std::vector<result> also;

  /// Of the result, then of what is stored as well.
  std::vector<expr_ref> values() const;

  /// The number that an expression over symbols is at this call; of one that varies, what it is where loops begin.
  std::int64_t at_call(expr_ref) const;
  /// The same where the extent that grows is `below` its bound.
  std::int64_t at_call(expr_ref, extent_t below) const;
  /// The same where it is least. What code relies on is larger than this, or it is not for all calls.
  std::int64_t at_least(expr_ref e) const { return at_call(e, range.length()); }
  std::int64_t symbol_value(std::size_t id, extent_t below) const;
  /// Whether it is another number at another call.
  bool grows(expr_ref) const;
  bool grows() const;
};

/// Why kernels cannot be made for all values of an extent that grows.
class not_for_all_values : public error {
  using error::error;
};

/// Whether a map of contiguous operands runs over as few axes as it can, or over each of its result's.
enum class map_axes : std::uint8_t { merged, each };

/// `strides` gives the element strides of an input that is not contiguous, null else. `results` are the projections of
/// a root with several results (else unused).
computation lower(const fusion&, const group&, const std::function<const extent_t*(const node&)>& strides,
                  std::span<const node* const> results, map_axes = map_axes::merged, detail::growth_range = {});

}  // namespace tenon::ir
