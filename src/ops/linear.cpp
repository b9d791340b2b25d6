#include "tenon/ops/linear.hpp"

#include <string>

#include "ops/define.hpp"
#include "ops/expansion.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {
namespace {

using ir::any_tensor;

detail::node_ref expand_bias_add(const bias_add_attrs& at, const detail::node_ref& node, const detail::node_ref& bias) {
  const int rank = detail::shape_of(node).rank, axis = at.axis < 0 ? at.axis + rank : at.axis;
  ints axes;
  for (int i = axis + 1; i < rank; ++i) axes.v[axes.size++] = i - axis;
  const any_tensor b(bias);
  return any_tensor(any_tensor(node) + (axes.size ? any_tensor(unsqueeze(b, axes)) : b)).node();
}
detail::node_ref expand_outer(const detail::node_ref& a, const detail::node_ref& b) {
  return any_tensor(unsqueeze(any_tensor(a), {1}) * unsqueeze(any_tensor(b), {0})).node();
}
detail::node_ref expand_bilinear(const detail::node_ref& x, const detail::node_ref& y, const detail::node_ref& w) {
  const auto lead = std::string("abcdefgh").substr(0, static_cast<std::size_t>(detail::shape_of(x).rank - 1));
  // First the weights with y, so that no product of all three is made.
  const any_tensor wide = widened(any_tensor(x)),
                   wy = einsum(lead + "j,oij->" + lead + "oi", widened(any_tensor(y)), widened(any_tensor(w)));
  const any_tensor r = einsum(lead + "i," + lead + "oi->" + lead + "o", wide, wy);
  return narrowed(r, any_tensor(x)).node();
}
detail::node_ref expand_rotary_embedding(const rotary_attrs& at, const detail::node_ref& node,
                                         const detail::node_ref& cosine, const detail::node_ref& sine) {
  const dims d = detail::shape_of(node);
  const extent_t depth = d[d.rank - 1];
  if (depth < 0 || (at.interleaved && !d.is_static())) return {};
  const any_tensor x(node), wide = widened(x), c = widened(any_tensor(cosine)), s = widened(any_tensor(sine));
  const int width = at.width ? at.width : static_cast<int>(depth), half = width / 2;
  const auto part = [&](int first, int end, int step) -> any_tensor {
    return slice(wide, {.start = {first}, .stop = {end}, .step = {step}, .axes = {-1}});
  };
  const any_tensor a = at.interleaved ? part(0, width, 2) : part(0, half, 1);
  const any_tensor b = at.interleaved ? part(1, width, 2) : part(half, width, 1);
  const any_tensor first = a * c - b * s, second = a * s + b * c;
  any_tensor turned;
  if (at.interleaved) {
    dims together = d;
    together[d.rank - 1] = width;
    // Side by side, as two columns: with an axis more, all ranks would not do.
    const auto column = [](const any_tensor& t) {
      return any_tensor(reshape(t, extents(dims{detail::shape_of(t.node()).count(), 1})));
    };
    turned = reshape(concat(column(first), column(second), {.axis = -1}), extents(together));
  } else {
    turned = concat(first, second, {.axis = -1});
  }
  if (width < depth) turned = concat(turned, part(width, slice_end, 1), {.axis = -1});
  return narrowed(turned, x).node();
}

}  // namespace

template <>
struct meaning<bias_add_op> : bias_add_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& bias) {
    return X(expand_bias_add(at, x.node(), bias.node()));
  }
};
template <>
struct meaning<dense_op> : dense_op {
  template <class X, class... Bias>
  static X expand(const attrs&, const X& x, const X& w, const Bias&... bias) {
    X y = tenon::matmul(x, w);
    ((y = y + bias), ...);
    return y;
  }
};
template <>
struct meaning<outer_op> : outer_op {
  template <class X>
  static X expand(const attrs&, const X& a, const X& b) {
    return X(expand_outer(a.node(), b.node()));
  }
};
template <>
struct meaning<bilinear_op> : bilinear_op {
  template <class X, class... Bias>
  static X expand(const attrs&, const X& x, const X& y, const X& w, const Bias&... bias) {
    X r(expand_bilinear(x.node(), y.node(), w.node()));
    ((r = r + bias), ...);
    return r;
  }
};
template <>
struct meaning<rotary_embedding_op> : rotary_embedding_op {
  template <class X>
  static X expand(const attrs& at, const X& x, const X& cosine, const X& sine) {
    return X(expand_rotary_embedding(at, x.node(), cosine.node(), sine.node()));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(bias_add_op)
TENON_DEFINE(dense_op)
TENON_DEFINE(outer_op)
TENON_DEFINE(bilinear_op)
TENON_DEFINE(rotary_embedding_op)
