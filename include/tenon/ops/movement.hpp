// Movement: each result element is one operand element, or padding. Any element type.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/reduce.hpp"

namespace tenon {

/// Of `reshape` and `broadcast_to`: the new extents.
struct extents_attrs {
  dims to{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("to", s.to);
  }
  friend constexpr bool operator==(const extents_attrs&, const extents_attrs&) = default;
};
/// Of operators that take a list of axes.
struct axes_attrs {
  ints axes{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axes", s.axes);
  }
  friend constexpr bool operator==(const axes_attrs&, const axes_attrs&) = default;
};
/// Of operators that take one axis, the last by default.
struct axis_attrs {
  int axis = -1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const axis_attrs&, const axis_attrs&) = default;
};
/// The same with the first axis as default.
struct first_axis_attrs {
  int axis = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const first_axis_attrs&, const first_axis_attrs&) = default;
};
/// Of `flatten`: the axis before which all are one, and from which on all are one.
struct flatten_attrs {
  int axis = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const flatten_attrs&, const flatten_attrs&) = default;
};
/// What `pad` puts around: a constant, the edge element, the mirror image without the edge, the other side.
enum class pad_mode : unsigned char { constant, edge, reflect, wrap };
constexpr std::string_view name(pad_mode m) {
  constexpr std::string_view names[] = {"constant", "edge", "reflect", "wrap"};
  return names[static_cast<int>(m)];
}
/// Of `pad`: elements before and after each axis, how, and the constant.
struct pad_attrs {
  ints before{}, after{};
  pad_mode mode = pad_mode::constant;
  double value = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("before", s.before);
    v("after", s.after);
    v("mode", s.mode);
    v("value", s.value);
  }
  friend constexpr bool operator==(const pad_attrs&, const pad_attrs&) = default;
};
/// As the stop of a slice: up to the end (down to the first element with a negative step).
inline constexpr int slice_end = 2147483647;
/// Of `slice`: one entry per listed axis; no axes: the first ones. Negative starts and stops count from the end, what
/// is outside is cut; no steps: 1.
struct slice_attrs {
  ints start{}, stop{}, step{}, axes{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("start", s.start);
    v("stop", s.stop);
    v("step", s.step);
    v("axes", s.axes);
  }
  friend constexpr bool operator==(const slice_attrs&, const slice_attrs&) = default;
};
/// Of `tile`: how often, per axis.
struct tile_attrs {
  ints repeats{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("repeats", s.repeats);
  }
  friend constexpr bool operator==(const tile_attrs&, const tile_attrs&) = default;
};
/// Of `repeat`: how often each element of the axis.
struct repeat_attrs {
  int count = 1, axis = -1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("count", s.count);
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const repeat_attrs&, const repeat_attrs&) = default;
};
/// Of `roll`: by how much each listed axis; no axes: the first ones.
struct roll_attrs {
  ints shift{}, axes{};
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("shift", s.shift);
    v("axes", s.axes);
  }
  friend constexpr bool operator==(const roll_attrs&, const roll_attrs&) = default;
};
/// Of `transpose`: the operand's axis for each axis of the result; none: the last two swapped.
using transpose_attrs = axes_attrs;

