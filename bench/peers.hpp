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
void onednn_sgemm(long m, long n, long k, const float* a, const float* b, float* c);
/// oneDNN's matmul primitive, row-major; `packed_weights` lets it choose the format of b (the reorder is not timed).
std::function<void()> onednn_matmul(long m, long n, long k, const float* a, const float* b, float* c,
                                    bool packed_weights);

/// The peak of this core in f32 multiply-adds, in FLOP/s: independent chains in registers, the widest vectors there
/// are.
double measured_peak();

}  // namespace tenon::bench
