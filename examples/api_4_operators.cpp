// Operators of the user's own: from one scalar function, and in index notation.
#include <tenon/tenon.hpp>
using namespace tenon;

// One scalar function: the reference, the fused CPU and GPU code come from this lambda.
inline constexpr auto swish = elementwise("swish", [](auto x) { return x / (1 + exp(-x)); });

int main() {
  // Index notation, checked by the C++ compiler: a free axis that no one binds is an error there.
  auto scores = jit([](tensor<f32, shape<dyn, 64>> q, tensor<f32, shape<dyn, 64>> k) {
    auto [i, j, d] = axes<"i, j, d">();  // an axis takes its extent from where it indexes; axis<"r", 3> r; states one
    return compute(i, j)[sum(d)(q(i, d) * k(j, d)) / 8.0f];
  });
  auto same = jit(
      [](tensor<f32, shape<dyn, 64>> q, tensor<f32, shape<dyn, 64>> k) { return einsum<"id,jd->ij">(q, k) / 8.0f; });

  array<f32> q = array<f32>::uniform({5, 64}, 1), k = array<f32>::uniform({3, 64}, 2);
  print(scores(q, k));
  print(same(q, k));
  print(scores.graph());

  auto f = jit([](tensor<f32, shape<dyn>> x) { return swish(x); });
  print(f(array<f32>::uniform({8}, 3)));
}
