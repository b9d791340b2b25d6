// Random numbers. They follow from a seed: the node's own, or where it has none one made of its name, so that a model
// gives the same ones at each call.
#include "tenon/ops/random.hpp"

#include <cstring>

#include "onnx/operators/common.hpp"
#include "tenon/core/hash.hpp"

namespace tenon::onnx {
namespace {

any_tensor seed_of(node_call& n) {
  const float given = n.real("seed", 0);
  std::int64_t bits = 0;
  if (n.find("seed"))
    std::memcpy(&bits, &given, sizeof given);
  else
    bits = static_cast<std::int64_t>(detail::hash_text(n.label()).lo);
  return n.constant(u64, {}, &bits);
}
dtype type_of(node_call& n, dtype otherwise) {
  const std::int64_t wanted = n.integer("dtype", 0);
  const dtype d = wanted ? element_type(wanted) : otherwise;
  if (d == any_dtype) n.refuse("of " + element_name(wanted));
  return d;
}
void uniform(node_call& n, const dims& to, dtype otherwise) {
  n.out(random_uniform(seed_of(n),
                       {.to = to, .type = type_of(n, otherwise), .low = n.real("low", 0), .high = n.real("high", 1)}));
}
void normal(node_call& n, const dims& to, dtype otherwise) {
  n.out(random_normal(
      seed_of(n),
      {.to = to, .type = type_of(n, otherwise), .mean = n.real("mean", 0), .deviation = n.real("scale", 1)}));
}
/// The extents of operand 0, which the result has too.
dims extents_like(node_call& n) {
  const dims d = n.shape(0);
  for (extent_t e : d)
    if (e == dyn) n.refuse("an extent is not known: give it in onnx_options::extents");
  return d;
}

constexpr mapping table[] = {
    {"Bernoulli",
     [](node_call& n) {
       const dtype d = type_of(n, n.type(0));
       n.out(bernoulli(n.in(0), seed_of(n), {.type = d}));
     }},
    {"RandomNormal", [](node_call& n) { normal(n, dims_of(n, n.integers("shape")), f32); }},
    {"RandomNormalLike", [](node_call& n) { normal(n, extents_like(n), n.type(0)); }},
    {"RandomUniform", [](node_call& n) { uniform(n, dims_of(n, n.integers("shape")), f32); }},
    {"RandomUniformLike", [](node_call& n) { uniform(n, extents_like(n), n.type(0)); }},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> random_operators() { return table; }

}  // namespace tenon::onnx
