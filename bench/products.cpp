// Products beside OpenBLAS and oneDNN (speed.md): sgemm on both operands as they come, and with weights bound as
// constants. bench_products [--threads N] [--only NAME] [--random SEED] [--square FROM TO]; bench/run.py makes the
// table.
#include <cstdlib>
#include <cstring>
#include <random>
#include <tenon/tenon.hpp>

#include "measure.hpp"
#include "peers.hpp"

using namespace tenon;
using namespace tenon::bench;

namespace {

using matrix = tensor<f32, shape<dyn, dyn>>;

struct bound {
  param weight;
  bound(long k, long n) : weight("w", f32, {k, n}) {}
  auto operator()(matrix x) const { return matmul(x, weight); }
};

void check(const array<f32>& got, const array<f32>& want, const std::string& name, long k) {
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const float g = got.data()[i], w = want.data()[i];
    if (!(std::abs(g - w) <= 1e-5f * static_cast<float>(k))) {
      std::fprintf(stderr, "%s: element %ld is %g, the peer has %g\n", name.c_str(), static_cast<long>(i), g, w);
      std::exit(1);
    }
  }
}

void run(const shape_line& s, const arguments& given, bool constant) {
  const long m = s.numbers[0], n = s.numbers[1], k = s.numbers[2];
  const array<f32> a = array<f32>::uniform({m, k}, 1), b = array<f32>::uniform({k, n}, 2);
  array<f32> ours = array<f32>::zeros({m, n}), theirs = array<f32>::zeros({m, n});
  const compile_options options{.target = given.target(), .params = param_set().set("w", b)};
  auto plain = jit([](matrix x, matrix y) { return matmul(x, y); }, options);
  auto packed = build(bound(k, n), signature<matrix>{}, options);
  std::vector<side> sides;
  if (constant)
    sides.push_back({"tenon", [&] { packed.into(ours, a); }});
  else
    sides.push_back({"tenon", [&] { plain.into(ours, a, b); }});
  sides.push_back({"openblas", [&] { openblas_sgemm(m, n, k, a.data(), b.data(), theirs.data()); }});
  sides.push_back({"dnnl_sgemm", [&] { onednn_sgemm(m, n, k, a.data(), b.data(), theirs.data()); }});
  sides.push_back({"matmul", onednn_matmul(m, n, k, a.data(), b.data(), theirs.data(), false)});
  if (constant) sides.push_back({"matmul_any", onednn_matmul(m, n, k, a.data(), b.data(), theirs.data(), true)});
  measure(sides);
  openblas_sgemm(m, n, k, a.data(), b.data(), theirs.data());
  check(ours, theirs, s.name, k);
  print(given.table(constant ? "matmul constant weights" : "sgemm").c_str(), s.name, sides,
        2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k));
}

}  // namespace

int main(int argc, char** argv) {
  bool constant = false;
  std::vector<shape_line> shapes = read_shapes(TENON_BENCH_SHAPES "/sgemm.csv");
  const arguments given(argc, argv, [&](const std::string& word, const std::function<long()>& number) {
    if (word == "--constant") {
      constant = true;
    } else if (word == "--random") {
      std::mt19937_64 random(static_cast<std::uint64_t>(number()));
      shapes.clear();
      for (int s = 0; s < 24; ++s) {
        const auto extent = [&] {
          return static_cast<long>(std::exp2(std::uniform_real_distribution<>(4, 11)(random)));
        };
        const long m = extent(), n = extent(), k = extent();
        shapes.push_back({"random" + std::to_string(s), {m, n, k}});
      }
    } else if (word == "--square") {
      const long from = number(), to = number();
      shapes.clear();
      for (long n = from; n <= to; ++n) shapes.push_back({"n" + std::to_string(n), {n, n, n}});
    } else {
      return false;
    }
    return true;
  });
  set_peer_threads(given.threads);
  std::printf("peak\tone core\tfma\t%.6g\t1\t1\t1\n", measured_peak());
  for (const shape_line& s : shapes)
    if (given.wanted(s.name)) run(s, given, constant);
}
