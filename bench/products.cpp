// Products beside OpenBLAS and oneDNN: sgemm on both operands as they come, and with weights bound as constants; cubes
// of every size (no size may be a cliff); f64 beside dgemm; bytes and bf16 beside our own f32. bench/report.py makes
// the tables.
//   bench_products [--threads N] [--only NAME] [--constant] [--random SEED] [--square FROM TO] [--sizes EVERY]
//                  [--f64] [--bytes] [--bf16]
#include <cstdlib>
#include <cstring>
#include <random>
#include <tenon/tenon.hpp>

#include "measure.hpp"
#include "peers.hpp"

using namespace tenon;
using namespace tenon::bench;

namespace {

template <dtype D>
using matrix_of = tensor<D, shape<dyn, dyn>>;
using matrix = matrix_of<f32>;

template <dtype A, dtype B>
struct bound {
  param weight;
  bound(long k, long n) : weight("w", B, {k, n}) {}
  auto operator()(matrix_of<A> x) const { return matmul(x, weight); }
};
double flops(const shape_line& s) {
  return 2.0 * static_cast<double>(s.numbers[0]) * static_cast<double>(s.numbers[1]) *
         static_cast<double>(s.numbers[2]);
}

template <dtype D>
void check(const array<D>& got, const array<D>& want, const std::string& name, long k) {
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double g = got.data()[i], w = want.data()[i];
    if (!(std::abs(g - w) <= 1e-5 * static_cast<double>(k))) {
      std::fprintf(stderr, "%s: element %ld is %g, the peer has %g\n", name.c_str(), static_cast<long>(i), g, w);
      std::exit(1);
    }
  }
}

void run(const shape_line& s, const arguments& given, const char* table, bool constant) {
  const long m = s.numbers[0], n = s.numbers[1], k = s.numbers[2];
  const array<f32> a = array<f32>::uniform({m, k}, 1), b = array<f32>::uniform({k, n}, 2);
  array<f32> ours = array<f32>::zeros({m, n}), theirs = array<f32>::zeros({m, n});
  const compile_options options{.target = given.target(), .params = param_set().set("w", b)};
  auto plain = jit([](matrix x, matrix y) { return matmul(x, y); }, options);
  auto packed = build(bound<f32, f32>(k, n), signature<matrix>{}, options);
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
  print(given.table(constant ? "matmul constant weights" : table).c_str(), s.name, sides, flops(s));
}

void run_f64(const shape_line& s, const arguments& given) {
  const long m = s.numbers[0], n = s.numbers[1], k = s.numbers[2];
  const array<f64> a = array<f64>::uniform({m, k}, 1), b = array<f64>::uniform({k, n}, 2);
  array<f64> ours = array<f64>::zeros({m, n}), theirs = array<f64>::zeros({m, n});
  auto f = jit([](matrix_of<f64> x, matrix_of<f64> y) { return matmul(x, y); }, {.target = given.target()});
  std::vector<side> sides;
  sides.push_back({"tenon", [&] { f.into(ours, a, b); }});
  sides.push_back({"openblas", [&] { openblas_dgemm(m, n, k, a.data(), b.data(), theirs.data()); }});
  measure(sides);
  check(ours, theirs, s.name, k);
  print(given.table("dgemm").c_str(), s.name, sides, flops(s));
}

// Both with constant weights: the ratio is what the shorter type gains.
template <dtype A, dtype B, dtype Sum>
void run_short(const shape_line& s, const arguments& given, const char* table, const array<A>& a, const array<B>& b) {
  const long m = s.numbers[0], n = s.numbers[1], k = s.numbers[2];
  const array<f32> fa = array<f32>::uniform({m, k}, 1), fb = array<f32>::uniform({k, n}, 2);
  array<Sum> sums = array<Sum>::zeros({m, n});
  array<f32> floats = array<f32>::zeros({m, n});
  auto ours = build(bound<A, B>(k, n), signature<matrix_of<A>>{},
                    {.target = given.target(), .params = param_set().set("w", b)});
  auto of_floats =
      build(bound<f32, f32>(k, n), signature<matrix>{}, {.target = given.target(), .params = param_set().set("w", fb)});
  std::vector<side> sides;
  sides.push_back({"tenon", [&] { ours.into(sums, a); }});
  sides.push_back({"f32", [&] { of_floats.into(floats, fa); }});
  measure(sides);
  print(given.table(table).c_str(), s.name, sides, flops(s));
}
template <dtype D>
array<D> random_bytes(long rows, long columns, unsigned seed) {
  array<D> x = array<D>::zeros({rows, columns});
  std::mt19937 random(seed);
  for (std::int64_t i = 0; i < x.size(); ++i)
    x.data()[i] = static_cast<std::remove_reference_t<decltype(x.data()[i])>>(random());
  return x;
}
void run_bytes(const shape_line& s, const arguments& given) {
  const long m = s.numbers[0], n = s.numbers[1], k = s.numbers[2];
  const array<i8> b = random_bytes<i8>(k, n, 2);
  run_short<u8, i8, i32>(s, given, "u8 x i8 products against our f32", random_bytes<u8>(m, k, 1), b);
  run_short<i8, i8, i32>(s, given, "i8 products against our f32", random_bytes<i8>(m, k, 1), b);
}
void run_bf16(const shape_line& s, const arguments& given) {
  const long m = s.numbers[0], n = s.numbers[1], k = s.numbers[2];
  auto shortened = jit([](matrix x) { return cast<bf16>(x); });
  run_short<bf16, bf16, bf16>(s, given, "bf16 products against our f32", shortened(array<f32>::uniform({m, k}, 1)),
                              shortened(array<f32>::uniform({k, n}, 2)));
}

// Cubes from 16 to 130 and of the primes up to 1021, every `every`-th.
std::vector<shape_line> cubes(long every) {
  std::vector<long> all;
  for (long n = 16; n <= 130; ++n) all.push_back(n);
  for (long n = 131; n <= 1021; n += 2) {
    bool prime = true;
    for (long d = 3; d * d <= n; d += 2) prime = prime && n % d != 0;
    if (prime) all.push_back(n);
  }
  std::vector<shape_line> shapes;
  for (std::size_t i = 0; i < all.size(); i += static_cast<std::size_t>(std::max(every, 1L)))
    shapes.push_back({"n" + std::to_string(all[i]), {all[i], all[i], all[i]}});
  return shapes;
}

}  // namespace

int main(int argc, char** argv) {
  bool constant = false;
  const char* table = "sgemm";
  void (*other)(const shape_line&, const arguments&) = nullptr;
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
      table = "sgemm of cubes";
      const long from = number(), to = number();
      shapes.clear();
      for (long n = from; n <= to; ++n) shapes.push_back({"n" + std::to_string(n), {n, n, n}});
    } else if (word == "--sizes") {
      table = "sgemm of cubes";
      shapes = cubes(number());
    } else if (word == "--f64" || word == "--bytes" || word == "--bf16") {
      other = word == "--f64" ? run_f64 : word == "--bytes" ? run_bytes : run_bf16;
      shapes = {
          {"square512", {512, 512, 512}}, {"square1024", {1024, 1024, 1024}}, {"bert_base_qkv_384", {384, 768, 768}}};
    } else {
      return false;
    }
    return true;
  });
  set_peer_threads(given.threads);
  std::printf("peak\tone core\tfma\t%.6g\t1\t1\t1\n", measured_peak());
  for (const shape_line& s : shapes) {
    if (!given.wanted(s.name)) continue;
    if (other)
      other(s, given);
    else
      run(s, given, table, constant);
  }
}
