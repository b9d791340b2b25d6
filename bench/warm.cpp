// Warm start (speed.md): how much longer a process's first call takes than a warm one when all kernels are in the disk
// cache, so that LLVM is not loaded. Run it twice with one TENON_CACHE_DIR; bench/cold.sh does.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

using namespace tenon;

namespace {

template <class F>
double milliseconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

bool llvm_is_mapped() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("libtenon-llvm") != line.npos) return true;
  return false;
}

struct network {
  param filters, dense, bias, last;
  network()
      : filters("filters", f32, {32, 1, 3, 3}),
        dense("dense", f32, {32 * 14 * 14, 256}),
        bias("bias", f32, {256}),
        last("last", f32, {256, 10}) {}
  auto operator()(tensor<f32, shape<dyn, 1, 28, 28>> x) const {
    const auto h =
        max_pool.with<{.window = {2, 2}, .stride = {2, 2}}>(relu(conv2d.with<{.padding = {1, 1}}>(x, filters)));
    return softmax(matmul(relu(matmul(reshape(h, {-1, 32 * 14 * 14}), dense) + bias), last));
  }
};

}  // namespace

int main() {
  const param_set weights = param_set()
                                .set("filters", array<f32>::uniform({32, 1, 3, 3}, 1))
                                .set("dense", array<f32>::uniform({32 * 14 * 14, 256}, 2))
                                .set("bias", array<f32>::uniform({256}, 3))
                                .set("last", array<f32>::uniform({256, 10}, 4));
  const array<f32> x = array<f32>::uniform({8, 1, 28, 28}, 5);
  double first = 0;
  std::vector<double> warm;
  auto make = [&] { return build(network(), signature<tensor<f32, shape<dyn, 1, 28, 28>>>{}, {.params = weights}); };
  std::optional<decltype(make())> net;
  first = milliseconds([&] {
    net.emplace(make());
    (*net)(x);
  });
  for (int i = 0; i < 21; ++i) warm.push_back(milliseconds([&] { (*net)(x); }));
  std::sort(warm.begin(), warm.end());
  const call_stats s = net->stats();
  std::printf(
      "build and first call %.2f ms, a warm call %.2f ms: %.2f ms on top (bar 20); %ld kernels, %ld from disk, %ld "
      "compiled, LLVM %s\n",
      first, warm[10], first - warm[10], static_cast<long>(s.kernels), static_cast<long>(s.disk_hits),
      static_cast<long>(s.compilations), llvm_is_mapped() ? "loaded" : "not loaded");
}
