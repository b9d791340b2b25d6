// A list of numbers as an attribute.
#pragma once
#include <initializer_list>

namespace tenon {

/// A short list of numbers inside attributes; structural.
struct reals {
  static constexpr int capacity = 16;
  double v[capacity]{};
  int size = 0;
  constexpr reals() = default;
  constexpr reals(std::initializer_list<double> l) {
    for (double x : l) v[size++] = x;
  }
  constexpr double operator[](int i) const { return v[i]; }
  friend constexpr bool operator==(const reals&, const reals&) = default;
};

}  // namespace tenon
