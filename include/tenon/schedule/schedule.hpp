// Schedules as values: the loop nests of a callable, changed step by step, each step checked and recorded.
#pragma once
#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/dsl/compiled.hpp"
#include "tenon/schedule/tile_function.hpp"

namespace tenon {

/// A loop of a schedule: an id that stays right while other loops are split, fused and moved. It means the same loop in
/// copies of the schedule.
struct loop_handle {
  int kernel = -1;  ///< which of the schedule's nests
  int id = -1;      ///< of the loop in its nest
  friend bool operator==(const loop_handle&, const loop_handle&) = default;
};

/// What `split` does with an extent that is no multiple of the factor.
enum class tail : unsigned char {
  guard,  ///< the last block is cut short: by its loop's end where that is possible, else by a condition
  exact,  ///< there may be none: schedule_error
  shift,  ///< the last block begins earlier and does some of the block before again; not for sums and products
  mask,   ///< the last block runs whole, and what is outside of the extent does nothing
};

/// What is no template of a schedule. Each step is checked before anything changes: schedule_error says the step, why
/// it is illegal, and shows the nest with the loop marked.
class any_schedule {
 public:
  any_schedule(const any_schedule&);
  any_schedule& operator=(const any_schedule&);
  ~any_schedule();

  /// The loops of the kernel called `name` (as `print` shows it) or that holds the operator `name`, outermost first,
  /// reductions last: as many as there are. schedule_error lists the kernels or the loops when there is no such kernel,
  /// several, or another number of loops.
  template <std::size_t N>
  std::array<loop_handle, N> loops(std::string_view name) const {
    std::array<loop_handle, N> r;
    find_loops(name, r.data(), N);
    return r;
  }

  /// l = outer * factor + inner: {outer, inner}.
  std::array<loop_handle, 2> split(loop_handle l, std::int64_t factor, tail = tail::guard);
  /// One loop over both; `inner` is directly inside of `outer`.
  loop_handle fuse(loop_handle outer, loop_handle inner);
  /// The loops take the places that they have together, in the order given, outermost first. A reduction's loop outside
  /// of a loop of the result keeps one accumulator for each of its trips.
  template <std::same_as<loop_handle>... L>
  void reorder(L... l) {
    reorder_loops({l...});
  }
  /// Blocks of a x b: {outer of a, outer of b, inner of a, inner of b}, in this order.
  std::array<loop_handle, 4> tile(loop_handle a, loop_handle b, std::int64_t factor_a, std::int64_t factor_b,
                                  tail = tail::guard);
  /// `lanes` trips at a time (a power of two up to 64; 0: as many as the extent has, at most 16), the last ones masked.
  /// A vectorized reduction keeps one partial result a lane.
  void vectorize(loop_handle l, int lanes = 0);
  /// All trips one after the other, without a loop.
  void unroll(loop_handle l);
  /// The trips run on any threads. Only the outermost loop, and none of a reduction. Short kernels run on one thread.
  void parallel(loop_handle l);

  /// Trips before `at` and from there on have code of their own, so that what holds for all trips of a part is not
  /// asked for in it. `at` 0, for a loop over blocks: the whole ones, and the rest.
  void partition(loop_handle l, std::int64_t at = 0);

  /// The reduction that `own` is a loop of is computed inside of `at`, a loop of the result, for all of its trips
  /// inside.
  void compute_at(loop_handle own, loop_handle at);
  /// The intermediate `value`, named by the function that makes it ("exp"), is computed once inside of `at` for what
  /// reads it there. Gives the loops that do, one for each axis.
  std::vector<loop_handle> compute_at(std::string_view value, loop_handle at);
  /// The operand, named as `print` shows it ("x0"), is copied inside of `at`, before the loops that read it there.
  /// Gives the loops that copy, one for each dimension.
  std::vector<loop_handle> cache_read(std::string_view operand, loop_handle at);
  /// What the loops inside of `at` write goes to a tile first, and to its place at their end. Gives the loops that do.
  std::vector<loop_handle> cache_write(loop_handle at);
  /// As cache_read, with `dimension` in panels of `width`: [panel][the other dimensions][width]. Gives the loops that
  /// copy, those over panels first and those over a panel's columns last.
  std::vector<loop_handle> pack(std::string_view operand, loop_handle at, int dimension, std::int64_t width);
  /// Takes back what made this loop: cache_read, cache_write, pack, prefetch or compute_at of an intermediate.
  void compute_inline(loop_handle of_copy);
  /// In each trip of `at`, what the loops inside of it read of the operand `ahead` trips later is asked for. Gives the
  /// loops that do.
  std::vector<loop_handle> prefetch(std::string_view operand, loop_handle at, std::int64_t ahead);
  /// The innermost loops of the result and those of its only reduction, a sum of products, become one tile contraction
  /// with its sums in registers. One operand is the same for all columns; the other one for all rows, and contiguous
  /// in the columns.
  void tensorize(loop_handle rows, loop_handle columns);
  /// The same with the sums computed by the user's function of that name (register_tile_function). The reduction has
  /// one loop, and both operands are of the function's type.
  void tensorize(loop_handle rows, loop_handle columns, std::string_view function);
  /// A loop of a sum of products becomes a dot product of vectors; both operands are contiguous in it.
  void tensorize(loop_handle products);

  /// The steps so far, for `f.schedule(json)`.
  std::string json() const;
  /// The loop nests; `print(s)` prints them.
  friend std::string to_string(const any_schedule&);

 protected:
  struct state;
  any_schedule(const detail::function_ref&, std::initializer_list<dims>);
  any_schedule(const detail::function_ref&, std::string_view json);
  detail::function_ref compiled_function() const;

 private:
  void find_loops(std::string_view name, loop_handle* to, std::size_t count) const;
  void reorder_loops(std::initializer_list<loop_handle>);

  state* state_;  // owned
};
std::string to_string(const any_schedule&);

/// The loop nests of one callable, for the extents that it was made for. Begins as plain loops; a value.
template <class Signature>
class schedule : public any_schedule {
 public:
  /// A callable with these loops: it checks, runs and fails as the one that the schedule came from. Compiles now, for
  /// the schedule's extents. For other extents the same steps are taken again; schedule_error says which does not fit.
  compiled<Signature> compile() const { return compiled<Signature>(compiled_function()); }

 private:
  friend class compiled<Signature>;
  using any_schedule::any_schedule;
};

}  // namespace tenon