namespace ops {

struct movement_op : unary_op {
  static constexpr const char* kind_of = "movement";
};

/// The same elements in row-major order under other extents: what reshape, flatten, squeeze and unsqueeze mean.
struct relabel_op : movement_op {
  static constexpr bool is_view = true;  // the same elements in the same order: no kernel is needed
  template <class C, class I>
  static auto compute(C& c, const auto&, const I& i) {
    // Equal extents at the front and at the back keep their index; only what is between them goes through a row-major
    // position. Extents of 1 do not take part.
    int in[dims::max_rank]{}, out[dims::max_rank]{}, n = 0, m = 0;
    for (int d = 0; d < c.rank(0); ++d)
      if (!c.same(c.extent(0, d), c.to_index(1))) in[n++] = d;
    for (int d = 0; d < c.out_rank(); ++d)
      if (!c.same(c.out_extent(d), c.to_index(1))) out[m++] = d;
    I x;
    for (int d = 0; d < c.rank(0); ++d) x.push_back(c.to_index(0));
    int front = 0;
    for (; front < n && front < m && c.same(c.extent(0, in[front]), c.out_extent(out[front])); ++front)
      x[in[front]] = i[out[front]];
    for (; n > front && m > front && c.same(c.extent(0, in[n - 1]), c.out_extent(out[m - 1])); --n, --m)
      x[in[n - 1]] = i[out[m - 1]];
    auto position = c.to_index(0);
    for (int d = front; d < m; ++d) position = position * c.out_extent(out[d]) + i[out[d]];
    for (int d = n - 1; d > front; --d) {
      x[in[d]] = position % c.extent(0, in[d]);
      position = position / c.extent(0, in[d]);
    }
    if (n > front) x[in[front]] = position;
    return c.load(0, x);
  }
};

/// Extents of a product that are not numbers, by name; and the product of the numbers.
struct extent_product {
  extent_t numbers = 1;
  dims symbols{};
  bool unknown = false;  ///< an extent without a name is in it
  constexpr void times(extent_t e) {
    if (e >= 0)
      numbers *= e;
    else if (e == dyn)
      unknown = true;
    else
      symbols.push_back(e);
  }
  /// Takes one occurrence of the name out; false when there is none.
  constexpr bool cancel(extent_t name) {
    for (int i = 0; i < symbols.rank; ++i)
      if (symbols[i] == name) {
        for (int j = i + 1; j < symbols.rank; ++j) symbols[j - 1] = symbols[j];
        --symbols.rank;
        symbols[symbols.rank] = 0;
        return true;
      }
    return false;
  }
};

/// The elements under other extents. One extent may be `dyn` (-1): it follows from the others; named ones may be used.
/// An extent of 0 is 0 (NumPy reshape; ONNX Reshape with allowzero).
struct reshape_op : relabel_op {
  using attrs = extents_attrs;
  static constexpr const char* name = "reshape";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = at.to;
    if (at.to.any()) {
      o.refuse() << "the new extents have no rank";
      return o;
    }
    int inferred = -1;
    extent_product to, from;
    for (int i = 0; i < at.to.rank; ++i) {
      if (at.to[i] != dyn) {
        if (at.to[i] < 0 && !detail::is_named(at.to[i])) {
          o.refuse() << "extent " << at.to[i] << " < 0";
          return o;
        }
        to.times(at.to[i]);
      } else if (inferred < 0) {
        inferred = i;
      } else {
        o.refuse() << "two extents are dyn in " << at.to;
        return o;
      }
    }
    if (s[0].any()) return o;
    for (int i = 0; i < s[0].rank; ++i) from.times(s[0][i]);
    if (from.unknown) return o;
    for (int i = at.to.rank - 1; i >= 0; --i)
      if (detail::is_named(at.to[i]) && from.cancel(at.to[i])) to.cancel(at.to[i]);
    if (from.symbols.rank == 0 && to.symbols.rank == 0) {
      if (inferred < 0 ? from.numbers != to.numbers : to.numbers == 0 || from.numbers % to.numbers != 0)
        o.refuse() << from.numbers << " elements do not fit " << at.to;
      else if (inferred >= 0)
        o.out[inferred] = from.numbers / to.numbers;
    } else if (inferred >= 0 && to.symbols.rank == 0 && from.symbols.rank == 1 && from.numbers == to.numbers) {
      o.out[inferred] = from.symbols[0];
    }
    return o;
  }
};
/// All axes before `axis` as one, and all from it on as one. ONNX Flatten.
struct flatten_op : relabel_op {
  using attrs = flatten_attrs;
  static constexpr const char* name = "flatten";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = dims{dyn, dyn};
    if (s[0].any()) return o;
    const int axis = at.axis < 0 ? at.axis + s[0].rank : at.axis;
    if (axis < 0 || axis > s[0].rank) {
      o.refuse() << "axis " << at.axis << " is outside rank " << s[0].rank;
      return o;
    }
    for (int side = 0; side < 2; ++side) {
      extent_product p;
      for (int i = side ? axis : 0; i < (side ? s[0].rank : axis); ++i) p.times(s[0][i]);
      const bool one_name = p.symbols.rank == 1 && p.numbers == 1;
      o.out[side] = p.unknown || (p.symbols.rank && !one_name) ? dyn : one_name ? p.symbols[0] : p.numbers;
    }
    return o;
  }
  static constexpr dims unknown(shapes) { return dims{dyn, dyn}; }
};
/// Drops axes of extent 1: those listed, or all of them. ONNX Squeeze.
struct squeeze_op : relabel_op {
  using attrs = axes_attrs;
  static constexpr const char* name = "squeeze";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    axis_mask m;
    if (at.axes.size) {
      m = reduced_axes(o, at.axes, s[0].rank);
      for (int i = 0; i < s[0].rank && o.ok; ++i)
        if (m.on[i] && s[0][i] >= 0 && s[0][i] != 1) o.refuse() << "axis " << i << " has extent " << s[0][i];
      if (!o.ok) return o;
    } else {
      for (int i = 0; i < s[0].rank; ++i) {
        m.on[i] = s[0][i] == 1;
        if (s[0][i] < 0) {
          o.out = detail::any_dims();
          return o;
        }
      }
    }
    o.out = without(s[0], m, false);
    return o;
  }
};
/// New axes of extent 1; `axes` count in the result. ONNX Unsqueeze.
struct unsqueeze_op : relabel_op {
  using attrs = axes_attrs;
  static constexpr const char* name = "unsqueeze";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    if (at.axes.size == 0) return o;
    const int rank = s[0].rank + at.axes.size;
    if (rank > dims::max_rank) {
      o.refuse() << "rank " << rank << " > " << dims::max_rank;
      return o;
    }
    const axis_mask m = reduced_axes(o, at.axes, rank);
    if (!o.ok) return o;
    dims r;
    for (int i = 0, k = 0; i < rank; ++i) r.push_back(m.on[i] ? 1 : s[0][k++]);
    o.out = r;
    return o;
  }
};

