#include "peers.hpp"

#include <cblas.h>
#include <immintrin.h>
#include <omp.h>

#include <chrono>
#include <cstdint>
#include <cstring>
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

void openblas_sgemm_transposed(long m, long n, long k, float scale, const float* a, const float* b, float* c) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k),
              scale, a, static_cast<int>(k), b, static_cast<int>(k), 0, c, static_cast<int>(n));
}

void openblas_dgemm(long m, long n, long k, const double* a, const double* b, double* c) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k),
              1, a, static_cast<int>(k), b, static_cast<int>(n), 0, c, static_cast<int>(n));
}

void onednn_sgemm(long m, long n, long k, const float* a, const float* b, float* c) {
  dnnl_sgemm('N', 'N', m, n, k, 1, a, k, b, n, 0, c, n);
}

void onednn_sgemm_transposed(long m, long n, long k, float scale, const float* a, const float* b, float* c) {
  dnnl_sgemm('N', 'T', m, n, k, scale, a, k, b, k, 0, c, n);
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

timed_convolution onednn_convolution(const convolution& c, const float* x, const float* w, float* y, bool winograd) {
  using tag = dnnl::memory::format_tag;
  using type = dnnl::memory::data_type;
  const bool grouped = c.groups > 1;
  const dnnl::memory::dims dx{c.n, c.c_in, c.h, c.w}, dy{c.n, c.c_out, c.out_h(), c.out_w()},
      dw = grouped ? dnnl::memory::dims{c.groups, c.c_out / c.groups, c.c_in / c.groups, c.kernel, c.kernel}
                   : dnnl::memory::dims{c.c_out, c.c_in, c.kernel, c.kernel};
  const auto any = [](const dnnl::memory::dims& d) { return dnnl::memory::desc(d, type::f32, tag::any); };
  const dnnl::memory::dims stride{c.stride, c.stride}, gaps{c.dilation - 1, c.dilation - 1}, pad{c.padding, c.padding};
  dnnl::convolution_forward::primitive_desc chosen;
  try {
    const dnnl::convolution_forward::desc what(
        dnnl::prop_kind::forward_inference,
        winograd ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct, any(dx), any(dw),
        any(dy), stride, gaps, pad, pad);
    chosen = dnnl::convolution_forward::primitive_desc(what, engine());
  } catch (const dnnl::error&) {
    return {};
  }
  const auto brought = [&](const dnnl::memory::dims& d, tag t, const float* data, const dnnl::memory::desc& wanted) {
    dnnl::memory plain({d, type::f32, t}, engine(), const_cast<float*>(data)), there(wanted, engine());
    dnnl::reorder(plain, there).execute(stream(), plain, there);
    stream().wait();
    return there;
  };
  dnnl::memory mx = brought(dx, tag::nchw, x, chosen.src_desc()),
               mw = brought(dw, grouped ? tag::goihw : tag::oihw, w, chosen.weights_desc()),
               my(chosen.dst_desc(), engine());
  const auto primitive = std::make_shared<dnnl::convolution_forward>(chosen);
  return {[=]() mutable {
            primitive->execute(stream(), {{DNNL_ARG_SRC, mx}, {DNNL_ARG_WEIGHTS, mw}, {DNNL_ARG_DST, my}});
            stream().wait();
          },
          [=]() mutable {
            dnnl::memory plain({dy, type::f32, tag::nchw}, engine(), y);
            dnnl::reorder(my, plain).execute(stream(), my, plain);
            stream().wait();
          }};
}

std::function<void()> onednn_softmax(long rows, long columns, const float* x, float* y) {
  const dnnl::memory::desc d({rows, columns}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
  const dnnl::softmax_forward::primitive_desc chosen({dnnl::prop_kind::forward_inference, d, 1}, engine());
  dnnl::memory mx(d, engine(), const_cast<float*>(x)), my(d, engine(), y);
  const auto primitive = std::make_shared<dnnl::softmax_forward>(chosen);
  return [=]() mutable {
    primitive->execute(stream(), {{DNNL_ARG_SRC, mx}, {DNNL_ARG_DST, my}});
    stream().wait();
  };
}

std::function<void()> onednn_layer_norm(long rows, long columns, const float* x, float* y, float epsilon) {
  const dnnl::memory::desc d({rows, columns}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
  const dnnl::layer_normalization_forward::primitive_desc chosen(
      {dnnl::prop_kind::forward_inference, d, epsilon, dnnl::normalization_flags::none}, engine());
  dnnl::memory mx(d, engine(), const_cast<float*>(x)), my(d, engine(), y);
  const auto primitive = std::make_shared<dnnl::layer_normalization_forward>(chosen);
  return [=]() mutable {
    primitive->execute(stream(), {{DNNL_ARG_SRC, mx}, {DNNL_ARG_DST, my}});
    stream().wait();
  };
}

void in_parallel(long count, int threads, const std::function<void(long, int)>& part) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (long i = 0; i < count; ++i) part(i, omp_get_thread_num());
}

namespace {
template <class F>
void in_parts(long elements, int threads, F part) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (int t = 0; t < threads; ++t) {
    const long size = elements / threads / 64 * 64;
    part(size * t, t + 1 == threads ? elements : size * (t + 1));
  }
}
typedef float wide __attribute__((vector_size(64), aligned(4), may_alias));
}  // namespace

void copy_memcpy(const float* from, float* to, long elements, int threads) {
  in_parts(elements, threads,
           [&](long b, long e) { std::memcpy(to + b, from + b, static_cast<std::size_t>(e - b) * sizeof(float)); });
}
void copy_plain(const float* from, float* to, long elements, int threads) {
  in_parts(elements, threads, [&](long b, long e) {
    for (; b + 16 <= e; b += 16) *reinterpret_cast<wide*>(to + b) = *reinterpret_cast<const wide*>(from + b);
    for (; b < e; ++b) to[b] = from[b];
  });
}
void copy_streamed(const float* from, float* to, long elements, int threads) {
  in_parts(elements, threads, [&](long b, long e) {
    for (; b < e && reinterpret_cast<std::uintptr_t>(to + b) % 16; ++b) to[b] = from[b];
    for (; b + 4 <= e; b += 4) _mm_stream_ps(to + b, _mm_loadu_ps(from + b));
    for (; b < e; ++b) to[b] = from[b];
    _mm_sfence();
  });
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
