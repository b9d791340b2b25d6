// A compiled function at fixed extents, or at all values of one that grows: a list of kernels over buffers. Immutable,
// callable from many threads at once.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/formula.hpp"
#include "runtime/kernel_abi.hpp"
#include "tenon/core/dtype.hpp"
#include "tenon/core/extent.hpp"
#include "tenon/runtime/executor.hpp"
#include "tenon/runtime/memory.hpp"

namespace tenon::runtime {

/// Code that can run: a loaded image, or a native function with its context. Shared; freed with the last user.
struct code {
  virtual ~code() = default;
  kernel_fn entry = nullptr;
  const void* context = nullptr;
  std::string name;  ///< readable, unique: operators and a hash
};

/// Where a kernel's buffer lives during a call.
struct slot {
  enum class kind : std::uint8_t { argument, result, constant, workspace };
  kind where{};
  std::uint32_t index = 0;  ///< argument, result or constant
  std::int64_t offset = 0;  ///< bytes
  friend bool operator==(const slot&, const slot&) = default;
};

/// Below this a step is not cut into chunks: handing them out and joining them costs more.
inline constexpr std::int64_t least_parallel_nanoseconds = 15'000;
/// No chunk is predicted shorter than this.
inline constexpr std::int64_t least_chunk_nanoseconds = 4'000;

/// One kernel launch; without a kernel a jump: to step `target` when the byte at the only buffer is 0, or always when
/// there is no buffer. Loops and branches of the graph are jumps.
struct step {
  std::shared_ptr<const code> kernel;
  std::vector<slot> buffers;
  std::vector<std::int64_t> values;
  std::int64_t extent = 1;              ///< trips of the parallel loop; any sub-range may run anywhere
  std::int64_t nanoseconds = 0;         ///< predicted for one thread; below least_parallel_nanoseconds it runs serially
  std::int64_t scratch = 0;             ///< bytes that each worker needs for itself
  std::int64_t target = -1;             ///< of a jump; the number of steps: the end
  std::vector<std::int64_t> growths{};  ///< by how much the first values are less in a call with one `below`; else none
  formula trips{};                      ///< what `extent` is in such a call, where it is not the same in all
};

/// A constant: packed weights and the like, shared between executables.
struct constant {
  std::shared_ptr<const void> owner;
  const void* data = nullptr;
  std::int64_t bytes = 0;
};

class executable {
 public:
  std::vector<step> steps;
  std::vector<constant> constants;
  std::int64_t workspace_bytes = 0;
  std::int64_t most = 0;  ///< of the extent that grows; 0: none does
  int arguments = 0, results = 0;

  executable() = default;
  executable(const executable&) = delete;
  executable& operator=(const executable&) = delete;
  ~executable();

  /// Called once, when the fields above are complete; they do not change after it. Throws compile_error naming step,
  /// kernel and values when they do not fit together (a slot outside of what there is, a step without a kernel, ...).
  void finish();

  /// Runs all steps. `arguments` and `results` are data pointers, already checked. `threads` is how many to use at
  /// most: 1 runs in the caller alone, 0 is what the executor offers, or for the built-in pool default_threads(). No
  /// allocation happens after a first call has made the workspace (calls at the same time each make one). A call that
  /// finds the pool in use, and one from inside of a kernel, runs in the caller alone. Throws resource_error when the
  /// user's executor or memory resource fails, compile_error naming the kernel when a kernel returns an error, and what
  /// a native kernel throws; results are then unspecified, everything else is as before. The extent that grows is
  /// `below` its largest value.
  void run(void* const* argument_data, void* const* result_data, executor* user_executor, memory* user_memory,
           int threads, std::int64_t below = 0) const;

  /// Makes the workspace of a first call ahead.
  void reserve(memory* user_memory, int threads) const;

  /// The median time of each step over this many calls, in the caller alone.
  std::vector<double> step_seconds(void* const* argument_data, void* const* result_data, memory* user_memory, int calls,
                                   std::int64_t below = 0) const;

  /// Bytes that one call with `threads` threads takes beside its arguments and results: workspace and scratch.
  std::int64_t call_bytes(int threads) const;

 private:
  struct arena;
  struct call;  // what its steps need
  void fill(const step& s, void** out, const call&) const;
  /// From step `at` on the next kernel with something to do, jumps followed; null at the end. `at` is then behind it.
  const step* next_kernel(std::size_t& at, const call&) const;
  const step* next_after_jumps(std::size_t& at, const call&) const;
  template <class F>
  void for_each_step(const call&, memory* user_memory, F run_step) const;
  void run_serial(const call&, memory* user_memory) const;

  bool finished_ = false;
  bool parallel_ = false;         // some step is worth several threads
  bool needs_arena_ = false;      // workspace, scratch, or a step with many buffers
  std::int64_t scratch_ = 0;      // bytes per worker, rounded up
  std::int64_t table_bytes_ = 0;  // buffer pointers of the longest step that does not fit on the stack
  std::int64_t value_bytes_ = 0;  // of the step with the most values that grow
  mutable std::atomic<std::byte*> spare_{nullptr};  // one workspace kept between calls
};

}  // namespace tenon::runtime
