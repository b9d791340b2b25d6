// Elements placed by the values of another operand, and elements chosen by tuples of indices. Not part of tenon.hpp:
// include it beside.
#pragma once
#include "tenon/ops/indexing.hpp"

namespace tenon {

/// What a scatter does with the element that is there: replace it, or combine it with the update.
enum class scatter_mode : unsigned char { replace, add, mul, min, max };
inline constexpr std::string_view scatter_mode_names[] = {"replace", "add", "mul", "min", "max"};
constexpr value_names names_of(scatter_mode) { return {scatter_mode_names, 5}; }

/// Of `scatter_elements`: the axis, and what happens to the element that is there.
struct scatter_attrs {
  int axis = 0;
  scatter_mode mode = scatter_mode::replace;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("axis", s.axis);
    v("mode", s.mode);
  }
  friend constexpr bool operator==(const scatter_attrs&, const scatter_attrs&) = default;
};
/// Of `scatter_nd`: what happens to the element that is there.
struct scatter_nd_attrs {
  scatter_mode mode = scatter_mode::replace;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("mode", s.mode);
  }
  friend constexpr bool operator==(const scatter_nd_attrs&, const scatter_nd_attrs&) = default;
};
/// Of `gather_nd`: how many leading axes the operands have in common.
struct gather_nd_attrs {
  int batch = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("batch", s.batch);
  }
  friend constexpr bool operator==(const gather_nd_attrs&, const gather_nd_attrs&) = default;
};

namespace ops {

/// Operands data, indices, updates; the result is the data with some elements changed.
struct scattering_op {
  static constexpr op_kind kind_of = op_kind::program;
  static constexpr int operands = 3, max_operands = 3, results = 1, main_operand = 0;
  static constexpr dtype operand_type(int k, dtype main) { return k == 1 ? i64 : main; }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto& at, dtypes t) {
    type_outcome o;
    o.out = t[0];
    if (!in_domain(domain::integers, t[1]))
      o.refuse() << "indices of " << tenon::name(t[1]);
    else if (t[0] != any_dtype && t[2] != any_dtype && t[0] != t[2])
      o.refuse() << "element types differ";
    else if (t[0] == b8 && at.mode != scatter_mode::replace)
      o.refuse() << "b8 is not a number";
    return o;
  }
};

/// data with result[i..., indices[i..., j, k...], k...] = updates[i..., j, k...], one after another along the axis.
/// Negative indices count from the end; what is outside changes nothing. ONNX ScatterElements.
struct scatter_elements_op : scattering_op {
  using attrs = scatter_attrs;
  static constexpr const char* name = "scatter_elements";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = s[0];
    if (s.any()) return o;
    const int axis = detail::normal_axis(o, at.axis, s[0].rank);
    if (!o.ok) return o;
    if (s[0].rank != s[1].rank || s[0].rank != s[2].rank) {
      o.refuse() << "ranks " << s[0].rank << ", " << s[1].rank << " and " << s[2].rank;
      return o;
    }
    for (int d = 0; d < s[0].rank && o.ok; ++d) {
      if (s[1][d] >= 0 && s[2][d] >= 0 && s[1][d] != s[2][d])
        o.refuse() << "extents " << s[1][d] << " != " << s[2][d] << " of axis " << d;
      else if (d != axis && s[0][d] >= 0 && s[1][d] >= 0 && s[1][d] > s[0][d])
        o.refuse() << "extents " << s[1][d] << " > " << s[0][d] << " of axis " << d;
    }
    return o;
  }
};

/// data with the element (or slice) at each tuple of indices replaced by, or combined with, an update: the last axis of
/// the indices is the tuple; updates are [tuples..., what a tuple leaves of data]. One after another. ONNX ScatterND.
struct scatter_nd_op : scattering_op {
  using attrs = scatter_nd_attrs;
  static constexpr const char* name = "scatter_nd";
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o;
    o.out = s[0];
    if (s.any()) return o;
    const int lead = s[1].rank - 1;
    if (lead < 0) {
      o.refuse() << "indices of rank 0";
      return o;
    }
    const extent_t tuple = s[1][lead];
    if (tuple < 0) return o;
    if (tuple > s[0].rank) {
      o.refuse() << "tuples of " << tuple << " for rank " << s[0].rank;
      return o;
    }
    const int k = static_cast<int>(tuple);
    if (s[2].rank != lead + s[0].rank - k) {
      o.refuse() << "updates of rank " << s[2].rank << ", not " << lead + s[0].rank - k;
      return o;
    }
    for (int d = 0; d < s[2].rank && o.ok; ++d) {
      const extent_t want = d < lead ? s[1][d] : s[0][k + d - lead];
      if (want >= 0 && s[2][d] >= 0 && want != s[2][d])
        o.refuse() << "extents " << s[2][d] << " != " << want << " of axis " << d << " of the updates";
    }
    return o;
  }
};

/// The element (or slice) of x at each tuple of indices: the last axis of the indices is the tuple, the first `batch`
/// axes are common. Negative indices count from the end; what is outside gives 0. The tuple's extent is known. ONNX
/// GatherND.
struct gather_nd_op : indexed_op {
  using attrs = gather_nd_attrs;
  static constexpr const char* name = "gather_nd";
  static constexpr outcome shape(const auto& at, shapes s) {
    outcome o;
    o.out = detail::any_dims();
    if (s.any()) return o;
    const int b = at.batch, lead = s[1].rank - 1;
    if (b < 0 || b > lead || b > s[0].rank) {
      o.refuse() << "batch " << b << " is outside the ranks " << s[0].rank << " and " << s[1].rank;
      return o;
    }
    if (s[1][lead] < 0) {
      o.refuse() << "the tuples' extent is not known";
      return o;
    }
    if (s[1][lead] > s[0].rank - b) {
      o.refuse() << "tuples of " << s[1][lead] << " for rank " << s[0].rank << " behind the batch";
      return o;
    }
    for (int d = 0; d < b; ++d)
      if (s[0][d] >= 0 && s[1][d] >= 0 && s[0][d] != s[1][d]) {
        o.refuse() << "extents " << s[0][d] << " != " << s[1][d] << " of axis " << d;
        return o;
      }
    const int first = b + static_cast<int>(s[1][lead]);
    if (lead + s[0].rank - first > dims::max_rank) {
      o.refuse() << "rank " << lead + s[0].rank - first << " > " << dims::max_rank;
      return o;
    }
    dims r;
    for (int d = 0; d < lead; ++d) r.push_back(s[1][d]);
    for (int d = first; d < s[0].rank; ++d) r.push_back(s[0][d]);
    o.out = r;
    return o;
  }
  static constexpr dims unknown(shapes) { return detail::any_dims(); }
};

}  // namespace ops

/// scatter_elements(data, indices, updates, {.axis = 1, .mode = scatter_mode::add}).
inline constexpr detail::attr_fn<ops::scatter_elements_op> scatter_elements{};
inline constexpr detail::attr_fn<ops::scatter_nd_op> scatter_nd{};
inline constexpr detail::attr_fn<ops::gather_nd_op> gather_nd{};

}  // namespace tenon
