// Transposed convolutions as convolutions: with a stride of s, results at distance s see the same taps, so each of the
// s phases is a convolution of its own with every s-th tap, reversed. All phases are made at once, as channels.
#include <algorithm>

#include "ops/define.hpp"
#include "tenon/ops/conv.hpp"
#include "tenon/ops/movement.hpp"

namespace tenon::ops {

template <int Spatial>
struct meaning<conv_transpose_op<Spatial>> : conv_transpose_op<Spatial> {
  using typename conv_transpose_op<Spatial>::attrs;
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const auto groups = c.to_index(at.groups), in_group = c.extent(1, 0) / groups, out_group = c.extent(1, 1);
    I extents{in_group};
    for (int d = 0; d < Spatial; ++d) extents.push_back(c.extent(1, d + 2));
    return c.reduce(C::reducer::sum, extents, [&](const I& r) {
      const auto zero = c.to_index(0);
      const auto channel = at.groups == 1 ? r[0] : i[1] / out_group * in_group + r[0];
      I x{i[0], channel}, w{channel, at.groups == 1 ? i[1] : i[1] % out_group};
      auto inside = zero == zero;
      for (int d = 0; d < Spatial; ++d) {
        const auto stride = c.to_index(entry(at.stride, d, 1));
        const auto p =
            i[d + 2] + c.to_index(padding_before(at.padding, d)) - r[d + 1] * c.to_index(entry(at.dilation, d, 1));
        const auto above = c.select(p < zero, zero, p);
        inside = inside & (p >= zero) & (above % stride == zero) & (above / stride < c.extent(0, d + 2));
        x.push_back(above / stride);
        w.push_back(r[d + 1]);
      }
      const auto v = c.load_wide_if(inside, 0, x);
      return v * c.load_wide(1, w);
    });
  }
};

}  // namespace tenon::ops

namespace tenon::ir {
namespace {

/// One axis: position i of the result is position (i + before) / stride of phase (i + before) % stride.
struct phases {
  extent_t stride, taps;            // of one phase
  extent_t length, result, before;  // of one phase, of all together, and what is cut off of them at their beginning
  int padding[2];                   // of the convolution
};

template <int Spatial>
phases phases_of(const conv_transpose_attrs& at, const dims& x, const dims& w, const dims& y, int axis) {
  const extent_t stride = ops::entry(at.stride, axis, 1),
                 reach = ops::entry(at.dilation, axis, 1) * (w[axis + 2] - 1) + 1;
  phases p{};
  p.stride = stride;
  p.taps = (reach + stride - 1) / stride;
  p.before = ops::padding_before(at.padding, axis);
  p.result = y[axis + 2];
  p.length = std::max((p.before + p.result + stride - 1) / stride, x[axis + 2]);
  p.padding[0] = static_cast<int>(p.taps - 1);
  p.padding[1] = static_cast<int>(p.length - x[axis + 2]);
  // One phase: what would be cut off is not made.
  const extent_t first = p.taps - 1 - p.before, last = p.result - x[axis + 2] - first + p.taps - 1;
  if (stride == 1 && first >= 0 && last >= 0) {
    p.length = p.result;
    p.before = 0;
    p.padding[0] = static_cast<int>(first);
    p.padding[1] = static_cast<int>(last);
  }
  return p;
}

ints numbers(const std::vector<int>& v) {
  ints r;
  for (int e : v) r.v[r.size++] = e;
  return r;
}

/// Zeros between the taps of a dilated window: [..., k, ...] becomes [..., (k - 1) dilation + 1, ...].
any_tensor spread(any_tensor w, int axis, extent_t dilation) {
  dims shape = w.node()->type.shape;
  const int rank = shape.rank;
  pad_attrs after;
  for (int d = 0; d <= rank; ++d) {
    after.before.v[after.before.size++] = 0;
    after.after.v[after.after.size++] = d == axis + 1 ? static_cast<int>(dilation - 1) : 0;
  }
  any_tensor r = pad(any_tensor(unsqueeze(w, {axis + 1})), after);
  shape[axis] *= dilation;
  r = reshape(r, extents(std::vector<extent_t>(shape.begin(), shape.end())));
  slice_attrs cut;
  cut.start = {0};
  cut.stop = {static_cast<int>(shape[axis] - dilation + 1)};
  cut.axes = {axis};
  return slice(r, cut);
}

template <int Spatial>
any_tensor convolution(const any_tensor& x, const any_tensor& w, const conv_attrs& at) {
  if constexpr (Spatial == 1)
    return conv1d(x, w, at);
  else if constexpr (Spatial == 2)
    return conv2d(x, w, at);
  else
    return conv3d(x, w, at);
}

}  // namespace

template <int Spatial>
struct legal_form<ops::conv_transpose_op<Spatial>> {
  static node_ref of(const node& n) {
    const auto& at = n.attributes<conv_transpose_attrs>();
    const dims x = n.operand(0).type.shape, w = n.operand(1).type.shape, y = n.type.shape;
    const extent_t groups = at.groups, in = w[0] / groups, out = w[1];
    // Weights have an axis for groups, one for channels in and out, and two for each spatial one.
    if (y.count() == 0 || x.count() == 0 || w.count() == 0 || (groups > 1 && 3 + 2 * Spatial > dims::max_rank))
      return {};
    std::vector<phases> p;
    for (int d = 0; d < Spatial; ++d) p.push_back(phases_of<Spatial>(at, x, w, y, d));
    std::vector<node_ref> made;
    collect(made, from_phases(phase_by_phase(n, at, p, groups, in, out), p, x[0], groups, out));
    place(made, n.operands, n.where);
    return made.at(0);
  }

