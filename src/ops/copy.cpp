#include "ops/copy.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ops/native.hpp"

namespace tenon::ir::native {
namespace {

template <class T>
void copy_row(const void*, extent_t n, char* const* data, const extent_t* s) {
  T* to = reinterpret_cast<T*>(data[0]);
  const T* from = reinterpret_cast<const T*>(data[1]);
  if (s[0] == 1 && s[1] == 1)
    std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(T));
  else if (s[0] == 1 && s[1] == 0)
    std::fill_n(to, n, *from);
  else
    for (extent_t i = 0; i < n; ++i) to[i * s[0]] = from[i * s[1]];
}
row_fn copy_of(int size) {
  switch (size) {
    case 1:
      return copy_row<std::uint8_t>;
    case 2:
      return copy_row<std::uint16_t>;
    case 4:
      return copy_row<std::uint32_t>;
    default:
      return copy_row<std::uint64_t>;
  }
}

// A transposition: along the last axis one side jumps, along another one the other side does. Blocks of both stay in
// cache.
template <class T>
void transpose_tile(T* to, const T* from, extent_t n, extent_t m, extent_t to_n, extent_t from_n, extent_t to_m,
                    extent_t from_m) {
  constexpr extent_t tile = 16;
  for (extent_t i0 = 0; i0 < n; i0 += tile)
    for (extent_t j0 = 0; j0 < m; j0 += tile)
      for (extent_t i = i0; i < std::min(n, i0 + tile); ++i)
        for (extent_t j = j0; j < std::min(m, j0 + tile); ++j) to[i * to_n + j * to_m] = from[i * from_n + j * from_m];
}

template <class T>
void run_transposed(const strided_loops& l, int other, char* to, char* from) {
  const int last = l.rank - 1;
  extent_t at[dims::max_rank]{};
  T* t = reinterpret_cast<T*>(to);
  const T* f = reinterpret_cast<const T*>(from);
  for (;;) {
    transpose_tile(t, f, l.extents[other], l.extents[last], l.strides[0][other], l.strides[1][other],
                   l.strides[0][last], l.strides[1][last]);
    int d = last - 1;
    for (; d >= 0; --d) {
      if (d == other) continue;
      t += l.strides[0][d];
      f += l.strides[1][d];
      if (++at[d] < l.extents[d]) break;
      t -= l.strides[0][d] * l.extents[d];
      f -= l.strides[1][d] * l.extents[d];
      at[d] = 0;
    }
    if (d < 0) return;
  }
}

}  // namespace

void copy_block(const dims& extents, int size, const strided_block& to, const strided_block& from) {
  strided_loops l;
  l.values = 2;
  for (int d = 0; d < extents.rank; ++d) {
    const extent_t strides[] = {to.strides[d], from.strides[d]};
    l.add_axis(extents[d], strides);
  }
  l.finish();
  if (l.empty) return;
  const int last = l.rank - 1;
  if (l.strides[0][last] == 1 && std::abs(l.strides[1][last]) > 1) {
    for (int d = 0; d < last; ++d) {
      if (l.strides[1][d] != 1) continue;
      switch (size) {
        case 1:
          return run_transposed<std::uint8_t>(l, d, to.data, from.data);
        case 2:
          return run_transposed<std::uint16_t>(l, d, to.data, from.data);
        case 4:
          return run_transposed<std::uint32_t>(l, d, to.data, from.data);
        default:
          return run_transposed<std::uint64_t>(l, d, to.data, from.data);
      }
    }
  }
  char* data[] = {to.data, from.data};
  const int sizes[] = {size, size};
  run_rows(l, copy_of(size), nullptr, data, sizes);
}

void fill_block(const dims& extents, int size, const strided_block& to, const void* value) {
  std::uint64_t one = 0;
  std::memcpy(&one, value, static_cast<std::size_t>(size));
  copy_block(extents, size, to, strided_block{reinterpret_cast<char*>(&one), {}});
}

void copy_from(const native_call& c, const strided_block& from) {
  copy_block(c.out[0].shape, size_of(c.out[0].type), block_of(c.out[0]), from);
}

strided_block block_of(const native_operand& o, extent_t offset) {
  strided_block b{static_cast<char*>(o.data) + offset * size_of(o.type), {}};
  for (int d = 0; d < o.shape.rank; ++d) b.strides[d] = o.strides[d];
  return b;
}

}  // namespace tenon::ir::native
