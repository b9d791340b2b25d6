#include "tenon/ops/conv.hpp"

#include <algorithm>
#include <vector>

#include "ops/define.hpp"

namespace tenon::ops {

template <int Spatial>
struct meaning<conv_op<Spatial>> : conv_op<Spatial> {
  using typename conv_op<Spatial>::attrs;
  /// Narrow groups do not fill vectors of channels; those of one channel are vectors of groups, and those of a power of
  /// two lie in vectors side by side, where taps are few.
  static constexpr bool prefers_channels_last(const attrs& at, shapes s) {
    constexpr extent_t least = 16, most_taps = 128;
    if (at.groups == 1 || s[1][0] == at.groups || s[1][0] >= least * at.groups) return true;
    const auto power_of_two = [](extent_t n) { return n > 0 && (n & (n - 1)) == 0; };
    const extent_t in = s[1][1], out = s[1][0] / at.groups;
    return power_of_two(in) && power_of_two(out) && in <= 2 * out && s[1].count() <= most_taps * s[1][0];
  }
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    I extents{c.extent(1, 1)};
    for (int d = 0; d < Spatial; ++d) extents.push_back(c.extent(1, d + 2));
    const bool padded = has_padding(at.padding);
    return c.reduce(C::reducer::sum, extents, [&](const I& r) {
      I x{i[0], r[0]}, w{i[1], r[0]};
      if (at.groups > 1) x[1] = i[1] / (c.exact_extent(1, 0) / c.to_index(at.groups)) * c.exact_extent(1, 1) + r[0];
      auto inside = c.to_index(0) == c.to_index(0);
      for (int d = 0; d < Spatial; ++d) {
        auto p = i[d + 2] * c.to_index(entry(at.stride, d, 1)) + r[d + 1] * c.to_index(entry(at.dilation, d, 1));
        if (padded) {
          p = p - c.to_index(padding_before(at.padding, d));
          inside = inside & (p >= c.to_index(0)) & (p < c.extent(0, d + 2));
        }
        x.push_back(p);
        w.push_back(r[d + 1]);
      }
      const auto v = padded ? c.load_wide_if(inside, 0, x) : c.load_wide(0, x);
      return v * c.load_wide(1, w);
    });
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {
namespace {

/// A convolution with three spatial axes; fewer are leading axes of one element.
struct conv_shape {
  extent_t batch, in, out, in_group, out_group;
  extent_t x[3], w[3], y[3];  // extents
  extent_t stride[3], dilation[3], before[3];
  extent_t xs[5]{}, ws[5]{}, ys[5]{};  // strides: n or o, c, spatial
};
conv_shape shape_of(const native_call& c, const conv_attrs& at, int spatial) {
  conv_shape s{};
  const native_operand &x = c.in[0], &w = c.in[1], &y = c.out[0];
  s.batch = x.shape[0];
  s.in = x.shape[1];
  s.out = w.shape[0];
  s.in_group = w.shape[1];
  s.out_group = s.out / at.groups;
  for (int d = 0; d < 3; ++d) {
    const int e = d - (3 - spatial);
    s.x[d] = e < 0 ? 1 : x.shape[e + 2];
    s.w[d] = e < 0 ? 1 : w.shape[e + 2];
    s.y[d] = e < 0 ? 1 : y.shape[e + 2];
    s.stride[d] = e < 0 ? 1 : ops::entry(at.stride, e, 1);
    s.dilation[d] = e < 0 ? 1 : ops::entry(at.dilation, e, 1);
    s.before[d] = e < 0 ? 0 : ops::padding_before(at.padding, e);
    s.xs[d + 2] = e < 0 ? 0 : x.strides[e + 2];
    s.ws[d + 2] = e < 0 ? 0 : w.strides[e + 2];
    s.ys[d + 2] = e < 0 ? 0 : y.strides[e + 2];
  }
  for (int d = 0; d < 2; ++d) {
    s.xs[d] = x.strides[d];
    s.ws[d] = w.strides[d];
    s.ys[d] = y.strides[d];
  }
  return s;
}

/// row[j] += w * x[j * step] in the wrapping arithmetic of W.
template <class N, class S>
void add_row(N* row, N w, const S* x, extent_t step, extent_t n) {
  using T = decltype(N::v);
  if (step == 1)
    for (extent_t j = 0; j < n; ++j) row[j] = row[j] + w * N(convert<T>(from_stored(x[j])));
  else
    for (extent_t j = 0; j < n; ++j) row[j] = row[j] + w * N(convert<T>(from_stored(x[j * step])));
}

/// Rows of the result, of up to four output channels at once so that a row of x is read once for all of them; each tap
/// adds its product to the part of the row for which it is inside x.
template <dtype D, dtype E, dtype O, int Rows>
void conv_rows(const conv_shape& s, const stored_t<D>* x, const stored_t<E>* w, stored_t<O>* y, extent_t n,
               extent_t first, std::vector<num<accumulator_t<D>>>& sums) {
  using T = accumulator_t<D>;
  using N = num<T>;
  const extent_t width = s.y[2], group = first / s.out_group;
  const stored_t<D>* xn = x + n * s.xs[0] + group * s.in_group * s.xs[1];
  for (extent_t oz = 0; oz < s.y[0]; ++oz)
    for (extent_t oy = 0; oy < s.y[1]; ++oy) {
      std::fill(sums.begin(), sums.end(), N(T(0)));
      for (extent_t c = 0; c < s.in_group; ++c)
        for (extent_t kz = 0; kz < s.w[0]; ++kz) {
          const extent_t z = oz * s.stride[0] + kz * s.dilation[0] - s.before[0];
          if (z < 0 || z >= s.x[0]) continue;
          for (extent_t ky = 0; ky < s.w[1]; ++ky) {
            const extent_t v = oy * s.stride[1] + ky * s.dilation[1] - s.before[1];
            if (v < 0 || v >= s.x[1]) continue;
            const stored_t<D>* line = xn + c * s.xs[1] + z * s.xs[2] + v * s.xs[3];
            for (extent_t kx = 0; kx < s.w[2]; ++kx) {
              // Columns j with 0 <= j * stride + shift < x.
              const extent_t shift = kx * s.dilation[2] - s.before[2], stride = s.stride[2];
              const extent_t begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
              const extent_t end = std::min(width, s.x[2] > shift ? (s.x[2] - shift - 1) / stride + 1 : 0);
              if (end <= begin) continue;
              const stored_t<D>* from = line + (begin * stride + shift) * s.xs[4];
              const stored_t<E>* tap = w + first * s.ws[0] + c * s.ws[1] + kz * s.ws[2] + ky * s.ws[3] + kx * s.ws[4];
              for (int r = 0; r < Rows; ++r)
                add_row(sums.data() + r * width + begin, N(convert<T>(from_stored(tap[r * s.ws[0]]))), from,
                        stride * s.xs[4], end - begin);
            }
          }
        }
      stored_t<O>* to = y + n * s.ys[0] + first * s.ys[1] + oz * s.ys[2] + oy * s.ys[3];
      for (int r = 0; r < Rows; ++r)
        for (extent_t j = 0; j < width; ++j)
          to[r * s.ys[1] + j * s.ys[4]] = to_stored<stored_t<O>>(sums[static_cast<std::size_t>(r * width + j)].v);
    }
}

template <int Spatial, dtype D, dtype E, dtype O>
void run_conv(const native_call& c) {
  const conv_shape s = shape_of(c, *static_cast<const conv_attrs*>(c.attrs), Spatial);
  if (c.out[0].shape.count() == 0) return;
  const auto* x = static_cast<const stored_t<D>*>(c.in[0].data);
  const auto* w = static_cast<const stored_t<E>*>(c.in[1].data);
  auto* y = static_cast<stored_t<O>*>(c.out[0].data);
  constexpr int rows = 4;
  std::vector<num<accumulator_t<D>>> sums(static_cast<std::size_t>(rows * s.y[2]));
  for (extent_t n = 0; n < s.batch; ++n)
    for (extent_t g = 0; g < s.out; g += s.out_group) {
      extent_t o = g;
      for (; o + rows <= g + s.out_group; o += rows) conv_rows<D, E, O, rows>(s, x, w, y, n, o, sums);
      for (; o < g + s.out_group; ++o) conv_rows<D, E, O, 1>(s, x, w, y, n, o, sums);
    }
}

}  // namespace

template <int Spatial>
struct override_of<ops::conv_op<Spatial>> {
  static native_fn choose(const conv_attrs&, detail::dtypes t) {
    if (t[0] != t[1]) return t[0] == u8 ? run_conv<Spatial, u8, i8, i32> : run_conv<Spatial, i8, u8, i32>;
    return with_dtype(t[0], native_fn{}, [](auto d) -> native_fn {
      constexpr dtype D = decltype(d)::value;
      if constexpr (D == b8)
        return nullptr;
      else
        return run_conv<Spatial, D, D, types_for<ops::conv_op<Spatial>, D>().out>;
    });
  }
};

}  // namespace tenon::ir::native

TENON_DEFINE(conv1d_op)
TENON_DEFINE(conv2d_op)
TENON_DEFINE(conv3d_op)
