#include "tenon/runtime/memory.hpp"

#include <cstdint>
#include <cstdlib>

#include "core/text.hpp"
#include "tenon/core/error.hpp"

namespace tenon::detail {
namespace {

// glibc's aligned_alloc goes around its per-thread cache: malloc with room for the alignment is several times faster
// for small results. The pointer that malloc gave stands right before the elements.
void* allocate_from_process(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX - alignment) return nullptr;
  void* const raw = std::malloc(bytes + alignment);
  if (!raw) return nullptr;
  static_assert(alignof(std::max_align_t) >= sizeof(void*), "there is room before the next aligned address");
  auto* const p = reinterpret_cast<void**>((reinterpret_cast<std::uintptr_t>(raw) / alignment + 1) * alignment);
  p[-1] = raw;
  return p;
}

}  // namespace

void* allocate(memory* m, std::size_t bytes) {
  if (!m) {
    if (void* p = allocate_from_process(bytes)) return p;
    throw resource_error(cat("memory: no ", bytes, " bytes to be had"));
  }
  void* p = nullptr;
  try {
    p = m->allocate(bytes, alignment);
  } catch (const std::exception& e) {
    throw resource_error(cat("memory: the user's resource failed for ", bytes, " bytes: ", e.what()));
  } catch (...) {
    throw resource_error(cat("memory: the user's resource failed for ", bytes, " bytes"));
  }
  if (!p) throw resource_error(cat("memory: the user's resource returned null for ", bytes, " bytes"));
  if (reinterpret_cast<std::uintptr_t>(p) % alignment) {
    m->deallocate(p, bytes, alignment);
    throw resource_error(cat("memory: the user's resource returned ", address{p}, " for ", bytes,
                             " bytes, which is not aligned to ", alignment));
  }
  return p;
}

void deallocate(memory* m, void* p, std::size_t bytes) noexcept {
  if (m)
    m->deallocate(p, bytes, alignment);
  else
    std::free(static_cast<void**>(p)[-1]);
}

}  // namespace tenon::detail
