#include "machine_peaks.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>

namespace tenon {
namespace {

using clock = std::chrono::steady_clock;
double seconds_since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

// Enough products under way to hide the latency of each; variables and no array, which would be kept in memory.
constexpr int chains = 12;

// A function for each width of vectors: the one that runs here is chosen when it runs. Everything is in its body, since
// what is compiled for one width cannot be made part of a function for another.
#define TENON_PEAK(name, features, lanes)                                                                \
  __attribute__((target(features))) double name(long steps) {                                            \
    typedef float vector __attribute__((vector_size((lanes) * sizeof(float))));                          \
    vector x = vector{} + 0.9999f, y = vector{} + 1e-5f;                                                 \
    vector a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;           \
    asm volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f));                             \
    asm volatile("" : "+x"(g), "+x"(h), "+x"(i), "+x"(j), "+x"(k), "+x"(l)); /* not known to be equal */ \
    const auto start = clock::now();                                                                     \
    for (long s = 0; s < steps; ++s) {                                                                   \
      a = a * x + y, b = b * x + y, c = c * x + y, d = d * x + y, e = e * x + y, f = f * x + y;          \
      g = g * x + y, h = h * x + y, i = i * x + y, j = j * x + y, k = k * x + y, l = l * x + y;          \
      asm volatile("" : "+x"(x), "+x"(y));                                                               \
    }                                                                                                    \
    const double seconds = seconds_since(start);                                                         \
    asm volatile("" : : "x"(a + b + c + d + e + f), "x"(g + h + i + j + k + l));                         \
    return 2.0 * (lanes) * chains * static_cast<double>(steps) / seconds;                                \
  }
#if defined(__x86_64__)
TENON_PEAK(peak_512, "avx512f,fma", 16)
TENON_PEAK(peak_256, "avx2,fma", 8)
TENON_PEAK(peak_128, "sse2", 4)
#endif
#undef TENON_PEAK

double peak_operations() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const auto run = __builtin_cpu_supports("avx512f")                                 ? peak_512
                   : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? peak_256
                                                                                     : peak_128;
  double best = 0;
  for (int i = 0; i < 4; ++i) best = std::max(best, run(400'000));
  return best;
#else
  return 0;
#endif
}

// A copy of what no cache holds; the library's own is the best that there is for large ones.
double peak_bytes() {
  constexpr std::size_t bytes = std::size_t{32} << 20;
  const auto from = std::make_unique<std::byte[]>(bytes), to = std::make_unique<std::byte[]>(bytes);
  double best = 0;
  for (int i = 0; i < 4; ++i) {  // the first one makes the pages
    const auto start = clock::now();
    std::memcpy(to.get(), from.get(), bytes);
    asm volatile("" : : "r"(to.get()) : "memory");
    if (i > 0) best = std::max(best, 2.0 * static_cast<double>(bytes) / seconds_since(start));
  }
  return best;
}

}  // namespace

const machine_peaks& measured_peaks() {
  static const machine_peaks peaks{peak_operations(), peak_bytes()};
  return peaks;
}

}  // namespace tenon
