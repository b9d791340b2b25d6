#include "tenon/nn/layers.hpp"

#include "tenon/ops/relabel.hpp"

namespace tenon::nn {
namespace {

extent_t per_group(const std::string& name, extent_t in, const ints& kernel, int groups) {
  if (kernel.size != 2) throw argument_error("conv2d " + name + ": the kernel has 2 extents");
  if (groups < 1 || in % groups != 0)
    throw argument_error("conv2d " + name + ": " + std::to_string(in) + " channels in " + std::to_string(groups) +
                         " groups");
  return in / groups;
}

}  // namespace

linear::linear(const std::string& name, extent_t in, extent_t out, dtype type, loc where)
    : weight(name + ".weight", type, {in, out}, where), bias(name + ".bias", type, {out}, where) {}

conv2d::conv2d(const std::string& name, extent_t in, extent_t out, ints kernel, conv2d_attrs a, dtype type, loc where)
    : weight(name + ".weight", type, {out, per_group(name, in, kernel, a.groups), kernel[0], kernel[1]}, where),
      bias(name + ".bias", type, {out}, where),
      attrs(a) {}
tensor<any_dtype, any_shape> conv2d::channel_bias(const loc& where) const {
  return tenon::unsqueeze(bias, {1, 2}, where);
}

layer_norm::layer_norm(const std::string& name, extent_t width, double epsilon, dtype type, loc where)
    : weight(name + ".weight", type, {width}, where), bias(name + ".bias", type, {width}, where), epsilon(epsilon) {}

batch_norm::batch_norm(const std::string& name, extent_t channels, double epsilon, dtype type, loc where)
    : weight(name + ".weight", type, {channels}, where),
      bias(name + ".bias", type, {channels}, where),
      mean(name + ".running_mean", type, {channels}, where),
      variance(name + ".running_var", type, {channels}, where),
      epsilon(epsilon) {}

}  // namespace tenon::nn
