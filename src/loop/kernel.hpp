// Statements of the loop IR and the kernel they make up: what is scheduled, verified, printed and compiled.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "loop/expr.hpp"

namespace tenon::ir {

struct stmt;
using stmt_ref = std::shared_ptr<const stmt>;

enum class loop_kind : std::uint8_t {
  serial,
  parallel,    ///< the outermost loop only: any part of its range may run on any thread
  vectorized,  ///< `width` lanes at a time; the last ones masked. Body: stores, updates, declarations, loops with
               ///< uniform bounds
  unrolled,    ///< constant trip count
};

/// for variable in [begin, end). Bounds may be min or max of outer indices.
struct loop {
  expr_ref variable, begin, end;
  loop_kind kind = loop_kind::serial;
  int width = 1;  ///< vectorized: lanes
  stmt_ref body;
};
/// buffer[indices] = value where mask holds.
struct store {
  std::int64_t buffer;
  std::vector<expr_ref> indices;
  expr_ref value, mask;
  bool streamed = false;  ///< past the caches: nobody reads it before it would have left them
};
/// buffer[indices] = reducer(buffer[indices], value) where mask holds. Associative: a vectorized loop outside the
/// declaration's scope keeps one partial result a lane and combines them in lane order at its end. argmax, argmin:
/// `buffer` holds the best value, `buffer + 1` (i64) its `position`; of equal values the smaller position stays.
struct update {
  ir::reducer combine;
  std::int64_t buffer;
  std::vector<expr_ref> indices;
  expr_ref value, mask;
  expr_ref position = nullptr;
};
/// A local buffer lives from here to the end of the enclosing block, one per iteration and lane.
struct declare {
  std::int64_t buffer;
};
/// if (condition) then else otherwise; the condition is uniform in vectorized loops.
struct branch {
  expr_ref condition;
  stmt_ref then, otherwise;  // otherwise may be null
};
struct block {
  std::vector<stmt_ref> list;
};
/// while (condition) body, as often as that is. `test` runs before each look at the condition, and may be null.
struct while_loop {
  stmt_ref test;
  expr_ref condition;
  stmt_ref body;
};
/// buffer[indices] will be read soon: its line is asked for; in a vectorized loop the lines of all lanes, which lie
/// side by side or are the same. The indices may lie anywhere.
struct prefetch {
  std::int64_t buffer;
  std::vector<expr_ref> indices;
};
/// The tile contraction (design.md, decision 8):
///   for i in [0, tile_rows), j in [0, columns):
///     accumulator = sum over `reduction` of a(i, r) * b(j, r)         in type `accumulator->type`
///     if (mask(i, j)) buffer[indices(i, j)] = value(accumulator, i, j)
/// `a` is a load (or a cast of one) that depends on `row` and the reduction; `b` one that depends on `column` and the
/// reduction, with unit stride in `column`; or, where the last axis of the reduction is a group of constant extent with
/// unit stride, as in dot products, with its extent as the stride. `columns` <= tile_columns; both sizes are
/// compile-time numbers, the last columns are masked on loads and stores only.
struct contraction {
  static constexpr int most_rows = 64, most_columns = 256;  ///< of a tile
  struct axis {
    expr_ref variable, extent;
  };
  expr_ref row, column;
  int tile_rows, tile_columns;
  expr_ref columns;
  std::vector<axis> reduction;  ///< outermost first
  expr_ref a, b;
  /// What is asked for while `b` is read: a load of the same buffer that is as far from b in every step (it comes to
  /// the first-level cache), or one of a parameter (to the second-level one); null: nothing.
  expr_ref prefetch = nullptr;
  /// The address of a `tile_function` that computes the sums, a symbol; null: generated code does.
  expr_ref function = nullptr;
  expr_ref accumulator;  ///< the variable that stands for the sum in `value`
  std::int64_t buffer;
  std::vector<expr_ref> indices;
  expr_ref value;
  expr_ref mask = nullptr;  ///< null: everything is stored
  /// Other values of the same sum, stored before `value` is.
  struct result {
    std::int64_t buffer;
    std::vector<expr_ref> indices;
    expr_ref value, mask;
  };
  std::vector<result> also{};
};

struct stmt {
  std::variant<block, loop, store, update, declare, branch, while_loop, prefetch, contraction> v;
};

enum class scope : std::uint8_t {
  parameter,  ///< the caller's: one of kernel_call::buffers, in order
  local,      ///< registers or stack: constant extents, at most 4 KiB
  scratch,    ///< memory of the worker: contiguous, any extents; what one trip of the parallel loop leaves there means
              ///< nothing to the next
};
struct buffer {
  std::int64_t id = 0;  ///< its index in kernel::buffers
  std::string name;
  dtype type{};
  scope where{};
  bool written = false;
  std::vector<expr_ref> extents;
  std::vector<expr_ref> strides;  ///< in elements; empty: row-major contiguous
  /// Parameters with the same number may lie over each other, in whole or in part; 0: nothing that the kernel writes
  /// lies over this one, nor anything over this one if the kernel writes it.
  int overlap = 0;
};

/// One kernel: closed but for its parameters and symbols. `parameters()` come first among the buffers.
struct kernel {
  std::unique_ptr<expr_arena> arena = std::make_unique<expr_arena>();
  std::string name;  ///< readable: the operators in it
  std::vector<buffer> buffers;
  std::vector<std::string> symbols;  ///< names; values come with the call
  stmt_ref body;

  int parameters() const;
  /// Where each scratch buffer begins in the worker's scratch, in bytes (multiples of 64; null for other buffers), and
  /// last the bytes of all.
  std::vector<expr_ref> scratch_offsets() const;
  expr_arena& make() { return *arena; }
  std::int64_t add_buffer(std::string name, dtype, scope, std::vector<expr_ref> extents,
                          std::vector<expr_ref> strides = {});
};

// Statement makers.
/// Null statements drop out, blocks without declarations open up, a single statement stands alone.
stmt_ref make_block(std::vector<stmt_ref>);
template <class S>
stmt_ref make_stmt(S s) {
  return std::make_shared<const stmt>(stmt{std::move(s)});
}
/// Calls `f` on every statement, outer before inner.
void visit(const stmt_ref&, const std::function<void(const stmt&)>& f);
/// Calls `f` on every expression a statement holds itself (not those of statements inside it).
void visit_operands(const stmt&, const std::function<void(expr_ref)>& f);
/// Calls `f` with the id of every buffer that a statement itself writes.
void visit_written(const stmt&, const std::function<void(std::int64_t)>& f);
/// Rebuilds a statement with `f` applied to each of its own expressions.
stmt_ref map_operands(const stmt_ref&, const std::function<expr_ref(expr_ref)>& f);
/// The same for all statements inside it, too.
stmt_ref map_all_operands(const stmt_ref&, const std::function<expr_ref(expr_ref)>& f);

/// The offset in elements of indices into a buffer.
expr_ref linear_index(expr_arena&, const buffer&, std::span<const expr_ref> indices);

/// Text in and out: `parse_kernel(to_string(k))` gives an equal kernel. parse_error names line and column.
std::string to_string(const kernel&);
/// One statement of a kernel, as it stands in the kernel's text.
std::string to_string(const kernel&, const stmt&);
kernel parse_kernel(std::string_view);

/// Throws compile_error that names the broken invariant and shows the statement: types, ranks, scopes, bounds of
/// constants, one parallel loop and outermost, vectorized loops hold only what they may, contraction's form.
void verify(const kernel&);

}  // namespace tenon::ir
