// Integers that a call decides: how often a parallel loop runs where an extent grows from call to call.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace tenon::runtime {

/// A function of a kernel's values, operands before operators. Evaluated without allocation.
struct formula {
  enum class what : std::uint8_t { number, value, add, sub, mul, div, mod, min, max };
  struct item {
    what kind;
    std::int64_t n;  ///< the number, or which value
  };
  std::vector<item> items;
  static constexpr int most_depth = 32;

  bool empty() const { return items.empty(); }
  void add(what kind, std::int64_t n = 0) { items.push_back({kind, n}); }
  /// How many operands wait for their operator, at most.
  int depth() const {
    int now = 0, most = 0;
    for (const item& i : items) most = std::max(most, now += i.kind <= what::value ? 1 : -1);
    return most;
  }

  std::int64_t operator()(const std::int64_t* values) const {
    std::int64_t stack[most_depth];
    int top = -1;
    for (const item& i : items) {
      if (i.kind <= what::value) {
        stack[++top] = i.kind == what::number ? i.n : values[i.n];
        continue;
      }
      const std::int64_t b = stack[top--];
      std::int64_t& a = stack[top];
      switch (i.kind) {
        case what::add:
          a += b;
          break;
        case what::sub:
          a -= b;
          break;
        case what::mul:
          a *= b;
          break;
        case what::div:
          a /= b;
          break;
        case what::mod:
          a %= b;
          break;
        case what::min:
          a = std::min(a, b);
          break;
        default:
          a = std::max(a, b);
      }
    }
    return stack[0];
  }
};

}  // namespace tenon::runtime
