// Discrete Fourier transforms of known lengths, written in operators.
#pragma once
#include "onnx/operators/common.hpp"

namespace tenon::onnx {

/// Complex numbers; `im` is null where they are real.
struct complex_tensor {
  any_tensor re, im;
};

/// 0, 1, ..., n - 1. What is made of it folds when the callable is built: an import holds no tables of n elements.
any_tensor counted(extent_t n);

/// Longest transform that is made.
inline constexpr extent_t longest_transform = extent_t{1} << 24;

/// Of each row of `x` [rows, n], 1 <= n <= longest_transform, f32 or f64: the sums over j of x[j] exp(-2 pi i j k / n);
/// with `inverse` exp(+2 pi i j k / n), and nothing is divided by n.
///
/// The work for a row of n = n1 n2 ... is n (n1 + n2 + ...), with factors of at most 64; what is left as a large prime
/// factor becomes a convolution of a power of two. All angles are multiples of 2 pi / n, reduced as integers.
complex_tensor fourier_transform(const complex_tensor& x, bool inverse);

}  // namespace tenon::onnx
