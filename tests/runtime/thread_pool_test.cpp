#include "runtime/thread_pool.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>
#include <vector>

#include "tenon/core/error.hpp"

// For ThreadSanitizer, which reads it: the child of a fork makes threads, that is what one of the tests is about.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }

using namespace tenon;
using namespace tenon::runtime;

namespace {

struct environment_value {
  std::string name;
  environment_value(const char* n, const char* v) : name(n) { ::setenv(n, v, 1); }
  ~environment_value() { ::unsetenv(name.c_str()); }
};

// Every chunk once, by a worker whose number is below the workers' count.
struct tally {
  std::vector<std::atomic<int>> ran;
  std::atomic<int> bad_workers{0};
  int workers;
  explicit tally(int chunks, int w) : ran(static_cast<std::size_t>(chunks)), workers(w) {}
  static void task(void* context, int chunk, int worker) {
    auto& self = *static_cast<tally*>(context);
    ++self.ran[static_cast<std::size_t>(chunk)];
    if (worker < 0 || worker >= self.workers) ++self.bad_workers;
  }
  bool each(int times) const {
    for (const auto& r : ran)
      if (r != times) return false;
    return bad_workers == 0;
  }
};

}  // namespace

TEST_CASE("thread pool: every chunk of every step runs once") {
  for (int workers : {2, 3, 4, 16}) {  // 16: more than processors here, most probably
    parallel_region region(workers);
    REQUIRE(region.workers() == workers);
    for (int chunks = 1; chunks <= most_pieces * workers; ++chunks) {
      tally t(chunks, workers);
      for (int n = 0; n < 50; ++n) region.run(chunks, &tally::task, &t);
      CHECK(t.each(50));
    }
  }
}

TEST_CASE("thread pool: one step's writes are seen by the next step's other workers") {
  parallel_region region(4);
  const int workers = region.workers();
  std::vector<long> a(64), b(64);
  struct both {
    std::vector<long>&from, &to;
    int chunks;
  };
  for (int n = 0; n < 2000; ++n) {
    both ab{n % 2 ? a : b, n % 2 ? b : a, workers};
    region.run(
        workers,
        [](void* context, int chunk, int) {
          auto& s = *static_cast<both*>(context);
          const int first = 64 * chunk / s.chunks, last = 64 * (chunk + 1) / s.chunks;
          for (int i = first; i < last; ++i)
            s.to[static_cast<std::size_t>(i)] = s.from[static_cast<std::size_t>(63 - i)] + 1;
        },
        &ab);
  }
  for (long x : b) REQUIRE(x == 2000);
}

TEST_CASE("thread pool: workers that went to sleep come back") {
  for (int n = 0; n < 20; ++n) {
    parallel_region region(3);
    tally t(3, 3);
    region.run(3, &tally::task, &t);
    CHECK(t.each(1));
    if (n % 2) std::this_thread::sleep_for(std::chrono::microseconds(100 * n));
  }
}

TEST_CASE("thread pool: a second region at the same time, and a nested one, have the caller alone") {
  parallel_region outer(2);
  REQUIRE(outer.workers() == 2);
  {
    parallel_region nested(2);
    CHECK(nested.workers() == 1);
    tally t(1, 1);
    nested.run(1, &tally::task, &t);
    CHECK(t.each(1));
  }
  std::atomic<int> seen{0};
  outer.run(
      2,
      [](void* context, int, int) {
        parallel_region nested(2);
        *static_cast<std::atomic<int>*>(context) += nested.workers();
      },
      &seen);
  CHECK(seen == 2);
  std::thread([&] {
    parallel_region second(2);
    seen = second.workers();
  }).join();
  CHECK(seen == 1);
}

TEST_CASE("thread pool: many user threads") {
  std::atomic<bool> good{true};
  std::vector<std::thread> users;
  for (int u = 0; u < 4; ++u)
    users.emplace_back([&] {
      for (int n = 0; n < 500; ++n) {
        parallel_region region(3);
        tally t(region.workers(), region.workers());
        for (int k = 0; k < 3; ++k) region.run(region.workers(), &tally::task, &t);
        if (!t.each(3)) good = false;
      }
    });
  for (auto& u : users) u.join();
  CHECK(good);
}

TEST_CASE("thread pool: the child of a fork makes its own, also when the parent was in the middle of a call") {
  parallel_region open(2);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool good = true;
    for (int n = 0; n < 5; ++n) {
      parallel_region region(2);
      tally t(2, 2);
      good = good && region.workers() == 2;
      if (good) region.run(2, &tally::task, &t);
      good = good && t.each(1);
    }
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  tally t(2, 2);
  open.run(2, &tally::task, &t);
  CHECK(t.each(1));
}

TEST_CASE("thread pool: threads end with the process") {
  std::cout.flush();  // else the child's exit writes it once more
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    {
      parallel_region region(3);
      tally t(3, 3);
      region.run(3, &tally::task, &t);
    }
    std::exit(0);  // with destructors, while workers spin
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("thread limits: TENON_NUM_THREADS wins, and is refused when it is absurd") {
  {
    const environment_value three("TENON_NUM_THREADS", "3");
    CHECK(read_thread_limits().environment == 3);
    CHECK(read_thread_limits().threads == 3);
  }
  for (const char* bad : {"0", "-1", "1025", "two", "4 ", "99999999999999999999"}) {
    const environment_value value("TENON_NUM_THREADS", bad);
    CAPTURE(bad);
    CHECK_THROWS_WITH_AS(
        read_thread_limits(),
        (std::string("environment variable TENON_NUM_THREADS='") + bad + "': expected an integer from 1 to 1024")
            .c_str(),
        argument_error);
  }
  const thread_limits limits = read_thread_limits();
  CHECK(limits.environment == 0);
  CHECK(limits.affinity >= 1);
  CHECK(limits.threads <= limits.affinity);
}

TEST_CASE("thread limits: control groups, v1 and v2, with all ancestors") {
  namespace fs = std::filesystem;
  std::string root = (fs::temp_directory_path() / "tenon_cgroup_XXXXXX").string();
  REQUIRE(::mkdtemp(root.data()));
  const auto put = [&](const std::string& path, const char* text) {
    fs::create_directories(fs::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  };
  CHECK(cgroup_processors("0::/a/b\n", root) == 0);
  put("/a/cpu.max", "250000 100000\n");
  put("/a/b/cpu.max", "max 100000\n");
  CHECK(cgroup_processors("0::/a/b\n", root) == 3);  // rounded up
  put("/a/b/cpu.max", "50000 100000\n");
  CHECK(cgroup_processors("0::/a/b\n", root) == 1);
  CHECK(cgroup_processors("0::/elsewhere\n", root) == 0);
  put("/cpu.max", "400000 100000\n");  // the group of a container is the root that it sees
  CHECK(cgroup_processors("0::/elsewhere\n", root) == 4);
  CHECK(cgroup_processors("0::/\n", root) == 4);
  fs::remove(root + "/cpu.max");
  put("/cpu,cpuacct/c/cpu.cfs_quota_us", "200000\n");
  put("/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_processors("7:memory:/c\n4:cpu,cpuacct:/c\n", root) == 2);
  put("/cpu,cpuacct/c/cpu.cfs_quota_us", "-1\n");
  CHECK(cgroup_processors("4:cpu,cpuacct:/c\n", root) == 0);
  CHECK(cgroup_processors("nonsense\n::\n", root) == 0);
  fs::remove_all(root);
}
