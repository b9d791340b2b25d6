// The passes: which run, what they print, and one of the user's own.
#include <tenon/tenon.hpp>
using namespace tenon;

struct linear {
  param weight, bias;
  linear(std::string name, extent_t in, extent_t out)
      : weight(name + ".weight", f32, {in, out}), bias(name + ".bias", f32, {out}) {}
  template <tensor_like X>
  auto operator()(X x) const {
    return matmul(x, weight) + bias;
  }
};

struct classifier {
  linear first{"first", 64, 128}, second{"second", 128, 10};
  template <tensor_like X>
  auto operator()(X x) const {
    return softmax(second(relu(relu(first(x)))));
  }
};

int main() {
  param_set weights;
  weights.set("first.weight", array<f32>::uniform({64, 128}, 2)).set("first.bias", array<f32>::uniform({128}, 3));
  weights.set("second.weight", array<f32>::uniform({128, 10}, 4)).set("second.bias", array<f32>::uniform({10}, 5));

  signature<tensor<f32, shape<dyn, 64>>> sig;
  pass_context ctx{.opt_level = 3, .disabled = {"fuse"}, .dump = "graph,loop:after"};
  // A pass of the user's own: a rewrite rule.
  ctx.add(graph_pass("my_rule", rule(relu(relu(any("x"))) >> relu(any("x")))), after("canonicalize"));
  auto net = build(classifier{}, sig, {.params = weights, .context = ctx});

  print(net(array<f32>::uniform({7, 64}, 1)));
}
