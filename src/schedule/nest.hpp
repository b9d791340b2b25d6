// The loop nest of one computation as schedules see it: which loops there are, in what order, and how they came from
// the computation's axes. Statements are made of it when it is complete (build_nest.hpp).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loop/lower.hpp"

namespace tenon::scheduling {

/// A value: copied before a step changes it.
struct nest {
  /// Loops are known by their index here, which never changes; those that a step replaced stay, with its words.
  struct loop {
    std::string name;
    std::int64_t extent = 1;
    ir::loop_kind kind = ir::loop_kind::serial;
    int width = 1;           ///< vectorized: lanes
    int reduction = -1;      ///< whose loop it is; -1: the result's
    std::vector<int> roots;  ///< the axes that it runs over, by their first loops
    std::string replaced;    ///< "split into i0.o and i0.i"; empty while it is there
  };
  /// How a loop's index comes from those that replaced it.
  struct relation {
    enum class kind : std::uint8_t {
      split,  ///< whole = outer * factor + inner, where that is less than its extent
      shift,  ///< whole = min(outer * factor, extent - factor) + inner
      fuse,   ///< outer = whole / factor, inner = whole % factor
    } what;
    int whole, outer, inner;
    std::int64_t factor;
    /// Of a split: whether some trips of the last block are outside of the extent.
    bool has_tail(std::int64_t extent) const { return what == kind::split && factor < extent && extent % factor != 0; }
  };
  struct reduction {
    ir::reducer combine;
    int bytes;              ///< of an accumulator
    std::vector<int> axes;  ///< of the result that it depends on, by their first loops
    int inside = -1;        ///< the reduction in whose loops it is made; -1: none
    std::string text;       ///< one step: "acc0 sum= x0[i0, i2] * x1[i2, i1]"
  };

  std::string kernel;               ///< the name by which users find it
  std::string header, result_text;  ///< "matmul(x0 f32[4,4], ...)", "y[i0, i1] = acc0"
  bool fixed = false;  ///< an operator's own program: no loops to schedule; `result_text` is all of its statements
  std::vector<loop> loops;
  std::vector<int> order;  ///< the loops that are there, outermost first; those of reductions after each other at the
                           ///< end, unless there is only one reduction
  std::vector<relation> relations;
  std::vector<reduction> reductions;

  /// Whether reduction r runs inside of what this loop of the result distinguishes.
  bool matters(const loop&, const reduction& r) const;
};

/// Plain loops. The computation's extents become numbers: a schedule is for one set of extents.
nest make_nest(ir::computation&, std::string label);

/// What the loops amount to, outer before inner: what is printed, checked and built.
struct item {
  enum class kind : std::uint8_t {
    loop,     ///< id: the loop
    declare,  ///< id: the reduction; `over` the loops that its accumulators are told apart by
    init,     ///< of reduction `id`
    update,
    store,
  } what;
  int id = -1;
  std::vector<int> over{};
  std::vector<item> body{};
};
std::vector<item> plan(const nest&);

/// Why the loops cannot be as they are, or nothing; `loop` is the one to blame.
struct objection {
  std::string why;
  int loop = -1;
};
objection object_to(const nest&);

/// The nest as text, with an arrow at loop `marked`.
std::string to_string(const nest&, int marked = -1);

/// Names of kernels in a callable: what `readable` is the k-th time.
std::string label_of(std::string_view readable, const std::vector<std::string>& before);

}  // namespace tenon::scheduling
