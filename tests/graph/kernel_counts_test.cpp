// How many kernels (loop nests with one parallel region) a computation becomes, beside the number derived by hand: one
// where all reductions stand in the same outer loops, one for each contraction with what follows it. And the bytes that
// are written to the workspace: what a later kernel reads, none where there is one kernel.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "run_graph.hpp"

using namespace tenon;

namespace {

using value = tensor<f32, any_shape>;

value given(const char* name, const std::vector<extent_t>& extents) {
  dims d;
  for (extent_t e : extents) d.push_back(e);
  return value(detail::emit_input(name, f32, d, std::source_location::current()));
}

struct counted {
  std::int64_t kernels = 0, workspace = 0;
  std::string explanation;
  bool right = true;  ///< the native operators, one by one, give the same
};

// What the kernels write for each other.
std::int64_t to_workspace(const std::string& explanation) {
  static const std::string after = " to the workspace)";
  std::int64_t all = 0;
  for (std::size_t at = 0; (at = explanation.find(after, at)) != std::string::npos; at += after.size())
    all += std::stoll(explanation.substr(explanation.rfind('(', at) + 1));
  return all;
}

template <class F>
counted count(std::vector<value> in, F f, int level = 3) {
  ir::graph g;
  for (const value& x : in) g.inputs.push_back(x.node());
  for (const value& y : std::vector<value>(f(in))) g.outputs.push_back(y.node());
  const auto data = test::inputs_for(g, 1);
  const auto plain = test::run(g, {.target = "native", .opt_level = 0, .cache = false}, data);
  const detail::function_ref made = test::make(g, {.target = "llvm", .opt_level = level, .cache = false});
  const auto got = test::run(*made, g, data);
  counted c;
  for (std::size_t i = 0; i < got.size(); ++i) c.right = c.right && test::difference(got[i], plain[i]) < 1e-4;
  const call_stats s = detail::stats_of(*made);
  c.kernels = s.kernels;
  c.explanation = detail::explain(*made).text();
  c.workspace = to_workspace(c.explanation);
  return c;
}

void expect(const char* name, std::int64_t kernels, std::int64_t workspace, const counted& c) {
  CAPTURE(name);
  std::printf("%-44s %2lld kernels, by hand %2lld; workspace %8lld bytes, by hand %8lld\n", name,
              static_cast<long long>(c.kernels), static_cast<long long>(kernels), static_cast<long long>(c.workspace),
              static_cast<long long>(workspace));
  CHECK(c.kernels == kernels);
  CHECK(c.workspace == workspace);
  CHECK(c.right);
  // explain() lists as many.
  CHECK(c.explanation.find("\n" + std::to_string(c.kernels) + ". ") != std::string::npos);
  CHECK(c.explanation.find("\n" + std::to_string(c.kernels + 1) + ". ") == std::string::npos);
  if (c.kernels != kernels) MESSAGE(c.explanation.substr(0, 6000));
}

using values = std::vector<value>;
constexpr reduce_attrs last{.axes = {-1}, .keep = true}, dropped{.axes = {-1}, .keep = false};
value again(const value& x) { return unsqueeze(x, {-1}); }

}  // namespace

