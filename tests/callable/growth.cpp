// Structurally different graphs, compiled and dropped: memory, mappings and files stop growing.
//   growth [count] [off | on | both]
// With the disk cache off, and on with a folder of bounded size. Between a fifth of the graphs and the last one
// resident memory grows by at most 2 MiB, mappings and files by 0.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <tenon/tenon.hpp>
#include <utility>

#include "callable/children.hpp"
#include "callable/sanitized.hpp"

using namespace tenon;

namespace {

constexpr bool sanitized = TENON_TEST_SANITIZED;

// Graph number i: its digits to base 6 choose the operators, so no two have the same structure.
tensor<f32, shape<dyn>> graph_number(tensor<f32, shape<dyn>> x, int i) {
  tensor<f32, shape<dyn>> h = x;
  for (int left = i + 6; left; left /= 6) switch (left % 6) {
      case 0:
        h = relu(h) + x;
        break;
      case 1:
        h = h * x;
        break;
      case 2:
        h = abs(h) - 1;
        break;
      case 3:
        h = max(h, x) * 2;
        break;
      case 4:
        h = floor(h) + 2;
        break;
      default:
        h = min(h, x) + 3;
    }
  return h;
}

constexpr long cache_kib = 32;
struct usage {
  long memory_kib = 0, mappings = 0, descriptors = 0, files = 0, bytes = 0;  // files and bytes: of the cache
};
// The cache's folder: how many kernels, and their bytes.
void look(const std::string& folder, usage& u) {
  std::error_code ignored;
  for (const auto& e : std::filesystem::recursive_directory_iterator(folder, ignored))
    if (e.path().extension() == ".kernel") ++u.files, u.bytes += static_cast<long>(e.file_size(ignored));
}
usage now(const std::string& folder) {
  usage u;
  u.memory_kib = test::status_of("VmRSS");
  u.mappings = static_cast<long>(test::lines_of("/proc/self/maps").size());
  std::error_code ignored;
  for (const auto& e : std::filesystem::directory_iterator("/proc/self/fd", ignored))
    u.descriptors += !e.path().empty();
  look(folder, u);
  return u;
}
void print(const char* cache, int count, const usage& u) {
  std::printf(
      "cache %s, %5d graphs: %6ld KiB resident, %3ld mappings, %2ld files open, %3ld files of %6ld bytes on disk\n",
      cache, count, u.memory_kib, u.mappings, u.descriptors, u.files, u.bytes);
  std::fflush(stdout);
}

int run(int count, bool cache, const std::string& folder) {
  test::checks check;
  const array<f32> x = array<f32>::uniform({13}, 1);
  array<f32> y = array<f32>::zeros({13});
  std::int64_t compiled = 0;
  usage first;
  const int warm = count / 5;
  long most_files = 0, most_files_first = 0, most_bytes = 0;  // eviction makes their number swing
  for (int i = 0; i < count; ++i) {
    const auto f =
        jit([i](tensor<f32, shape<dyn>> v) { return graph_number(v, i); }, {.target = "llvm", .cache = cache});
    f.into(y, x);
    compiled += f.stats().compilations;
    if (cache) {
      usage u;
      look(folder, u);
      most_files = std::max(most_files, u.files);
      most_bytes = std::max(most_bytes, u.bytes);
    }
    if (i + 1 == warm) {
      print(cache ? "on" : "off", warm, first = now(folder));
      most_files_first = std::exchange(most_files, 0);
    }
  }
  const usage last = now(folder);
  print(cache ? "on" : "off", count, last);
  check(compiled == count, std::to_string(compiled) + " kernels compiled for " + std::to_string(count) + " graphs");
  // A sanitizer keeps freed memory and its own tables.
  if (!sanitized)
    check(last.memory_kib - first.memory_kib <= 2048,
          "memory grew by " + std::to_string(last.memory_kib - first.memory_kib) + " KiB");
  if (!sanitized)
    check(last.mappings <= first.mappings, "mappings grew by " + std::to_string(last.mappings - first.mappings));
  check(last.descriptors <= first.descriptors,
        "open files grew by " + std::to_string(last.descriptors - first.descriptors));
  if (cache)
    std::printf("at most %ld files before and %ld after, %ld bytes\n", most_files_first, most_files, most_bytes);
  check(most_files <= most_files_first,
        "files grew from " + std::to_string(most_files_first) + " to " + std::to_string(most_files));
  check(cache == (last.files > 0) && most_bytes <= cache_kib * 1024, std::to_string(most_bytes) + " bytes of files");
  return check.failed;
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 600;
  const std::string which = argc > 2 ? argv[2] : "both";
  if (count < 5) {
    std::printf("growth [count, at least 5] [off | on | both]\n");
    return 2;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "tenon_growth_XXXXXX").string();
  if (!::mkdtemp(folder.data())) return 1;
  ::setenv("TENON_CACHE_DIR", folder.c_str(), 1);
  ::setenv("TENON_CACHE_SIZE", (std::to_string(cache_kib) + "K").c_str(), 1);
  int failed = 0;
  if (which != "on") failed += run(count, false, folder);
  if (which != "off") failed += run(count, true, folder);
  std::filesystem::remove_all(folder);
  return failed;
}
