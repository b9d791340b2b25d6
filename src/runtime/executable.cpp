#include "runtime/executable.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <new>
#include <thread>

#include "core/text.hpp"
#include "runtime/thread_pool.hpp"
#include "tenon/core/error.hpp"

namespace tenon::runtime {
namespace {

constexpr int small_buffers = 32;  // pointers that lie on the stack
constexpr std::int64_t round_up(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }
using detail::cat;
using detail::quoted;

// In front of each workspace: what freeing it needs. The memory resource is a call's, the workspace outlives the call.
struct alignas(64) arena_header {
  memory* owner;
  std::size_t bytes;
};

void free_arena(std::byte* a) noexcept {
  if (!a) return;
  const arena_header h = *reinterpret_cast<arena_header*>(a);
  detail::deallocate(h.owner, a, h.bytes);
}

// A step in one call.
struct launched {
  const step& s;
  const std::int64_t* values;
  std::int64_t extent, nanoseconds;
};
inline launched at_most(const step& s) { return {s, s.values.data(), s.extent, s.nanoseconds}; }
// Apart, so that a call in which nothing grows asks no more than that.
[[gnu::noinline]] launched launch_grown(const step& s, std::int64_t most, std::int64_t below, std::int64_t* values) {
  std::copy(s.values.begin(), s.values.end(), values);
  for (std::size_t i = 0; i < s.growths.size(); ++i) values[i] -= s.growths[i] * below;
  return {s, values, s.trips.empty() ? s.extent : s.trips(values), s.nanoseconds * (most - below) / most};
}
inline launched launch(const step& s, std::int64_t most, std::int64_t below, std::int64_t* values) {
  if (s.growths.empty()) [[likely]]
    return at_most(s);
  return launch_grown(s, most, below, values);
}

bool is_parallel(const launched& l) {
  return l.s.kernel && l.extent > 1 && l.nanoseconds >= least_parallel_nanoseconds;
}

// How many chunks: a function of the step and the number of workers, the same number for each where there is enough to
// do. That chunks depend on the threads does not touch the results: a kernel's trips are independent.
int chunks_for(const launched& l, int workers, int most_each) {
  const std::int64_t worth = std::max<std::int64_t>(2, l.nanoseconds / least_chunk_nanoseconds);
  const std::int64_t each = std::clamp<std::int64_t>(worth / workers, 1, most_each);
  return static_cast<int>(std::min({workers * each, l.extent, worth}));
}

[[noreturn, gnu::cold]] void kernel_failed(const code& kernel, std::int32_t status) {
  throw compile_error(cat("kernel ", quoted{kernel.name}, " returned status ", status,
                          " (0 is success): an invariant of the compiler is broken"));
}

// One parallel step while it runs. Errors are kept until all chunks are done; the first one is reported.
struct parallel_step {
  launched now;
  void* const* buffers;
  std::byte* scratch;
  std::int64_t scratch_bytes;  // per worker
  int chunks;
  std::atomic<int> failed{0};
  std::int32_t status = 0;
  std::exception_ptr thrown = nullptr;

  void chunk(int c, int worker) noexcept {
    const step& s = now.s;
    const std::int64_t each = now.extent / chunks, more = now.extent % chunks;
    const std::int64_t begin = each * c + std::min<std::int64_t>(c, more), end = begin + each + (c < more ? 1 : 0);
    const kernel_call call{buffers,     now.values,       begin, end, scratch + scratch_bytes * worker,
                           &host_table, s.kernel->context};
    std::int32_t result = 0;
    try {
      result = s.kernel->entry(&call);
      if (result == 0) return;
      if (failed.exchange(1) == 0) status = result;
    } catch (...) {
      if (failed.exchange(1) == 0) thrown = std::current_exception();
    }
  }
  void report() {
    if (failed.load(std::memory_order_relaxed) == 0) return;
    if (thrown) std::rethrow_exception(thrown);
    kernel_failed(*now.s.kernel, status);
  }
};

// A user's executor is not trusted to keep its contract: a task runs at most once, and what is wrong is noticed.
constinit thread_local bool in_user_task = false;

struct executor_step {
  parallel_step& work;
  std::atomic<int> running{0};
  std::atomic<bool> over{false}, wrong{false};
  int wrong_task = 0;  // the first that was asked for twice, or does not exist
  std::atomic<bool> ran[most_threads];

