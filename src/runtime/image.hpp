// The kernel container: one closed, position-independent image and what is needed to call it. The same bytes come from
// the JIT, lie in the disk cache, and go into saved modules.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/executable.hpp"
#include "tenon/core/hash.hpp"

namespace tenon::runtime {

/// The machine that this library was compiled for, as ELF numbers machines (62: x86-64); 0 is one without a number
/// here.
#if defined(__x86_64__)
inline constexpr std::uint32_t host_machine = 62;
#elif defined(__aarch64__)
inline constexpr std::uint32_t host_machine = 183;
#elif defined(__riscv)
inline constexpr std::uint32_t host_machine = 243;
#else
inline constexpr std::uint32_t host_machine = 0;
#endif

/// A linked kernel before it is loaded.
struct image {
  detail::hash128 key;          ///< structural: loop nest, target with features, options, compiler build; 0: not shared
  std::string name;             ///< readable symbol for gdb and perf
  std::vector<std::byte> code;  ///< sections laid out, relocations applied; executable and read-only
  std::uint32_t entry = 0;      ///< offset of the kernel_fn
  std::uint32_t entry_size = 0;  ///< bytes of the entry function, for debuggers; 0: up to the end of the code
  std::uint32_t machine = host_machine;
};

/// What makes an image one that cannot be called (an entry outside the code, ...); empty when nothing does.
std::string image_defect(const image&);

/// The container as bytes: header with magic, version and checksum, then the fields. `read_image` throws load_error
/// naming `where` and what is wrong for anything that is not exactly such a container; what it returns is consistent in
/// itself (the entry lies in the code), but whether it is the wanted kernel is the caller's to ask of `key`.
std::vector<std::byte> write_image(const image&);
image read_image(std::span<const std::byte>, const std::string& where);

/// Maps an image and makes it callable (10 to 80 us). Code lives in slabs that are shared by many kernels, writable
/// and executable never at one address; it is freed with the last reference. Registered with gdb, and with perf when
/// TENON_PERF=1 (a /tmp/perf-<pid>.map). An image whose key is loaded already is not loaded again. Throws load_error
/// for an image of another machine, one that is inconsistent, or when the system refuses executable memory.
std::shared_ptr<const code> load_image(const image&);
/// The code that is loaded under `key`, if anybody in this process still holds it.
std::shared_ptr<const code> find_loaded(const detail::hash128& key);

/// Live images, their bytes of memory, and the slabs they lie in, for tests and `doctor()`.
struct loader_statistics {
  std::int64_t images = 0, bytes = 0, slabs = 0;
};
loader_statistics loaded();

}  // namespace tenon::runtime
