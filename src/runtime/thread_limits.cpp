#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/text.hpp"
#include "runtime/environment.hpp"
#include "runtime/thread_pool.hpp"

namespace tenon::runtime {
namespace {

int affinity_processors() {
#ifdef __linux__
  // The kernel refuses a set smaller than its own; machines with more than 1024 processors exist.
  for (int room = 1024; room <= 1 << 20; room *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(room));
    if (!set) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(room));
    const int count = ::sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
#endif
  return static_cast<int>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

// These files are small; empty when there is none.
std::string read_small(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::string text;
  char part[4096];
  for (ssize_t n; (n = ::read(file, part, sizeof(part))) > 0 && text.size() < 1 << 16;)
    text.append(part, static_cast<std::size_t>(n));
  ::close(file);
  return text;
}

std::int64_t leading_number(std::string_view text) {
  std::int64_t value = 0;
  return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc() ? value : 0;
}

void tighten(int& limit, std::int64_t quota, std::int64_t period) {
  if (quota <= 0 || period <= 0) return;
  const auto processors = static_cast<int>(std::min<std::int64_t>((quota - 1) / period + 1, INT32_MAX));
  limit = limit ? std::min(limit, processors) : processors;
}

// v2: "quota period" or "max period" in one file. v1: two files; -1 is no limit.
void read_v2(int& limit, const std::string& folder) {
  const std::string text = read_small(detail::cat(folder, "/cpu.max"));
  if (const std::size_t space = text.find(' '); space != text.npos)
    tighten(limit, leading_number(text), leading_number(std::string_view(text).substr(space + 1)));
}
void read_v1(int& limit, const std::string& folder) {
  tighten(limit, leading_number(read_small(detail::cat(folder, "/cpu.cfs_quota_us"))),
          leading_number(read_small(detail::cat(folder, "/cpu.cfs_period_us"))));
}

// A group and all above it; the mount's root is always looked at: inside a container it is the group itself.
void walk(int& limit, void (*read)(int&, const std::string&), const std::string& root, std::string path) {
  while (!path.empty() && path.back() == '/') path.pop_back();
  while (!path.empty()) {
    read(limit, detail::cat(root, path));
    path.resize(path.rfind('/') == path.npos ? 0 : path.rfind('/'));
  }
  read(limit, root);
}

}  // namespace

int cgroup_processors(const std::string& self, const std::string& mount) {
  int limit = 0;
  for (std::string_view rest = self; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    // number:controllers:path, with no controllers for v2
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    if (controllers.empty()) {
      walk(limit, read_v2, mount, path);
      walk(limit, read_v2, detail::cat(mount, "/unified"), path);
    } else if (detail::cat(",", controllers, ",").find(",cpu,") != std::string::npos) {
      walk(limit, read_v1, detail::cat(mount, "/cpu"), path);
      if (controllers != "cpu") walk(limit, read_v1, detail::cat(mount, "/", controllers), path);
    }
  }
  return limit;
}

thread_limits read_thread_limits() {
  thread_limits limits;
  limits.environment = static_cast<int>(environment_integer("TENON_NUM_THREADS", 0, 1, most_threads));
  limits.affinity = affinity_processors();
  limits.cgroup = cgroup_processors(read_small("/proc/self/cgroup"), "/sys/fs/cgroup");
  limits.threads = limits.cgroup ? std::min(limits.affinity, limits.cgroup) : limits.affinity;
  if (limits.environment) limits.threads = limits.environment;
  limits.threads = std::clamp(limits.threads, 1, most_threads);
  return limits;
}

}  // namespace tenon::runtime
