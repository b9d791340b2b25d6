// Where results and workspace come from.
#pragma once
#include <cstddef>

namespace tenon {

/// A memory resource of the user's: pass a pointer as `compile_options::memory`; it outlives the callable and its
/// results. Both functions are called from any thread.
class memory {
 public:
  virtual ~memory() = default;
  /// `bytes` > 0; `alignment` is a power of two. Throws on failure (never returns null).
  virtual void* allocate(std::size_t bytes, std::size_t alignment) = 0;
  virtual void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept = 0;
};

namespace detail {
/// Alignment of everything that tenon allocates for tensors: a cache line, a zmm register.
inline constexpr std::size_t alignment = 64;
/// From `m`, or from the process's aligned allocator when it is null. Throws resource_error naming the bytes.
void* allocate(memory* m, std::size_t bytes);
void deallocate(memory* m, void* p, std::size_t bytes) noexcept;
}  // namespace detail

}  // namespace tenon
