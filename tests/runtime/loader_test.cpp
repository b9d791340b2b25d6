#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "runtime/image.hpp"
#include "runtime/kernel_abi.hpp"
#include "tenon/core/error.hpp"

using namespace tenon;
using namespace tenon::runtime;

namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> l) {
  std::vector<std::byte> v;
  for (int b : l) v.push_back(static_cast<std::byte>(b));
  return v;
}

// status = value: mov eax, value; ret
image returns(std::uint64_t key, std::uint32_t value) {
  image i;
  i.key = {key, key ? 7u : 0u};
  i.name = "returns_" + std::to_string(value);
  i.code = bytes_of({0xB8, 0, 0, 0, 0, 0xC3});
  std::memcpy(i.code.data() + 1, &value, 4);
  i.entry_size = 6;
  return i;
}

std::int32_t call(const code& c) {
  const kernel_call k{};
  return c.entry(&k);
}

// Mappings of no file that are executable: the loader's.
struct mappings {
  int executable = 0, writable_and_executable = 0;
};
mappings mappings_now() {
  mappings m;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    m.executable += line.find("-xp 00000000 00:00 0") != line.npos && line.find('[') == line.npos;
    m.writable_and_executable += line.find(" rwx") != line.npos;
  }
  return m;
}

struct environment_value {
  std::string name;
  environment_value(const char* n, const char* v) : name(n) { ::setenv(n, v, 1); }
  ~environment_value() { ::unsetenv(name.c_str()); }
};

