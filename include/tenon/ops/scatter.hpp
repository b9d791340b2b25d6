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
  static constexpr const char* kind_of = "program";
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
  template <class P, class I>
  static void place(P& p, scatter_mode mode, const I& to, const I& from) {
    const auto update = p.load(2, from);
    if (mode == scatter_mode::replace) return p.store(0, to, update);
    const auto old = p.load_result(0, to);
    if constexpr (requires { old + update; }) {
      switch (mode) {
        case scatter_mode::add:
          return p.store(0, to, old + update);
        case scatter_mode::mul:
          return p.store(0, to, old * update);
        case scatter_mode::min:
          return p.store(0, to, min(old, update));
        default:
          return p.store(0, to, max(old, update));
      }
    }
  }
  /// f(indices) for all of the extents, one after another, behind the indices `at`.
  template <class P, class I, class F>
  static void loops(P& p, const I& extents, const I& at, const F& f) {
    if (at.size == extents.size) return f(at);
    p.loop(p.to_index(0), extents[at.size], [&](const typename P::index& t) {
      I next = at;
      next.push_back(t);
      loops(p, extents, next, f);
    });
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
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    const int rank = p.rank(0), axis = at.axis < 0 ? at.axis + rank : at.axis;
    I others;
    for (int d = 0; d < rank; ++d)
      if (d != axis) others.push_back(p.extent(0, d));
    p.outer(others, [&](const I& o) {
      const auto full = [&](const typename P::index& t) {
        I x;
        for (int d = 0, k = 0; d < rank; ++d) x.push_back(d == axis ? t : o[k++]);
        return x;
      };
      const auto zero = p.to_index(0), n = p.extent(0, axis);
      p.loop(zero, n, [&](const typename P::index& t) { p.store(0, full(t), p.load(0, full(t))); });
      auto covered = zero == zero;
      for (int d = 0, k = 0; d < rank; ++d)
        if (d != axis) covered = covered & (o[k++] < p.extent(1, d));
      p.branch(covered, [&] {
        p.loop(zero, p.extent(1, axis), [&](const typename P::index& t) {
          const auto given = p.load_index(1, full(t)), to = p.select(given < zero, given + n, given);
          p.branch((to >= zero) & (to < n), [&] { place(p, at.mode, full(to), full(t)); });
        });
      });
    });
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
  template <class P>
  static void program(P& p, const attrs& at) {
    using I = typename P::indices;
    const int lead = p.rank(1) - 1, k = lead + p.rank(0) - p.rank(2);
    I slice, tuple, rows;
    for (int d = 0; d < p.rank(0); ++d) (d < k ? tuple : slice).push_back(p.extent(0, d));
    for (int d = 0; d < lead; ++d) rows.push_back(p.extent(1, d));
    p.outer(slice, [&](const I& inner) {
      const auto joined = [&](I front) {
        for (int d = 0; d < inner.size; ++d) front.push_back(inner[d]);
        return front;
      };
      loops(p, tuple, I{}, [&](const I& i) { p.store(0, joined(i), p.load(0, joined(i))); });
      loops(p, rows, I{}, [&](const I& row) {
        const auto zero = p.to_index(0);
        auto inside = zero == zero;
        I to;
        for (int d = 0; d < k; ++d) {
          I x = row;
          x.push_back(p.to_index(d));
          const auto given = p.load_index(1, x), n = p.extent(0, d);
          to.push_back(p.select(given < zero, given + n, given));
          const auto at_d = to[d];
          inside = inside & (at_d >= zero) & (at_d < n);
        }
        p.branch(inside, [&] { place(p, at.mode, joined(to), joined(row)); });
      });
    });
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
  template <class C, class I>
  static auto compute(C& c, const attrs& at, const I& i) {
    const int lead = c.rank(1) - 1, k = lead + c.rank(0) - at.batch - c.out_rank();
    const auto zero = c.to_index(0);
    auto inside = zero == zero;
    I x, tuple;
    for (int d = 0; d < lead; ++d) tuple.push_back(i[d]);
    for (int d = 0; d < c.rank(0); ++d) {
      if (d < at.batch) {
        x.push_back(i[d]);
      } else if (d < at.batch + k) {
        I which = tuple;
        which.push_back(c.to_index(d - at.batch));
        const auto given = c.load_index(1, which), n = c.extent(0, d);
        x.push_back(c.select(given < zero, given + n, given));
        const auto at_d = x[d];
        inside = inside & (at_d >= zero) & (at_d < n);
      } else {
        x.push_back(i[lead + d - at.batch - k]);
      }
    }
    return c.load_if(inside, 0, x, c.constant(0));
  }
};

}  // namespace ops

/// scatter_elements(data, indices, updates, {.axis = 1, .mode = scatter_mode::add}).
inline constexpr detail::attr_fn<ops::scatter_elements_op> scatter_elements{};
inline constexpr detail::attr_fn<ops::scatter_nd_op> scatter_nd{};
inline constexpr detail::attr_fn<ops::gather_nd_op> gather_nd{};

}  // namespace tenon
