// Loop IR to LLVM IR: one function per kernel.
#pragma once
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "codegen/codegen.hpp"
#include "codegen/llvm/arithmetic.hpp"
#include "codegen/llvm/steps.hpp"
#include "loop/kernel.hpp"

namespace tenon::codegen {

/// The symbol of the one function of a module.
inline constexpr char kernel_symbol[] = "tenon_kernel";

/// Emits one kernel. Every expression is uniform (one scalar) or, inside a vectorized loop, varying (a vector of
/// lanes). Nothing it emits traps, reads outside a buffer, or calls outside but through the runtime table.
class emitter {
 public:
  emitter(llvm::Module&, const ir::kernel&, const machine&);
  /// Emits the function `kernel_symbol`. Throws compile_error for what the loop IR does not allow.
  void run();

 private:
  using value = llvm::Value*;
  struct access {
    std::int64_t buffer;
    std::span<const ir::expr_ref> indices;
  };
  struct stride {
    std::optional<std::int64_t> number;
    ir::expr_ref expression = nullptr;
  };
  struct buffer_state {
    value pointer = nullptr;
    int lanes = 0;  ///< of a local buffer that every lane has its own of: lanes lie innermost
    std::vector<std::vector<ir::expr_ref>> factors;  ///< per dimension: the stride is their product
    llvm::MDNode *scope = nullptr, *others = nullptr;
    bool constant = false;  ///< nothing in this kernel writes it
  };
  /// Partial results of one updated buffer, one a lane, while a vectorized loop runs.
  struct partial {
    ir::reducer combine{};
    std::int64_t elements = 1;
    bool whole_buffer = false;          ///< one partial for each element of a local buffer, else for one element
    std::vector<value> best, position;  ///< per unrolled set: storage [elements][lanes]
    value target = nullptr, target_position = nullptr;
    value mask = nullptr;
    bool in_order = false;  ///< each lane sees rising positions: of the loop itself, kept as the number of the vector
  };
  struct lane_context {
    ir::expr_ref variable = nullptr;
    int width = 0;
    value begin = nullptr, end = nullptr;  ///< of the loop
    std::int64_t multiple = 1;             ///< a number that divides the variable in the first lane of each vector
    value mask = nullptr;                  ///< null: all lanes run
    int set = 0;                           ///< which of the unrolled sets of partials
    const ir::store* aligned = nullptr;    ///< the streamed store whose vectors are whole here and begin at their size
    std::unordered_set<std::int64_t> declared;
    std::unordered_set<std::int64_t> asked;  ///< of what the loop's own prefetches ask for
    std::unordered_map<std::int64_t, partial> partials;
    std::unordered_map<ir::expr_ref, bool> varying;
  };
  enum class pattern : std::uint8_t { uniform, contiguous, reversed, affine, scattered };
  /// Every so many neighbouring lanes read element `at` of a block of so many elements; blocks lie side by side, and
  /// with the element that is read, the whole block is inside the buffer.
  struct blocks {
    std::int64_t lanes, elements, at;
  };

  // emitter.cpp: the frame, values of expressions, scopes
  void prepare_buffers();
  value symbol(std::int64_t id);
  value scalar(ir::expr_ref);
  value vector(ir::expr_ref);
  value scalar_uncached(ir::expr_ref);
  value vector_uncached(ir::expr_ref);
  bool varying(ir::expr_ref);
  bool reads_written(ir::expr_ref);
  value remember(ir::expr_ref, bool as_vector, value);
  value recall(ir::expr_ref, bool as_vector) const;
  value index_number(std::int64_t v) { return b_.getInt64(static_cast<std::uint64_t>(v)); }
  value entry_slot(llvm::Type*, std::int64_t count, const llvm::Twine& name);
  int lanes() const { return lanes_ ? lanes_->width : 0; }
  struct region;     ///< values computed inside it are forgotten at its end
  struct statement;  ///< the same for loads of what the kernel writes
  struct binding;    ///< a variable's value for a while

