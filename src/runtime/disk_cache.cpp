#include "runtime/disk_cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/text.hpp"
#include "runtime/environment.hpp"
#include "tenon/core/error.hpp"

namespace tenon::runtime {

// folder/ab/0123....kernel: the key's 32 digits, the first two of them a folder. A writer makes
// folder/ab/0123....<process and number>.tmp and renames it: readers see nothing or all of a file.
namespace {

constexpr std::string_view suffix = ".kernel", temporary_suffix = ".tmp";
constexpr std::size_t digits_in_name = 30;
constexpr std::int64_t most_file_bytes = std::int64_t{1} << 31;
constexpr std::time_t stale_seconds = 3600;

class descriptor {
 public:
  explicit descriptor(int d) : d_(d) {}
  ~descriptor() {
    if (d_ >= 0) ::close(d_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  explicit operator bool() const { return d_ >= 0; }
  int get() const { return d_; }
  bool close() { return ::close(std::exchange(d_, -1)) == 0; }

 private:
  int d_;
};

// What others can write, others can have us execute.
std::string not_trusted(const struct stat& s) {
  char mode[16];
  std::snprintf(mode, sizeof(mode), "%04o", static_cast<unsigned>(s.st_mode & 07777));
  if (s.st_uid != ::geteuid() && s.st_uid != 0)
    return detail::cat("it belongs to user ", s.st_uid, ", not to ", ::geteuid());
  if (s.st_mode & S_IWOTH) return detail::cat("everybody may write there (mode ", mode, ")");
  return {};
}

bool make_folders(const std::string& path) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (at == path.npos) return true;
  }
}

bool read_all(int file, std::byte* to, std::size_t bytes) {
  while (bytes) {
    const ssize_t n = ::read(file, to, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}
bool write_all(int file, const std::byte* from, std::size_t bytes) {
  while (bytes) {
    const ssize_t n = ::write(file, from, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    from += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

bool is_hex(std::string_view s) { return s.find_first_not_of("0123456789abcdef") == s.npos; }

struct entry {
  std::int64_t time_s, time_ns, bytes;
  std::string path;
};

template <class F>
void for_each_name(const std::string& folder, F f) {
  DIR* d = ::opendir(folder.c_str());
  if (!d) return;
  while (const dirent* e = ::readdir(d)) f(std::string_view(e->d_name));
  ::closedir(d);
}

// All files of the cache; nothing else that lies in the folder is looked at. Stale temporaries are removed on the way.
std::vector<entry> all_files(const std::string& folder) {
  std::vector<entry> files;
  const std::time_t now = std::time(nullptr);
  for_each_name(folder, [&](std::string_view bucket) {
    if (bucket.size() != 2 || !is_hex(bucket)) return;
    const std::string inside = detail::cat(folder, "/", bucket);
    for_each_name(inside, [&](std::string_view name) {
      if (name.size() < digits_in_name || !is_hex(name.substr(0, digits_in_name))) return;
      const bool temporary = name.ends_with(temporary_suffix);
      if (!temporary && name.substr(digits_in_name) != suffix) return;
      entry e{0, 0, 0, detail::cat(inside, "/", name)};
      struct stat s;
      if (::lstat(e.path.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) return;
      if (temporary) {
        if (s.st_mtime < now - stale_seconds) ::unlink(e.path.c_str());
        return;
      }
      e.time_s = s.st_mtim.tv_sec;
      e.time_ns = s.st_mtim.tv_nsec;
      e.bytes = s.st_size;
      files.push_back(std::move(e));
    });
  });
  return files;
}

// What this process wrote since it last looked at the size of all files; the caches of all callables count together.
// Processes begin at different places, so that together they look about once per interval, too.
std::atomic<std::int64_t>& stored_since_look(std::int64_t interval) {
  static std::atomic<std::int64_t> bytes = [&] {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const std::uint64_t random =
        detail::mix(static_cast<std::uint64_t>(::getpid()), static_cast<std::uint64_t>(now.tv_nsec));
    return static_cast<std::int64_t>(random % static_cast<std::uint64_t>(interval));
  }();
  return bytes;
}

}  // namespace

disk_cache::disk_cache(std::string folder, std::int64_t max_bytes) : folder_(std::move(folder)), max_bytes_(max_bytes) {
  while (folder_.size() > 1 && folder_.back() == '/') folder_.pop_back();
  if (!folder_.empty() && folder_[0] != '/') {
    char here[4096];
    if (::getcwd(here, sizeof(here))) {
      folder_ = detail::cat(here, "/", folder_);
    } else {
      missing_ = detail::cat("the folder ", detail::quoted{folder_}, " is relative and the working directory is gone");
      folder_.clear();
    }
  }
}

disk_cache disk_cache::from_environment() {
  const std::int64_t bytes = environment_bytes("TENON_CACHE_SIZE", std::int64_t{1} << 30);
  disk_cache none;
  if (const auto folder = environment_text("TENON_CACHE_DIR")) {
    if (!folder->empty() && *folder != "off") return disk_cache(std::string(*folder), bytes);
    none.missing_ = detail::cat("TENON_CACHE_DIR is ", detail::quoted{*folder});
    return none;
  }
  // The XDG base directory specification: a relative path is to be ignored.
  if (const auto xdg = environment_text("XDG_CACHE_HOME"); xdg && xdg->starts_with('/'))
    return disk_cache(detail::cat(*xdg, "/tenon"), bytes);
  if (const auto home = environment_text("HOME"); home && home->starts_with('/'))
    return disk_cache(detail::cat(*home, "/.cache/tenon"), bytes);
  none.missing_ = "neither TENON_CACHE_DIR nor XDG_CACHE_HOME nor HOME names a folder";
  return none;
}

std::string disk_cache::defect() const {
  if (folder_.empty()) return missing_.empty() ? "no folder" : missing_;
  const detail::quoted folder{folder_};
  struct stat s;
  if (::stat(folder_.c_str(), &s) != 0) {
    if (errno == ENOENT) return {};
    return detail::cat(folder, ": ", std::strerror(errno));
  }
  if (!S_ISDIR(s.st_mode)) return detail::cat(folder, " is no folder");
  if (const std::string why = not_trusted(s); !why.empty()) return detail::cat(folder, " is not used: ", why);
  return {};
}

std::string disk_cache::path_of(const detail::hash128& key) const {
  char digits[33];
  std::snprintf(digits, sizeof(digits), "%016llx%016llx", static_cast<unsigned long long>(key.hi),
                static_cast<unsigned long long>(key.lo));
  return detail::cat(folder_, "/", std::string_view(digits, 2), "/", digits + 2, suffix);
}

std::optional<image> disk_cache::find(const detail::hash128& key) const {
  if (folder_.empty() || !defect().empty()) return std::nullopt;
  const std::string path = path_of(key);
  descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat s;
  if (!file || ::fstat(file.get(), &s) != 0 || !S_ISREG(s.st_mode) || !not_trusted(s).empty()) return std::nullopt;
  try {
    if (s.st_size > most_file_bytes) throw load_error("too large");
    std::vector<std::byte> bytes(static_cast<std::size_t>(s.st_size));
    if (!read_all(file.get(), bytes.data(), bytes.size())) return std::nullopt;
    image found = read_image(bytes, path);
    if (found.key != key) throw load_error("another key");
    ::futimens(file.get(), nullptr);  // used now: evicted last
    return found;
  } catch (const load_error&) {
    ::unlink(path.c_str());
  } catch (const std::bad_alloc&) {
  }
  return std::nullopt;
}

void disk_cache::store(const image& i) const {
  if (folder_.empty() || !defect().empty()) return;
  try {
    const std::vector<std::byte> bytes = write_image(i);
    const auto size = static_cast<std::int64_t>(bytes.size());
    if (size > max_bytes_) return;
    const std::string path = path_of(i.key);
    const std::string bucket = path.substr(0, path.rfind('/'));
    if (::access(bucket.c_str(), F_OK) != 0 && !make_folders(bucket)) return;
    if (!defect().empty()) return;

    static constinit std::atomic<unsigned> count{0};
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    // Processes in different containers may share a folder and have one number: the time tells them apart.
    const std::string aside = detail::cat(std::string_view(path).substr(0, path.size() - suffix.size()), ".",
                                          ::getpid(), "-", count.fetch_add(1), "-", now.tv_nsec, temporary_suffix);
    descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return;
    // Not synced: what a crash of the system leaves half written fails its checksum and is a miss.
    const bool written = write_all(file.get(), bytes.data(), bytes.size());
    if (!file.close() || !written || ::rename(aside.c_str(), path.c_str()) != 0) {
      ::unlink(aside.c_str());
      return;
    }
    const std::int64_t interval = std::max<std::int64_t>(max_bytes_ / 64, 1);
    std::atomic<std::int64_t>& stored = stored_since_look(interval);
    if (stored.fetch_add(size) + size >= interval) {
      stored.store(0);
      evict();
    }
  } catch (const std::exception&) {  // an image that cannot be written, no memory: not stored
  }
}

void disk_cache::evict() const {
  if (folder_.empty() || !defect().empty()) return;
  try {
    descriptor lock(::open(detail::cat(folder_, "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return;
    std::vector<entry> files = all_files(folder_);
    std::int64_t total = 0;
    for (const entry& e : files) total += e.bytes;
    if (total <= max_bytes_ - max_bytes_ / 32) return;
    std::sort(files.begin(), files.end(), [](const entry& a, const entry& b) {
      return std::tie(a.time_s, a.time_ns, a.path) < std::tie(b.time_s, b.time_ns, b.path);
    });
    for (const entry& e : files) {
      if (total <= max_bytes_ - max_bytes_ / 8) return;
      struct stat s;  // used or replaced since: it is not the oldest any more
      if (::lstat(e.path.c_str(), &s) == 0) {
        if (s.st_mtim.tv_sec != e.time_s || s.st_mtim.tv_nsec != e.time_ns) continue;
        if (::unlink(e.path.c_str()) != 0 && errno != ENOENT) continue;
      }
      total -= e.bytes;
    }
  } catch (const std::bad_alloc&) {  // evicted another time
  }
}

}  // namespace tenon::runtime
