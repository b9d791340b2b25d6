// Tile functions of the user's own, that `any_schedule::tensorize` puts where a tile contraction would be.
#pragma once
#include <cstdint>
#include <string_view>

#include "tenon/core/dtype.hpp"

namespace tenon {

/// What a tile function computes, once for each tile; strides are in elements:
///   for i < rows, j < columns:
///     sums[i * sums_row + j] = sum over k < depth of a[i * a_row + k * a_step] * b[k * b_step + j]
/// `sums` holds anything before, is aligned to 64 bytes, and has room for whole vectors: columns behind the last one up
/// to sums_row may be written. What is made of the sums (the epilogue, the store) is generated code.
struct tile_call {
  const void* a;
  const void* b;
  void* sums;
  std::int64_t rows, columns, depth;
  std::int64_t a_row, a_step, b_step, sums_row;
};
/// Called from any thread, also from several at once; must not throw.
using tile_function = void (*)(const tile_call&) noexcept;

/// Makes a function known by a name, for operands and sums of type `t`: f64, f32, i64 or i32. Schedules and their
/// records name it, so it must be known by the same name where a record is read again. A name keeps its
/// type; another function takes the place of the one before in what is compiled from then on. argument_error: the name
/// is empty, or `f` null; type_error: another type.
void register_tile_function(std::string_view name, dtype t, tile_function f);

}  // namespace tenon
