#include "runtime/disk_cache.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "tenon/core/error.hpp"

using namespace tenon;
using namespace tenon::runtime;
namespace fs = std::filesystem;

namespace {

struct environment_value {
  std::string name, before;
  bool was_set = false;
  environment_value(const char* n, const char* v) : name(n) {
    if (const char* b = std::getenv(n)) before = b, was_set = true;
    v ? ::setenv(n, v, 1) : ::unsetenv(n);
  }
  ~environment_value() { was_set ? ::setenv(name.c_str(), before.c_str(), 1) : ::unsetenv(name.c_str()); }
};

struct temporary_folder {
  std::string path = (fs::temp_directory_path() / "tenon_cache_XXXXXX").string();
  temporary_folder() { REQUIRE(::mkdtemp(path.data())); }
  ~temporary_folder() { fs::remove_all(path); }
};

image make(std::uint64_t n, std::size_t bytes = 1000) {
  image i;
  i.key = {n * 0x9e3779b97f4a7c15u, n << 50 | n};
  i.name = "kernel_" + std::to_string(n);
  i.code.assign(bytes, static_cast<std::byte>(n));
  return i;
}

std::vector<fs::path> files(const std::string& folder, const std::string& extension) {
  std::vector<fs::path> found;
  for (const auto& e : fs::recursive_directory_iterator(folder))
    if (e.is_regular_file() && e.path().extension() == extension) found.push_back(e.path());
  return found;
}
std::int64_t bytes_in(const std::string& folder) {
  std::int64_t total = 0;
  for (const auto& f : files(folder, ".kernel")) total += static_cast<std::int64_t>(fs::file_size(f));
  return total;
}

}  // namespace

TEST_CASE("disk cache: finds what was stored, in folders of the user alone") {
  const temporary_folder t;
  const disk_cache cache(t.path + "/deep/er", 1 << 20);
  CHECK(cache.defect().empty());
  CHECK_FALSE(cache.find(make(1).key));
  CHECK_FALSE(fs::exists(cache.folder()));  // looking makes nothing
  cache.store(make(1));
  const auto found = disk_cache(t.path + "/deep/er/", 1 << 20).find(make(1).key);
  REQUIRE(found);
  CHECK(found->code == make(1).code);
  CHECK(found->name == "kernel_1");
  CHECK_FALSE(cache.find(make(2).key));
  CHECK((fs::status(cache.folder()).permissions() & fs::perms::mask) == fs::perms::owner_all);
  const auto all = files(t.path, ".kernel");
  REQUIRE(all.size() == 1);
  CHECK((fs::status(all[0]).permissions() & fs::perms::mask) == (fs::perms::owner_read | fs::perms::owner_write));
  CHECK(all[0].parent_path().filename().string().size() == 2);
  CHECK(all[0].stem().string().size() == 30);
}

TEST_CASE("disk cache: a damaged, truncated or foreign file is a miss and goes away") {
  const temporary_folder t;
  const disk_cache cache(t.path, 1 << 20);
  const auto damage = [&](auto change) {
    cache.store(make(1));
    REQUIRE(cache.find(make(1).key));
    const auto file = files(t.path, ".kernel").at(0);
    change(file);
    CHECK_FALSE(cache.find(make(1).key));
    CHECK(files(t.path, ".kernel").empty());
  };
  damage([](const fs::path& f) {
    std::fstream s(f, std::ios::in | std::ios::out | std::ios::binary);
    s.seekp(500);
    s.put('x');
  });
  damage([](const fs::path& f) { fs::resize_file(f, 700); });
  damage([](const fs::path& f) { fs::resize_file(f, 0); });
  damage([](const fs::path& f) { std::ofstream(f) << "something else"; });
  damage([](const fs::path& f) {  // a whole image, of another key
    const auto bytes = write_image(make(2));
    std::ofstream(f, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<long>(bytes.size()));
  });
}

TEST_CASE("disk cache: the bound holds, and what was used last stays") {
  const temporary_folder t;
  const std::int64_t bound = 64 * 1024;
  const disk_cache cache(t.path, bound);
  for (std::uint64_t n = 0; n < 40; ++n) {
    cache.store(make(n));
    // An hour apart: clocks of file systems are coarse.
    const auto old = fs::file_time_type::clock::now() - std::chrono::hours(100 - static_cast<int>(n));
    for (const auto& f : files(t.path, ".kernel"))
      if (fs::last_write_time(f) > fs::file_time_type::clock::now() - std::chrono::minutes(1))
        fs::last_write_time(f, old);
  }
  CHECK(files(t.path, ".kernel").size() == 40);
  REQUIRE(cache.find(make(0).key));  // the oldest is used
  for (std::uint64_t n = 100; n < 140; ++n) {
    cache.store(make(n));
    REQUIRE(bytes_in(t.path) <= bound);
  }
  CHECK(cache.find(make(0).key));
  CHECK(cache.find(make(139).key));
  CHECK_FALSE(cache.find(make(1).key));
  cache.store(make(200, 100 * 1024));  // larger than the bound
  CHECK_FALSE(cache.find(make(200).key));
}

