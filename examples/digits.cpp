// Handwritten digits: a small convolutional network, written inline, with trained weights, on real images.
//   digits [folder with digits.safetensors, digits_images.u8, digits_labels.u8]
// Prints some digits as text with what the network says, the accuracy, and times; from LLVM's code and from the
// operators as the C++ compiler compiled them. See data/README.md for how the weights were made.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

using namespace tenon;

namespace {

// A layer is a struct: its parameters are members, its call says what it computes.
struct conv3x3 {
  param weight, bias;
  conv3x3(std::string name, extent_t in, extent_t out)
      : weight(name + ".weight", f32, {out, in, 3, 3}), bias(name + ".bias", f32, {out}) {}
  template <tensor_like X>
  auto operator()(X x) const {
    return conv2d.with<{.padding = {1, 1}}>(x, weight) + reshape(bias, {-1, 1, 1});
  }
};

struct dense {
  param weight, bias;
  dense(std::string name, extent_t in, extent_t out)
      : weight(name + ".weight", f32, {in, out}), bias(name + ".bias", f32, {out}) {}
  template <tensor_like X>
  auto operator()(X x) const {
    return matmul(x, weight) + bias;
  }
};

struct network {
  conv3x3 conv1{"conv1", 1, 16}, conv2{"conv2", 16, 32};
  dense first{"first", 1568, 128}, second{"second", 128, 10};

  template <tensor_like X>
  auto operator()(X images) const {
    auto h = max_pool.with<{.window = {2, 2}, .stride = {2, 2}}>(relu(conv1(images)));
    h = max_pool.with<{.window = {2, 2}, .stride = {2, 2}}>(relu(conv2(h)));
    return softmax(second(relu(first(reshape(h, {-1, 1568})))));
  }
};

constexpr extent_t side = 28, pixels = side * side;

std::vector<std::uint8_t> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void draw(const std::uint8_t* digit) {
  constexpr char shades[] = " .:-=+*#%@";
  for (int row = 2; row < side - 2; row += 2) {  // two pixels a line: characters are taller than wide
    char line[side + 1] = {};
    for (int column = 0; column < side; ++column)
      line[column] = shades[(digit[row * side + column] + digit[(row + 1) * side + column]) * 9 / 510];
    std::printf("    %s\n", line);
  }
}

int best(const array<f32>& p, extent_t row) {
  const float* x = p.data() + row * 10;
  return static_cast<int>(std::max_element(x, x + 10) - x);
}

// Median time of a call, in microseconds.
template <class F>
double microseconds(F&& call) {
  using clock = std::chrono::steady_clock;
  std::vector<double> times;
  const auto stop = clock::now() + std::chrono::milliseconds(300);
  do {
    const auto start = clock::now();
    call();
    times.push_back(std::chrono::duration<double, std::micro>(clock::now() - start).count());
  } while (clock::now() < stop || times.size() < 5);
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

int run(const std::string& folder) {
  const auto images = read_bytes(folder + "/digits_images.u8"), labels = read_bytes(folder + "/digits_labels.u8");
  const auto count = static_cast<extent_t>(labels.size());
  if (count == 0 || images.size() != labels.size() * pixels)
    throw std::runtime_error(folder + ": " + std::to_string(images.size()) + " bytes of images for " +
                             std::to_string(labels.size()) + " labels");
  array<f32> x = array<f32>::zeros({count, 1, side, side});
  for (extent_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(images[static_cast<std::size_t>(i)]) / 255.0f;
  const param_set weights = load_safetensors(folder + "/digits.safetensors");

  bool shown = false;
  for (const char* target : {"llvm", "native"}) {
    const auto net = build(network{}, signature<tensor<f32, shape<dyn, 1, side, side>>>{},
                           {.target = target, .params = weights, .opt_level = 3});
    const array<f32> p = net(x);
    if (!shown) {
      for (extent_t i = 0; i < 3; ++i) {
        std::printf("digit %d, the network says %d (%.1f%%)\n", labels[static_cast<std::size_t>(i)], best(p, i),
                    100.0 * p(i, best(p, i)));
        draw(images.data() + i * pixels);
      }
      shown = true;
    }
    extent_t right = 0;
    for (extent_t i = 0; i < count; ++i) right += best(p, i) == labels[static_cast<std::size_t>(i)];

    const view<f32> one(x.data(), {1, 1, side, side}), many(x.data(), {std::min<extent_t>(64, count), 1, side, side});
    array<f32> one_out = net(one), many_out = net(many);
    const call_stats s = net.stats();
    const double t1 = microseconds([&] { net.into(one_out, one); });
    const double t64 = microseconds([&] { net.into(many_out, many); });
    std::printf("%-7s accuracy %.1f%% (%d of %d), %.1f us an image at batch 1, %.1f us at batch %d\n", target,
                100.0 * static_cast<double>(right) / static_cast<double>(count), static_cast<int>(right),
                static_cast<int>(count), t1, t64 / static_cast<double>(many.dims()[0]),
                static_cast<int>(many.dims()[0]));
    std::printf("        compile time %.0f ms for 3 batch sizes: %d kernels compiled, %d from disk, %d shared\n",
                s.compile_seconds * 1e3, static_cast<int>(s.compilations), static_cast<int>(s.disk_hits),
                static_cast<int>(s.memory_hits));
    if (right * 1000 < count * 985) {
      std::printf("that is less than the 98.5%% that these weights have\n");
      return 1;
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "examples/data");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "digits: %s\n", e.what());
    return 1;
  }
}
