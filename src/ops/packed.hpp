// What is marked, moved together: the common part of operators whose results' extents depend on data.
#pragma once
#include "tenon/dsl/tensor.hpp"

namespace tenon::ops {

/// 0, 1, ..., n - 1 (i64).
tensor<any_dtype, any_shape> counted(extent_t n);
/// n times the value (i64).
tensor<any_dtype, any_shape> filled(extent_t n, std::int64_t value);

struct packed_positions {
  tensor<any_dtype, any_shape> positions;  ///< [n] i64, behind the last one zeros
  tensor<any_dtype, any_shape> count;      ///< i64
};
/// Where the marks (b8 or integers that are 0 and 1, [n]) are true, in order.
packed_positions packed(const tensor<any_dtype, any_shape>& marks, extent_t n);

}  // namespace tenon::ops
