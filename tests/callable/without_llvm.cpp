// A process that finds no LLVM runs the digits network from the disk cache, with the same bits, and on `native`.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <tenon/tenon.hpp>

#include "callable/children.hpp"

using namespace tenon;
using tenon::test::run_again;

namespace {

constexpr extent_t side = 28;
const std::string data = std::string(TENON_SOURCE_DIR) + "/examples/data";

// The network of examples/digits.cpp.
struct network {
  param w1{"conv1.weight", f32, {16, 1, 3, 3}}, b1{"conv1.bias", f32, {16}};
  param w2{"conv2.weight", f32, {32, 16, 3, 3}}, b2{"conv2.bias", f32, {32}};
  param w3{"first.weight", f32, {1568, 128}}, b3{"first.bias", f32, {128}};
  param w4{"second.weight", f32, {128, 10}}, b4{"second.bias", f32, {10}};
  template <tensor_like X>
  auto operator()(X images) const {
    auto h = max_pool.with<{.window = {2, 2}, .stride = {2, 2}}>(
        relu(conv2d.with<{.padding = {1, 1}}>(images, w1) + reshape(b1, {-1, 1, 1})));
    h = max_pool.with<{.window = {2, 2}, .stride = {2, 2}}>(
        relu(conv2d.with<{.padding = {1, 1}}>(h, w2) + reshape(b2, {-1, 1, 1})));
    auto f = relu(matmul(reshape(h, {-1, 1568}), w3) + b3);
    return softmax(matmul(f, w4) + b4);
  }
};

array<f32> images(extent_t count) {
  std::ifstream file(data + "/digits_images.u8", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  array<f32> x = array<f32>::zeros({count, 1, side, side});
  for (extent_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<float>(static_cast<unsigned char>(bytes.at(static_cast<std::size_t>(i)))) / 255.0f;
  return x;
}

// Writes the probabilities of 1 and of 64 digits to a file; prints where the kernels came from.
int child(const char* target, const char* file) {
  const auto net = build(network(), signature<tensor<f32, shape<dyn, 1, side, side>>>{},
                         {.target = target, .params = load_safetensors(data + "/digits.safetensors")});
  std::ofstream out(file, std::ios::binary);
  for (extent_t n : {1, 64}) {
    const array<f32> p = net(images(n));
    out.write(reinterpret_cast<const char*>(p.data()), static_cast<std::streamsize>(p.size() * sizeof(float)));
  }
  const call_stats s = net.stats();
  std::printf("compiled %s, from disk %s, libtenon-llvm %s\n", s.compilations ? "some" : "none",
              s.disk_hits ? "some" : "none", test::is_mapped("libtenon-llvm") ? "mapped" : "not mapped");
  return out ? 0 : 1;
}

std::string bytes_of(const std::string& file) {
  std::ifstream f(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(f), {}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) {
    try {
      return child(argv[1], argv[2]);
    } catch (const error& e) {
      std::printf("%s\n", e.what());
      return 1;
    }
  }
  test::checks check;
  std::string folder = (std::filesystem::temp_directory_path() / "tenon_without_llvm_XXXXXX").string();
  if (!::mkdtemp(folder.data())) return 1;
  const std::string cache = folder + "/cache";
  auto run = [&](const char* target, const char* library, const std::string& file) {
    return run_again({target, folder + "/" + file}, {{"TENON_CACHE_DIR", cache}, {"TENON_LLVM_LIBRARY", library}});
  };
  auto expect = [&](const char* target, const char* library, const std::string& file, const std::string& text) {
    const test::ended e = run(target, library, file);
    check.equal(e.output, text, std::string(target) + " " + file);
    check(e.status == 0, file + ": status " + std::to_string(e.status));
  };
  const test::ended none = run("llvm", "/nonexistent", "nothing");
  check.equal(none.output,
              "llvm: the code generator cannot be opened: /nonexistent: cannot open shared object file: No "
              "such file or directory\n",
              "neither LLVM nor kernels");
  check(none.status == 1, "neither LLVM nor kernels: status " + std::to_string(none.status));
  expect("llvm", "", "compiled", "compiled some, from disk none, libtenon-llvm mapped\n");
  expect("llvm", "/nonexistent", "cached", "compiled none, from disk some, libtenon-llvm not mapped\n");
  expect("llvm", "", "again", "compiled none, from disk some, libtenon-llvm not mapped\n");
  expect("native", "/nonexistent", "native", "compiled none, from disk none, libtenon-llvm not mapped\n");
  const std::string compiled = bytes_of(folder + "/compiled"), native = bytes_of(folder + "/native");
  check(compiled.size() == 650 * sizeof(float), "65 rows of 10");
  check(bytes_of(folder + "/cached") == compiled, "the same bits from the cache, without LLVM");
  check(bytes_of(folder + "/again") == compiled, "the same bits from the cache, with LLVM");
  check(native.size() == compiled.size(), "as many from native");
  float most = 0;
  for (std::size_t i = 0; i + 4 <= std::min(native.size(), compiled.size()); i += 4) {
    float a, b;
    std::memcpy(&a, compiled.data() + i, 4);
    std::memcpy(&b, native.data() + i, 4);
    most = std::max(most, a > b ? a - b : b - a);
  }
  check(most < 1e-4f, "native's probabilities differ by " + std::to_string(most));
  std::filesystem::remove_all(folder);
  if (!check.failed)
    std::printf("the digits run from the disk cache without LLVM, bit by bit as compiled, and on native\n");
  return check.failed;
}