  explicit executor_step(parallel_step& w) : work(w) {
    for (int i = 0; i < w.chunks; ++i) ran[i].store(false, std::memory_order_relaxed);
  }

  static void task(void* context, int i) {
    auto& self = *static_cast<executor_step*>(context);
    self.running.fetch_add(1);
    if (i < 0 || i >= self.work.chunks || self.ran[i].exchange(true)) {
      if (!self.wrong.exchange(true)) self.wrong_task = i;
    } else if (!self.over.load()) {
      const bool outer = in_user_task;
      in_user_task = true;
      self.work.chunk(i, i);
      in_user_task = outer;
    }
    self.running.fetch_sub(1);
  }

  [[noreturn]] void fail(const std::string& how) const {
    throw resource_error(
        cat("executor: run(", work.chunks, ", ...) for kernel ", quoted{work.now.s.kernel->name}, " ", how));
  }

  void run(executor& e) {
    std::string how;
    try {
      e.run(work.chunks, &task, this);
    } catch (const std::exception& x) {
      how = cat("threw: ", x.what());
    } catch (...) {
      how = "threw something that is no std::exception";
    }
    over.store(true);
    // Tasks that it left running use this object.
    const bool early = running.load() != 0;
    while (running.load()) std::this_thread::yield();
    if (!how.empty()) fail(how);
    if (wrong.load())
      fail(cat("ran task ", wrong_task,
               wrong_task >= 0 && wrong_task < work.chunks ? " more than once" : ", which does not exist"));
    for (int i = 0; i < work.chunks; ++i)
      if (!ran[i].load()) fail(cat("returned without having run task ", i));
    if (early) fail("returned while tasks were running");
  }
};

int concurrency_of(const executor& e) {
  int offered = 0;
  try {
    offered = e.concurrency();
  } catch (const std::exception& x) {
    throw resource_error(cat("executor: concurrency() threw: ", x.what()));
  }
  if (offered < 1) throw resource_error(cat("executor: concurrency() is ", offered, ", it must be at least 1"));
  return offered;
}

}  // namespace

struct executable::call {
  void* const* arguments;
  void* const* results;
  std::int64_t below;
  std::byte* workspace = nullptr;
};

// Layout: header, workspace, pointers of buffers, values that grow, scratch of each worker.
struct executable::arena {
  const executable& owner;
  std::byte* block = nullptr;

