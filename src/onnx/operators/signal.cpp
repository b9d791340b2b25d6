// Signals: windows.
#include <cmath>
#include <numbers>

#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

/// a - b cos(2 pi i / n) + c cos(4 pi i / n) of `size` elements; n is the size, or with periodic = 0 one less.
void cosine_window(node_call& n, double a, double b, double c) {
  const std::vector<std::int64_t> size = n.integers(0);
  constexpr std::int64_t most = max_list;
  if (size.size() != 1 || size[0] < 0 || size[0] > most) n.refuse("the size is no scalar, or too large");
  const std::int64_t wanted = n.integer("output_datatype", 1);
  const dtype type = element_type(wanted);
  if (!is_float(type)) n.refuse("of " + element_name(wanted));
  const bool periodic = n.integer("periodic", 1) != 0;
  const double period = static_cast<double>(periodic ? size[0] : size[0] - 1);
  std::vector<double> w;
  for (std::int64_t i = 0; i < size[0]; ++i) {
    const double t = 2 * std::numbers::pi * static_cast<double>(i) / period;
    w.push_back(a - b * std::cos(t) + c * std::cos(2 * t));
  }
  n.out(cast(n.constant(f64, {size[0]}, w.data()), type));
}

constexpr mapping table[] = {
    {"BlackmanWindow", [](node_call& n) { cosine_window(n, 0.42, 0.5, 0.08); }},
    {"HammingWindow", [](node_call& n) { cosine_window(n, 25.0 / 46, 21.0 / 46, 0); }},
    {"HannWindow", [](node_call& n) { cosine_window(n, 0.5, 0.5, 0); }},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> signal_operators() { return table; }

}  // namespace tenon::onnx