  // emit_memory.cpp
  value offset(const access&);
  value offset_vector(const access&);
  value stride_value(const buffer_state&, std::size_t dimension);
  std::optional<std::int64_t> stride_number(const buffer_state&, std::size_t dimension) const;
  std::optional<std::int64_t> step(const access&, ir::expr_ref variable);
  bool affine(const access&, std::span<const ir::expr_ref> variables);
  bool uniform(const access&);
  pattern classify(const access&);
  std::optional<blocks> blocks_of(const access&);
  dtype type_of(const access& a) const { return kernel_.buffers[static_cast<std::size_t>(a.buffer)].type; }
  value pointer(std::int64_t buffer, value offset);
  value private_pointer(const access&);
  std::vector<value> lane_pointers(const access&);
  value both(value mask, value other) { return !mask ? other : !other ? mask : b_.CreateAnd(mask, other); }
  value mask_of(ir::expr_ref);
  value load_scalar(const access&, value mask);
  value load_vector(const access&, ir::expr_ref mask);
  void store_scalar(const access&, value v, value mask);
  void store_vector(const access&, value v, ir::expr_ref mask);
  void stream_vector(const access&, value v);
  void stream_where_aligned(const access&, value v);
  value read_scalar(std::int64_t buffer, value pointer, value mask);
  void write_scalar(std::int64_t buffer, value pointer, value v, value mask);
  value read_contiguous(std::int64_t buffer, value pointer, value mask, int lanes);
  value read_group(std::int64_t buffer, value pointer, value mask, int lanes);
  void write_contiguous(std::int64_t buffer, value pointer, value v, value mask);
  value reversed(value v);
  value read_strided(std::int64_t buffer, value pointer, value mask, int width, int stride);
  value read_blocks(std::int64_t buffer, value pointer, value mask, const blocks&);
  bool masked_memory(dtype) const;
  int masked_part(dtype, int width) const;
  value lanes_from(value, int first, int count);
  value safe_to_read();
  value safe_to_write();
  void tag(llvm::Instruction*, std::int64_t buffer);
  value lane(value v, int i) { return b_.CreateExtractElement(v, static_cast<std::uint64_t>(i)); }

  // emit_stmt.cpp
  void emit(const ir::stmt_ref&);
  void emit(const ir::block&);
  void emit(const ir::loop&);
  void emit(const ir::store&);
  void emit(const ir::declare&);
  void emit(const ir::branch&);
  void emit(const ir::while_loop&);
  void emit(const ir::prefetch&);
  void serial(const ir::loop&, value begin, value end);
  /// for i in [begin, end), stepping; `body` gets i. The count may be 0 unless `known_to_run`.
  template <class F>
  void counted(value begin, value end, value step, bool known_to_run, F body);
  template <class F>
  void guarded(value condition, F body);

  // emit_vector.cpp: vectorized loops
  void vectorized(const ir::loop&);
  void lane_body(const ir::loop&, value base, value mask, int set);
  value tail_mask(value remaining, int width);
  const ir::store* streamed_store(const ir::loop&);
  void ask_ahead(value p, std::int64_t bytes);
  value lanes_to_alignment(const ir::store&, value begin);
  int natural_width(const ir::loop&) const;
  int unrolled_sets(const ir::loop&, const std::unordered_map<std::int64_t, partial>&) const;

  // emit_transpose.cpp: what an unrolled loop inside a vectorized one reads or writes along itself
  bool interleaved_store(const ir::loop&);
  std::vector<value> transposed(std::vector<value> rows, int element_bytes);
  value row_mask(ir::expr_ref mask, value at, ir::expr_ref across, value first, int count);
  std::vector<value> load_transposed(ir::expr_ref load, ir::expr_ref across, int count);
  std::vector<std::pair<ir::expr_ref, std::vector<value>>> transposed_loads(const ir::loop&);