TEST_CASE("row reductions and what reads them: one kernel, from operators and from plain definitions") {
  const auto rows = [] { return values{given("x", {37, 100})}; };
  const auto with_scale = [] { return values{given("x", {37, 100}), given("scale", {100}), given("bias", {100})}; };

  expect("softmax", 1, 0, count(rows(), [](values v) { return values{softmax(v[0])}; }));
  expect("softmax, spelled out", 1, 0, count(rows(), [](values v) {
           const value e = exp(v[0] - max(v[0], last));
           return values{e / sum(e, last)};
         }));
  expect("softmax, axes dropped", 1, 0, count(rows(), [](values v) {
           const value e = exp(v[0] - again(max(v[0], dropped)));
           return values{e / again(sum(e, dropped))};
         }));
  expect("softmax, axes dropped, reshaped", 1, 0, count(rows(), [](values v) {
           const value e = exp(v[0] - reshape(max(v[0], dropped), {37, 1}));
           return values{e / reshape(sum(e, dropped), {37, 1})};
         }));
  expect("log_softmax", 1, 0, count(rows(), [](values v) { return values{log_softmax(v[0])}; }));
  expect("log_softmax, spelled out", 1, 0, count(rows(), [](values v) {
           const value shifted = v[0] - max(v[0], last);
           return values{shifted - log(sum(exp(shifted), last))};
         }));
  expect("log_softmax, axes dropped", 1, 0, count(rows(), [](values v) {
           const value shifted = v[0] - again(max(v[0], dropped));
           return values{shifted - again(log(sum(exp(shifted), dropped)))};
         }));
  expect("layer_norm", 1, 0, count(with_scale(), [](values v) { return values{layer_norm(v[0], v[1], v[2])}; }));
  expect("layer_norm, spelled out", 1, 0, count(with_scale(), [](values v) {
           const value centered = v[0] - mean(v[0], last);
           return values{centered / sqrt(mean(centered * centered, last) + 1e-5) * v[1] + v[2]};
         }));
  expect("layer_norm, axes dropped", 1, 0, count(with_scale(), [](values v) {
           const value centered = v[0] - again(mean(v[0], dropped));
           return values{centered * again(rsqrt(mean(centered * centered, dropped) + 1e-5)) * v[1] + v[2]};
         }));
  expect("layer_norm by E[x^2] - E[x]^2", 1, 0, count(with_scale(), [](values v) {
           const value m = mean(v[0], dropped), square = mean(v[0] * v[0], dropped);
           return values{(v[0] - again(m)) * again(rsqrt(square - m * m + 1e-5)) * v[1] + v[2]};
         }));
  expect("rms_norm", 1, 0, count(with_scale(), [](values v) { return values{rms_norm(v[0], v[1])}; }));
  expect("rms_norm, spelled out", 1, 0,
         count(with_scale(), [](values v) { return values{v[0] * rsqrt(mean(v[0] * v[0], last) + 1e-5) * v[1]}; }));
  expect("rms_norm, axes dropped", 1, 0, count(with_scale(), [](values v) {
           return values{v[0] * again(rsqrt(mean(v[0] * v[0], dropped) + 1e-5)) * v[1]};
         }));
  expect("logsumexp", 1, 0, count(rows(), [](values v) { return values{logsumexp(v[0], last)}; }));
  expect("logsumexp, axes dropped", 1, 0, count(rows(), [](values v) { return values{logsumexp(v[0], dropped)}; }));
  expect("logsumexp, spelled out", 1, 0, count(rows(), [](values v) {
           const value m = max(v[0], last);
           return values{log(sum(exp(v[0] - m), last)) + m};
         }));
  expect("logsumexp, spelled out, axes dropped", 1, 0, count(rows(), [](values v) {
           const value m = max(v[0], dropped);
           return values{log(sum(exp(v[0] - again(m)), dropped)) + m};
         }));
  expect("variance", 1, 0, count(rows(), [](values v) {
           const value centered = v[0] - mean(v[0], last);
           return values{mean(centered * centered, last)};
         }));
  expect("variance, axes dropped", 1, 0, count(rows(), [](values v) {
           const value centered = v[0] - again(mean(v[0], dropped));
           return values{mean(centered * centered, dropped)};
         }));
  expect("variance by E[x^2] - E[x]^2", 1, 0, count(rows(), [](values v) {
           const value m = mean(v[0], dropped);
           return values{mean(v[0] * v[0], dropped) - m * m};
         }));
}

