// Memory for machine code: few large mappings that many kernels share.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace tenon::runtime {

struct slab;

/// Executable memory that holds one image.
struct code_range {
  slab* home = nullptr;
  std::byte* code = nullptr;  ///< 64-byte aligned
  std::size_t bytes = 0;      ///< of memory, more than the code's
};

/// Copies `code` into executable memory. No address is ever writable and executable. Throws load_error with the bytes
/// and the system's reason. The callers of both functions take turns (the loader's lock).
code_range place_code(std::span<const std::byte> code);
void release_code(const code_range&) noexcept;

struct slab_statistics {
  std::int64_t slabs = 0, bytes = 0;
};
slab_statistics slabs_now() noexcept;
/// Unmaps the empty slab that is kept for the next image.
void release_empty_slabs() noexcept;

}  // namespace tenon::runtime
