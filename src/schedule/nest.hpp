// The loop nest of one computation as schedules see it: which loops there are, in what order, and how they came from
// the computation's axes. Statements are made of it when it is complete (build_nest.hpp).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
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
    std::int64_t cut = 0;    ///< partitioned: the trips before this one have code of their own; 0: all have the same
    int reduction = -1;      ///< whose loop it is
    int stage = -1;          ///< whose loop it is; neither a reduction's nor a stage's: the result's
    std::vector<int> roots;  ///< the axes that it runs over, by their first loops
    std::string replaced;    ///< "split into i0.o and i0.i"; empty while it is there
    bool of_result() const { return reduction < 0 && stage < 0; }
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
    bool masked = false;  ///< of a split: the trips outside of the extent run and do nothing
    /// Of a split: whether some trips of the last block are outside of the extent.
    bool has_tail(std::int64_t extent) const { return what == kind::split && factor < extent && extent % factor != 0; }
  };
  struct reduction {
    ir::reducer combine;
    dtype type;                ///< of what is combined
    int bytes;                 ///< of an accumulator
    std::vector<int> axes;     ///< of the result that it depends on, by their first loops
    std::vector<int> needs{};  ///< reductions that one step reads
    int inside = -1;           ///< the reduction in whose loops it is made; -1: none
    int at = -1;               ///< the result's loop in which it is computed; -1: as far outside as can be
    /// Sums of products of two values that are read: which ones, as (value, read). Else -1.
    std::pair<int, int> factors[2] = {{-1, -1}, {-1, -1}};
    std::string text;  ///< one step: "acc0 sum= x0[i0, i2] * x1[i2, i1]"
  };

  /// An index of a value that is read: sum of factor * axis (by its first loop) + offset.
  struct index {
    bool affine = true;
    std::vector<std::pair<int, std::int64_t>> terms{};
    std::int64_t offset = 0;
  };
  /// What is read: an operand or an intermediate (values.hpp).
  struct value {
    struct read {
      int reduction;  ///< whose step reads it; -1: the result
      std::vector<index> at;
      std::string text;  ///< as it stands there
    };
    std::string name, text;  ///< text: of the element with the indices {0}, {1}, ...
    int bytes = 1;           ///< of an element
    dtype type = any_dtype;  ///< of an element
    std::vector<std::int64_t> extents;
    std::vector<std::int64_t> strides;  ///< an operand's, in elements
    std::vector<int> needs;             ///< reductions that it is made of
    std::vector<read> reads;
  };
  /// What the loops inside of one loop read or write of a value, in memory of its own, with loops of its own.
  struct stage {
    enum class kind : std::uint8_t {
      read,      ///< made before the loops that read it
      write,     ///< the result: written there first, and to its place at the end
      prefetch,  ///< only asked for, `ahead` trips before it is read
    } what;
    std::string name;
    int value = -1;                       ///< what is read
    int at = -1;                          ///< the loop inside of which it is
    std::vector<std::int64_t> extents{};  ///< of what is there at once
    std::vector<int> roots{};             ///< the first loop of each dimension; a packed one's runs over panels
    std::vector<int> order{};             ///< its loops, outermost first
    int packed = -1;                      ///< the dimension that lies in panels; -1: none
    std::int64_t width = 0;               ///< of a panel
    int column = -1;                      ///< the first loop over the columns of a panel
    std::int64_t ahead = 0;
    bool gone = false;  ///< computed inline again
    bool keeps() const { return !gone && what != kind::prefetch; }
  };

  std::string kernel;               ///< the name by which users find it
  std::string header, result_text;  ///< "matmul(x0 f32[4,4], ...)", "y[i0, i1] = acc0"
  bool fixed = false;  ///< an operator's own program: no loops to schedule; `result_text` is all of its statements
  std::vector<loop> loops;
  std::vector<int> order;  ///< the loops that are there, outermost first; those of reductions after each other at the
                           ///< end, unless there is only one reduction; those of stages are not among them
  std::vector<relation> relations;
  std::vector<reduction> reductions;
  std::vector<value> values;
  std::vector<stage> stages;
  value result;  ///< what is written
  /// The two loops that a tile contraction stands for, with all of the reduction's; -1: none.
  int tile_row = -1, tile_column = -1;
  std::string tile_function;  ///< of the user's, that computes its sums; empty: the code generator does

  const loop& at(int id) const { return loops[static_cast<std::size_t>(id)]; }
  /// Whether reduction r runs inside of what this loop of the result distinguishes.
  bool matters(const loop&, const reduction& r) const;
  /// The loops among which this one stands: `order`, or a stage's.
  const std::vector<int>& order_of(int id) const;
  std::vector<int>& order_of(int id);
  /// Which operand of a tile contraction is a (the same for all columns): 0 or 1; -1: neither can be.
  int row_factor() const;
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
    contract,  ///< reduction `id` and the store of its result, for a tile
    keep,      ///< id: the stage, whose memory is there from here to the end of the loop around
    copy,      ///< one element of stage `id`: into its memory, out of it, or only asked for
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