/// Axes in another order. ONNX Transpose (whose default reverses all axes).
struct transpose_op : movement_op {
  using attrs = transpose_attrs;
  static constexpr const char* name = "transpose";
  static constexpr int source(const attrs& at, int rank, int d) {
    if (at.axes.size == 0) return d < rank - 2 ? d : d == rank - 2 ? rank - 1 : rank - 2;
    return at.axes[d] < 0 ? at.axes[d] + rank : at.axes[d];
  }
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    const int rank = s[0].rank;
    if (at.axes.size == 0 && rank < 2) {
      o.refuse() << "rank " << rank << " < 2";
      return o;
    }
    if (at.axes.size != 0) {
      if (at.axes.size != rank) {
        o.refuse() << at.axes.size << " axes for rank " << rank;
        return o;
      }
      reduced_axes(o, at.axes, rank);
      if (!o.ok) return o;
    }
    for (int d = 0; d < rank; ++d) o.out[d] = s[0][source(at, rank, d)];
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int rank = c.rank(0);
    I x;
    for (int k = 0; k < rank; ++k)  // axis k of the operand is the one that some axis of the result takes
      for (int d = 0; d < i.size; ++d)
        if (source(at, rank, d) == k) x.push_back(i[d]);
    return c.load(0, x);
  }
};

