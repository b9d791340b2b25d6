// The families of operators: an operator is found in the table of one of them.
#include <algorithm>

#include "onnx/importer.hpp"

namespace tenon::onnx {
namespace {

const mapping* find_in(std::span<const mapping> table, std::string_view op) {
  const auto it = std::ranges::lower_bound(table, op, {}, &mapping::op);
  return it != table.end() && it->op == op ? &*it : nullptr;
}

}  // namespace

const mapping* find_mapping(std::string_view op) {
  for (const auto family :
       {elementwise_operators, logical_operators, activation_operators, reduction_operators, shape_operators,
        movement_operators, indexing_operators, product_operators, pooling_operators, normalization_operators,
        image_operators, quantized_operators, loss_operators, recurrent_operators, signal_operators, text_operators,
        random_operators, control_operators})
    if (const mapping* m = find_in(family(), op)) return m;
  return nullptr;
}
const mapping* find_extent_mapping(std::string_view op) { return find_in(extent_operators(), op); }

}  // namespace tenon::onnx
