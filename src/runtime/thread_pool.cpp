#include "runtime/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>

#include "runtime/environment.hpp"

namespace tenon::runtime {
namespace {

using clock = std::chrono::steady_clock;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// One round of waiting. Whoever waits long lets others run: with more threads than processors the one that is waited
// for may need this processor.
struct waiting {
  bool yield_at_once;
  unsigned rounds = 0;
  void round() {
    constexpr unsigned pure = 2000, between_yields = 64;
    relax();
    ++rounds;
    if (yield_at_once || (rounds > pure && rounds % between_yields == 0)) ::sched_yield();
  }
};

// A phase is one parallel step: its number in the upper bits, below it how many chunks a worker owns, then the number
// of all chunks.
constexpr int chunk_bits = 13, piece_bits = 3;
static_assert(most_threads * most_pieces < 1 << chunk_bits && most_pieces < 1 << piece_bits);
constexpr int chunks_of(std::uint64_t phase) { return static_cast<int>(phase & ((1 << chunk_bits) - 1)); }
constexpr int pieces_of(std::uint64_t phase) { return static_cast<int>(phase >> chunk_bits & ((1 << piece_bits) - 1)); }
constexpr std::uint64_t phase_after(std::uint64_t last, int chunks, int pieces) {
  const std::uint64_t number = (last >> (chunk_bits + piece_bits)) + 1;
  return (number << piece_bits | static_cast<std::uint64_t>(pieces)) << chunk_bits | static_cast<std::uint64_t>(chunks);
}

struct alignas(64) worker_slot {
  std::atomic<std::uint64_t> taken[most_pieces]{};  // the last phase in which each of its chunks was taken, by whomever
  std::atomic<int> asleep{0};
  int index = 0;
  std::uint64_t born = 0;  // the phase before its first
  thread_pool* pool = nullptr;
  pthread_t thread{};
};

}  // namespace

// Who holds `busy` is the master: it alone writes `task`, `context`, `done`, slots and phases. A chunk is taken by
// moving its owner's `taken` up to the phase. A phase ends when all its chunks are done, so all are taken: a late
// worker with an old phase in hand can take nothing, and while it holds a chunk, task and context stay.
struct thread_pool {
  alignas(64) std::atomic<std::uint64_t> phase{0};
  chunk_fn task = nullptr;
  void* context = nullptr;
  alignas(64) std::atomic<int> done{0};
  alignas(64) std::atomic<int> open{0};  // workers of the call that is open; 0: none
  std::atomic<bool> stop{false};
  std::atomic<bool> yield_at_once{false};
  alignas(64) std::atomic<bool> busy{false};
  int started = 1;  // slots with a thread; slot 0 is the caller's
  int processors = 1;
  pid_t process = 0;
  clock::duration spin{};
  thread_pool* parent = nullptr;  // of the process that forked this one: its threads are not here; kept, never used
  worker_slot* slots[most_threads]{};

