// A file in memory, for reading.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>

#include "core/text.hpp"
#include "runtime/shared_block.hpp"
#include "tenon/core/error.hpp"

namespace tenon::detail {

/// The bytes of a regular file, mapped read-only until the last reference goes.
class mapped_file : public shared_block {
 public:
  /// load_error naming the file and the reason.
  static std::unique_ptr<mapped_file> open(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a fifo must not block us
    if (file < 0) fail(path, errno);
    struct closer {
      int file;
      ~closer() { ::close(file); }
    } close_at_end{file};
    struct stat s{};
    if (::fstat(file, &s) != 0) fail(path, errno);
    if (!S_ISREG(s.st_mode)) throw load_error(cat(path, ": not a regular file"));
    auto mapped = std::unique_ptr<mapped_file>(new mapped_file);
    if (s.st_size == 0) return mapped;
    const auto size = static_cast<std::size_t>(s.st_size);
    void* const p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (p == MAP_FAILED) fail(path, errno);
    mapped->bytes_ = {static_cast<const std::byte*>(p), size};
    return mapped;
  }
  ~mapped_file() override {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  mapped_file() = default;
  [[noreturn]] static void fail(const std::string& path, int number) {
    throw load_error(cat(path, ": ", std::strerror(number)));
  }

  std::span<const std::byte> bytes_;
};

/// The little-endian integer at `p`.
template <class I>
I little_endian(const std::byte* p) {
  std::uint64_t v = 0;
  for (std::size_t i = sizeof(I); i-- > 0;) v = (v << 8) | std::to_integer<std::uint64_t>(p[i]);
  return static_cast<I>(v);
}

/// Index of the first byte that is neither 0 nor 1, or -1: a C++ bool may hold nothing else.
inline std::int64_t find_no_bool(std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (std::to_integer<unsigned>(bytes[i]) > 1) return static_cast<std::int64_t>(i);
  return -1;
}

}  // namespace tenon::detail