 private:
  // [n, (group, phase..., out), length...]
  static any_tensor phase_by_phase(const node& n, const conv_transpose_attrs& at, const std::vector<phases>& p,
                                   extent_t groups, extent_t in, extent_t out) {
    any_tensor w(n.operands[1]);
    pad_attrs whole{.before = {0, 0}, .after = {0, 0}};
    for (int d = 0; d < Spatial; ++d) {
      if (const int dilation = ops::entry(at.dilation, d, 1); dilation > 1) w = spread(w, d + 2, dilation);
      whole.before.v[whole.before.size++] = 0;
      whole.after.v[whole.after.size++] = static_cast<int>(
          p[static_cast<std::size_t>(d)].taps * p[static_cast<std::size_t>(d)].stride - w.node()->type.shape[d + 2]);
    }
    w = pad(w, whole);
    // [group, in, out, (tap, phase)...] to [group, phase..., out, in, tap...], taps reversed.
    const int lead = groups > 1 ? 1 : 0;
    std::vector<extent_t> split, joined{groups * out, in};
    if (lead) split.push_back(groups);
    split.insert(split.end(), {in, out});
    std::vector<int> order, taps;
    if (lead) order.push_back(0);
    conv_attrs plain;
    plain.groups = static_cast<int>(groups);
    for (int d = 0; d < Spatial; ++d) {
      const phases& q = p[static_cast<std::size_t>(d)];
      split.insert(split.end(), {q.taps, q.stride});
      taps.push_back(lead + 2 + 2 * d);
      order.push_back(lead + 3 + 2 * d);
      joined[0] *= q.stride;
      joined.push_back(q.taps);
      plain.padding.v[plain.padding.size++] = q.padding[0];
    }
    for (const phases& q : p) plain.padding.v[plain.padding.size++] = q.padding[1];
    order.push_back(lead + 1);
    order.push_back(lead);
    order.insert(order.end(), taps.begin(), taps.end());
    w = reshape(w, extents(split));
    w = reverse(w, numbers(taps));
    w = transpose(w, numbers(order));
    w = reshape(w, extents(joined));
    return convolution<Spatial>(any_tensor(n.operands[0]), w, plain);
  }
  // [n, (group, phase..., out), length...] to [n, (group, out), result...]: position t of phase f is t * stride + f.
  static any_tensor from_phases(any_tensor z, const std::vector<phases>& p, extent_t batch, extent_t groups,
                                extent_t out) {
    slice_attrs cut;
    const bool one = std::ranges::all_of(p, [](const phases& q) { return q.stride == 1; });
    if (!one) {
      // Batch and groups as one axis, for the rank.
      std::vector<extent_t> split{batch * groups}, joined{batch, groups * out};
      std::vector<int> order{0, Spatial + 1};
      for (const phases& q : p) split.push_back(q.stride);
      split.push_back(out);
      for (int d = 0; d < Spatial; ++d) {
        const phases& q = p[static_cast<std::size_t>(d)];
        split.push_back(q.length);
        order.insert(order.end(), {Spatial + 2 + d, 1 + d});
        joined.push_back(q.length * q.stride);
      }
      z = reshape(z, extents(split));
      z = transpose(z, numbers(order));
      z = reshape(z, extents(joined));
    }
    bool whole = true;
    for (int d = 0; d < Spatial; ++d) {
      const phases& q = p[static_cast<std::size_t>(d)];
      cut.start.v[cut.start.size++] = static_cast<int>(q.before);
      cut.stop.v[cut.stop.size++] = static_cast<int>(q.before + q.result);
      cut.axes.v[cut.axes.size++] = d + 2;
      whole = whole && q.before == 0 && q.result == q.length * q.stride;
    }
    return whole ? z : any_tensor(slice(z, cut));
  }
};

}  // namespace tenon::ir

TENON_DEFINE(conv_transpose1d_op)
TENON_DEFINE(conv_transpose2d_op)
TENON_DEFINE(conv_transpose3d_op)
