// Entries of the disk cache that are damaged, truncated or somebody else's: a miss each, compiled again with the right
// result, and whole afterwards.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tenon/tenon.hpp>
#include <vector>

#include "runtime/files.hpp"

using namespace tenon;

namespace {

auto scaled(float by) {
  return jit([by](tensor<f32, shape<dyn>> x) { return tanh(x) * by + 1; }, {.target = "llvm"});
}

std::vector<std::filesystem::path> kernels(const std::string& folder) {
  std::vector<std::filesystem::path> all;
  for (const auto& e : std::filesystem::recursive_directory_iterator(folder))
    if (e.path().extension() == ".kernel") all.push_back(e.path());
  return all;
}
std::string read(const std::filesystem::path& p) {
  std::ifstream f(p, std::ios::binary);
  return {std::istreambuf_iterator<char>(f), {}};
}
void write(const std::filesystem::path& p, const std::string& bytes) { std::ofstream(p, std::ios::binary) << bytes; }

// The results' bytes, and where the kernel came from: "compiled" or "disk". The callable and its kernel are gone after.
struct outcome {
  std::string bytes, from;
};
outcome call(float by) {
  const auto f = scaled(by);
  const array<f32> x = array<f32>::uniform({37}, 5), y = f(x);
  const call_stats s = f.stats();
  CHECK(s.memory_hits == 0);
  CHECK(s.compilations + s.disk_hits == 1);
  return {std::string(reinterpret_cast<const char*>(y.data()), 37 * sizeof(float)), s.disk_hits ? "disk" : "compiled"};
}

}  // namespace

TEST_CASE("a damaged, truncated or foreign entry is a miss, never a wrong result") {
  test::folder files;
  ::setenv("TENON_CACHE_DIR", files.path("cache").c_str(), 1);
  const outcome first = call(3);
  CHECK(first.from == "compiled");
  const auto all = kernels(files.path("cache"));
  REQUIRE(all.size() == 1);
  const std::filesystem::path entry = all[0];
  const std::string whole = read(entry);
  auto expect = [&](const char* from) {
    const outcome o = call(3);
    CHECK(o.bytes == first.bytes);
    CHECK(o.from == from);
  };
  expect("disk");

  // One flipped bit in each 1/60 of the file, its first and last bytes among them.
  int flips = 0;
  for (std::size_t at = 0; at < whole.size(); at += whole.size() / 60 + 1, ++flips) {
    CAPTURE(at);
    std::string bad = whole;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    write(entry, bad);
    expect("compiled");
    CHECK(read(entry) == whole);  // stored again, byte for byte
  }
  CHECK(flips >= 50);
  std::string last = whole;
  last.back() = static_cast<char>(last.back() ^ 0x80);
  for (const std::string& bad :
       {last, whole.substr(0, whole.size() / 2), std::string(), whole + "x", std::string(whole.size(), '\0')}) {
    write(entry, bad);
    expect("compiled");
    expect("disk");
  }
  // Another kernel's file, whole in itself, under this one's name.
  const outcome other = call(4);
  CHECK(other.from == "compiled");
  CHECK(other.bytes != first.bytes);
  for (const auto& e : kernels(files.path("cache")))
    if (e != entry) write(entry, read(e));
  CHECK(read(entry) != whole);
  expect("compiled");
  expect("disk");
  // A folder that cannot be written is no error either.
  ::setenv("TENON_CACHE_DIR", "/proc/none/cache", 1);
  expect("compiled");
  ::setenv("TENON_CACHE_DIR", "off", 1);
  expect("compiled");
}

TEST_CASE("cache = false neither reads nor writes") {
  test::folder files;
  ::setenv("TENON_CACHE_DIR", files.path("cache").c_str(), 1);
  for (int again = 0; again < 2; ++again) {
    const auto f = jit([](tensor<f32, shape<dyn>> x) { return tanh(x) * 9; }, {.target = "llvm", .cache = false});
    (void)f(array<f32>::zeros({3}));
    CHECK(f.stats().compilations == 1);
    CHECK(f.stats().disk_hits == 0);
  }
  CHECK(!std::filesystem::exists(files.path("cache")));
}

TEST_CASE("equal groups of one graph are compiled once") {
  const auto layers = [](int different) {
    const auto f = jit(
        [different](tensor<f32, shape<8, 24>> x, tensor<f32, shape<24, 24>> w) {
          tensor<f32, any_shape> h = x;
          for (int i = 0; i < 6; ++i) {
            h = matmul(h, w);
            h = i < different ? tanh(h * static_cast<float>(i + 2)) : tanh(h);
          }
          return h;
        },
        {.target = "llvm", .cache = false});
    (void)f(array<f32>::uniform({8, 24}, 1), array<f32>::uniform({24, 24}, 2));
    CHECK(f.stats().kernels == 6);
    return f.stats().compilations + f.stats().memory_hits;
  };
  CHECK(layers(0) == 1);
  CHECK(layers(2) == 3);  // a literal is part of its kernel
}