  ~thread_pool() {
    for (worker_slot* s : slots) delete s;
  }
  void grow(int workers);
  bool take(int chunk, std::uint64_t now) {
    std::atomic<std::uint64_t>& taken = slots[chunk / pieces_of(now)]->taken[chunk % pieces_of(now)];
    std::uint64_t last = taken.load(std::memory_order_relaxed);
    return last < now && taken.compare_exchange_strong(last, now, std::memory_order_acq_rel);
  }
  // Runs what is left of a phase, from the worker's own chunks on.
  void work(int worker, std::uint64_t now) {
    const int chunks = chunks_of(now);
    for (int k = 0, c = worker * pieces_of(now); k < chunks; ++k, c = c + 1 == chunks ? 0 : c + 1)
      if (take(c, now)) {
        task(context, c, worker);
        done.fetch_add(1, std::memory_order_release);
      }
  }
  void serve(worker_slot& self);
  void end_threads();
};

namespace {

constinit std::atomic<thread_pool*> the_pool{
    nullptr};  // no destructor: calls may come from static objects' destructors
constinit std::atomic<bool> closed{false};
constinit std::atomic<int> entering{0};  // calls between the look at `closed` and having or not having the pool
constinit std::atomic<int> cached_threads{0};

void* thread_main(void* slot) {
  auto& self = *static_cast<worker_slot*>(slot);
  self.pool->serve(self);
  return nullptr;
}

// The pool of this process. Lock-free: a fork leaves no lock behind that nobody opens.
thread_pool* current_pool() {
  thread_pool* there = the_pool.load(std::memory_order_acquire);
  const pid_t process = ::getpid();
  while (!there || there->process != process) {
    const auto spin = environment_integer("TENON_SPIN_US", 50, 0, 1'000'000);
    const thread_limits limits = read_thread_limits();
    auto made = new thread_pool;
    made->process = process;
    made->spin = std::chrono::microseconds(spin);
    made->parent = there;
    made->processors = limits.cgroup && limits.cgroup < limits.affinity ? limits.cgroup : limits.affinity;
    made->slots[0] = new worker_slot;
    if (the_pool.compare_exchange_strong(there, made, std::memory_order_acq_rel)) return made;
    delete made;
  }
  return there;
}

struct entry_guard {
  entry_guard() { entering.fetch_add(1); }
  ~entry_guard() { entering.fetch_sub(1); }
};

// When the library is unloaded or the process ends: threads must not run code that is unmapped. A call that is open
// then is left alone (at the end of a process its thread goes with the process); calls that come later run serially.
[[gnu::destructor]] void at_unload() {
  closed.store(true);
  while (entering.load()) ::sched_yield();
  thread_pool* pool = the_pool.load(std::memory_order_acquire);
  if (!pool) return;
  if (pool->process == ::getpid()) {
    if (pool->busy.exchange(true, std::memory_order_acquire)) return;
    pool->end_threads();
  }
  the_pool.store(nullptr);
  while (pool) {
    thread_pool* parent = pool->parent;
    delete pool;
    pool = parent;
  }
}

}  // namespace

void thread_pool::grow(int workers) {
  sigset_t all, before;
  sigfillset(&all);
  for (; started < workers; ++started) {
    if (!slots[started]) slots[started] = new (std::nothrow) worker_slot;
    worker_slot* s = slots[started];
    if (!s) return;
    s->index = started;
    s->pool = this;
    s->born = phase.load(std::memory_order_relaxed);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the host's threads
    const int failed = ::pthread_create(&s->thread, nullptr, thread_main, s);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (failed) return;
  }
}

void thread_pool::serve(worker_slot& self) {
  std::uint64_t seen = self.born;
  clock::time_point deadline{};
  waiting wait{yield_at_once.load(std::memory_order_relaxed)};
  for (;;) {
    const std::uint64_t now = phase.load(std::memory_order_acquire);
    if (now != seen) {
      seen = now;
      if (self.index * pieces_of(now) < chunks_of(now)) {
        work(self.index, now);
        deadline = {};
        wait = {yield_at_once.load(std::memory_order_relaxed)};
      }
      continue;
    }
    if (stop.load(std::memory_order_relaxed)) return;
    wait.round();
    if (self.index < open.load(std::memory_order_relaxed)) {
      deadline = {};
    } else if (deadline == clock::time_point{}) {
      deadline = clock::now() + spin;
    } else if ((wait.yield_at_once || wait.rounds % 16 == 0) && clock::now() >= deadline) {
      // Said before looked: either the opener sees the sleeper or the sleeper sees what was opened.
      self.asleep.store(1);
      if (self.index < open.load() || stop.load())
        self.asleep.store(0);
      else
        self.asleep.wait(1);
      deadline = {};
      wait.rounds = 0;
    }
  }
}

void thread_pool::end_threads() {
  stop.store(true);
  for (int i = 1; i < started; ++i)
    if (slots[i]->asleep.exchange(0)) slots[i]->asleep.notify_one();
  for (int i = 1; i < started; ++i) ::pthread_join(slots[i]->thread, nullptr);
  started = 1;
}

parallel_region::parallel_region(int workers) {
  if (workers > most_threads) workers = most_threads;
  if (workers <= 1) return;
  entry_guard guard;
  if (closed.load()) return;
  thread_pool* pool = current_pool();
  if (pool->busy.load(std::memory_order_relaxed) || pool->busy.exchange(true, std::memory_order_acquire)) return;
  if (pool->started < workers) pool->grow(workers);
  workers_ = workers < pool->started ? workers : pool->started;
  if (workers_ == 1) {
    pool->busy.store(false, std::memory_order_release);
    return;
  }
  pool_ = pool;
  pool->yield_at_once.store(workers_ > pool->processors, std::memory_order_relaxed);
  pool->open.store(workers_);
  for (int i = 1; i < workers_; ++i)
    if (pool->slots[i]->asleep.load() && pool->slots[i]->asleep.exchange(0)) pool->slots[i]->asleep.notify_one();
}

parallel_region::~parallel_region() {
  if (!pool_) return;
  pool_->open.store(0);
  pool_->busy.store(false, std::memory_order_release);
}

void parallel_region::run(int chunks, chunk_fn task, void* context) {
  if (!pool_ || chunks <= 1) {
    for (int c = 0; c < chunks; ++c) task(context, c, 0);
    return;
  }
  thread_pool& pool = *pool_;
  pool.task = task;
  pool.context = context;
  pool.done.store(0, std::memory_order_relaxed);
  const std::uint64_t last = pool.phase.load(std::memory_order_relaxed);
  const std::uint64_t now = phase_after(last, chunks, (chunks + workers_ - 1) / workers_);
  pool.phase.store(now, std::memory_order_release);
  pool.work(0, now);
  waiting wait{pool.yield_at_once.load(std::memory_order_relaxed)};
  while (pool.done.load(std::memory_order_acquire) != chunks) wait.round();
}

int default_threads() {
  int threads = cached_threads.load(std::memory_order_relaxed);
  if (!threads) cached_threads.store(threads = read_thread_limits().threads, std::memory_order_relaxed);
  return threads;
}

}  // namespace tenon::runtime
