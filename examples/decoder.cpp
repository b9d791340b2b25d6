// One step of a decoder with a cache of keys and values: 12 heads of 64, up to 1,024 positions. The caches are inout:
// each step writes its row of them and nothing else, and attends over the rows so far. The position is an operand, so
// that all steps are one compiled function.
//   decoder [positions]
// Checks every step against plain loops and prints what a token takes.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <tenon/tenon.hpp>
#include <vector>

using namespace tenon;

namespace {

constexpr extent_t heads = 12, depth = 64, width = heads * depth, longest = 1024;

using token = tensor<f32, shape<1, width>>;
using cache = tensor<f32, shape<heads, longest, depth>>;
using square = tensor<f32, shape<width, width>>;

// x + attention(x) of one token.
auto step(token x, tensor<i64, shape<>> position, square wq, square wk, square wv, square wo, inout<cache>& keys,
          inout<cache>& values) {
  auto by_head = [](auto v) { return reshape.with<{heads, 1, depth}>(v); };
  keys = update_slice.with<{.axis = 1}>(keys, by_head(matmul(x, wk)), position);
  values = update_slice.with<{.axis = 1}>(values, by_head(matmul(x, wv)), position);
  auto seen = scaled_dot_product_attention(by_head(matmul(x, wq)), keys, values, position);
  return x + matmul(reshape.with<{1, width}>(seen), wo);
}

// The same in plain loops.
struct plain {
  std::vector<float> keys = std::vector<float>(heads * longest * depth), values = keys;

  static std::vector<double> product(const std::vector<double>& x, const array<f32>& w) {
    std::vector<double> y(width);
    for (extent_t i = 0; i < width; ++i)
      for (extent_t j = 0; j < width; ++j) y[j] += x[i] * w.data()[i * width + j];
    return y;
  }
  std::vector<double> operator()(const float* token, extent_t position, const array<f32>& wq, const array<f32>& wk,
                                 const array<f32>& wv, const array<f32>& wo) {
    const std::vector<double> x(token, token + width), q = product(x, wq), k = product(x, wk), v = product(x, wv);
    std::vector<double> seen(width), weights(static_cast<std::size_t>(position) + 1);
    for (extent_t h = 0; h < heads; ++h) {
      const extent_t first = h * longest * depth;
      for (extent_t d = 0; d < depth; ++d) {
        keys[first + position * depth + d] = static_cast<float>(k[h * depth + d]);
        values[first + position * depth + d] = static_cast<float>(v[h * depth + d]);
      }
      double largest = -1e300, total = 0;
      for (extent_t s = 0; s <= position; ++s) {
        double dot = 0;
        for (extent_t d = 0; d < depth; ++d) dot += q[h * depth + d] * keys[first + s * depth + d];
        weights[s] = dot / 8;
        largest = std::max(largest, weights[s]);
      }
      for (double& w : weights) total += w = std::exp(w - largest);
      for (extent_t s = 0; s <= position; ++s)
        for (extent_t d = 0; d < depth; ++d) seen[h * depth + d] += weights[s] / total * values[first + s * depth + d];
    }
    std::vector<double> y = product(seen, wo);
    for (extent_t i = 0; i < width; ++i) y[i] += x[i];
    return y;
  }
};

array<f32> weights(int seed) {
  array<f32> w = array<f32>::uniform({width, width}, static_cast<std::uint64_t>(seed));
  for (extent_t i = 0; i < w.size(); ++i) w.data()[i] = (w.data()[i] - 0.5f) / 16;
  return w;
}

}  // namespace

int main(int argc, char** argv) {
  const extent_t positions = argc > 1 ? std::clamp<extent_t>(std::atoll(argv[1]), 1, longest) : longest;
  const auto decode = jit(&step);
  const array<f32> wq = weights(1), wk = weights(2), wv = weights(3), wo = weights(4);
  const array<f32> tokens = array<f32>::uniform({positions, width}, 5);
  array<f32> keys = array<f32>::zeros({heads, longest, depth}), values = array<f32>::zeros({heads, longest, depth}),
             y = array<f32>::zeros({1, width});

  plain reference;
  double worst = 0;
  std::vector<double> microseconds;
  std::int64_t compilations = 0;
  for (extent_t p = 0; p < positions; ++p) {
    const float* x = tokens.data() + p * width;
    const auto start = std::chrono::steady_clock::now();
    decode.into(y, view<f32>(x, {1, width}), view<i64>(&p, extents{}), wq, wk, wv, wo, keys, values);
    microseconds.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    if (p == 0) compilations = decode.stats().compilations;
    const std::vector<double> want = reference(x, p, wq, wk, wv, wo);
    for (extent_t i = 0; i < width; ++i) worst = std::max(worst, std::abs(want[i] - double{y(0, i)}));
  }
  for (extent_t p = 0; p < positions; p = p ? 2 * p : 1)
    std::printf("position %4ld: %8.1f us%s\n", static_cast<long>(p), microseconds[static_cast<std::size_t>(p)],
                p ? "" : ", compilation included");
  std::sort(microseconds.begin(), microseconds.end());
  const call_stats s = decode.stats();
  std::printf(
      "%ld tokens, %.1f us each (median); %ld kernels, %ld compiled behind the first token, workspace %ld bytes\n",
      static_cast<long>(positions), microseconds[microseconds.size() / 2], static_cast<long>(s.kernels),
      static_cast<long>(s.compilations - compilations), static_cast<long>(s.workspace_bytes));
  std::printf("largest difference from plain loops: %.2g\n", worst);
  return worst < 1e-3 && s.compilations == compilations ? 0 : 1;
}