TEST_CASE("disk cache: temporaries of crashed writers go, those of living ones and foreign files stay") {
  const temporary_folder t;
  const disk_cache cache(t.path, 1 << 20);
  cache.store(make(1));
  const auto bucket = files(t.path, ".kernel").at(0).parent_path();
  const fs::path stale = bucket / (std::string(30, 'a') + ".1-2-3.tmp"),
                 fresh = bucket / (std::string(30, 'b') + ".1-2-3.tmp");
  const fs::path foreign = bucket / "notes.txt";
  for (const auto& f : {stale, fresh, foreign}) std::ofstream(f) << "x";
  fs::last_write_time(stale, fs::file_time_type::clock::now() - std::chrono::hours(2));
  fs::last_write_time(foreign, fs::file_time_type::clock::now() - std::chrono::hours(2000));
  cache.evict();
  CHECK_FALSE(fs::exists(stale));
  CHECK(fs::exists(fresh));
  CHECK(fs::exists(foreign));
  CHECK(cache.find(make(1).key));
}

TEST_CASE("disk cache: a folder that everybody may write is not used, and says so") {
  const temporary_folder t;
  const disk_cache cache(t.path, 1 << 20);
  cache.store(make(1));
  REQUIRE(::chmod(t.path.c_str(), 0777) == 0);
  CHECK_FALSE(cache.find(make(1).key));
  cache.store(make(2));
  CHECK(cache.defect() == "'" + t.path + "' is not used: everybody may write there (mode 0777)");
  REQUIRE(::chmod(t.path.c_str(), 0700) == 0);
  CHECK(cache.find(make(1).key));
  CHECK_FALSE(cache.find(make(2).key));
  std::ofstream(t.path + "/file") << "x";
  const disk_cache file(t.path + "/file", 1 << 20);
  file.store(make(1));
  CHECK_FALSE(file.find(make(1).key));
  CHECK(file.defect().find("is no folder") != std::string::npos);
  CHECK_FALSE(disk_cache().find(make(1).key));
  CHECK(disk_cache().defect() == "no folder");
}

TEST_CASE("disk cache: processes share one folder while it overflows") {
  const temporary_folder t;
  const std::int64_t bound = 200 * 1024;
  std::vector<pid_t> children;
  for (unsigned c = 0; c < 4; ++c) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const disk_cache cache(t.path, bound);
      std::mt19937 random(c);
      int wrong = 0, hits = 0;
      for (int n = 0; n < 1500; ++n) {
        const std::uint64_t k = random() % 100;
        const image expected = make(k, 1000 + 40 * k);
        if (const auto found = cache.find(expected.key)) {
          ++hits;
          if (found->code != expected.code || found->name != expected.name) ++wrong;
        } else {
          cache.store(expected);
        }
      }
      ::_exit(wrong == 0 && hits > 0 ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(files(t.path, ".tmp").empty());
  disk_cache(t.path, bound).evict();
  CHECK(bytes_in(t.path) <= bound);
  CHECK(bytes_in(t.path) > bound / 2);
}

TEST_CASE("disk cache: the environment says where and how much") {
  const environment_value home("HOME", "/home/somebody"), xdg("XDG_CACHE_HOME", nullptr),
      dir("TENON_CACHE_DIR", nullptr), size("TENON_CACHE_SIZE", nullptr);
  CHECK(disk_cache::from_environment().folder() == "/home/somebody/.cache/tenon");
  CHECK(disk_cache::from_environment().max_bytes() == 1 << 30);
  {
    const environment_value x("XDG_CACHE_HOME", "/var/x"), s("TENON_CACHE_SIZE", "20M");
    CHECK(disk_cache::from_environment().folder() == "/var/x/tenon");
    CHECK(disk_cache::from_environment().max_bytes() == 20 << 20);
    const environment_value d("TENON_CACHE_DIR", "/own/place");
    CHECK(disk_cache::from_environment().folder() == "/own/place");
  }
  for (const char* none : {"off", ""}) {
    const environment_value d("TENON_CACHE_DIR", none);
    CHECK(disk_cache::from_environment().folder().empty());
    CHECK(disk_cache::from_environment().defect() == "TENON_CACHE_DIR is '" + std::string(none) + "'");
  }
  {
    const environment_value x("XDG_CACHE_HOME", "relative"), h("HOME", nullptr);
    CHECK(disk_cache::from_environment().defect().find("names a folder") != std::string::npos);
  }
  for (const char* bad : {"-1", "1X", "G", "9999999999G", "1 G", "1KK"}) {
    const environment_value s("TENON_CACHE_SIZE", bad);
    CAPTURE(bad);
    CHECK_THROWS_WITH_AS(disk_cache::from_environment(),
                         (std::string("environment variable TENON_CACHE_SIZE='") + bad +
                          "': expected bytes: an integer from 0, optionally with K, M, G or T")
                             .c_str(),
                         argument_error);
  }
}