/// The same value repeated along axes of extent 1 and new leading ones; `dyn` keeps the operand's extent. ONNX Expand
/// with the result's extents stated.
struct broadcast_to_op : movement_op {
  using attrs = extents_attrs;
  static constexpr const char* name = "broadcast_to";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = at.to;
    if (s[0].any() || at.to.any()) return o;
    if (s[0].rank > at.to.rank) {
      o.refuse() << "rank " << s[0].rank << " > " << at.to.rank;
      return o;
    }
    for (int i = 1; i <= s[0].rank; ++i) {
      const extent_t from = s[0][s[0].rank - i];
      extent_t& to = o.out[at.to.rank - i];
      if (to == dyn)
        to = from;
      else if (from >= 0 && to >= 0 && from != 1 && from != to) {
        o.refuse() << "extents " << from << " != " << to;
        return o;
      }
    }
    return o;
  }
  template <class C, class I>
  static auto compute(C& c, const attrs&, const I& i) {
    I x;
    const int lead = c.out_rank() - c.rank(0);
    for (int d = 0; d < c.rank(0); ++d) {
      const auto extent = c.extent(0, d), out = c.out_extent(lead + d);
      x.push_back(c.same(extent, out)             ? i[lead + d]
                  : c.same(extent, c.to_index(1)) ? c.to_index(0)
                                                  : c.select(extent == c.to_index(1), c.to_index(0), i[lead + d]));
    }
    return c.load(0, x);
  }
};