TEST_CASE("along an axis that is not the last: one kernel, from operators and from plain definitions") {
  constexpr reduce_attrs middle{.axes = {1}, .keep = true}, gone{.axes = {1}, .keep = false};
  const auto back = [](const value& m) -> value { return unsqueeze(m, {1}); };
  // Columns: whole vectors and some more, fewer than a vector, one; an axis short enough for straight code.
  for (const auto& [channels, columns] :
       {std::pair<extent_t, extent_t>{100, 64}, {100, 37}, {40, 5}, {33, 1}, {5, 70}}) {
    CAPTURE(channels);
    CAPTURE(columns);
    const auto x = [&] { return values{given("x", {8, channels, columns})}; };
    expect("softmax", 1, 0, count(x(), [](values v) { return values{softmax.with<{.axis = 1}>(v[0])}; }));
    expect("softmax, axis dropped", 1, 0, count(x(), [&](values v) {
             const value e = exp(v[0] - back(max(v[0], gone)));
             return values{e / back(sum(e, gone))};
           }));
    expect("log_softmax", 1, 0, count(x(), [](values v) { return values{log_softmax.with<{.axis = 1}>(v[0])}; }));
    expect("log_softmax, spelled out", 1, 0, count(x(), [&](values v) {
             const value shifted = v[0] - max(v[0], middle);
             return values{shifted - log(sum(exp(shifted), middle))};
           }));
    expect("norm over channels", 1, 0, count(x(), [&](values v) {
             const value centered = v[0] - mean(v[0], middle);
             return values{centered * rsqrt(mean(centered * centered, middle) + 1e-5)};
           }));
    expect("norm over channels, its mean and variance too", 1, 0, count(x(), [&](values v) {
             const value m = mean(v[0], middle), centered = v[0] - m;
             const value variance = mean(centered * centered, middle);
             return values{centered * rsqrt(variance + 1e-5), m, variance};
           }));
  }
  // Of images, along channels, and what of a batch is kept: channels.
  const auto images = [] { return values{given("x", {3, 24, 9, 10}), given("scale", {24, 1, 1})}; };
  expect("softmax of images along channels", 1, 0,
         count(images(), [](values v) { return values{softmax.with<{.axis = 1}>(v[0])}; }));
  expect("norm along channels, scaled", 1, 0, count(images(), [&](values v) {
           const value centered = v[0] - mean(v[0], middle);
           return values{centered * rsqrt(mean(centered * centered, middle) + 1e-5) * v[1]};
         }));
  expect("norm of each channel of a batch", 1, 0, count(images(), [&](values v) {
           constexpr reduce_attrs batch{.axes = {0, 2, 3}, .keep = true};
           const value centered = v[0] - mean(v[0], batch);
           return values{centered * rsqrt(mean(centered * centered, batch) + 1e-5) * v[1]};
         }));
  // Two wishes for the outermost loops that no order fulfils: rows' maxima, and columns' of what they leave.
  const counted both = count({given("x", {40, 50})}, [](values v) {
    const value y = v[0] / max(v[0], {.axes = {1}, .keep = true});
    return values{y - max(y, {.axes = {0}, .keep = true})};
  });
  CHECK(both.kernels > 1);
  CHECK(both.right);
  // A value that is read along other axes than it is made stays apart: [50] of the columns of another operand.
  const counted other = count({given("x", {40, 50}), given("w", {50, 7})},
                              [](values v) { return values{v[0] * sum(v[1], {.axes = {1}})}; });
  CHECK(other.kernels == 2);
  CHECK(other.right);
}

TEST_CASE("maps: one kernel") {
  const auto x = [] { return values{given("x", {37, 100})}; };
  expect("gelu", 1, 0, count(x(), [](values v) { return values{gelu(v[0])}; }));
  expect("gelu, spelled out", 1, 0,
         count(x(), [](values v) { return values{v[0] * 0.5 * (erf(v[0] / std::sqrt(2.0)) + 1)}; }));
  expect("gelu by tanh, spelled out", 1, 0, count(x(), [](values v) {
           const value cube = v[0] * v[0] * v[0];
           return values{v[0] * 0.5 * (tanh((v[0] + cube * 0.044715) * 0.7978845608) + 1)};
         }));
}

