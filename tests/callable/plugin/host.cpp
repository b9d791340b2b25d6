// A plugin that uses tenon is opened, used and closed 20 times: threads, mappings and open files do not grow. Where no
// code generator was needed (the kernels came from the disk cache) nothing of tenon stays: libtenon is unmapped and its
// threads have ended. Where one was, libtenon and libtenon-llvm stay, once. The host itself knows nothing of tenon.
//   host PLUGIN [compiling | cached]
#include <dlfcn.h>

#include <filesystem>

#include "callable/children.hpp"
#include "callable/sanitized.hpp"

using namespace tenon;

namespace {

struct usage {
  long threads = test::status_of("Threads");
  long mappings = static_cast<long>(test::lines_of("/proc/self/maps").size());
  long files = static_cast<long>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
};

int child(const char* plugin, bool cached) {
  test::checks check;
  (void)usage();  // what looking takes is there
  const usage before;
  usage second;
  long first_workers = 0;
  for (int round = 1; round <= 20; ++round) {
    void* library = ::dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      std::printf("%s\n", ::dlerror());
      return 1;
    }
    const auto work = reinterpret_cast<int (*)()>(::dlsym(library, "tenon_test_plugin_work"));
    check(work && work() == 0, "round " + std::to_string(round));
    const long workers = test::status_of("Threads") - before.threads;
    if (round == 1) first_workers = workers;
    check(workers == first_workers, "as many threads as the first time, not " + std::to_string(workers));
    check(::dlclose(library) == 0, "it closes");
    check(!test::is_mapped("libtest_plugin"), "it is unmapped");
    if (round == 2) second = usage();
  }
  const usage last;
  std::printf(
      "%s: threads %ld, %ld, %ld, mappings %ld, %ld, %ld, open files %ld, %ld, %ld before and after 2 and 20 rounds\n",
      cached ? "cached" : "compiling", before.threads, second.threads, last.threads, before.mappings, second.mappings,
      last.mappings, before.files, second.files, last.files);
  if (!TENON_TEST_SANITIZED) check(first_workers == 2, "two threads beside the caller");
  check(last.threads <= second.threads, "threads do not grow");
  // A sanitizer maps shadow memory for each library that it sees.
  if (!TENON_TEST_SANITIZED) check(last.mappings <= second.mappings, "mappings do not grow");
  check(last.files <= second.files, "open files do not grow");
  check(test::is_mapped("libtenon-llvm") != cached, "LLVM is there if it was needed");
  if (cached) {
    check(!test::is_mapped("libtenon"), "libtenon is unmapped");
    // ThreadSanitizer has a thread of its own.
    if (!TENON_TEST_SANITIZED) check(last.threads == before.threads, "the pool's threads end with it");
  }
  return check.failed;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) return child(argv[1], std::string(argv[2]) == "cached");
  if (argc != 2) {
    std::printf("host PLUGIN\n");
    return 2;
  }
  std::string folder = (std::filesystem::temp_directory_path() / "tenon_plugin_XXXXXX").string();
  if (!::mkdtemp(folder.data())) return 1;
  int failed = 0;
  for (const char* mode : {"compiling", "cached"}) {
    const test::ended e = test::run_again({argv[1], mode}, {{"TENON_CACHE_DIR", folder}});
    std::printf("%s", e.output.c_str());
    if (e.status != 0) std::printf("failed: %s: status %d\n", mode, e.status);
    failed += e.status != 0;
  }
  std::filesystem::remove_all(folder);
  return failed;
}