/// More elements around: a constant, the edge, a reflection (as often as needed), or the other side. ONNX Pad (wrap:
/// NumPy).
struct pad_op : movement_op {
  using attrs = pad_attrs;
  static constexpr const char* name = "pad";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    if (at.before.size != s[0].rank || at.after.size != s[0].rank) {
      o.refuse() << at.before.size << " and " << at.after.size << " paddings, rank " << s[0].rank;
      return o;
    }
    for (int i = 0; i < s[0].rank; ++i) {
      const int before = at.before[i], after = at.after[i];
      if (before < 0 || after < 0) {
        o.refuse() << "padding " << (before < 0 ? before : after) << " < 0";
        return o;
      }
      if (before + after == 0) continue;
      if (s[0][i] == 0 && at.mode != pad_mode::constant) {
        o.refuse() << "axis " << i << " has no " << (at.mode == pad_mode::edge ? "edge" : "elements");
        return o;
      }
      o.out[i] = s[0][i] < 0 ? dyn : s[0][i] + before + after;
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    I x = i;
    auto inside = c.to_index(0) == c.to_index(0);
    bool masked = false;
    for (int d = 0; d < c.rank(0); ++d) {
      const int before = at.before[d], after = at.after[d];
      if (before + after == 0) continue;
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

/// Every step-th element from start to stop. ONNX Slice, NumPy's x[start:stop:step].
struct slice_op : movement_op {
  using attrs = slice_attrs;
  static constexpr const char* name = "slice";
  struct range {
    int start, stop, step;
  };
  /// What the attributes say of axis `d`; false when nothing.
  static constexpr bool find(const attrs& at, int rank, int d, range& r) {
    for (int k = 0; k < at.start.size; ++k) {
      const int a = at.axes.size ? at.axes[k] : k;
      if ((a < 0 ? a + rank : a) != d) continue;
      r = {at.start[k], at.stop[k], at.step.size ? at.step[k] : 1};
      return true;
    }
    return false;
  }
  static constexpr extent_t count(range r, extent_t n) {
    extent_t first = r.start < 0 ? r.start + n : r.start, last = r.stop < 0 ? r.stop + n : r.stop;
    if (r.step > 0) {
      first = first < 0 ? 0 : first > n ? n : first;
      last = last < 0 ? 0 : last > n ? n : last;
      return last > first ? (last - first - 1) / r.step + 1 : 0;
    }
    // Downwards slice_end stands for "past the first element".
    first = first < -1 ? -1 : first > n - 1 ? n - 1 : first;
    last = r.stop == slice_end || last < -1 ? -1 : last > n - 1 ? n - 1 : last;
    return first > last ? (first - last - 1) / -extent_t{r.step} + 1 : 0;
  }
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.stop.size != at.start.size || (at.step.size && at.step.size != at.start.size) ||
        (at.axes.size && at.axes.size != at.start.size)) {
      o.refuse() << "lists of different lengths";
      return o;
    }
    for (int k = 0; k < at.step.size; ++k)
      if (at.step[k] == 0) {
        o.refuse() << "step 0";
        return o;
      }
    if (s[0].any()) return o;
    if (at.start.size > s[0].rank) {
      o.refuse() << at.start.size << " ranges for rank " << s[0].rank;
      return o;
    }
    if (at.axes.size) reduced_axes(o, at.axes, s[0].rank);
    if (!o.ok) return o;
    for (int d = 0; d < s[0].rank; ++d) {
      range r{};
      if (!find(at, s[0].rank, d, r)) continue;
      const bool whole = (r.start == 0 && r.stop == slice_end && r.step == 1) ||
                         (r.start == -1 && r.stop == slice_end && r.step == -1);
      if (!whole) o.out[d] = s[0][d] < 0 ? dyn : count(r, s[0][d]);
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
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

/// Operands one after another along an axis; their other extents and types are equal. ONNX Concat.
struct concat_op {
  using attrs = first_axis_attrs;
  static constexpr const char* name = "concat";
  static constexpr const char* kind_of = "movement";
  static constexpr int operands = 1, max_operands = 1024, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int, dtype main) { return main; }
  static constexpr type_outcome types(const attrs&, dtypes t) { return detail::same_types(t); }
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    const int rank = s[0].rank, axis = detail::normal_axis(o, at.axis, rank);
    if (!o.ok) return o;
    dims r = s[0];
    for (int k = 1; k < s.size(); ++k) {
      if (s[k].rank != rank) {
        o.refuse() << "ranks " << rank << " and " << s[k].rank;
        return o;
      }
      for (int d = 0; d < rank; ++d) {
        const extent_t e = s[k][d];
        if (d == axis) {
          r[d] = r[d] >= 0 && e >= 0 ? r[d] + e : dyn;
        } else if (r[d] >= 0 && e >= 0 && r[d] != e) {
          o.refuse() << "extents " << r[d] << " != " << e << " of axis " << d;
          return o;
        } else if (e >= 0 || r[d] == dyn) {
          r[d] = e;
        }
      }
    }
    o.out = r;
    return o;
  }
  static constexpr dims unknown(shapes s) { return s.any() ? detail::any_dims() : all_unknown(s[0]); }
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis;
    auto value = c.constant(0);
    // From the last operand to the first: each is read where the index is below its end, else what comes after it.
    typename C::index begin[max_operands] = {c.to_index(0)};
    for (int k = 1; k < c.operands(); ++k) begin[k] = begin[k - 1] + c.extent(k - 1, axis);
    for (int k = c.operands() - 1; k >= 0; --k) {
      I x = i;
      x[axis] = i[axis] - begin[k];
      if (c.operands() == 1) return c.load(0, x);
      auto inside = i[axis] < begin[k] + c.extent(k, axis);
      value = c.load_if(k == 0 ? inside : inside & (i[axis] >= begin[k]), k, x, value);
    }
    return value;
  }
};

/// Elements in the opposite order along axes (none given: all). NumPy flip.
struct reverse_op : movement_op {
  using attrs = axes_attrs;
  static constexpr const char* name = "reverse";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any()) reduced_axes(o, at.axes, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
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

/// The whole repeated along each axis. ONNX Tile.
struct tile_op : movement_op {
  using attrs = tile_attrs;
  static constexpr const char* name = "tile";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    if (at.repeats.size != s[0].rank) {
      o.refuse() << at.repeats.size << " repeats for rank " << s[0].rank;
      return o;
    }
    for (int d = 0; d < s[0].rank; ++d) {
      if (at.repeats[d] < 0) {
        o.refuse() << "repeats " << at.repeats[d] << " < 0";
        return o;
      }
      if (at.repeats[d] != 1) o.out[d] = s[0][d] < 0 ? dyn : s[0][d] * at.repeats[d];
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    I x = i;
    for (int d = 0; d < c.rank(0); ++d)
      if (at.repeats[d] != 1) x[d] = i[d] % c.extent(0, d);
    return c.load(0, x);
  }
};
/// Each element of the axis repeated. NumPy repeat.
struct repeat_op : movement_op {
  using attrs = repeat_attrs;
  static constexpr const char* name = "repeat";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (at.count < 0)
      o.refuse() << "count " << at.count << " < 0";
    else if (at.count != 1)
      o.out[axis] = s[0][axis] < 0 ? dyn : s[0][axis] * at.count;
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int axis = at.axis < 0 ? at.axis + c.rank(0) : at.axis;
    I x = i;
    x[axis] = i[axis] / c.to_index(at.count);
    return c.load(0, x);
  }
};
/// Elements moved along axes; what leaves at the end comes back at the front. NumPy roll.
struct roll_op : movement_op {
  using attrs = roll_attrs;
  static constexpr const char* name = "roll";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (at.axes.size && at.axes.size != at.shift.size) {
      o.refuse() << at.shift.size << " shifts for " << at.axes.size << " axes";
      return o;
    }
    if (s[0].any()) return o;
    if (at.shift.size > s[0].rank) {
      o.refuse() << at.shift.size << " shifts for rank " << s[0].rank;
      return o;
    }
    if (at.axes.size) reduced_axes(o, at.axes, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
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

}  // namespace ops

namespace detail {
/// Extents given at run time as a value of bounded rank; argument_error above rank 8.
dims attribute_dims(const extents& e, std::string_view op);

/// f(x, {2, 3}) at run time and f.with<{2, 3}>(x) when C++ compiles.
template <class Op>
struct extents_fn {
  template <operand X>
  auto operator()(const X& x, const extents& to, loc where = std::source_location::current()) const {
    return apply_dynamic<Op>(where, extents_attrs{attribute_dims(to, Op::name)}, x);
  }
  template <dims To, operand X>
  auto with(const X& x, loc where = std::source_location::current()) const {
    return apply_static<Op, extents_attrs{To}>(where, x);
  }
};
/// f(x), f(x, {0, 2}), f.with<{0, 2}>(x): the list of axes stands alone.
template <class Op>
struct axes_fn {
  template <operand X>
  auto operator()(const X& x, loc where = std::source_location::current()) const {
    return apply_static<Op, axes_attrs{}>(where, x);
  }
  template <operand X>
  auto operator()(const X& x, const ints& axes, loc where = std::source_location::current()) const {
    return apply_dynamic<Op>(where, axes_attrs{axes}, x);
  }
  template <ints Axes, operand X>
  auto with(const X& x, loc where = std::source_location::current()) const {
    return apply_static<Op, axes_attrs{Axes}>(where, x);
  }
};
struct concat_fn {
  template <tensor_like A, tensor_like B>
  auto operator()(const A& a, const B& b, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, first_axis_attrs{}>(where, a, b);
  }
  template <tensor_like A, tensor_like B>
  auto operator()(const A& a, const B& b, first_axis_attrs at, loc where = std::source_location::current()) const {
    return apply_dynamic<ops::concat_op>(where, at, a, b);
  }
  template <tensor_like A, tensor_like B, tensor_like C>
  auto operator()(const A& a, const B& b, const C& c, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, first_axis_attrs{}>(where, a, b, c);
  }
  template <tensor_like A, tensor_like B, tensor_like C>
  auto operator()(const A& a, const B& b, const C& c, first_axis_attrs at,
                  loc where = std::source_location::current()) const {
    return apply_dynamic<ops::concat_op>(where, at, a, b, c);
  }
  /// Any number of tensors of one element type.
  template <dtype D>
  tensor<D, any_shape> operator()(const std::vector<tensor<D, any_shape>>& x, first_axis_attrs at = {},
                                  loc where = std::source_location::current()) const {
    std::vector<argument> operands;
    operands.reserve(x.size());
    for (const auto& t : x) operands.push_back({t.node().get()});
    return tensor<D, any_shape>(
        emit(definition<ops::concat_op>(), &at, operands.data(), static_cast<int>(operands.size()), where));
  }
  template <first_axis_attrs Attrs, tensor_like A, tensor_like B>
  auto with(const A& a, const B& b, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, Attrs>(where, a, b);
  }
  template <first_axis_attrs Attrs, tensor_like A, tensor_like B, tensor_like C>
  auto with(const A& a, const B& b, const C& c, loc where = std::source_location::current()) const {
    return apply_static<ops::concat_op, Attrs>(where, a, b, c);
  }
};
}  // namespace detail

/// reshape(x, {32, -1}), reshape.with<{32, 784}>(x).
inline constexpr detail::extents_fn<ops::reshape_op> reshape{};
/// broadcast_to(x, {32, 10}).
inline constexpr detail::extents_fn<ops::broadcast_to_op> broadcast_to{};
/// transpose(x) swaps the last two axes; transpose(x, {0, 2, 1}) permutes.
inline constexpr detail::axes_fn<ops::transpose_op> transpose{};
/// squeeze(x), squeeze(x, {0}).
inline constexpr detail::axes_fn<ops::squeeze_op> squeeze{};
/// unsqueeze(x, {0, -1}).
inline constexpr detail::axes_fn<ops::unsqueeze_op> unsqueeze{};
/// reverse(x), reverse(x, {0}).
inline constexpr detail::axes_fn<ops::reverse_op> reverse{};
inline constexpr detail::attr_fn<ops::flatten_op> flatten{};
inline constexpr detail::attr_fn<ops::pad_op> pad{};
inline constexpr detail::attr_fn<ops::slice_op> slice{};
inline constexpr detail::attr_fn<ops::tile_op> tile{};
inline constexpr detail::attr_fn<ops::repeat_op> repeat{};
inline constexpr detail::attr_fn<ops::roll_op> roll{};
/// concat(a, b), concat.with<{.axis = 1}>(a, b); a std::vector of tensors for more than three.
inline constexpr detail::concat_fn concat{};

/// Tensors of one shape along a new axis. NumPy stack.
template <dtype D>
tensor<D, any_shape> stack(const std::vector<tensor<D, any_shape>>& x, first_axis_attrs at = {},
                           loc where = std::source_location::current()) {
  std::vector<tensor<D, any_shape>> lifted;
  for (const auto& t : x) lifted.push_back(unsqueeze(t, {at.axis}, where));
  return concat(lifted, at, where);
}
namespace detail {
/// The attributes of each of `parts` slices of equal extent. shape_error when they do not come out even, or the extent
/// is not known.
std::vector<slice_attrs> split_slices(const dims&, int parts, int axis, const loc&);
}  // namespace detail

/// `parts` pieces of equal extent along the axis, each as a slice; shape_error when they do not come out even. The
/// axis' extent must be known when the graph is made. ONNX Split, NumPy split.
template <tensor_like X>
auto split(const X& x, int parts, first_axis_attrs at = {}, loc where = std::source_location::current()) {
  std::vector<tensor<X::type, any_shape>> pieces;
  for (const slice_attrs& a : detail::split_slices(detail::shape_of(x.node()), parts, at.axis, where))
    pieces.push_back(slice(x, a, where));
  return pieces;
}

}  // namespace tenon
