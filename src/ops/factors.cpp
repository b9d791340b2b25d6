#include "tenon/ops/factors.hpp"

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {
namespace {

using ir::any_tensor;

/// The product of the factors' diagonal, with its sign turned for each exchange.
any_tensor product_of_diagonal(const any_tensor& factors, const any_tensor& pivots) {
  const loc where = std::source_location::current();
  const dims matrices = detail::shape_of(factors.node());
  const extent_t n = matrices[matrices.rank - 1];
  dims lines = square_op::without_last(matrices, 2);
  lines.push_back(n * n);
  const any_tensor diagonal =
      slice(reshape(factors, extents(lines)),
            {.start = {0}, .stop = {slice_end}, .step = {static_cast<int>(n) + 1}, .axes = {lines.rank - 1}});
  const dtype type = detail::type_of(factors.node());
  const auto one = [&](int sign) { return any_tensor(ir::make_scalar(type, sign, where)); };
  const any_tensor sign = select(equal(pivots, iota<i64>({n})), one(1), one(-1));
  return prod(diagonal * sign, {.axes = {-1}});
}

}  // namespace

template <>
struct meaning<lu_factor_op> : lu_factor_op {
  template <class P>
  static void program(P& p, const attrs&) {
    using I = typename P::indices;
    using X = typename P::index;
    using V = typename P::value;
    const int row = p.rank(0) - 2;
    I matrices;
    for (int d = 0; d < row; ++d) matrices.push_back(p.extent(0, d));
    p.outer(matrices, [&](const I& matrix) {
      const X zero = p.to_index(0), one = p.to_index(1), n = p.extent(0, row);
      const auto at = [&](const X& i, const X& j) {
        I x = matrix;
        x.push_back(i);
        x.push_back(j);
        return x;
      };
      p.loop(zero, n,
             [&](const X& i) { p.lanes(zero, n, [&](const X& j) { p.store(0, at(i, j), p.load(0, at(i, j))); }); });
      p.loop(zero, n, [&](const X& k) {
        auto best = p.local(abs(p.load_result(0, at(k, k))));
        auto best_at = p.local_index(k);
        p.loop(k + one, n, [&](const X& i) {
          const V size = abs(p.load_result(0, at(i, k)));
          p.branch((size > best.get()) | (size != size), [&] {
            best.set(size);
            best_at.set(i);
          });
        });
        const X from = best_at.get();
        I place = matrix;
        place.push_back(k);
        p.store(1, place, from);
        p.branch(from > k, [&] {
          p.lanes(zero, n, [&](const X& j) {
            const V lower = p.load_result(0, at(from, j)), upper = p.load_result(0, at(k, j));
            p.store(0, at(k, j), lower);
            p.store(0, at(from, j), upper);
          });
        });
        const V pivot = p.load_result(0, at(k, k));
        p.branch(pivot != p.constant(0), [&] {
          p.loop(k + one, n, [&](const X& i) {
            auto factor = p.local(p.load_result(0, at(i, k)) / pivot);
            p.store(0, at(i, k), factor.get());
            p.lanes(k + one, n, [&](const X& j) {
              p.store(0, at(i, j), p.load_result(0, at(i, j)) - factor.get() * p.load_result(0, at(k, j)));
            });
          });
        });
      });
    });
  }
};
template <>
struct meaning<det_op> : det_op {
  template <class X>
  static X expand(const attrs&, const X& x) {
    const auto [factors, pivots] = lu_factor(widened(x));
    return narrowed(product_of_diagonal(factors, X(pivots)), x);
  }
  static constexpr bool is_ready(const attrs&, shapes s) { return !s[0].any() && s[0][s[0].rank - 1] >= 0; }
};

}  // namespace tenon::ops

TENON_DEFINE(lu_factor_op)
TENON_DEFINE(det_op)
