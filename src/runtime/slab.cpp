#include "runtime/slab.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "core/text.hpp"
#include "tenon/core/error.hpp"

namespace tenon::runtime {

// Slabs are private anonymous memory; the pages of one image become writable, are filled, and become executable, before
// anybody knows their address. One mapping seen twice (a memory file, once writable and once executable) would do
// without the two calls of mprotect, but it is shared with the child of a fork: parent and child would overwrite each
// other's kernels. Neighbours with equal protection are one mapping to the system, so a slab stays one mapping.
namespace {
constexpr std::size_t slab_pages = 256;
constexpr std::size_t no_run = SIZE_MAX;
// In front of each image: tools that look at the bytes ahead of a function (-fsanitize=function) stay inside the
// mapping.
constexpr std::size_t lead = 64;
}  // namespace

struct slab {
  slab* next = nullptr;
  std::byte* base = nullptr;
  std::size_t pages = 0;                  // more than slab_pages: made for one large image
  std::size_t free = 0;                   // pages; 0 in one for a large image
  std::uint64_t used[slab_pages / 64]{};  // a bit per page: free neighbours need no joining

  bool is_used(std::size_t page) const { return used[page / 64] >> (page % 64) & 1; }
  void mark(std::size_t first, std::size_t count, bool as_used) {
    for (std::size_t p = first; p < first + count; ++p)
      if (as_used)
        used[p / 64] |= std::uint64_t{1} << (p % 64);
      else
        used[p / 64] &= ~(std::uint64_t{1} << (p % 64));
    free = as_used ? free - count : free + count;
  }
  /// The first run of `count` free pages.
  std::size_t find(std::size_t count) const {
    if (free < count) return no_run;
    std::size_t run = 0;
    for (std::size_t p = 0; p < slab_pages; ++p) {
      run = is_used(p) ? 0 : run + 1;
      if (run == count) return p + 1 - count;
    }
    return no_run;
  }
};

namespace {

constinit slab* slabs = nullptr;  // no destructor: what is loaded may outlive every static object

std::size_t page_bytes() {
  static const std::size_t bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

[[noreturn]] void no_memory(std::size_t bytes, const char* what, int code) {
  throw load_error(detail::cat("executable memory: ", what, " of ", bytes, " bytes failed: ", std::strerror(code)));
}

slab* make_slab(std::size_t pages) {
  auto made = new slab;
  const std::size_t bytes = pages * page_bytes();
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) {
    const int code = errno;
    delete made;
    no_memory(bytes, "mmap", code);
  }
  // One touched page before the first split: all parts then count as one mapping's and are joined again by the system.
  *static_cast<volatile char*>(base) = 0;
  if (::mprotect(base, bytes, PROT_READ | PROT_EXEC) != 0) {
    const int code = errno;
    ::munmap(base, bytes);
    delete made;
    no_memory(bytes, "mprotect to executable", code);
  }
  made->base = static_cast<std::byte*>(base);
  made->pages = pages;
  made->free = pages == slab_pages ? pages : 0;
  made->next = slabs;
  slabs = made;
  return made;
}

void unmap(slab* s) noexcept {
  for (slab** link = &slabs; *link; link = &(*link)->next)
    if (*link == s) {
      *link = s->next;
      break;
    }
  ::munmap(s->base, s->pages * page_bytes());
  delete s;
}

void give_back(slab* s, std::size_t first, std::size_t count) noexcept {
  if (s->pages > slab_pages) return unmap(s);
  s->mark(first, count, false);
  if (s->free < s->pages) return;
  for (const slab* other = slabs; other; other = other->next)
    if (other != s && other->free == other->pages) return unmap(s);
}

}  // namespace

code_range place_code(std::span<const std::byte> code) {
  const std::size_t page = page_bytes();
  const std::size_t count = (lead + code.size() + page - 1) / page;
  slab* home = nullptr;
  std::size_t first = no_run;
  if (count <= slab_pages)
    for (home = slabs; home; home = home->next)
      if (home->pages == slab_pages && (first = home->find(count)) != no_run) break;
  if (!home) {
    home = make_slab(count < slab_pages ? slab_pages : count);
    first = 0;
  }
  if (home->pages == slab_pages) home->mark(first, count, true);
  std::byte* base = home->base + first * page;
  const std::size_t bytes = count * page;
  if (::mprotect(base, bytes, PROT_READ | PROT_WRITE) != 0) {
    const int code_of = errno;
    give_back(home, first, count);
    no_memory(bytes, "mprotect to writable", code_of);
  }
  std::memcpy(base + lead, code.data(), code.size());
  if (::mprotect(base, bytes, PROT_READ | PROT_EXEC) != 0) {
    const int code_of = errno;
    // The pages must not stay writable for a next image: the whole slab goes if this cannot be undone.
    if (home->free + count == home->pages || home->pages > slab_pages) {
      unmap(home);
    } else if (::mmap(base, bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
               MAP_FAILED) {
      give_back(home, first, count);
    }
    no_memory(bytes, "mprotect to executable", code_of);
  }
  __builtin___clear_cache(reinterpret_cast<char*>(base), reinterpret_cast<char*>(base + bytes));
  return {home, base + lead, bytes};
}

void release_code(const code_range& range) noexcept {
  slab* s = range.home;
  std::byte* base = range.code - lead;
  // The memory goes back to the system at once, and a call of what was freed meets zeros, not old code.
  if (s->pages == slab_pages) ::madvise(base, range.bytes, MADV_DONTNEED);
  give_back(s, static_cast<std::size_t>(base - s->base) / page_bytes(), range.bytes / page_bytes());
}

slab_statistics slabs_now() noexcept {
  slab_statistics now;
  for (const slab* s = slabs; s; s = s->next) {
    now.slabs += 1;
    now.bytes += static_cast<std::int64_t>(s->pages * page_bytes());
  }
  return now;
}

void release_empty_slabs() noexcept {
  for (slab* s = slabs; s;) {
    slab* next = s->next;
    if (s->free == s->pages) unmap(s);
    s = next;
  }
}

}  // namespace tenon::runtime
