// Layers: structs whose members are params and that are called on tensors. Names of params are those of PyTorch.
#pragma once
#include <string>

#include "tenon/dsl/param.hpp"
#include "tenon/ops/arithmetic.hpp"
#include "tenon/ops/conv.hpp"
#include "tenon/ops/indexing.hpp"
#include "tenon/ops/matmul.hpp"
#include "tenon/ops/norm.hpp"

namespace tenon::nn {

/// matmul(x, weight) + bias: [..., in] gives [..., out]. Params: NAME.weight [in, out], NAME.bias [out].
struct linear {
  param weight, bias;
  linear(const std::string& name, extent_t in, extent_t out, dtype type = f32,
         loc where = std::source_location::current());
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
         loc where = std::source_location::current());
  template <tensor_like X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return detail::apply<ops::add_op>(where, tenon::conv2d(x, weight, attrs, where), channel_bias(where));
  }

 private:
  /// The bias as [out, 1, 1].
  tensor<any_dtype, any_shape> channel_bias(const loc&) const;
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
             loc where = std::source_location::current());
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
             loc where = std::source_location::current());
  template <tensor_like X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return tenon::batch_norm(x, weight, bias, mean, variance, {.epsilon = epsilon}, where);
  }
};

}  // namespace tenon::nn
