// The built-in worker threads: one parallel region per call, static chunks with an owner each, spinning between the
// steps of a call.
#pragma once
#include <string>

namespace tenon::runtime {

inline constexpr int most_threads = 1024;
/// Chunks that a worker may own in one step: what it does not come to, others take.
inline constexpr int most_pieces = 4;

/// How many threads are worth using, and why; for `doctor()`.
struct thread_limits {
  int affinity = 1;     ///< processors that this thread may run on
  int cgroup = 0;       ///< processors that the control group pays for, rounded up; 0: no limit
  int environment = 0;  ///< TENON_NUM_THREADS; 0: not set
  int threads = 1;      ///< what follows from the three
};
/// Reads them anew. Throws argument_error when TENON_NUM_THREADS is not a number from 1 to 1024.
thread_limits read_thread_limits();
/// The processors that the control groups of `self` (the text of /proc/self/cgroup) grant, v1 or v2, all ancestors
/// considered; `mount` is where their file systems are. 0: no limit.
int cgroup_processors(const std::string& self, const std::string& mount);
/// read_thread_limits().threads, read once per process.
int default_threads();

/// One chunk of work: `chunk` says which part, `worker` (0 is the caller) whose scratch to use. Does not throw.
using chunk_fn = void (*)(void* context, int chunk, int worker);

struct thread_pool;

/// A call's exclusive use of the process's pool. Workers are awake and spin as long as it lives, and TENON_SPIN_US (50)
/// microseconds longer; then they sleep. The pool is made when first wanted, in each process of a fork anew.
class parallel_region {
 public:
  /// Never waits: when the pool is in use (another call, or the call that this one is nested in), or threads cannot be
  /// had, `workers()` is smaller than asked for, down to 1. Throws argument_error when TENON_SPIN_US is not valid.
  explicit parallel_region(int workers);
  ~parallel_region();
  parallel_region(const parallel_region&) = delete;
  parallel_region& operator=(const parallel_region&) = delete;

  int workers() const { return workers_; }
  /// Calls `task(context, c, worker)` once for each c in [0, chunks) and returns when all are done. Each worker owns
  /// neighbouring chunks, but another takes them when that worker is late (asleep, not scheduled by the system, or
  /// slower). 1 <= chunks <= most_pieces * workers().
  void run(int chunks, chunk_fn task, void* context);

 private:
  thread_pool* pool_ = nullptr;  // null: the caller alone
  int workers_ = 1;
};

}  // namespace tenon::runtime