TEST_CASE("norms over channels and images: one kernel") {
  const auto images = [] { return values{given("x", {3, 12, 5, 7}), given("scale", {12}), given("bias", {12})}; };
  const auto channels = [](const value& v) { return reshape(v, {12, 1, 1}); };
  expect("instance_norm", 1, 0, count(images(), [](values v) { return values{instance_norm(v[0], v[1], v[2])}; }));
  expect("instance_norm, spelled out", 1, 0, count(images(), [&](values v) {
           const reduce_attrs hw{.axes = {2, 3}, .keep = true};
           const value centered = v[0] - mean(v[0], hw);
           const value y = centered * rsqrt(mean(centered * centered, hw) + 1e-5);
           return values{y * channels(v[1]) + channels(v[2])};
         }));
  expect("instance_norm, axes dropped", 1, 0, count(images(), [&](values v) {
           const reduce_attrs hw{.axes = {2, 3}};
           const auto back = [](const value& m) { return reshape(m, {3, 12, 1, 1}); };
           const value centered = v[0] - back(mean(v[0], hw));
           const value y = centered * back(rsqrt(mean(centered * centered, hw) + 1e-5));
           return values{y * channels(v[1]) + channels(v[2])};
         }));
  expect("group_norm", 1, 0,
         count(images(), [](values v) { return values{group_norm(v[0], v[1], v[2], {.groups = 4})}; }));
  expect("group_norm, spelled out over flat groups", 1, 0, count(images(), [&](values v) {
           const value grouped = reshape(v[0], {3, 4, -1});
           const value centered = grouped - mean(grouped, last);
           const value y = centered / sqrt(mean(centered * centered, last) + 1e-5);
           return values{reshape(y, {3, 12, 5, 7}) * channels(v[1]) + channels(v[2])};
         }));
  expect("group_norm, flat groups, axes dropped", 1, 0, count(images(), [&](values v) {
           const value grouped = reshape(v[0], {3, 4, -1});
           const value centered = grouped - again(mean(grouped, dropped));
           const value y = centered / again(sqrt(mean(centered * centered, dropped) + 1e-5));
           return values{reshape(y, {3, 12, 5, 7}) * channels(v[1]) + channels(v[2])};
         }));
  expect("group_norm, spelled out", 1, 0, count(images(), [&](values v) {
           const value grouped = reshape(v[0], {3, 4, 3, 5, 7});
           const reduce_attrs axes{.axes = {2, 3, 4}, .keep = true};
           const value centered = grouped - mean(grouped, axes);
           const value y = centered * rsqrt(mean(centered * centered, axes) + 1e-5);
           return values{reshape(y, {3, 12, 5, 7}) * channels(v[1]) + channels(v[2])};
         }));
}

TEST_CASE("attention: one kernel, as operator and from its formula") {
  const auto heads = [] {
    return values{given("q", {2, 3, 33, 16}), given("k", {2, 3, 40, 16}), given("v", {2, 3, 40, 16})};
  };
  expect("scaled_dot_product_attention", 1, 0,
         count(heads(), [](values v) { return values{scaled_dot_product_attention(v[0], v[1], v[2])}; }));
  expect("attention, spelled out", 1, 0,
         count(heads(), [](values v) { return values{matmul(softmax(matmul(v[0], transpose(v[1])) * 0.25), v[2])}; }));
  expect("attention, with softmax spelled out", 1, 0, count(heads(), [](values v) {
           const value s = matmul(v[0], transpose(v[1])) / 4.0;
           const value e = exp(s - max(s, last));
           return values{matmul(e / sum(e, last), v[2])};
         }));
}

