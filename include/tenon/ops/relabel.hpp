// Movement under other axes: reshape, flatten, squeeze, unsqueeze, transpose, broadcast_to.
#pragma once
#include "tenon/ops/movement.hpp"

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
/// Of `flatten`: the axis before which all are one, and from which on all are one.
struct flatten_attrs {
  int axis = 1;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
  }
  friend constexpr bool operator==(const flatten_attrs&, const flatten_attrs&) = default;
};
/// Of `transpose`: the operand's axis for each axis of the result; none: the last two swapped.
using transpose_attrs = axes_attrs;

namespace ops {

/// The same elements in row-major order under other extents: what reshape, flatten, squeeze and unsqueeze mean.
struct relabel_op : movement_op {};

/// Extents of a product that are not numbers, by name; and the product of the numbers.
struct extent_product {
  extent_t numbers = 1;
  dims symbols{};
  bool unknown = false;  ///< an extent without a name is in it
  constexpr void times(extent_t e) {
    if (e >= 0)
      numbers = detail::bounded_product(numbers, e);
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
  static constexpr outcome shape(const auto& at, shapes s) {
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
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = dims{dyn, dyn};
    if (s[0].any()) return o;
    const int axis = at.axis >= 0 ? at.axis : at.axis + s[0].rank;
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
  static constexpr outcome shape(const auto& at, shapes s) {
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
  static constexpr outcome shape(const auto& at, shapes s) {
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
  static constexpr outcome shape(const auto& at, shapes s) {
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
};

/// The same value repeated along axes of extent 1 and new leading ones; `dyn` keeps the operand's extent. ONNX Expand
/// with the result's extents stated.
struct broadcast_to_op : movement_op {
  using attrs = extents_attrs;
  static constexpr const char* name = "broadcast_to";
  static constexpr outcome shape(const auto& at, shapes s) {
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
inline constexpr detail::attr_fn<ops::flatten_op> flatten{};

}  // namespace tenon
