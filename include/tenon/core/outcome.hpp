// What a shape rule and a type rule answer. One rule serves the C++ compiler, the graph and the call.
#pragma once
#include "tenon/core/dtype.hpp"
#include "tenon/core/extent.hpp"

namespace tenon::detail {

/// Most results that one operator may have.
inline constexpr int max_results = 4;

/// The operands' shapes, as a rule sees them.
struct shapes {
  const dims* v;
  int n;
  constexpr const dims& operator[](int i) const { return v[i]; }
  constexpr int size() const { return n; }
  /// Some operand's rank is unknown: most rules then answer `any_dims()`.
  constexpr bool any() const {
    for (int i = 0; i < n; ++i)
      if (v[i].any()) return true;
    return false;
  }
};
/// The operands' element types, as a rule sees them; `any_dtype` fits everything.
struct dtypes {
  const dtype* v;
  int n;
  constexpr dtype operator[](int i) const { return v[i]; }
  constexpr int size() const { return n; }
};

/// Result shapes, or a refusal in the user's words: "inner extents 784 != 512".
struct outcome {
  dims out{};
  dims more[max_results - 1]{};  ///< shapes of the results after the first
  bool ok = true;
  text why{};
  /// `return o.refuse() << "axis " << axis << ...` does not fit a return of outcome: write `o.refuse() << ...; return
  /// o;`.
  constexpr text& refuse() {
    ok = false;
    return why;
  }
};
/// Result types, or a refusal.
struct type_outcome {
  dtype out = any_dtype;
  dtype more[max_results - 1]{any_dtype, any_dtype, any_dtype};
  bool ok = true;
  text why{};
  constexpr text& refuse() {
    ok = false;
    return why;
  }
};

/// NumPy's broadcasting of two shapes; an unknown extent fits everything.
constexpr dims broadcast(outcome& o, const dims& a, const dims& b) {
  if (a.any() || b.any()) return any_dims();
  dims r;
  r.rank = a.rank > b.rank ? a.rank : b.rank;
  for (int i = 1; i <= r.rank; ++i) {
    const extent_t x = i <= a.rank ? a[a.rank - i] : 1, y = i <= b.rank ? b[b.rank - i] : 1;
    extent_t z = dyn;
    if (x == y)
      z = x;
    else if (x == 1)
      z = y;
    else if (y == 1)
      z = x;
    else if (x >= 0 && y >= 0) {
      o.refuse() << "extents " << x << " != " << y;
      return a;
    } else if (x >= 0)
      z = x;  // the unknown one is 1 or equal, both give x
    else if (y >= 0)
      z = y;
    r.e[r.rank - i] = z;
  }
  return r;
}
constexpr outcome broadcast_all(shapes s) {
  outcome o;
  for (int i = 0; i < s.n && o.ok; ++i) o.out = i == 0 ? s[0] : broadcast(o, o.out, s[i]);
  return o;
}
/// `axis` counted from the front; refuses what is outside the rank.
constexpr int normal_axis(outcome& o, int axis, int rank) {
  const int a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank) {
    o.refuse() << "axis " << axis << " is outside rank " << rank;
    return 0;
  }
  return a;
}
/// The common type of operands [first, n).
constexpr type_outcome same_types(dtypes t, int first = 0) {
  type_outcome o;
  for (int i = first; i < t.n; ++i) {
    if (o.out == any_dtype) o.out = t[i];
    if (t[i] != any_dtype && t[i] != o.out && o.ok) o.refuse() << "element types differ";
  }
  return o;
}

}  // namespace tenon::detail
