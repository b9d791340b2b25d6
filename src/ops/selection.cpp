#include "tenon/ops/selection.hpp"

#include "loop/evaluate.hpp"
#include "ops/copy.hpp"
#include "ops/define.hpp"

namespace tenon::ops {

template <>
struct meaning<pad_op> : pad_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    I x = i;
    auto inside = c.to_index(0) == c.to_index(0);
    bool masked = false;
    for (int d = 0; d < c.rank(0); ++d) {
      const int before = at.before[d], after = at.after[d];
      if (before == 0 && after == 0) continue;
      const auto n = c.extent(0, d), zero = c.to_index(0), one = c.to_index(1);
      const auto t = i[d] - c.to_index(before);
      if (at.mode == pad_mode::constant) {
        const auto in = (t >= zero) & (t < n);
        inside = masked ? inside & in : in;
        masked = true;
        x[d] = t;
      } else if (at.mode == pad_mode::edge) {
        x[d] = c.select(t < zero, zero, c.select(t < n, t, n - one));
      } else if (at.mode == pad_mode::wrap) {
        x[d] = (t + n * c.to_index(before)) % n;
      } else {
        // A mirror has the period 2 (n - 1); before * period lifts the position above 0.
        const auto period = c.select(n > one, (n - one) * c.to_index(2), one);
        const auto p = (t + period * c.to_index(before)) % period;
        x[d] = c.select(p < n, p, period - p);
      }
    }
    if (!masked) return c.load(0, x);
    return c.load_if(inside, 0, x, c.constant(at.value));
  }
};
template <>
struct meaning<slice_op> : slice_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    I x = i;
    for (int d = 0; d < c.rank(0); ++d) {
      range r{};
      if (!find(at, c.rank(0), d, r)) continue;
      const auto n = c.extent(0, d), zero = c.to_index(0), start = c.to_index(r.start);
      // A start above the end leaves no elements when the step is positive, one below the front none when it is
      // negative: only the other sides are cut.
      auto first = start;
      if (r.start < 0) {
        first = n + start;
        if (r.step > 0) first = c.select(first < zero, zero, first);
      } else if (r.step < 0) {
        first = c.select(start < n, start, n - c.to_index(1));
      }
      x[d] = first + i[d] * c.to_index(r.step);
    }
    return c.load(0, x);
  }
};
template <>
struct meaning<reverse_op> : reverse_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    outcome o;
    const axis_mask m = reduced_axes(o, at.axes, c.rank(0));
    I x = i;
    for (int d = 0; d < c.rank(0); ++d)
      if (m.on[d]) x[d] = c.extent(0, d) - c.to_index(1) - i[d];
    return c.load(0, x);
  }
};
template <>
struct meaning<tile_op> : tile_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    I x = i;
    for (int d = 0; d < c.rank(0); ++d)
      if (at.repeats[d] != 1) x[d] = i[d] % c.extent(0, d);
    return c.load(0, x);
  }
};
template <>
struct meaning<repeat_op> : repeat_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis;
    I x = i;
    x[axis] = i[axis] / c.to_index(at.count);
    return c.load(0, x);
  }
};
template <>
struct meaning<roll_op> : roll_op {
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    I x = i;
    for (int k = 0; k < at.shift.size; ++k) {
      const int a = at.axes.size ? at.axes[k] : k, d = a < 0 ? a + c.rank(0) : a;
      const auto n = c.extent(0, d);
      // i - shift, lifted to 0 or more by a multiple of the extent.
      const extent_t s = at.shift[k];
      x[d] = s > 0 ? (i[d] - c.to_index(s) + n * c.to_index(s)) % n : (i[d] + c.to_index(-s)) % n;
    }
    return c.load(0, x);
  }
};

}  // namespace tenon::ops

namespace tenon::ir::native {
namespace {

void run_reverse(const native_call& c) {
  const native_operand& x = c.in[0];
  detail::outcome o;
  const ops::axis_mask m = ops::reduced_axes(o, attrs_of<ops::reverse_op>(c).axes, x.shape.rank);
  strided_block from = block_of(x);
  for (int d = 0; d < x.shape.rank; ++d) {
    if (!m.on[d]) continue;
    from.data += (x.shape[d] - 1) * x.strides[d] * size_of(x.type);
    from.strides[d] = -x.strides[d];
  }
  copy_from(c, from);
}
void run_slice(const native_call& c) {
  const native_operand& x = c.in[0];
  if (c.out[0].shape.count() == 0) return;
  strided_block from = block_of(x);
  for (int d = 0; d < x.shape.rank; ++d) {
    ops::slice_op::range r{};
    if (!ops::slice_op::find(attrs_of<ops::slice_op>(c), x.shape.rank, d, r)) continue;
    extent_t first = r.start < 0 ? r.start + x.shape[d] : r.start;
    if (first < 0) first = 0;
    if (r.step < 0 && first >= x.shape[d]) first = x.shape[d] - 1;
    from.data += first * x.strides[d] * size_of(x.type);
    from.strides[d] = x.strides[d] * r.step;
  }
  copy_from(c, from);
}
void run_pad(const native_call& c) {
  const native_operand &x = c.in[0], &y = c.out[0];
  const pad_attrs& at = attrs_of<ops::pad_op>(c);
  const std::int64_t value = bits_of(y.type, at.value);
  fill_block(y.shape, size_of(y.type), block_of(y), &value);
  extent_t offset = 0;
  for (int d = 0; d < x.shape.rank; ++d) offset += at.before[d] * y.strides[d];
  copy_block(x.shape, size_of(x.type), block_of(y, offset), block_of(x));
}

}  // namespace

template <>
struct override_of<ops::reverse_op> : function_override<run_reverse> {};
template <>
struct override_of<ops::slice_op> : function_override<run_slice> {};
template <>
struct override_of<ops::pad_op> {
  static native_fn choose(const pad_attrs& at, detail::dtypes t) {
    if (at.mode == pad_mode::constant) return run_pad;
    switch (bits_type(t[0])) {
      case u8:
        return compute_all<ops::pad_op, u8, u8>;
      case u16:
        return compute_all<ops::pad_op, u16, u16>;
      case u32:
        return compute_all<ops::pad_op, u32, u32>;
      default:
        return compute_all<ops::pad_op, u64, u64>;
    }
  }
};

}  // namespace tenon::ir::native

TENON_DEFINE(pad_op)
TENON_DEFINE(slice_op)
TENON_DEFINE(reverse_op)
TENON_DEFINE(tile_op)
TENON_DEFINE(repeat_op)
TENON_DEFINE(roll_op)
