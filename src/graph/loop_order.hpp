// In which order the loops of a nest stand, where some are put outside of others one wish after the other.
#pragma once
#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace tenon::ir {

class loop_order {
 public:
  explicit loop_order(std::size_t loops = 0) : loops_(loops) {
    std::iota(loops_.begin(), loops_.end(), std::size_t{0});
  }

  std::size_t operator[](std::size_t place) const { return loops_[place]; }
  std::size_t place_of(std::size_t loop) const {
    return static_cast<std::size_t>(std::ranges::find(loops_, loop) - loops_.begin());
  }
  auto begin() const { return loops_.begin(); }
  auto end() const { return loops_.end(); }

  /// Makes the loops for which `outer` holds the outermost ones. False, and nothing is changed, where that would mix
  /// loops that earlier calls put apart.
  ///   {a, b, c}: outside {a, c}: {a, c | b}; then outside {c}: {c | a | b}; then outside {b, c}: false
  template <class F>
  bool put_outside(F outer) {
    std::size_t first = 0, last = loops_.size();  // the loops between two bars of which some are outer
    for (std::size_t bar : bars_) {
      if (!std::all_of(loops_.begin() + at(first), loops_.begin() + at(bar), outer)) {
        last = bar;
        break;
      }
      first = bar;
    }
    if (std::any_of(loops_.begin() + at(last), loops_.end(), outer)) return false;
    std::vector<std::size_t> inner;  // std::stable_partition of libstdc++ 12 warns under Clang
    std::size_t bar = first;
    for (std::size_t i = first; i < last; ++i) {
      if (outer(loops_[i]))
        loops_[bar++] = loops_[i];
      else
        inner.push_back(loops_[i]);
    }
    std::ranges::copy(inner, loops_.begin() + at(bar));
    if (bar != first && bar != last) bars_.insert(std::ranges::lower_bound(bars_, bar), bar);
    return true;
  }

 private:
  static std::ptrdiff_t at(std::size_t i) { return static_cast<std::ptrdiff_t>(i); }
  std::vector<std::size_t> loops_;  // the outermost first
  std::vector<std::size_t> bars_;   // places that no loop crosses any more
};

}  // namespace tenon::ir
