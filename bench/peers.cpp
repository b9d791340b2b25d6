#include "peers.hpp"

#include <cblas.h>
#include <omp.h>

#include <chrono>
#include <dnnl.hpp>
#include <vector>

extern "C" void openblas_set_num_threads(int);

namespace tenon::bench {

namespace {
dnnl::engine& engine() {
  static dnnl::engine e(dnnl::engine::kind::cpu, 0);
  return e;
}
dnnl::stream& stream() {
  static dnnl::stream s(engine());
  return s;
}
}  // namespace

void set_peer_threads(int threads) {
  openblas_set_num_threads(threads);
  omp_set_num_threads(threads);
}

void openblas_sgemm(long m, long n, long k, const float* a, const float* b, float* c) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k),
              1, a, static_cast<int>(k), b, static_cast<int>(n), 0, c, static_cast<int>(n));
}

void onednn_sgemm(long m, long n, long k, const float* a, const float* b, float* c) {
  dnnl_sgemm('N', 'N', m, n, k, 1, a, k, b, n, 0, c, n);
}

std::function<void()> onednn_matmul(long m, long n, long k, const float* a, const float* b, float* c,
                                    bool packed_weights) {
  using tag = dnnl::memory::format_tag;
  using type = dnnl::memory::data_type;
  const dnnl::memory::desc da({m, k}, type::f32, tag::ab), db({k, n}, type::f32, tag::ab),
      dc({m, n}, type::f32, tag::ab);
  const dnnl::memory::desc any({k, n}, type::f32, tag::any);
  const dnnl::matmul::desc what(da, packed_weights ? any : db, dc);
  const dnnl::matmul::primitive_desc chosen(what, engine());
  dnnl::memory ma(da, engine(), const_cast<float*>(a)), mb(db, engine(), const_cast<float*>(b)), mc(dc, engine(), c);
  if (chosen.weights_desc() != db) {
    dnnl::memory packed(chosen.weights_desc(), engine());
    dnnl::reorder(mb, packed).execute(stream(), mb, packed);
    stream().wait();
    mb = packed;
  }
  const auto primitive = std::make_shared<dnnl::matmul>(chosen);
  return [=]() mutable {
    primitive->execute(stream(), {{DNNL_ARG_SRC, ma}, {DNNL_ARG_WEIGHTS, mb}, {DNNL_ARG_DST, mc}});
    stream().wait();
  };
}

namespace {
constexpr int chains = 12;
#define TENON_PEAK(name, isa, lanes)                                                                               \
  __attribute__((target(isa))) double name(long steps) {                                                           \
    typedef float v __attribute__((vector_size(lanes * 4)));                                                       \
    v c[chains];                                                                                                   \
    v x = v{} + 0.9999f, y = v{} + 1e-5f;                                                                          \
    for (int i = 0; i < chains; ++i) c[i] = v{} + static_cast<float>(i);                                           \
    const auto start = std::chrono::steady_clock::now();                                                           \
    for (long s = 0; s < steps; ++s) {                                                                             \
      _Pragma("GCC unroll 12") for (int i = 0; i < chains; ++i) c[i] = c[i] * x + y;                               \
      asm volatile("" : "+x"(x), "+x"(y));                                                                         \
    }                                                                                                              \
    const auto end = std::chrono::steady_clock::now();                                                             \
    float sum = 0;                                                                                                 \
    for (int i = 0; i < chains; ++i) sum += c[i][0];                                                               \
    asm volatile("" : : "x"(sum));                                                                                 \
    return 2.0 * lanes * chains * static_cast<double>(steps) / std::chrono::duration<double>(end - start).count(); \
  }
TENON_PEAK(peak_512, "avx512f,fma", 16)
TENON_PEAK(peak_256, "avx2,fma", 8)
TENON_PEAK(peak_128, "sse2", 4)
}  // namespace

double measured_peak() {
  const auto of = __builtin_cpu_supports("avx512f")                                 ? peak_512
                  : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? peak_256
                                                                                    : peak_128;
  double best = 0;
  for (int i = 0; i < 5; ++i) best = std::max(best, of(2'000'000));
  return best;
}

}  // namespace tenon::bench
