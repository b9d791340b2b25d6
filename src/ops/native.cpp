#include "ops/native.hpp"

#include <algorithm>

namespace tenon::ir::native {

void strided_loops::add_axis(extent_t extent, const extent_t* stride_of_each) {
  if (extent == 0) empty = true;
  if (extent == 1) return;
  extents[rank] = extent;
  for (int v = 0; v < values; ++v) strides[v][rank] = stride_of_each[v];
  ++rank;
}

void strided_loops::finish() {
  int n = 0;
  for (int d = 0; d < rank; ++d) {
    bool follows = n > 0;
    for (int v = 0; v < values && follows; ++v) follows = strides[v][n - 1] == strides[v][d] * extents[d];
    if (follows) {
      extents[n - 1] *= extents[d];
      for (int v = 0; v < values; ++v) strides[v][n - 1] = strides[v][d];
    } else {
      extents[n] = extents[d];
      for (int v = 0; v < values; ++v) strides[v][n] = strides[v][d];
      ++n;
    }
  }
  if (n == 0) {
    extents[0] = 1;
    for (int v = 0; v < values; ++v) strides[v][0] = 1;
    n = 1;
  }
  rank = n;
}

void run_rows(const strided_loops& l, row_fn row, const void* attrs, char* const* data, const int* sizes) {
  if (l.empty) return;
  char* p[strided_loops::max_values];
  extent_t inner[strided_loops::max_values];
  const int last = l.rank - 1;
  for (int v = 0; v < l.values; ++v) {
    p[v] = data[v];
    inner[v] = l.strides[v][last];
  }
  extent_t at[dims::max_rank]{};
  for (;;) {
    row(attrs, l.extents[last], p, inner);
    int d = last - 1;
    for (; d >= 0; --d) {
      for (int v = 0; v < l.values; ++v) p[v] += l.strides[v][d] * sizes[v];
      if (++at[d] < l.extents[d]) break;
      for (int v = 0; v < l.values; ++v) p[v] -= l.strides[v][d] * sizes[v] * l.extents[d];
      at[d] = 0;
    }
    if (d < 0) return;
  }
}

void run_map(const native_call& c, row_fn row) {
  const native_operand& out = c.out[0];
  strided_loops l;
  l.values = c.inputs + 1;
  char* data[strided_loops::max_values];
  int sizes[strided_loops::max_values];
  data[0] = static_cast<char*>(out.data);
  sizes[0] = size_of(out.type);
  for (int k = 0; k < c.inputs; ++k) {
    data[k + 1] = static_cast<char*>(c.in[k].data);
    sizes[k + 1] = size_of(c.in[k].type);
  }
  for (int d = 0; d < out.shape.rank; ++d) {
    extent_t strides[strided_loops::max_values] = {out.strides[d]};
    for (int k = 0; k < c.inputs; ++k) {
      const int e = d - (out.shape.rank - c.in[k].shape.rank);
      strides[k + 1] = e < 0 || c.in[k].shape[e] == 1 ? 0 : c.in[k].strides[e];
    }
    l.add_axis(out.shape[d], strides);
  }
  l.finish();
  run_rows(l, row, c.attrs, data, sizes);
}

}  // namespace tenon::ir::native
