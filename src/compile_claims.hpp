// Which kernels are being compiled now, in the whole process: what one thread compiles, others wait for.
#pragma once
#include <sys/types.h>

#include <vector>

#include "tenon/core/hash.hpp"

namespace tenon {

/// Keys that this thread compiles. Nobody waits while it holds claims, so threads cannot wait for each other in a
/// circle.
class compile_claims {
 public:
  compile_claims();
  compile_claims(const compile_claims&) = delete;
  compile_claims& operator=(const compile_claims&) = delete;
  ~compile_claims();

  /// False when somebody has it.
  bool take(const detail::hash128& key);
  /// Gives all of them back and wakes who waits.
  void release();
  /// Returns when nobody has the key (any more).
  static void wait(const detail::hash128& key);

 private:
  static bool is_taken(const detail::hash128& key);

  std::vector<detail::hash128> keys_;
  compile_claims* next_ = nullptr;
  pid_t process_;  // after a fork nobody goes on with what the parent's threads had
};

}  // namespace tenon
