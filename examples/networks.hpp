// Networks written inline, with random weights: ResNet-50, MobileNetV2, BERT-base, and two small ones whose values
// branch and join, as Inception and U-Net do.
#pragma once
#include <cmath>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

namespace networks {

using namespace tenon;

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
inline value relu6(const value& x) { return clip(x, {.low = 0, .high = 6}); }
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

// ---- Inception's module: convolutions of several sizes side by side, joined along the channels
struct mixed {
  conv one, three_before, three, five_before, five, pooled;
  mixed(weights& w, const std::string& name, int in, int a, int b, int c, int d)
      : one(w, name + ".1x1", in, a, 1),
        three_before(w, name + ".3x3.before", in, b / 2, 1),
        three(w, name + ".3x3", b / 2, b, 3),
        five_before(w, name + ".5x5.before", in, c / 2, 1),
        five(w, name + ".5x5", c / 2, c, 5),
        pooled(w, name + ".pooled", in, d, 1) {}
  value operator()(const value& x) const {
    const value around = max_pool(x, {.window = {3, 3}, .stride = {1, 1}, .padding = {1, 1}});
    const std::vector<value> parts = {relu(one(x)), relu(three(value(relu(three_before(x))))),
                                      relu(five(value(relu(five_before(x))))), relu(pooled(around))};
    return concat(parts, {.axis = 1});
  }
};
struct inception {
  conv first;
  std::vector<mixed> modules;
  dense last;
  explicit inception(weights& w) : first(w, "first", 3, 64, 7, 2), last(w, "last", 480, 1000) {
    modules.emplace_back(w, "mixed0", 64, 64, 128, 32, 32);
    modules.emplace_back(w, "mixed1", 256, 64, 128, 32, 32);
    modules.emplace_back(w, "mixed2", 256, 128, 192, 96, 64);
    modules.emplace_back(w, "mixed3", 480, 128, 192, 96, 64);
  }
  value operator()(const value& image) const {
    const auto halved = [](const value& v) -> value {
      return max_pool(v, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}});
    };
    value x = halved(relu(first(image)));
    for (std::size_t i = 0; i < modules.size(); ++i) x = modules[i](i == 2 ? halved(x) : x);
    return last(reshape(global_avg_pool(x), {-1, 480}));
  }
};

// ---- U-Net: what goes down to a quarter of the extents meets what comes up again
struct twice {
  conv a, b;
  twice(weights& w, const std::string& name, int in, int out)
      : a(w, name + ".a", in, out, 3), b(w, name + ".b", out, out, 3) {}
  value operator()(const value& x) const { return relu(b(relu(a(x)))); }
};
struct larger {
  param weight;
  larger(weights& w, const std::string& name, int in, int out)
      : weight(w.make(name + ".weight", {in, out, 2, 2}, std::sqrt(3.0 / in))) {}
  value operator()(const value& x) const { return conv_transpose2d(x, weight, {.stride = {2, 2}}); }
};
struct unet {
  static constexpr int depth = 3, channels = 32;
  std::vector<twice> down, up;
  std::vector<larger> enlarge;
  conv last;
  explicit unet(weights& w) : last(w, "last", channels, 2, 1) {
    for (int i = 0, in = 3; i <= depth; in = channels << i++)
      down.emplace_back(w, "down" + std::to_string(i), in, channels << i);
    for (int i = depth; i-- > 0;) {
      enlarge.emplace_back(w, "larger" + std::to_string(i), channels << (i + 1), channels << i);
      up.emplace_back(w, "up" + std::to_string(i), channels << (i + 1), channels << i);
    }
  }
  value operator()(const value& image) const {
    std::vector<value> kept;
    value x = down[0](image);
    for (int i = 1; i <= depth; ++i) {
      kept.push_back(x);
      x = down[static_cast<std::size_t>(i)](max_pool(x, {.window = {2, 2}, .stride = {2, 2}}));
    }
    for (std::size_t i = 0; i < up.size(); ++i) {
      x = up[i](concat(std::vector<value>{kept.back(), enlarge[i](x)}, {.axis = 1}));
      kept.pop_back();
    }
    return last(x);
  }
};

}  // namespace networks