namespace {

/// Random weights by name.
struct weights {
  param_set values;
  std::uint32_t seed = 1;
  param operator()(const std::string& name, const std::vector<extent_t>& shape) {
    values.set(name, array<f32>::uniform(shape, seed++));
    return param(name, f32, shape);
  }
  param positive(const std::string& name, const std::vector<extent_t>& shape) {
    array<f32> a = array<f32>::uniform(shape, seed++);
    for (std::int64_t i = 0; i < a.size(); ++i) a.data()[i] = 1 + std::abs(a.data()[i]);
    values.set(name, std::move(a));
    return param(name, f32, shape);
  }
};
template <class Net>
counted count_built(const Net& net, const weights& w, const std::vector<extent_t>& extents, int level = 3,
                    const pass_context& context = {}) {
  const array<f32> x = array<f32>::uniform(extents, 99);
  auto made =
      build(net, signature<value>{}, {.params = w.values, .opt_level = level, .context = context, .cache = false});
  auto plain = build(net, signature<value>{}, {.target = "native", .params = w.values, .cache = false});
  const array<f32> y = made(x), wanted = plain(x);
  const std::string explanation = made.explain().text();
  counted c{made.stats().kernels, to_workspace(explanation), explanation, y.dims() == wanted.dims()};
  for (std::int64_t i = 0; c.right && i < y.size(); ++i)
    c.right = std::abs(y.data()[i] - wanted.data()[i]) <= 1e-3F * (1 + std::abs(wanted.data()[i]));
  return c;
}

// The same with two results.
template <class Net>
counted count_built_twice(const Net& net, const weights& w, const std::vector<extent_t>& extents) {
  const array<f32> x = array<f32>::uniform(extents, 99);
  auto made = build(net, signature<value>{}, {.params = w.values, .cache = false});
  auto plain = build(net, signature<value>{}, {.target = "native", .params = w.values, .cache = false});
  const auto got = made(x), wanted = plain(x);
  const std::string explanation = made.explain().text();
  counted c{made.stats().kernels, to_workspace(explanation), explanation, true};
  const auto compare = [&](const array<f32>& a, const array<f32>& b) {
    c.right = c.right && a.dims() == b.dims();
    for (std::int64_t i = 0; c.right && i < a.size(); ++i)
      c.right = std::abs(a.data()[i] - b.data()[i]) <= 1e-3F * (1 + std::abs(b.data()[i]));
  };
  compare(std::get<0>(got), std::get<0>(wanted));
  compare(std::get<1>(got), std::get<1>(wanted));
  return c;
}

struct normed_conv {
  param weight, scale, bias, mean, variance;
  conv2d_attrs attrs;
  normed_conv(weights& w, const std::string& name, extent_t in, extent_t out, extent_t kernel)
      : weight(w(name + ".weight", {out, in, kernel, kernel})),
        scale(w(name + ".scale", {out})),
        bias(w(name + ".bias", {out})),
        mean(w(name + ".mean", {out})),
        variance(w.positive(name + ".variance", {out})),
        attrs{.padding = {static_cast<int>(kernel / 2), static_cast<int>(kernel / 2)}} {}
  value operator()(const value& x) const { return batch_norm(conv2d(x, weight, attrs), scale, bias, mean, variance); }
};
struct bottleneck {
  normed_conv reduce, middle, widen;
  std::vector<normed_conv> projection;
  bottleneck(weights& w, extent_t in, extent_t width, bool projected)
      : reduce(w, "reduce", in, width, 1),
        middle(w, "middle", width, width, 3),
        widen(w, "widen", width, 4 * width, 1) {
    if (projected) projection.emplace_back(w, "projection", in, 4 * width, 1);
  }
  value operator()(const value& x) const {
    const value y = widen(relu(middle(relu(reduce(x)))));
    return relu(y + (projection.empty() ? x : projection[0](x)));
  }
};

struct inverted_bottleneck {
  int groups;
  param widen, widen_bias, deep, deep_bias, narrow, narrow_bias, last;
  inverted_bottleneck(weights& w, extent_t in, extent_t width)
      : groups(static_cast<int>(width)),
        widen(w("widen", {width, in, 1, 1})),
        widen_bias(w("widen.bias", {width, 1, 1})),
        deep(w("deep", {width, 1, 3, 3})),
        deep_bias(w("deep.bias", {width, 1, 1})),
        narrow(w("narrow", {in, width, 1, 1})),
        narrow_bias(w("narrow.bias", {in, 1, 1})),
        last(w("last", {in, in, 1, 1})) {}
  value operator()(const value& x) const {
    const auto relu6 = [](const value& v) -> value { return clip(v, {.low = 0, .high = 6}); };
    const value wide = relu6(conv2d(x, widen) + widen_bias);
    const value moved = relu6(conv2d(wide, deep, {.padding = {1, 1}, .groups = groups}) + deep_bias);
    return conv2d(value(x + (conv2d(moved, narrow) + narrow_bias)), last);
  }
};

struct dense {
  param weight, bias;
  dense(weights& w, const std::string& name, extent_t in, extent_t out)
      : weight(w(name + ".weight", {in, out})), bias(w(name + ".bias", {out})) {}
  value operator()(const value& x) const { return matmul(x, weight) + bias; }
};
// Of width 64 with 4 heads.
struct transformer_block {
  std::vector<dense> queries_keys_values;  // three, or one for all
  dense joined, wide, narrow;
  param scale1, bias1, scale2, bias2;
  transformer_block(weights& w, bool packed)
      : joined(w, "joined", 64, 64),
        wide(w, "wide", 64, 256),
        narrow(w, "narrow", 256, 64),
        scale1(w("scale1", {64})),
        bias1(w("bias1", {64})),
        scale2(w("scale2", {64})),
        bias2(w("bias2", {64})) {
    if (packed) queries_keys_values.emplace_back(w, "qkv", 64, 192);
    for (const char* name : {"q", "k", "v"})
      if (!packed) queries_keys_values.emplace_back(w, name, 64, 64);
  }
  value operator()(const value& x) const {
    const value h = layer_norm(x, scale1, bias1);
    const auto part = [&](int i) -> value {
      if (queries_keys_values.size() == 3) return queries_keys_values[static_cast<std::size_t>(i)](h);
      return slice(queries_keys_values[0](h), {.start = {64 * i}, .stop = {64 * (i + 1)}, .axes = {-1}});
    };
    const auto by_head = [](const value& v) -> value { return transpose(reshape(v, {2, -1, 4, 16}), {0, 2, 1, 3}); };
    const value attended = scaled_dot_product_attention(by_head(part(0)), by_head(part(1)), by_head(part(2)));
    const value y = x + joined(reshape(value(transpose(attended, {0, 2, 1, 3})), {2, -1, 64}));
    return y + narrow(gelu(wide(layer_norm(y, scale2, bias2))));
  }
};

}  // namespace

TEST_CASE("what a product or a convolution makes on the way is stored by its kernel, too") {
  const auto given_rows = [](extent_t rows, extent_t depth, extent_t columns) {
    return values{given("x", {rows, depth}), given("w", {depth, columns}), given("b", {columns})};
  };
  const auto dense_and_relu = [](values v) {
    const value y = matmul(v[0], v[1]) + v[2];
    return values{y, relu(y)};
  };
  expect("dense, before and after relu", 1, 0, count(given_rows(37, 50, 70), dense_and_relu));
  // Of so many steps that it is summed in parts; of few rows; of one column.
  expect("deep dense, before and after relu", 1, 0, count(given_rows(130, 1100, 65), dense_and_relu));
  expect("thin dense, before and after relu", 1, 0, count(given_rows(1, 700, 90), dense_and_relu));
  expect("a column, before and after relu", 1, 0, count(given_rows(9, 60, 1), dense_and_relu));
  expect("the sum itself, with bias, and after relu", 1, 0, count(given_rows(20, 30, 40), [](values v) {
           const value s = matmul(v[0], v[1]), y = s + v[2];
           return values{s, relu(y), y};
         }));
  // A later kernel reads it.
  expect("a residual product", 2, 20 * 30 * 4, count(values{given("x", {20, 30}), given("w", {30, 30})}, [](values v) {
           const value y = matmul(v[0], v[1]);
           return values{relu(y), matmul(y, v[1])};
         }));
  // Its rows' maxima are no map of the sum: another kernel, which reads the sums.
  const counted rows = count(given_rows(20, 30, 40), [](values v) {
    const value y = matmul(v[0], v[1]) + v[2];
    return values{y, max(y, dropped)};
  });
  CHECK(rows.kernels == 2);
  CHECK(rows.right);

  weights w;
  const param wide = w("wide", {24, 16, 3, 3}), deep = w("deep", {16, 1, 3, 3}), grouped = w("grouped", {32, 4, 3, 3}),
              point = w("point", {24, 16, 1, 1}), scale = w("scale", {24, 1, 1});
  const auto convolved = [&](const char* name, auto f) {
    expect(name, 1, 0, count_built_twice(f, w, {2, 16, 19, 17}));
  };
  convolved("convolution, before and after relu", [&](value x) {
    const value y = conv2d(x, wide, {.padding = {1, 1}}) + scale;
    return std::tuple<value, value>(y, relu(y));
  });
  convolved("1 x 1 convolution, before and after relu", [&](value x) {
    const value y = conv2d(x, point) * scale;
    return std::tuple<value, value>(y, relu(y));
  });
  convolved("grouped convolution, before and after relu", [&](value x) {
    const value y = conv2d(x, grouped, {.padding = {1, 1}, .groups = 4});
    return std::tuple<value, value>(y, relu(y));
  });
  convolved("depthwise convolution, before and after relu", [&](value x) {
    const value y = conv2d(x, deep, {.padding = {1, 1}, .groups = 16});
    return std::tuple<value, value>(y, relu(y));
  });
}

