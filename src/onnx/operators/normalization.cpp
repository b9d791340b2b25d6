// Normalisations, and dropout.
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

void batch_normalization(node_call& n) {
  n.ignore({"consumed_inputs", "is_test", "spatial"});
  const float momentum = n.real("momentum", 0.9f), epsilon = n.real("epsilon", 1e-5f);
  const any_tensor x = n.in(0);
  const bool training = n.version() >= 14 && n.integer("training_mode", 0) != 0;
  if (!training) return n.out(batch_norm(x, n.in(1), n.in(2), n.in(3), n.in(4), {.epsilon = epsilon}));
  // The batch's own mean and variance, which the running ones move towards.
  reduce_attrs axes;
  for (int i = 0; i < n.rank(0); ++i)
    if (i != 1) axes.axes.v[axes.axes.size++] = i;
  const any_tensor m = mean(x, axes), centered = x - ops::per_channel(m, n.rank(0));
  const any_tensor v = mean(any_tensor(centered * centered), axes);
  n.out(0, batch_norm(x, n.in(1), n.in(2), m, v, {.epsilon = epsilon}));
  n.out(1, any_tensor(n.in(3) * momentum + m * (1 - momentum)));
  n.out(2, any_tensor(n.in(4) * momentum + v * (1 - momentum)));
}
void layer_normalization(node_call& n) {
  const int rank = n.rank(0), axis = n.axis("axis", -1, rank);
  const float epsilon = n.real("epsilon", 1e-5f);
  n.ignore({"stash_type"});
  const layer_norm_attrs at{.axis = axis, .epsilon = epsilon};
  const any_tensor x = n.in(0);
  n.out(0, n.has(2) ? any_tensor(layer_norm(x, n.in(1), n.in(2), at)) : any_tensor(layer_norm(x, n.in(1), at)));
  if (!n.wants(1) && !n.wants(2)) return;
  const reduce_attrs axes = ops::kept_axes(axis, rank);
  const any_tensor wide = ops::widened(x), m = mean(wide, axes), centered = wide - m;
  n.out(1, m);
  n.out(2, any_tensor(rsqrt(mean(any_tensor(centered * centered), axes) + epsilon)));
}
void instance_normalization(node_call& n) {
  n.ignore({"consumed_inputs"});
  n.out(instance_norm(n.in(0), n.in(1), n.in(2), {.epsilon = n.real("epsilon", 1e-5f)}));
}
void group_normalization(node_call& n) {
  const int groups = n.few(n.integer("num_groups", 1), "num_groups");
  n.ignore({"stash_type"});
  any_tensor scale = n.in(1), bias = n.in(2);
  if (n.version() < 21) {  // one for each group
    const extent_t channels = n.shape(0)[1];
    if (channels < 0 || groups < 1 || channels % groups) n.refuse("the channels do not split into groups");
    const int each = n.few(channels / groups, "channels");
    scale = repeat(scale, {.count = each, .axis = 0});
    bias = repeat(bias, {.count = each, .axis = 0});
  }
  n.out(group_norm(n.in(0), scale, bias, {.groups = groups, .epsilon = n.real("epsilon", 1e-5f)}));
}
void mean_variance(node_call& n) {
  std::vector<std::int64_t> axes = n.integers("axes");
  if (axes.empty()) axes = {0, 2, 3};
  const reduce_attrs at{.axes = normal_axes(n, axes, n.rank(0)), .keep = true};
  const any_tensor x = n.in(0), centered = x - mean(x, at);
  n.out(centered / (sqrt(mean(any_tensor(centered * centered), at)) + 1e-9));
}
/// x / sum^p of |x|^p along the axis.
void lp_normalization(node_call& n) {
  const int axis = n.axis("axis", -1, n.rank(0));
  const std::int64_t p = n.integer("p", 2);
  if (p != 1 && p != 2) n.refuse("p " + std::to_string(p) + " is neither 1 nor 2");
  const reduce_attrs at{.axes = {axis}, .keep = true};
  const any_tensor x = n.in(0);
  n.out(x / (p == 1 ? any_tensor(l1_norm(x, at)) : any_tensor(l2_norm(x, at))));
}
/// Nothing is dropped when a model is used; in training the mask depends on chance.
void dropout(node_call& n) {
  n.ignore({"is_test", "seed", "ratio", "consumed_inputs"});
  if (n.has(2)) {
    const std::vector<std::int64_t> training = n.integers(2);
    if (training.size() == 1 && training[0]) {
      const bool none = n.has(1) && n.reals(1).size() == 1 && n.reals(1)[0] == 0;
      if (!none) n.refuse("training mode drops elements by chance");
    }
  }
  n.out(0, n.in(0));
  if (!n.wants(1)) return;
  const any_tensor kept = equal(n.in(0), n.in(0));
  n.out(1, n.version() >= 10 ? any_tensor(logical_or(kept, logical_not(kept))) : any_tensor(n.in(0)));
}

constexpr mapping table[] = {
    {"BatchNormalization", batch_normalization},  {"Dropout", dropout},
    {"GroupNormalization", group_normalization},  {"InstanceNormalization", instance_normalization},
    {"LayerNormalization", layer_normalization},  {"LpNormalization", lp_normalization},
    {"MeanVarianceNormalization", mean_variance},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> normalization_operators() { return table; }

}  // namespace tenon::onnx
