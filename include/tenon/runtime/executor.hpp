// Who runs the parallel parts.
#pragma once

namespace tenon {

/// An executor of the user's: pass a pointer as `compile_options::executor`; it outlives the callable. Without one, a
/// pool of tenon's is made at the first parallel call.
class executor {
 public:
  virtual ~executor() = default;
  /// How many tasks it is worth cutting work into; at least 1.
  virtual int concurrency() const = 0;
  /// Calls `task(context, i)` once for each i in [0, n), in any order and on any threads, and returns when all are
  /// done. `task` does not throw.
  virtual void run(int n, void (*task)(void* context, int i), void* context) = 0;
};

}  // namespace tenon
