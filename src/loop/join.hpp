// Kernels as parts of another one.
#pragma once
#include <cstdint>
#include <span>
#include <unordered_map>

#include "loop/kernel.hpp"

namespace tenon::ir {

/// What is left of one kernel in another: its symbols and parameters have the places that are given, its own buffers
/// are added. The parameters' places may have no axes where the parameter has one element.
class joined_kernel {
 public:
  joined_kernel(const kernel& from, kernel& into, std::span<const std::int64_t> symbols);

  /// An expression of `from` in `into`: of symbols alone before `statements` is called.
  expr_ref operator()(expr_ref);
  /// The body. A parallel loop is a serial one. Called once, after all parameters of `into` are there.
  stmt_ref statements(std::span<const std::int64_t> parameters);

 private:
  stmt_ref copy(const stmt_ref&);
  std::vector<expr_ref> place(std::int64_t buffer, std::vector<expr_ref> indices) const;
  std::int64_t buffer(std::int64_t id) const { return buffers_[static_cast<std::size_t>(id)]; }

  const kernel& from_;
  kernel& into_;
  expr_arena& a_;
  std::vector<std::int64_t> symbols_, buffers_;
  std::unordered_map<expr_ref, expr_ref> known_;
};

/// to[...] = from[...], at every index. Both have the same extents, or one element, and then maybe no axes.
stmt_ref copy_nest(kernel&, std::int64_t from, std::int64_t to);

}  // namespace tenon::ir
