// A model: parameters are members, layers are structs.
#include <filesystem>
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
    return softmax(second(relu(first(x))));
  }
};

// Stands in for training: goes to a folder of its own and writes random weights there.
static void write_weights() {
  const auto folder = std::filesystem::temp_directory_path() / "tenon_api_3_model";
  std::filesystem::create_directories(folder);
  std::filesystem::current_path(folder);
  param_set random;
  random.set("first.weight", array<f32>::uniform({64, 128}, 2)).set("first.bias", array<f32>::uniform({128}, 3));
  random.set("second.weight", array<f32>::uniform({128, 10}, 4)).set("second.bias", array<f32>::uniform({10}, 5));
  save_safetensors("digits.safetensors", random);
}

int main() {
  write_weights();

  auto weights = load_safetensors("digits.safetensors");  // also load_npz
  auto net = build(classifier{}, signature<tensor<f32, shape<dyn, 64>>>{},
                   {.target = "llvm -mcpu=native", .params = weights, .opt_level = 3});
  array<f32> images = array<f32>::uniform({7, 64}, 1);
  array<f32> p = net(images);

  print(p);
  print(net.graph());
}
