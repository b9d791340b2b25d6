// The loops of one kernel before they exist: at which indices it reads each of its values, and how often it would
// compute them there. Definitions are asked, as lowering asks them, so that no operator has a rule for it.
#pragma once
#include <unordered_map>
#include <vector>

#include "graph/layout.hpp"
#include "graph/loop_order.hpp"
#include "graph/node.hpp"
#include "loop/expr.hpp"

namespace tenon::ir {

/// Values are computed once for each list of indices that they are read with.
struct instance {
  std::vector<expr_ref> at;  ///< one index for each axis, over the loops of the kernel
  expr_ref mask = nullptr;   ///< read only where this holds
  int inside = -1;           ///< the innermost reduction in whose loops it is read; -1: none
  friend bool operator==(const instance&, const instance&) = default;
};

/// Scalar operations that one element of a node takes, its operands read already: those of a map's function, of which
/// one such as exp counts for `math_weight`, or the steps of a reduction.
inline constexpr double math_weight = 20;
double operations_of(expr_arena&, const node&);
/// How often a node with a `compute` reads each element of an operand, on average.
double times_read(expr_arena&, const node&, const node& operand);

class kernel_space {
 public:
  /// The loops of the root's axes, in the order in which they lie in memory. `arena` makes all expressions; its first
  /// variables are those of axes, the same ones for every kernel.
  kernel_space(expr_arena& arena, const dims& root, const axis_order&);

  /// The root itself.
  instance root() const;
  /// What is read of n's operands for one instance of n, which is a map or has a `compute`.
  struct read {
    const node* value;
    instance of;
  };
  std::vector<read> reads(const node& n, const instance&);
  /// How often a value is computed there: the trips of all loops around it, those left out that lie inside of what it
  /// depends on.
  double evaluations(const instance&) const;
  /// Whether each axis of the value is another loop of the root (or has one element), and it is computed as often as it
  /// has elements. Then gives the root's axis for each of its own, -1 for those of one element.
  bool is_placed(const instance&, const dims& shape, std::vector<int>& axes) const;
  /// Where the root's axis lies in its memory; -1 for -1.
  int place_of_axis(int axis) const;
  /// Puts the loops that the instance depends on outside of the others, as far as what was put outside before allows.
  /// Whether its loops are the outermost ones then.
  bool put_outside(const instance&);

 private:
  struct reduction {
    int around;    // the reduction in whose loops it is made; -1: none
    int level;     // axes of the root that are open around it
    double trips;  // of its own loops
    std::vector<expr_ref> variables;
    std::vector<expr_ref> mentioned;  // by the instance that it is of
  };
  struct depth {
    int reduction = -1, level = 0;
  };
  depth depth_of(const instance&) const;
  std::vector<expr_ref> mentioned_by(const instance&) const;
  int level_of(const std::vector<expr_ref>& mentioned, int around) const;
  int place_of(expr_ref variable) const;
  int depth_of_loop(expr_ref variable) const;
  expr_ref definition(const node&, const instance&);
  instance normal(instance) const;

  expr_arena* a_;
  // By place in memory.
  std::vector<expr_ref> axes_;  // the constant 0 where the extent is 1
  std::vector<int> axis_at_;    // the root's axis
  std::vector<double> extents_;
  loop_order loops_;  // as in memory, until something is put outside
  std::vector<reduction> reductions_;
  std::vector<const node*> buffers_;  // by the ids of loads in definitions
};

}  // namespace tenon::ir
