// Counts the allocations of each thread. Replaces the program's operators, so one file of it includes this.
#pragma once
#include <cstdlib>
#include <new>

#include "callable/sanitized.hpp"

namespace {
thread_local long allocations = 0;
}

#if TENON_TEST_SANITIZED
#include <sanitizer/allocator_interface.h>
namespace {
// The sanitizer has the operators; it calls us.
[[maybe_unused]] const int counting = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, std::size_t) { ++allocations; }, [](const volatile void*) {});
}  // namespace
#else
// Not inline: GCC 12 would take new and free for a mismatched pair.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif
