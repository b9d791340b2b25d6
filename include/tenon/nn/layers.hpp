// Layers: structs whose members are params and that are called on tensors. Names of params are those of PyTorch.
#pragma once
#include <string>

#include "tenon/dsl/param.hpp"
#include "tenon/ops/arithmetic.hpp"
#include "tenon/ops/conv.hpp"
#include "tenon/ops/indexing.hpp"
#include "tenon/ops/matmul.hpp"
#include "tenon/ops/movement.hpp"
#include "tenon/ops/norm.hpp"

namespace tenon::nn {

/// matmul(x, weight) + bias: [..., in] gives [..., out]. Params: NAME.weight [in, out], NAME.bias [out].
struct linear {
  param weight, bias;
  linear(const std::string& name, extent_t in, extent_t out, dtype type = f32,
         loc where = std::source_location::current())
      : weight(name + ".weight", type, {in, out}, where), bias(name + ".bias", type, {out}, where) {}
  template <tensor_like X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return detail::apply<ops::add_op>(where, tenon::matmul(x, weight, where), bias);
  }
};

/// Convolution of [n, in, h, w] with a bias for each channel: [n, out, h', w']. Params: NAME.weight
/// [out, in / groups, kh, kw], NAME.bias [out]. argument_error when `groups` does not divide `in`.
struct conv2d {
  param weight, bias;
  conv2d_attrs attrs;
  conv2d(const std::string& name, extent_t in, extent_t out, ints kernel, conv2d_attrs a = {}, dtype type = f32,
         loc where = std::source_location::current())
      : weight(name + ".weight", type, {out, per_group(name, in, kernel, a.groups), kernel[0], kernel[1]}, where),
        bias(name + ".bias", type, {out}, where),
        attrs(a) {}
  template <tensor_like X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return detail::apply<ops::add_op>(where, tenon::conv2d(x, weight, attrs, where),
                                      tenon::unsqueeze(bias, {1, 2}, where));
  }

 private:
  static extent_t per_group(const std::string& name, extent_t in, const ints& kernel, int groups) {
    if (kernel.size != 2) throw argument_error("conv2d " + name + ": the kernel has 2 extents");
    if (groups < 1 || in % groups != 0)
      throw argument_error("conv2d " + name + ": " + std::to_string(in) + " channels in " + std::to_string(groups) +
                           " groups");
    return in / groups;
  }
};

/// Rows of a table by index: integers [...] give [..., width]. Param: NAME.weight [count, width] of element type D.
template <dtype D>
struct basic_embedding {
  param weight;
  basic_embedding(const std::string& name, extent_t count, extent_t width, loc where = std::source_location::current())
      : weight(name + ".weight", D, {count, width}, where) {}
  template <tensor_like X>
  tensor<D, any_shape> operator()(const X& indices, loc where = std::source_location::current()) const {
    return as<D, any_shape>(tenon::embedding(indices, weight, where), where);
  }
};
using embedding = basic_embedding<f32>;

/// (x - mean) / sqrt(variance + epsilon) over the last axis, scaled and shifted: the shape of x. Params: NAME.weight,
/// NAME.bias [width].
struct layer_norm {
  param weight, bias;
  double epsilon;
  layer_norm(const std::string& name, extent_t width, double epsilon = 1e-5, dtype type = f32,
             loc where = std::source_location::current())
      : weight(name + ".weight", type, {width}, where), bias(name + ".bias", type, {width}, where), epsilon(epsilon) {}
  template <tensor_like X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return tenon::layer_norm(x, weight, bias, {.axis = -1, .epsilon = epsilon}, where);
  }
};

/// As in inference: each channel of [n, channels, ...] by its running mean and variance, scaled and shifted. Params:
/// NAME.weight, NAME.bias, NAME.running_mean, NAME.running_var [channels].
struct batch_norm {
  param weight, bias, mean, variance;
  double epsilon;
  batch_norm(const std::string& name, extent_t channels, double epsilon = 1e-5, dtype type = f32,
             loc where = std::source_location::current())
      : weight(name + ".weight", type, {channels}, where),
        bias(name + ".bias", type, {channels}, where),
        mean(name + ".running_mean", type, {channels}, where),
        variance(name + ".running_var", type, {channels}, where),
        epsilon(epsilon) {}
  template <tensor_like X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return tenon::batch_norm(x, weight, bias, mean, variance, {.epsilon = epsilon}, where);
  }
};

}  // namespace tenon::nn
