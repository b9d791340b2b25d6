// A library that uses tenon and that a host opens and closes: host.cpp.
#include <tenon/tenon.hpp>

using namespace tenon;

/// Computes on both targets, with threads; 0 when it is right.
extern "C" __attribute__((visibility("default"))) int tenon_test_plugin_work() {
  try {
    for (const char* target : {"llvm -num-threads=3", "native"}) {
      const auto f =
          jit([](tensor<f32, shape<dyn, 512>> x) { return sum.with<{.axes = {-1}}>(exp(x)); }, {.target = target});
      const array<f32> x = array<f32>::zeros({600, 512}), y = f(x);
      for (float e : y)
        if (e != 512.0f) return 1;
    }
    return 0;
  } catch (const std::exception&) {
    return 2;
  }
}
