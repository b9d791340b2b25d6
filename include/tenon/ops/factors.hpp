// Matrices in factors: lu_factor, det. Not part of tenon.hpp: include it beside.
#pragma once
#include "tenon/ops/call.hpp"
#include "tenon/ops/op.hpp"

namespace tenon {
namespace ops {

/// Square matrices, in the last two axes.
struct square_op : unary_over<domain::floats> {
  static constexpr outcome square(shapes s) {
    outcome o;
    o.out = s[0];
    if (s[0].any()) return o;
    const int rank = s[0].rank;
    if (rank < 2) {
      o.refuse() << "rank " << rank << " < 2";
      return o;
    }
    const extent_t rows = s[0][rank - 2], columns = s[0][rank - 1];
    if (rows >= 0 && columns >= 0 && rows != columns) o.refuse() << s[0] << " holds no square matrices";
    return o;
  }
  static constexpr dims without_last(const dims& d, int axes) {
    if (d.any()) return d;
    dims r;
    for (int i = 0; i < d.rank - axes; ++i) r.push_back(d[i]);
    return r;
  }
};

/// The factors of each matrix with its rows exchanged, in one: above the diagonal and on it the upper one, below it the
/// lower one, whose diagonal is 1. And the exchanges (i64): row k with row pivots[k] >= k, for one k after the other.
/// In each column the largest element goes to the diagonal, NaN counts as the largest; a column that is 0 from the
/// diagonal on stays. PyTorch linalg.lu_factor (whose pivots count from 1), LAPACK getrf.
struct lu_factor_op : square_op {
  static constexpr const char* name = "lu_factor";
  static constexpr op_kind kind_of = op_kind::program;
  static constexpr int results = 2;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o = square(s);
    if (o.ok) o.more[0] = without_last(s[0], 1);
    return o;
  }
  static constexpr dims unknown(shapes s) { return s[0]; }
  static constexpr type_outcome types(const auto&, dtypes t) {
    type_outcome o = one_type(domain::floats, t);
    // A factor of 16 bits would be rounded at each step.
    if (o.ok && o.out != any_dtype && size_of(o.out) < 4) o.refuse() << tenon::name(o.out) << " is neither f32 nor f64";
    o.more[0] = i64;
    return o;
  }
};
/// The determinant of each matrix; 1 where they have no rows. f16 and bf16 are computed in f32. NumPy linalg.det, ONNX
/// Det.
struct det_op : square_op {
  static constexpr const char* name = "det";
  static constexpr op_kind kind_of = op_kind::library;
  static constexpr outcome shape(const auto&, shapes s) {
    outcome o = square(s);
    if (o.ok) o.out = without_last(s[0], 2);
    return o;
  }
  static constexpr dims unknown(shapes s) { return shape(no_attrs{}, s).out; }
};

}  // namespace ops

/// auto [factors, pivots] = lu_factor(x).
inline constexpr detail::attr_fn<ops::lu_factor_op> lu_factor{};
inline constexpr detail::attr_fn<ops::det_op> det{};

}  // namespace tenon
