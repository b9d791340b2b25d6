// Minimal filtering by Winograd's method: m outputs of a filter of r taps from m + r - 1 products instead of m r.
// S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
// Networks, 2015.
#pragma once
#include <vector>

namespace tenon::scheduling {

/// Taps of the filters that rules and packing know.
inline constexpr int winograd_taps = 3;

/// y = output . ((kernel . g) * (input . d)) for d of `points` elements, g of `taps`, y of `outputs`; * elementwise. In
/// two dimensions each matrix is applied along both.
struct winograd {
  using matrix = std::vector<std::vector<double>>;
  int outputs, taps;
  int points() const { return outputs + taps - 1; }
  matrix input{}, kernel{}, output{};

  /// From the points 0, 1, -1, 2, -2, ... and infinity (Cook and Toom). `outputs` + `taps` is at most 8.
  winograd(int outputs, int taps);
  /// By how much more than directly computed sums a result may be off: |error| <= growth (n + 16) eps S for n input
  /// channels, where S is the sum over them of the largest |d| that the tile reads times the largest |g|. A bound for
  /// the worst case; of random data errors are some hundred times smaller.
  double growth() const;
};

}  // namespace tenon::scheduling
