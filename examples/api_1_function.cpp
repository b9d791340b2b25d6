// A function of tensors, compiled at its first call.
#include <tenon/tenon.hpp>
using namespace tenon;

int main() {
  // The parameter types say what is known when the C++ compiler runs: element type and extents.
  // `dyn` is an extent known only at the call. dim("n") is a named one: equal names must be equal
  // extents at the call, across all parameters.
  auto dense = jit([](tensor<f32, shape<dim("n"), 784>> x, tensor<f32, shape<784, 10>> w, tensor<f32, shape<10>> b) {
    return relu(matmul(x, w) + b);
  });

  array<f32> x = array<f32>::uniform({32, 784}, /*seed*/ 1), w = array<f32>::uniform({784, 10}, 2),
             b = array<f32>::zeros({10});
  array<f32> y = dense(x, w, b);  // compiles for these extents and this machine, then runs
  y = dense(x, w, b);             // cached: no compilation, no allocation besides the result
  dense.into(y, x, w, b);         // no allocation at all
  // dense.stats(): compilations, cache hits (memory, disk), compile time, workspace bytes

  print(y);
  print(dense.graph());
  const call_stats s = dense.stats();
  print("kernels: " + std::to_string(s.kernels) + ", compiled: " + std::to_string(s.compilations) +
        ", from the disk cache: " + std::to_string(s.disk_hits));
}
