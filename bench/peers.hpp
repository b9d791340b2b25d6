// The peers of the benchmarks behind plain functions: oneDNN and OpenBLAS, from Debian's packages. A primitive is made
// once and run many times, so that only its execution is timed.
#pragma once
#include <functional>
#include <memory>
#include <string>

namespace tenon::bench {

/// Threads that the peers use from now on.
void set_peer_threads(int threads);

void openblas_sgemm(long m, long n, long k, const float* a, const float* b, float* c);
/// scale a b^T, b as [n, k].
void openblas_sgemm_transposed(long m, long n, long k, float scale, const float* a, const float* b, float* c);
void onednn_sgemm_transposed(long m, long n, long k, float scale, const float* a, const float* b, float* c);
void openblas_dgemm(long m, long n, long k, const double* a, const double* b, double* c);
void onednn_sgemm(long m, long n, long k, const float* a, const float* b, float* c);
/// oneDNN's matmul primitive, row-major; `packed_weights` lets it choose the format of b (the reorder is not timed).
std::function<void()> onednn_matmul(long m, long n, long k, const float* a, const float* b, float* c,
                                    bool packed_weights);

/// A convolution of [n, c, h, w] by [out, c / groups, kernel, kernel].
struct convolution {
  long n, c_in, c_out, h, w, kernel, stride, padding, dilation, groups;
  long out_h() const { return (h + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
  long out_w() const { return (w + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1; }
  double flops() const {
    return 2.0 * static_cast<double>(n * c_out * out_h() * out_w()) *
           static_cast<double>(c_in / groups * kernel * kernel);
  }
};
/// oneDNN's forward convolution in the formats it chooses; data in x and w (plain NCHW) is reordered once, untimed.
/// `read` copies the result back to plain NCHW. Empty when oneDNN has no such implementation (Winograd).
struct timed_convolution {
  std::function<void()> run, read;
};
timed_convolution onednn_convolution(const convolution&, const float* x, const float* w, float* y, bool winograd);

std::function<void()> onednn_softmax(long rows, long columns, const float* x, float* y);
/// Without scale and shift.
std::function<void()> onednn_layer_norm(long rows, long columns, const float* x, float* y, float epsilon);

/// part(i, t) for i in [0, count), on OpenMP's thread t: what a caller of the peers would do over heads.
void in_parallel(long count, int threads, const std::function<void(long, int)>& part);

/// Copies: memcpy, plain vector stores, non-temporal ones.
void copy_memcpy(const float* from, float* to, long elements, int threads);
void copy_plain(const float* from, float* to, long elements, int threads);
void copy_streamed(const float* from, float* to, long elements, int threads);

/// The peak of this core in f32 multiply-adds, in FLOP/s: independent chains in registers, the widest vectors there
/// are.
double measured_peak();

}  // namespace tenon::bench
