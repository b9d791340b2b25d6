// Movement along axes: pad, slice, reverse, tile, repeat, roll.
#pragma once
#include "tenon/ops/movement.hpp"

namespace tenon {

/// What `pad` puts around: a constant, the edge element, the mirror image without the edge, the other side.
enum class pad_mode : unsigned char { constant, edge, reflect, wrap };
inline constexpr std::string_view pad_mode_names[] = {"constant", "edge", "reflect", "wrap"};
constexpr value_names names_of(pad_mode) { return {pad_mode_names, 4}; }
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

namespace ops {

/// More elements around: a constant, the edge, a reflection (as often as needed), or the other side. ONNX Pad (wrap:
/// NumPy).
struct pad_op : movement_op {
  using attrs = pad_attrs;
  static constexpr const char* name = "pad";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    if (at.before.size != s[0].rank || at.after.size != s[0].rank) {
      o.refuse() << at.before.size << " and " << at.after.size << " paddings, rank " << s[0].rank;
      return o;
    }
    for (int i = 0; i < s[0].rank; ++i) {
      const extent_t before = at.before[i], after = at.after[i];
      if (before < 0 || after < 0) {
        o.refuse() << "padding " << (before < 0 ? at.before[i] : at.after[i]) << " < 0";
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
  static constexpr outcome shape(const auto& at, shapes s) {
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
};

/// Elements in the opposite order along axes (none given: all). NumPy flip.
struct reverse_op : movement_op {
  using attrs = axes_attrs;
  static constexpr const char* name = "reverse";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (!s[0].any()) reduced_axes(o, at.axes, s[0].rank);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
};

/// The whole repeated along each axis. ONNX Tile.
struct tile_op : movement_op {
  using attrs = tile_attrs;
  static constexpr const char* name = "tile";
  static constexpr outcome shape(const auto& at, shapes s) {
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
      if (at.repeats[d] != 1) o.out[d] = s[0][d] < 0 ? dyn : detail::bounded_product(s[0][d], at.repeats[d]);
    }
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
};
/// Each element of the axis repeated. NumPy repeat.
struct repeat_op : movement_op {
  using attrs = repeat_attrs;
  static constexpr const char* name = "repeat";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (at.count < 0)
      o.refuse() << "count " << at.count << " < 0";
    else if (at.count != 1)
      o.out[axis] = s[0][axis] < 0 ? dyn : detail::bounded_product(s[0][axis], at.count);
    return o;
  }
  static constexpr dims unknown(shapes s) { return all_unknown(s[0]); }
};
/// Elements moved along axes; what leaves at the end comes back at the front. NumPy roll.
struct roll_op : movement_op {
  using attrs = roll_attrs;
  static constexpr const char* name = "roll";
  static constexpr outcome shape(const auto& at, shapes s) {
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
};

}  // namespace ops

/// reverse(x), reverse(x, {0}).
inline constexpr detail::axes_fn<ops::reverse_op> reverse{};
inline constexpr detail::attr_fn<ops::pad_op> pad{};
inline constexpr detail::attr_fn<ops::slice_op> slice{};
inline constexpr detail::attr_fn<ops::tile_op> tile{};
inline constexpr detail::attr_fn<ops::repeat_op> repeat{};
inline constexpr detail::attr_fn<ops::roll_op> roll{};

}  // namespace tenon
