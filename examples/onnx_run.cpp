// Runs a model from an ONNX file:
//   onnx_run MODEL.onnx [INPUTS.npz] [--target TEXT] [--extent NAME=NUMBER] [--save FILE.safetensors] [--kernels]
// on the arrays of INPUTS.npz that are called as the model's inputs, else on random ones. Extents with a name are 1
// where none is given. Prints the outputs (or saves them), the time of a call, the kernels, and the memory; or with
// --kernels where the time goes. A folder stands for the digits.onnx in it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <tenon/onnx/onnx.hpp>
#include <tenon/tenon.hpp>
#include <vector>

using namespace tenon;

namespace {

struct arguments {
  std::string model, inputs, save, target = "llvm";
  onnx_options options;
  bool kernels = false;
};
arguments read_arguments(int argc, char** argv) {
  arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool more = i + 1 < argc;
    if (word == "--target" && more) {
      a.target = argv[++i];
    } else if (word == "--save" && more) {
      a.save = argv[++i];
    } else if (word == "--extent" && more) {
      const std::string pair = argv[++i];
      const std::size_t equal = pair.find('=');
      if (equal == std::string::npos) throw argument_error("--extent takes NAME=NUMBER");
      a.options.extents.emplace_back(pair.substr(0, equal), std::stoll(pair.substr(equal + 1)));
    } else if (word == "--kernels") {
      a.kernels = true;
    } else if (a.model.empty()) {
      a.model = word;
    } else {
      a.inputs = word;
    }
  }
  if (a.model.empty())
    throw argument_error(
        "onnx_run MODEL.onnx [INPUTS.npz] [--target TEXT] [--extent NAME=NUMBER] [--save FILE.safetensors] "
        "[--kernels]");
  if (std::filesystem::is_directory(a.model)) a.model += "/digits.onnx";
  return a;
}

/// f<D>() for the run-time type.
template <class F>
void with_type(dtype d, F f) {
  switch (d) {
    case f64:
      return f.template operator()<f64>();
    case f32:
      return f.template operator()<f32>();
    case f16:
      return f.template operator()<f16>();
    case i64:
      return f.template operator()<i64>();
    case i32:
      return f.template operator()<i32>();
    case i8:
      return f.template operator()<i8>();
    case u8:
      return f.template operator()<u8>();
    case b8:
      return f.template operator()<b8>();
    default:
      throw argument_error("onnx_run: no random elements of " + std::string(name(d)));
  }
}

int run(int argc, char** argv) {
  const arguments a = read_arguments(argc, argv);
  const onnx_model model = import_onnx(a.model, a.options);
  const param_set given = a.inputs.empty() ? param_set() : load_npz(a.inputs);
  const untyped_function net = build(model, {.target = a.target});

  param_set inputs;
  for (std::size_t i = 0; i < model.inputs().size(); ++i) {
    const std::string& name = model.inputs()[i];
    if (const param_value* v = given.find(name)) {
      inputs.set(*v);
      continue;
    }
    const detail::node_ref& node = model.graph().inputs[i];
    std::vector<extent_t> shape;
    for (extent_t e : detail::shape_of(node)) shape.push_back(e < 0 ? 1 : e);
    with_type(detail::type_of(node), [&]<dtype D>() { inputs.set(name, array<D>::uniform(shape, i + 1)); });
  }

  if (a.kernels) {
    print(net.bench(inputs));
    return 0;
  }
  const std::vector<param_value> outputs = net(inputs);
  param_set saved;
  for (const param_value& y : outputs) {
    saved.set(y);
    if (!a.save.empty()) continue;
    std::printf("%s: %s", y.name().c_str(), std::string(name(y.type())).c_str());
    for (extent_t e : y.dims()) std::printf(" %lld", static_cast<long long>(e));
    std::printf("\n");
    print(y);
  }
  if (!a.save.empty()) save_safetensors(a.save, saved);
  std::vector<double> times;
  for (int i = 0; i < 15; ++i) {
    const auto start = std::chrono::steady_clock::now();
    (void)net(inputs);
    times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  const call_stats s = net.stats();
  std::printf("%s: %.1f us a call (median of %d), %d kernels, compiled in %.0f ms, %.1f KiB of workspace\n",
              a.target.c_str(), times[times.size() / 2], static_cast<int>(times.size()), static_cast<int>(s.kernels),
              s.compile_seconds * 1e3, static_cast<double>(s.workspace_bytes) / 1024);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "onnx_run: %s\n", e.what());
    return 1;
  }
}
