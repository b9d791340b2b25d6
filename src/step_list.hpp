// How the steps of bodies become steps of the function around them: one flat list with jumps, no call at run time.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/executable.hpp"

namespace tenon {

/// Appends to an executable that is not finished.
class step_list {
 public:
  explicit step_list(runtime::executable& to) : to_(to) {}

  std::int64_t next() const { return static_cast<std::int64_t>(to_.steps.size()); }
  /// Bytes from one buffer to another; nothing when they are one.
  void copy(const runtime::slot& from, const runtime::slot& to, std::int64_t bytes);
  /// To step `target`, which may be set later.
  std::int64_t jump(std::int64_t target = 0);
  /// The same when the byte there is 0.
  std::int64_t jump_if_zero(const runtime::slot& condition, std::int64_t target = 0);
  /// Lets a jump lead to the next step.
  void land(std::int64_t jump) { to_.steps[static_cast<std::size_t>(jump)].target = next(); }
  /// The steps of a body, its arguments and results being these buffers and its workspace beginning at `workspace`. A
  /// copy of a buffer onto itself vanishes. Says where each of them went.
  std::vector<std::int64_t> append(const runtime::executable& body, std::span<const runtime::slot> arguments,
                                   std::span<const runtime::slot> results, std::int64_t workspace);
  /// The steps from `first` on, which are no part of the list any more; their jumps are within them.
  std::vector<runtime::step> take_from(std::int64_t first);

 private:
  runtime::executable& to_;
};

/// Whether result `result` may be written into the memory of argument `argument`: what is in there is not read any more
/// once the first element is written. A copy of the one into the other does not count: it is not made then.
bool may_share(const runtime::executable&, std::uint32_t argument, std::uint32_t result);

/// Whether a step only copies.
bool is_copy(const runtime::step&);

/// Puts a buffer in place of a result, everywhere. Says where each step went, as append does.
std::vector<std::int64_t> replace_result(runtime::executable&, std::uint32_t result, const runtime::slot& by);

}  // namespace tenon
