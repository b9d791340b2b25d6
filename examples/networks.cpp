// ResNet-50, MobileNetV2 and BERT-base written inline, with random weights: batch norms are folded into the
// convolutions before them, as for inference. At small sizes the compiled code is compared with the operators as the
// C++ compiler compiled them.
//   networks                        compares
//   networks --full                 also times one image of 224 x 224, 128 tokens, with 1 thread and with all
//   networks --time NAME THREADS    times one of them, and says no more (bench/networks.py)
//   networks --kernels NAME         where its time goes: the slowest kernels, then every one with its schedule
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

using namespace tenon;

namespace {

using value = tensor<f32, any_shape>;

/// Random weights by name, scaled so that values keep their size from layer to layer.
struct weights {
  param_set values;
  std::mt19937 random{1};
  param make(const std::string& name, const std::vector<extent_t>& shape, double spread) {
    array<f32> a = array<f32>::zeros(shape);
    std::uniform_real_distribution<float> uniform(-static_cast<float>(spread), static_cast<float>(spread));
    for (std::int64_t i = 0; i < a.size(); ++i) a.data()[i] = uniform(random);
    values.set(name, std::move(a));
    return param(name, f32, shape);
  }
};

struct conv {
  param weight, bias;
  conv2d_attrs attrs;
  conv(weights& w, const std::string& name, int in, int out, int kernel, int stride = 1, int groups = 1)
      : weight(w.make(name + ".weight", {out, in / groups, kernel, kernel},
                      std::sqrt(6.0 / (in / groups * kernel * kernel)))),
        bias(w.make(name + ".bias", {out, 1, 1}, 0.1)),
        attrs{.stride = {stride, stride}, .padding = {kernel / 2, kernel / 2}, .groups = groups} {}
  value operator()(const value& x) const { return conv2d(x, weight, attrs) + bias; }
};

struct dense {
  param weight, bias;
  dense(weights& w, const std::string& name, int in, int out)
      : weight(w.make(name + ".weight", {in, out}, std::sqrt(3.0 / in))), bias(w.make(name + ".bias", {out}, 0.1)) {}
  value operator()(const value& x) const { return matmul(x, weight) + bias; }
};

// ---- ResNet-50
struct bottleneck {
  conv reduce, middle, expand;
  std::vector<conv> shortcut;
  bottleneck(weights& w, const std::string& name, int in, int width, int stride)
      : reduce(w, name + ".1", in, width, 1),
        middle(w, name + ".2", width, width, 3, stride),
        expand(w, name + ".3", width, 4 * width, 1) {
    if (in != 4 * width || stride != 1) shortcut.emplace_back(w, name + ".shortcut", in, 4 * width, 1, stride);
  }
  value operator()(const value& x) const {
    const value y = expand(relu(middle(relu(reduce(x)))));
    return relu(y + (shortcut.empty() ? x : shortcut[0](x)));
  }
};
struct resnet50 {
  conv first;
  std::vector<bottleneck> blocks;
  dense last;
  explicit resnet50(weights& w) : first(w, "first", 3, 64, 7, 2), last(w, "last", 2048, 1000) {
    constexpr int counts[] = {3, 4, 6, 3};
    for (int stage = 0, in = 64; stage < 4; ++stage)
      for (int i = 0; i < counts[stage]; ++i) {
        const int width = 64 << stage;
        blocks.emplace_back(w, "block" + std::to_string(stage) + "." + std::to_string(i), in, width,
                            i == 0 && stage > 0 ? 2 : 1);
        in = 4 * width;
      }
  }
  value operator()(const value& image) const {
    value x = max_pool(value(relu(first(image))), {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
    for (const bottleneck& b : blocks) x = b(x);
    return last(reshape(global_avg_pool(x), {-1, 2048}));
  }
};

// ---- MobileNetV2
value relu6(const value& x) { return clip(x, {.low = 0, .high = 6}); }
struct inverted {
  std::vector<conv> expand;
  conv depthwise, project;
  bool residual;
  inverted(weights& w, const std::string& name, int in, int out, int factor, int stride)
      : depthwise(w, name + ".depthwise", in * factor, in * factor, 3, stride, in * factor),
        project(w, name + ".project", in * factor, out, 1),
        residual(stride == 1 && in == out) {
    if (factor != 1) expand.emplace_back(w, name + ".expand", in, in * factor, 1);
  }
  value operator()(const value& x) const {
    const value wide = expand.empty() ? x : relu6(expand[0](x));
    const value y = project(relu6(depthwise(wide)));
    return residual ? value(x + y) : y;
  }
};
struct mobilenet_v2 {
  conv first, last;
  std::vector<inverted> blocks;
  dense classes;
  explicit mobilenet_v2(weights& w)
      : first(w, "first", 3, 32, 3, 2), last(w, "last", 320, 1280, 1), classes(w, "classes", 1280, 1000) {
    constexpr struct {
      int factor, out, count, stride;
    } stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                  {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    int in = 32;
    for (const auto& s : stages)
      for (int i = 0; i < s.count; ++i) {
        blocks.emplace_back(w, "block" + std::to_string(blocks.size()), in, s.out, s.factor, i == 0 ? s.stride : 1);
        in = s.out;
      }
  }
  value operator()(const value& image) const {
    value x = relu6(first(image));
    for (const inverted& b : blocks) x = b(x);
    return classes(reshape(global_avg_pool(value(relu6(last(x)))), {-1, 1280}));
  }
};

// ---- BERT-base's encoder: 12 heads of 64, on embedded tokens [length, 768]
constexpr int width = 768, heads = 12, head = width / heads;
struct norm {
  param weight, bias;
  norm(weights& w, const std::string& name)
      : weight(w.make(name + ".weight", {width}, 1)), bias(w.make(name + ".bias", {width}, 0.1)) {}
  value operator()(const value& x) const { return layer_norm(x, weight, bias, {.axis = -1}); }
};
struct encoder_layer {
  dense query, key, value_of, joined, wide, narrow;
  norm after_attention, after_feed_forward;
  encoder_layer(weights& w, const std::string& name)
      : query(w, name + ".query", width, width),
        key(w, name + ".key", width, width),
        value_of(w, name + ".value", width, width),
        joined(w, name + ".joined", width, width),
        wide(w, name + ".wide", width, 4 * width),
        narrow(w, name + ".narrow", 4 * width, width),
        after_attention(w, name + ".norm1"),
        after_feed_forward(w, name + ".norm2") {}
  value operator()(const value& x) const {
    const auto by_head = [](const value& v) -> value { return transpose(reshape(v, {-1, heads, head}), {1, 0, 2}); };
    const value attended = scaled_dot_product_attention(by_head(query(x)), by_head(key(x)), by_head(value_of(x)));
    const value mixed = joined(reshape(value(transpose(attended, {1, 0, 2})), {-1, width}));
    const value y = after_attention(x + mixed);
    return after_feed_forward(y + narrow(gelu(wide(y))));
  }
};
struct bert {
  std::vector<encoder_layer> layers;
  bert(weights& w, int count) {
    for (int i = 0; i < count; ++i) layers.emplace_back(w, "layer" + std::to_string(i));
  }
  value operator()(value x) const {
    for (const encoder_layer& l : layers) x = l(x);
    return x;
  }
};

// ----
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

struct request {
  bool full = false;
  std::string only{}, threads{};  // to be timed, or without threads to be looked into
};

template <class Net, class... A>
void run(const char* name, const request& r, const std::vector<extent_t>& small, const std::vector<extent_t>& large,
         A... sizes) {
  if (!r.only.empty() && r.only != name) return;
  weights w;
  const Net net(w, sizes...);
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
  else if (words.size() == 2 && words[0] == "--kernels")
    r.only = words[1];
  else if (!words.empty())
    return std::fprintf(stderr, "networks [--full | --time NAME THREADS | --kernels NAME]\n"), 2;
  const bool whole = r.full || !r.only.empty();
  run<resnet50>("ResNet-50", r, {1, 3, 64, 64}, {1, 3, 224, 224});
  run<mobilenet_v2>("MobileNetV2", r, {1, 3, 64, 64}, {1, 3, 224, 224});
  run<bert>("BERT-base", r, {16, width}, {128, width}, whole ? 12 : 2);
  return failed;
}
