// Values of graphs that are made by hand: inputs, and constants of ones.
#pragma once
#include <source_location>
#include <tenon/tenon.hpp>
#include <vector>

#include "ops/leaf.hpp"

namespace tenon::test {

using value = tensor<f32, any_shape>;

inline value given(const char* name, const dims& d) {
  return value(detail::emit_input(name, f32, d, std::source_location::current()));
}
inline value ones(const dims& d) {
  const std::vector<float> data(static_cast<std::size_t>(d.count()), 1);
  return value(ir::make_constant(f32, d, data.data(), std::source_location::current()));
}

}  // namespace tenon::test
