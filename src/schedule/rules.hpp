// Default schedules: rules over what a computation is (a contraction, row reductions, a map), not templates per
// operator.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "loop/lower.hpp"
#include "runtime/formula.hpp"

namespace tenon::scheduling {

struct record;  // schedule/steps.hpp

/// What the rules ask of a machine.
struct machine_model {
  int vector_bits = 128;     ///< widest natural vector
  int registers = 16;        ///< vector registers
  bool fma = false;          ///< a product and a sum, rounded once
  int products_a_cycle = 2;  ///< vectors of multiply-adds of that width
  bool dot_bytes = false;    ///< dot products of 4 bytes
  bool dot_bf16 = false;     ///< dot products of 2 bf16, in less time than two multiply-adds of f32
  int threads = 1;           ///< that a call will use
  std::int64_t l1_bytes = 32 << 10, l2_bytes = 512 << 10;  ///< data caches of one core
  int l1_ways = 8, l2_ways = 8;                            ///< lines that each set of them holds
  bool winograd = true;  ///< whether convolutions may be made of transformed tiles, which round more
};

/// A constant operand that its kernel reads in panels, [panel][reduction...][width][group], made once when a callable
/// is built. Panel n begins at column n * width, the last one at columns - width. The last group is filled with zeros.
struct constant_packing {
  std::size_t parameter = 0;  ///< of the kernel, that the packed constant is bound to
  int width = 0;
  int group = 1;  ///< steps of the innermost loop of the reduction that lie side by side
  extent_t columns = 0, column_stride = 1, offset = 0;     ///< of the constant as it is; strides in elements
  std::vector<std::pair<extent_t, extent_t>> reduction{};  ///< extent, stride
  extent_t batches = 1, batch_stride = 0;                  ///< so many of them, one after the other
  int winograd_outputs = 0;               ///< not 0: one such constant for each point, [point][panel]...
  std::array<extent_t, 2> tap_strides{};  ///< of the 3 x 3 taps that the points are made of
  std::int64_t elements() const;          ///< of the packed one
  void pack(const void* from, void* to, int element_bytes) const;
  friend auto operator<=>(const constant_packing&, const constant_packing&) = default;

 private:
  void pack_batches(const void* from, void* to, int element_bytes) const;
  void pack_points(const void* from, void* to, int element_bytes) const;
};

/// What the caller needs to know of a scheduled kernel.
struct launch {
  std::int64_t extent = 1;       ///< trips of the parallel loop at this call
  runtime::formula trips{};      ///< the same as a function of the symbols' values, where it grows
  std::int64_t nanoseconds = 0;  ///< predicted for one thread: short kernels run serially
  std::int64_t scratch = 0;      ///< bytes that a worker needs
  std::vector<constant_packing> packed;
  std::vector<std::string> calls;  ///< the schedule, as calls of primitives
  double operations = 0;           ///< of scalars, at this call; a step of a reduction is one
};

/// Gives the computation's kernel its loops. A program has them already: only its launch is computed.
launch schedule_default(ir::computation&, const machine_model&);
/// The same by a record, whose steps for the kernel called `label` are taken; without any, the loops are plain.
launch schedule_recorded(ir::computation&, const machine_model&, const record&, const std::string& label, bool fused);

// The rules; each answers false when the computation is not of its kind.
bool schedule_attention(ir::computation&, const machine_model&, launch&);
bool schedule_winograd(ir::computation&, const machine_model&, launch&);
bool schedule_contraction(ir::computation&, const machine_model&, launch&);
/// Whether `schedule_contraction` computes windows in the kernel of the product that reads them, in strips of rows.
ir::strips windows_in_strips(ir::computation, const machine_model&);
bool schedule_windows(ir::computation&, const machine_model&, launch&);
bool schedule_transpose(ir::computation&, const machine_model&);
void schedule_loops(ir::computation&, const machine_model&);

/// What a computation costs, added to the launch: its operations, and the time that is predicted for one thread.
void predict(const ir::computation&, const machine_model&, launch&);

/// Whether a computation is one of windows that read groups of its channels, as they are before axes are split.
bool are_windows_of_groups(ir::computation&, const machine_model&);
/// Whether a computation is one of windows whose last axes are outer rows, rows and channels.
bool are_windows_of_strips(ir::computation&, const machine_model&);
/// The loops of some of its outer rows, [begin, end): strip[outer row - begin][row][channel] is what its result is for
/// the output buffer. `at` are the values of the axes before.
ir::stmt_ref windows_of_strip(ir::computation&, const machine_model&, launch&, ir::expr_ref begin, ir::expr_ref end,
                              std::span<const std::pair<ir::expr_ref, ir::expr_ref>> at);

/// Outer axes are made one parallel loop until it has this many trips; the rest stay plain loops, without divisions.
inline constexpr std::int64_t enough_trips = 16;
/// Results of so many bytes go past the caches: no core's own holds them when somebody reads them, and a store that
/// goes past reads no line that it writes whole.
inline constexpr std::int64_t streamed_from = 8 << 20;
/// Vectors of columns that a reduction over what lies around them works on at once, at most.
inline constexpr int side_by_side = 8;
/// Lanes of a vector loop over these expressions: the widest element decides.
int lanes_for(const ir::computation&, const machine_model&);
/// One parallel loop over all of `extents`: gives its variable, its extent, and each index in terms of the variable.
struct fused_loop {
  ir::expr_ref variable, extent;
  std::vector<ir::expr_ref> indices;
};
fused_loop fuse_loops(ir::expr_arena&, const std::vector<ir::expr_ref>& extents);
/// A body in whose place the indices have values: they become variables, each the only trip of a loop, so that what
/// stands deep inside does not divide again.
class bound_indices {
 public:
  bound_indices(ir::expr_arena&, fused_loop&);
  ir::stmt_ref around(ir::stmt_ref body) const;

 private:
  ir::expr_arena& a_;
  std::vector<std::pair<ir::expr_ref, ir::expr_ref>> values_;
};

}  // namespace tenon::scheduling