TEST_CASE("a ResNet-50 bottleneck: one kernel for each convolution") {
  weights plain, projected;
  // Two images of 16 channels between the convolutions; with the projection, its 64 too.
  const bottleneck b(plain, 64, 16, false), p(projected, 32, 16, true);
  const std::int64_t channel = 14 * 14 * 4;
  expect("bottleneck", 3, 2 * 16 * channel, count_built(b, plain, {1, 64, 14, 14}));
  expect("bottleneck with projection", 4, (2 * 16 + 64) * channel, count_built(p, projected, {1, 32, 14, 14}));
}

TEST_CASE("MobileNetV2's bottleneck: the depthwise convolution is in the kernel of the pointwise one behind it") {
  weights w;
  const inverted_bottleneck b(w, 16, 64);
  // Between the kernels: 64 channels before the depthwise convolution, none behind it, then the sum of 16.
  const std::int64_t channel = 6 * 84 * 4;
  const counted c = count_built(b, w, {1, 16, 6, 84}, 3, {.options = {{"fuse.strips", "possible"}}});
  expect("inverted bottleneck", 3, (64 + 16) * channel, c);
  CHECK(c.explanation.find("clip is computed in the kernel of conv2d, a strip of rows at a time") != std::string::npos);
  CHECK(c.explanation.find("compute_at(strip, ") != std::string::npos);
  const counted apart = count_built(b, w, {1, 16, 6, 84}, 3, {.options = {{"fuse.strips", "never"}}});
  expect("inverted bottleneck, never in strips", 4, (64 + 64 + 16) * channel, apart);
  // Each by itself.
  expect("inverted bottleneck, level 0", 10, (64 * 6 + 16 * 3) * channel, count_built(b, w, {1, 16, 6, 84}, 0));
}

TEST_CASE("a pre-norm transformer block: at most 8 kernels") {
  weights apart, together;
  const transformer_block three(apart, false), one(together, true);
  // The norm 1, queries, keys and values 3, attention 1, joined + x 1, the norm 1, wide + gelu 4; narrow + y is the
  // result.
  const std::int64_t tokens = std::int64_t{2} * 24 * 64 * 4;
  expect("transformer block, one product for q, k, v", 7, 11 * tokens, count_built(one, together, {2, 24, 64}));
  expect("transformer block, three, level 4", 7, 11 * tokens, count_built(three, apart, {2, 24, 64}, 4));
}
