// The networks of networks.hpp. At small sizes the compiled code is compared with the operators as the C++ compiler
// compiled them.
//   networks                        compares
//   networks --full                 also times one image of 224 x 224, 128 tokens, with 1 thread and with all
//   networks --time NAME THREADS    times one of them, and says no more (bench/networks.py)
//   networks --kernels NAME         where its time goes: the slowest kernels, then every one with its schedule
//   networks --plan NAME [SVG]      prints the memory plan of one of them, and draws it into a file
//   (bench/workspace.py)
#include "networks.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

using namespace tenon;
using namespace networks;

namespace {

bool failed = false;

template <class Net>
void compare(const char* name, const Net& net, const weights& w, const std::vector<extent_t>& extents) {
  const array<f32> x = array<f32>::uniform(extents, 1);
  auto fast = build(net, signature<value>{}, {.params = w.values});
  auto plain = build(net, signature<value>{}, {.target = "native", .params = w.values});
  const array<f32> y = fast(x), wanted = plain(x);
  double apart = 0, largest = 0;
  for (std::int64_t i = 0; i < y.size(); ++i) {
    apart = std::max(apart, std::abs(1.0 * y.data()[i] - wanted.data()[i]));
    largest = std::max(largest, std::abs(1.0 * wanted.data()[i]));
  }
  const bool good = y.size() == wanted.size() && apart <= 1e-4 * largest && std::isfinite(largest);
  failed = failed || !good;
  std::printf("%-12s at small size: largest value %.4g, largest difference %.2g%s\n", name, largest, apart,
              good ? "" : ": TOO MUCH");
}

template <class Net>
void time(const char* name, const Net& net, const weights& w, const std::vector<extent_t>& extents,
          const std::string& target) {
  const array<f32> x = array<f32>::uniform(extents, 1);
  using clock = std::chrono::steady_clock;
  const auto ms = [](clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  const auto begin = clock::now();
  auto f = build(net, signature<value>{}, {.target = target, .params = w.values});
  array<f32> y = f(x);
  const double first = ms(clock::now() - begin);
  std::vector<double> calls(30);
  for (double& t : calls) {
    const auto start = clock::now();
    f.into(y, x);
    t = ms(clock::now() - start);
  }
  std::sort(calls.begin(), calls.end());
  const call_stats s = f.stats();
  std::printf("%-12s %-20s %8.2f ms a call; built and called once in %.0f ms; %ld kernels, %ld compiled\n", name,
              target.c_str(), calls[calls.size() / 2], first, static_cast<long>(s.kernels),
              static_cast<long>(s.compilations));
}

template <class Net>
void show_kernels(const Net& net, const weights& w, const std::vector<extent_t>& extents) {
  auto f = build(net, signature<value>{}, {.target = "llvm -num-threads=1", .params = w.values});
  print(f.bench(array<f32>::uniform(extents, 1)));
}

template <class Net>
void plan(const Net& net, const weights& w, const std::vector<extent_t>& extents, const std::string& drawing) {
  auto f = build(net, signature<value>{}, {.target = "llvm -num-threads=1", .params = w.values});
  const array<f32> y = f(array<f32>::uniform(extents, 1));
  const workspace_plan p = f.memory_plan();
  print(p);
  if (!drawing.empty()) std::ofstream(drawing) << p.svg();
}

struct request {
  bool full = false;
  std::string only{}, threads{};  // to be timed, or without threads to be looked into
  bool planned = false;
  std::string drawing{};
};

template <class Net, class... A>
void run(const char* name, const request& r, const std::vector<extent_t>& small, const std::vector<extent_t>& large,
         A... sizes) {
  if (!r.only.empty() && r.only != name) return;
  weights w;
  const Net net(w, sizes...);
  if (r.planned) return plan(net, w, large, r.drawing);
  if (!r.only.empty() && r.threads.empty()) return show_kernels(net, w, large);
  if (!r.only.empty()) return time(name, net, w, large, "llvm -num-threads=" + r.threads);
  compare(name, net, w, small);
  if (!r.full) return;
  for (const char* target : {"llvm -num-threads=1", "llvm"}) time(name, net, w, large, target);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  request r;
  if (words == std::vector<std::string>{"--full"})
    r.full = true;
  else if (words.size() == 3 && words[0] == "--time")
    r.only = words[1], r.threads = words[2];
  else if ((words.size() == 2 || words.size() == 3) && words[0] == "--plan")
    r.planned = true, r.only = words[1], r.drawing = words.size() == 3 ? words[2] : "";
  else if (words.size() == 2 && words[0] == "--kernels")
    r.only = words[1];
  else if (!words.empty())
    return std::fprintf(stderr, "networks [--full | --time NAME THREADS | --kernels NAME | --plan NAME [SVG]]\n"), 2;
  const bool whole = r.full || !r.only.empty();
  run<resnet50>("ResNet-50", r, {1, 3, 64, 64}, {1, 3, 224, 224});
  run<mobilenet_v2>("MobileNetV2", r, {1, 3, 64, 64}, {1, 3, 224, 224});
  run<inception>("Inception", r, {1, 3, 64, 64}, {1, 3, 224, 224});
  run<unet>("U-Net", r, {1, 3, 32, 32}, {1, 3, 256, 256});
  run<bert>("BERT-base", r, {16, width}, {128, width}, whole ? 12 : 2);
  return failed;
}