  // emit_update.cpp: reductions
  void emit(const ir::update&);
  void find_partials(const ir::loop&, lane_context&);
  void start_partials(lane_context&, int sets);
  void finish_partials(lane_context&, int sets);
  void update_scalar(const ir::update&);
  void update_partial(const ir::update&, partial&);
  void update_contiguous(const ir::update&);
  void update_lane_by_lane(const ir::update&);
  struct pair {
    value best, position;
  };
  pair combine(ir::reducer, dtype, pair old, pair next);
  pair choose(value wins, pair next, pair old);
  value vector_number();
  value position_of(const lane_context&, value vectors);
  pair across_lanes(ir::reducer, dtype, pair, int lanes);

  // emit_contraction.cpp
  friend class contraction_emitter;
  void emit(const ir::contraction&);

  [[noreturn]] void fail(const std::string& what) const;

  llvm::Module& module_;
  const ir::kernel& kernel_;
  const machine& machine_;
  llvm::LLVMContext& context_;
  llvm::IRBuilder<> b_;
  llvm::Function* function_ = nullptr;
  llvm::BasicBlock* entry_ = nullptr;
  value call_ = nullptr, values_ = nullptr, table_ = nullptr, begin_ = nullptr, end_ = nullptr;
  value zeros_ = nullptr, sink_ = nullptr;
  std::optional<arithmetic> a_;
  std::vector<buffer_state> buffers_;
  std::vector<value> symbols_;
  std::unordered_map<ir::expr_ref, value> bindings_, vector_bindings_;
  std::unordered_map<ir::expr_ref, bool> reads_written_;
  struct cached {
    std::unordered_map<ir::expr_ref, value> scalars, vectors;
  };
  std::vector<cached> scopes_;
  cached volatile_;  ///< of the current statement: what loads from written buffers
  lane_context* lanes_ = nullptr;
  bool streams_ = false;  ///< some store goes past the caches
};

struct emitter::region {
  explicit region(emitter& e) : e_(e) { e_.scopes_.emplace_back(); }
  ~region() { e_.scopes_.pop_back(); }
  region(const region&) = delete;
  emitter& e_;
};
struct emitter::statement {
  explicit statement(emitter& e) : e_(e) { e_.volatile_ = {}; }
  ~statement() { e_.volatile_ = {}; }
  statement(const statement&) = delete;
  emitter& e_;
};
struct emitter::binding {
  binding(emitter& e, ir::expr_ref variable, value v, bool as_vector = false)
      : e_(e), map_(as_vector ? e.vector_bindings_ : e.bindings_), variable_(variable) {
    map_[variable] = v;
  }
  ~binding() { map_.erase(variable_); }
  binding(const binding&) = delete;
  emitter& e_;
  std::unordered_map<ir::expr_ref, value>& map_;
  ir::expr_ref variable_;
};

template <class F>
void emitter::guarded(value condition, F body) {
  auto* inside = llvm::BasicBlock::Create(context_, "then", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateCondBr(condition, inside, after);
  b_.SetInsertPoint(inside);
  {
    region r(*this);
    body();
  }
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

template <class F>
void emitter::counted(value begin, value end, value step, bool known_to_run, F body) {
  // Tested at the end, so that what the body certainly runs can move in front of it.
  const auto rotated = [&] {
    auto* before = b_.GetInsertBlock();
    auto* head = llvm::BasicBlock::Create(context_, "loop", function_);
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    auto* i = b_.CreatePHI(b_.getInt64Ty(), 2, "i");
    i->addIncoming(begin, before);
    {
      region r(*this);
      body(static_cast<value>(i));
    }
    value next = b_.CreateNSWAdd(i, step);
    i->addIncoming(next, b_.GetInsertBlock());
    auto* done = llvm::BasicBlock::Create(context_, "done", function_);
    b_.CreateCondBr(b_.CreateICmpSLT(next, end), head, done);
    b_.SetInsertPoint(done);
  };
  if (known_to_run)
    rotated();
  else
    guarded(b_.CreateICmpSLT(begin, end), rotated);
}

}  // namespace tenon::codegen