std::string message(auto f) {
  try {
    f();
  } catch (const load_error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

#if !defined(__x86_64__)
TEST_CASE("loader: code for this machine" * doctest::skip()) { MESSAGE("the kernels of these tests are x86-64 code"); }
#else

TEST_CASE("loader: an image is called where it lies and is freed with its last reference") {
  const auto before = loaded();
  {
    auto i = returns(1, 42);
    i.code.insert(i.code.begin(), 64, std::byte{0xCC});
    i.entry = 64;
    const auto c = load_image(i);
    CHECK(call(*c) == 42);
    CHECK(c->name == "returns_42");
    CHECK(reinterpret_cast<std::uintptr_t>(c->entry) % 64 == 0);
    CHECK(loaded().images == before.images + 1);
    CHECK(loaded().bytes > before.bytes);
  }
  CHECK(loaded().images == before.images);
  CHECK(loaded().bytes == before.bytes);
}

TEST_CASE("loader: one key is loaded once, and found as long as somebody holds it") {
  auto a = load_image(returns(2, 1));
  auto b = load_image(returns(2, 1));
  CHECK(a == b);
  CHECK(find_loaded({2, 7}) == a);
  CHECK(find_loaded({2, 8}) == nullptr);
  a.reset();
  CHECK(find_loaded({2, 7}) == b);
  b.reset();
  CHECK(find_loaded({2, 7}) == nullptr);
  CHECK(load_image(returns(0, 1)) != load_image(returns(0, 1)));  // no key, not shared
  CHECK(find_loaded({}) == nullptr);
}

TEST_CASE("loader: memory is reused, mappings do not grow, nothing is writable and executable") {
  const auto none = loaded();
  std::vector<std::shared_ptr<const code>> held(300);
  const int before = mappings_now().executable;
  std::mt19937 random(1);
  std::int64_t most_slabs = 0;
  for (std::uint32_t n = 0; n < 10'000; ++n) {
    auto i = returns(1000 + n, n);
    i.code.resize(random() % 5 ? 100 : 20'000);
    auto& place = held[random() % held.size()];
    place = load_image(i);
    if (n % 97 == 0) {
      REQUIRE(call(*place) == static_cast<std::int32_t>(n));
      REQUIRE(mappings_now().writable_and_executable == 0);
    }
    most_slabs = std::max(most_slabs, loaded().slabs);
  }
  CHECK(most_slabs <= 4);  // 300 images of 8 KB in the mean
  CHECK(mappings_now().executable > 0);
  CHECK(mappings_now().executable <= before + most_slabs);
  held.clear();
  CHECK(loaded().images == none.images);
  CHECK(loaded().slabs <= std::max<std::int64_t>(1, none.slabs));
}

TEST_CASE("loader: an image larger than a slab has its own") {
  const auto before = loaded();
  auto i = returns(3, 5);
  i.code.resize(3 << 20);
  const auto small = load_image(returns(4, 6));
  {
    const auto c = load_image(i);
    CHECK(call(*c) == 5);
    CHECK(loaded().bytes >= before.bytes + (3 << 20));
  }
  CHECK(call(*small) == 6);
  CHECK(loaded().bytes < before.bytes + (1 << 20));
}

TEST_CASE("loader: many threads load, find and drop the same keys") {
  const auto before = loaded();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::array<std::shared_ptr<const code>, 3> held;
      for (int n = 0; n < 2000; ++n) {
        const std::uint32_t k = random() % 8;
        auto& place = held[random() % 3];
        if (auto there = find_loaded({500 + k, 7}))
          place = there;
        else
          place = load_image(returns(500 + k, k));
        if (call(*place) != static_cast<std::int32_t>(k)) ++wrong;
      }
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK(loaded().images == before.images);
}

TEST_CASE("loader: after a fork parent and child load without touching each other's kernels") {
  auto mine = load_image(returns(600, 1));
  auto dropped = load_image(returns(601, 2));
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    char go;
    bool good = ::read(ready[0], &go, 1) == 1;  // the parent has put another kernel where `dropped` was
    good = good && call(*dropped) == 2 && call(*mine) == 1;
    mine.reset();
    const auto own = load_image(returns(602, 3));  // lies where `mine` was
    good = good && call(*own) == 3;
    ::_exit(good ? 0 : 1);
  }
  dropped.reset();
  const auto other = load_image(returns(603, 4));
  REQUIRE(::write(ready[1], "g", 1) == 1);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(call(*mine) == 1);
  CHECK(call(*other) == 4);
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("loader: perf finds the names when TENON_PERF=1") {
  const std::string path = "/tmp/perf-" + std::to_string(::getpid()) + ".map";
  ::unlink(path.c_str());
  const environment_value perf("TENON_PERF", "1");
  const auto c = load_image(returns(700, 9));
  std::ostringstream expected;
  expected << std::hex << reinterpret_cast<std::uintptr_t>(c->entry) << " 6 returns_9";
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  CHECK(line == expected.str());
  ::unlink(path.c_str());
  const environment_value bad("TENON_PERF", "perhaps");
  CHECK_THROWS_WITH_AS(load_image(returns(701, 9)),
                       "environment variable TENON_PERF='perhaps': expected 1, on, yes, true or 0, off, no, false",
                       argument_error);
}

// What gdb runs below.
TEST_CASE("loader: debuggee of the gdb test" * doctest::skip()) {
  auto i = returns(800, 11);
  i.name = "tenon_debugged_kernel";
  const auto c = load_image(i);
  CHECK(call(*c) == 11);
}

TEST_CASE("loader: gdb stops in a kernel by its name and shows it in the backtrace") {
  if (std::system("gdb --version >/dev/null 2>&1") != 0) {
    MESSAGE("not tested: there is no gdb");
    return;
  }
  char self[4096];
  const ssize_t n = ::readlink("/proc/self/exe", self, sizeof(self) - 1);
  REQUIRE(n > 0);
  self[n] = 0;
  const std::string command =
      "gdb -nx -batch -ex 'set debuginfod enabled off' -ex 'set breakpoint pending on'"
      " -ex 'break tenon_debugged_kernel' -ex run -ex 'info symbol $pc' -ex backtrace -ex kill --args '" +
      std::string(self) + "' --no-skip '--test-case=loader: debuggee of the gdb test' 2>&1 </dev/null";
  std::FILE* gdb = ::popen(command.c_str(), "r");
  REQUIRE(gdb);
  std::string out;
  for (char part[256]; std::fgets(part, sizeof(part), gdb);) out += part;
  ::pclose(gdb);
  if (out.find("ptrace: Operation not permitted") != out.npos) {
    MESSAGE("not tested: gdb may not trace processes here");
    return;
  }
  INFO(out);
  CHECK(out.find("tenon_debugged_kernel in section .text") != out.npos);
  const auto frame = out.find("#0 ");
  REQUIRE(frame != out.npos);
  CHECK(out.find("in tenon_debugged_kernel ()", frame) < out.find("#1 ", frame));
  CHECK(out.find("#1 ", frame) != out.npos);
}

#endif

TEST_CASE("loader: an image that cannot be called is refused with the numbers") {
  auto outside = returns(900, 1);
  outside.entry = 6;
  CHECK(message([&] { load_image(outside); }) ==
        "kernel 'returns_1' cannot be loaded: entry at 6 with 6 bytes, but the code has 6");
  auto foreign = returns(901, 1);
  foreign.machine = 8;
  CHECK(message([&] { load_image(foreign); }).find("it is for machine 8") != std::string::npos);
  auto empty = returns(902, 1);
  empty.code.clear();
  CHECK(message([&] { load_image(empty); }).find("code of 0 bytes") != std::string::npos);
  CHECK(message([&] { write_image(empty); }).find("code of 0 bytes") != std::string::npos);
  CHECK(find_loaded({901, 7}) == nullptr);
}

TEST_CASE("image: what was written is read back") {
  auto i = returns(910, 3);
  i.name = "";
  const auto bytes = write_image(i);
  const image back = read_image(bytes, "here");
  CHECK(back.key == i.key);
  CHECK(back.name == i.name);
  CHECK(back.code == i.code);
  CHECK(back.entry == i.entry);
  CHECK(back.entry_size == i.entry_size);
  CHECK(back.machine == i.machine);
}

TEST_CASE("image: one wrong bit anywhere, a missing or an additional byte is a load_error") {
  const auto good = write_image(returns(911, 3));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    CAPTURE(bit);
    REQUIRE_THROWS_AS(read_image(bad, "here"), load_error);
  }
  for (std::size_t size = 0; size < good.size(); ++size)
    REQUIRE_THROWS_AS(read_image(std::span(good).first(size), "here"), load_error);
  auto longer = good;
  longer.push_back({});
  CHECK_THROWS_AS(read_image(longer, "here"), load_error);
  CHECK(message([&] { read_image(std::span(good).first(10), "file 'x'"); }) ==
        "file 'x': not a kernel image: 10 bytes, the header alone has 72");
}