  arena(const executable& e, memory* m, int workers) : owner(e) {
    if (!e.needs_arena_) return;
    const auto bytes =
        sizeof(arena_header) + static_cast<std::size_t>(e.call_bytes(workers) + e.table_bytes_ + e.value_bytes_);
    block = e.spare_.exchange(nullptr, std::memory_order_acquire);
    if (block) {
      const auto& h = *reinterpret_cast<const arena_header*>(block);
      if (h.owner == m && h.bytes >= bytes) return;
      free_arena(block);
      block = nullptr;
    }
    block = static_cast<std::byte*>(detail::allocate(m, bytes));
    new (block) arena_header{m, bytes};
  }
  ~arena() {
    if (!block) return;
    std::byte* none = nullptr;
    if (!owner.spare_.compare_exchange_strong(none, block, std::memory_order_release, std::memory_order_relaxed))
      free_arena(block);
  }
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  std::byte* workspace() const { return block ? block + sizeof(arena_header) : nullptr; }
  std::byte* table() const { return workspace() + round_up(owner.workspace_bytes); }
  std::int64_t* values() const {
    return block ? reinterpret_cast<std::int64_t*>(table() + owner.table_bytes_) : nullptr;
  }
  std::byte* scratch() const { return block ? table() + owner.table_bytes_ + owner.value_bytes_ : nullptr; }
};

executable::~executable() { free_arena(spare_.load(std::memory_order_acquire)); }

std::int64_t executable::call_bytes(int threads) const {
  return round_up(workspace_bytes) + scratch_ * std::max(1, threads);
}

void executable::finish() {
  const auto refuse = [&](std::size_t at, const std::string& why) {
    const code* kernel = steps[at].kernel.get();
    throw compile_error(cat("executable: step ", at, " of ", steps.size(), kernel ? " (" : "",
                            kernel ? cat(quoted{kernel->name}) : "", kernel ? "): " : ": ", why));
  };
  if (finished_) throw compile_error("executable: finish() was called before");
  constexpr std::int64_t most_bytes = std::int64_t{1} << 46;
  if (workspace_bytes < 0 || workspace_bytes > most_bytes || arguments < 0 || results < 0)
    throw compile_error(
        cat("executable: ", workspace_bytes, " bytes of workspace, ", arguments, " arguments, ", results, " results"));
  bool parallel = false;
  std::int64_t scratch = 0;
  std::size_t table = 0, values = 0;
  for (std::size_t at = 0; at < steps.size(); ++at) {
    const step& s = steps[at];
    if (!s.kernel && s.target < 0) refuse(at, "it has no kernel");
    if (s.kernel && !s.kernel->entry) refuse(at, "its kernel has no code");
    if (!s.kernel && (s.target > static_cast<std::int64_t>(steps.size()) || s.buffers.size() > 1))
      refuse(at, cat("it jumps to step ", s.target, " on ", s.buffers.size(), " conditions"));
    if (s.scratch < 0 || s.scratch > most_bytes / most_threads) refuse(at, cat("scratch of ", s.scratch, " bytes"));
    if (s.extent < 0) refuse(at, cat("extent ", s.extent));
    if (s.growths.size() > s.values.size() || (!s.growths.empty() && most <= 0))
      refuse(at, cat(s.growths.size(), " of ", s.values.size(), " values grow up to ", most));
    if (!s.growths.empty()) values = std::max(values, s.values.size());
    for (std::size_t b = 0; b < s.buffers.size(); ++b) {
      const slot& where = s.buffers[b];
      std::int64_t count = 0, most_offset = most_bytes;
      const char* kind = "";
      switch (where.where) {
        case slot::kind::argument:
          kind = "argument", count = arguments;
          break;
        case slot::kind::result:
          kind = "result", count = results;
          break;
        case slot::kind::constant:
          kind = "constant", count = static_cast<std::int64_t>(constants.size());
          if (where.index < count) most_offset = constants[where.index].bytes;
          break;
        case slot::kind::workspace:
          kind = "workspace", count = 1, most_offset = workspace_bytes;
          break;
      }
      if (where.index >= count || where.offset < 0 || where.offset > most_offset)
        refuse(at, cat("buffer ", b, " is ", kind, " ", where.index, " of ", count, " at byte ", where.offset, " of ",
                       most_offset));
    }
    parallel = parallel || is_parallel(at_most(s));
    scratch = std::max(scratch, round_up(s.scratch));
    if (s.buffers.size() > small_buffers) table = std::max(table, s.buffers.size());
  }
  parallel_ = parallel;
  scratch_ = scratch;
  table_bytes_ = round_up(static_cast<std::int64_t>(table * sizeof(void*)));
  value_bytes_ = round_up(static_cast<std::int64_t>(values * sizeof(std::int64_t)));
  needs_arena_ = workspace_bytes + scratch_ + table_bytes_ + value_bytes_ > 0;
  finished_ = true;
}

inline void executable::fill(const step& s, void** out, const call& c) const {
  for (const slot& b : s.buffers) {
    const void* base = c.workspace;
    switch (b.where) {
      case slot::kind::argument:
        base = c.arguments[b.index];
        break;
      case slot::kind::result:
        base = c.results[b.index];
        break;
      case slot::kind::constant:
        base = constants[b.index].data;
        break;
      case slot::kind::workspace:
        break;
    }
    *out++ = const_cast<std::byte*>(static_cast<const std::byte*>(base)) + b.offset;
  }
}

// Apart from next_kernel, so that this is a comparison in the calls that have no jumps.
const step* executable::next_after_jumps(std::size_t& at, const call& c) const {
  while (at < steps.size()) {
    const step& s = steps[at++];
    if (s.kernel && s.extent != 0) return &s;
    if (s.kernel) continue;
    void* condition = nullptr;
    fill(s, &condition, c);
    if (s.buffers.empty() || *static_cast<const unsigned char*>(condition) == 0)
      at = static_cast<std::size_t>(s.target);
  }
  return nullptr;
}

inline const step* executable::next_kernel(std::size_t& at, const call& c) const {
  if (at == steps.size()) return nullptr;
  const step& s = steps[at];
  if (!s.kernel || s.extent == 0) [[unlikely]]
    return next_after_jumps(at, c);
  ++at;
  return &s;
}

template <class F>
inline void executable::for_each_step(const call& given, memory* user_memory, F run_step) const {
  const arena a(*this, user_memory, 1);
  call c = given;
  c.workspace = a.workspace();
  void* small[small_buffers];
  std::size_t at = 0;
  while (const step* next = next_kernel(at, c)) {
    const step& s = *next;
    void** buffers = s.buffers.size() <= small_buffers ? small : reinterpret_cast<void**>(a.table());
    fill(s, buffers, c);
    const code& kernel = *s.kernel;
    const launched now = launch(s, most, c.below, a.values());
    const kernel_call k{buffers, now.values, 0, now.extent, a.scratch(), &host_table, kernel.context};
    if (const std::int32_t status = run_step(s, k)) kernel_failed(kernel, status);
  }
}

void executable::run_serial(const call& c, memory* user_memory) const {
  for_each_step(c, user_memory, [](const step& s, const kernel_call& k) { return s.kernel->entry(&k); });
}

std::vector<double> executable::step_seconds(void* const* argument_data, void* const* result_data, memory* user_memory,
                                             int calls, std::int64_t below) const {
  using clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> all(steps.size());
  for (int i = 0; i < calls; ++i)
    for_each_step({argument_data, result_data, below}, user_memory, [&](const step& s, const kernel_call& k) {
      const auto start = clock::now();
      const std::int32_t status = s.kernel->entry(&k);
      all[static_cast<std::size_t>(&s - steps.data())].push_back(
          std::chrono::duration<double>(clock::now() - start).count());
      return status;
    });
  std::vector<double> medians;
  for (std::vector<double>& times : all) {
    std::sort(times.begin(), times.end());
    medians.push_back(times.empty() ? 0 : times[times.size() / 2]);
  }
  return medians;
}

void executable::reserve(memory* user_memory, int threads) const {
  arena(*this, user_memory, !parallel_ ? 1 : threads > 0 ? threads : default_threads());
}

void executable::run(void* const* argument_data, void* const* result_data, executor* user_executor, memory* user_memory,
                     int threads, std::int64_t below) const {
  if (!finished_) throw compile_error("executable: run() before finish()");
  call c{argument_data, result_data, below};
  if (!parallel_ || threads == 1) return run_serial(c, user_memory);
  int workers = threads > 0 ? threads : user_executor ? most_threads : default_threads();
  if (user_executor) workers = in_user_task ? 1 : std::min(workers, concurrency_of(*user_executor));
  workers = std::min(workers, most_threads);
  // With an executor the region is of the caller alone, and the pool stays as it is.
  parallel_region region(user_executor ? 1 : workers);
  if (!user_executor) workers = region.workers();
  if (workers <= 1) return run_serial(c, user_memory);

  const arena a(*this, user_memory, workers);
  c.workspace = a.workspace();
  const int most_each = user_executor ? 1 : most_pieces;
  void* small[small_buffers];
  std::size_t at = 0;
  while (const step* next = next_kernel(at, c)) {
    const step& s = *next;
    void** buffers = s.buffers.size() <= small_buffers ? small : reinterpret_cast<void**>(a.table());
    fill(s, buffers, c);
    const launched now = launch(s, most, below, a.values());
    parallel_step work{now, buffers, a.scratch(), scratch_, is_parallel(now) ? chunks_for(now, workers, most_each) : 1};
    if (work.chunks == 1) {
      work.chunk(0, 0);
    } else if (user_executor) {
      executor_step(work).run(*user_executor);
    } else {
      region.run(
          work.chunks, [](void* context, int c, int worker) { static_cast<parallel_step*>(context)->chunk(c, worker); },
          &work);
    }
    work.report();
  }
}

}  // namespace tenon::runtime
