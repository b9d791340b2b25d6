// Graphs as they stand, run on arrays whose types the run time knows.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <source_location>
#include <vector>

#include "core/with_dtype.hpp"
#include "graph/node.hpp"
#include "loop/evaluate.hpp"
#include "tenon/tenon.hpp"

namespace tenon::test {

using data = detail::array_storage;

/// Calls what was made of the graph once.
inline std::vector<data> run(detail::function& f, const ir::graph& g, const std::vector<data>& in) {
  struct made {
    const ir::graph& g;
    std::vector<data> results;
  } to{g, {}};
  to.results.reserve(g.outputs.size());
  const detail::result_maker maker{[](void* context, int i, const dims& d, memory*) -> const detail::any_view& {
                                     made& m = *static_cast<made*>(context);
                                     m.results.emplace_back(m.g.outputs[static_cast<std::size_t>(i)]->type.element, d,
                                                            nullptr);
                                     return m.results.back().get();
                                   },
                                   &to};
  std::vector<const detail::any_view*> views;
  for (const data& d : in) views.push_back(&d.get());
  detail::call_values(f, views.data(), maker);
  return std::move(to.results);
}
/// The same with these options.
inline detail::function_ref make(const ir::graph& g, compile_options options) {
  return detail::make_function(g.inputs.data(), g.inputs.size(), g.outputs.data(), g.outputs.size(), nullptr, 0,
                               std::move(options), detail::binding::at_call, std::source_location::current());
}
inline std::vector<data> run(const ir::graph& g, compile_options options, const std::vector<data>& in) {
  return run(*make(g, std::move(options)), g, in);
}

/// Element `i` in row-major order.
inline double element(const data& d, extent_t i) {
  return detail::with_host_type(d.get().type, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (sizeof(T) == 2 && !std::is_integral_v<T>) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, static_cast<const T*>(d.get().data) + i, 2);
      return ir::value_of(d.get().type, bits);
    } else {
      return static_cast<double>(static_cast<const T*>(d.get().data)[i]);
    }
  });
}
inline void set_element(const data& d, extent_t i, double v) {
  const std::int64_t bits = ir::bits_of(d.get().type, v);
  const auto size = static_cast<std::size_t>(size_of(d.get().type));
  std::memcpy(static_cast<char*>(d.get().data) + static_cast<std::size_t>(i) * size, &bits, size);
}

/// Floats in [-2, 2), integers in [-9, 9] (unsigned: [0, 9]), b8 either.
inline data filled(dtype type, const dims& shape, std::uint32_t seed) {
  data d(type, shape, nullptr);
  std::mt19937 random(seed);
  for (extent_t i = 0; i < d.get().size; ++i) {
    double v = static_cast<double>(random()) / 4294967296.0 * 4 - 2;
    if (type == b8)
      v = static_cast<double>(random() % 2);
    else if (is_integer(type))
      v = static_cast<double>(random() % 19) - (is_signed_integer(type) ? 9 : 0);
    if (is_integer(type) && v < 0 && !is_signed_integer(type)) v = -v;
    if (is_integer(type) && v > 9) v -= 9;
    set_element(d, i, v);
  }
  return d;
}
inline std::vector<data> inputs_for(const ir::graph& g, std::uint32_t seed) {
  std::vector<data> in;
  for (const auto& i : g.inputs) in.push_back(filled(i->type.element, i->type.shape, seed++));
  return in;
}

/// The largest |a - b| / (1 + |b|); infinite where one is NaN and the other is not.
inline double difference(const data& a, const data& b) {
  if (a.get().type != b.get().type || a.get().dims != b.get().dims) return INFINITY;
  double most = 0;
  for (extent_t i = 0; i < a.get().size; ++i) {
    const double x = element(a, i), y = element(b, i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double d = std::abs(x - y) / (1 + std::abs(y));
    most = std::isnan(d) ? INFINITY : std::max(most, d);
  }
  return most;
}

}  // namespace tenon::test
