// Pooling over windows, and over all spatial axes.
#include "onnx/operators/common.hpp"
#include "onnx/operators/window.hpp"
#include "tenon/ops/unpool.hpp"

namespace tenon::onnx {
namespace {

pool_attrs pooling(node_call& n) {
  pool_attrs at;
  at.window = n.few("kernel_shape");
  dims kernel;
  for (int e : at.window) kernel.push_back(e);
  const window w = window_of(n, kernel);
  at.stride = w.stride;
  at.padding = w.padding;
  at.dilation = w.dilation;
  at.ceil_mode = n.integer("ceil_mode", 0) != 0;
  return at;
}
void average(node_call& n) {
  pool_attrs at = pooling(n);
  at.count_include_pad = n.integer("count_include_pad", 0) != 0;
  n.out(avg_pool(n.in(0), at));
}
void largest(node_call& n) {
  const pool_attrs at = pooling(n);
  const bool columns_first = n.integer("storage_order", 0) != 0;
  n.out(0, max_pool(n.in(0), at));
  if (!n.wants(1)) return;
  any_tensor at_row_major = max_pool_positions(n.in(0), at);
  const dims d = n.shape(0);
  if (columns_first && d.rank == 4) {
    // Within each image the columns are stored one after another.
    if (d[2] < 0 || d[3] < 0) n.refuse("the extents of the image are not known: give them in onnx_options::extents");
    const any_tensor image = at_row_major / (d[2] * d[3]), p = at_row_major % (d[2] * d[3]);
    at_row_major = image * (d[2] * d[3]) + (p % d[3]) * d[2] + p / d[3];
  } else if (columns_first && d.rank != 3) {
    n.refuse("storage_order 1 with " + std::to_string(d.rank - 2) + " spatial axes");
  }
  n.out(1, at_row_major);
}
void p_norm(node_call& n) {
  const pool_attrs at = pooling(n);
  n.out(lp_pool(n.in(0), {.window = at.window,
                          .stride = at.stride,
                          .padding = at.padding,
                          .p = n.few(n.integer("p", 2), "p"),
                          .ceil_mode = at.ceil_mode,
                          .dilation = at.dilation}));
}
void global_p_norm(node_call& n) {
  const std::int64_t p = n.integer("p", 2);
  if (p < 1) n.refuse("p " + std::to_string(p) + " < 1");
  const reduce_attrs spatial = ops::kept_axes(2, n.rank(0));
  const any_tensor x = abs(n.in(0));
  if (p == 1) return n.out(sum(x, spatial));
  if (p == 2) return n.out(l2_norm(x, spatial));
  n.out(pow(sum(any_tensor(pow(x, p)), spatial), 1.0 / static_cast<double>(p)));
}
void unpool(node_call& n) {
  const dims d = n.shape(0);
  const ints window = n.few("kernel_shape"), stride = n.few("strides"), pads = n.few("pads");
  const int spatial = d.rank - 2;
  if (spatial < 1 || window.size != spatial || (stride.size && stride.size != spatial) ||
      (pads.size && pads.size != 2 * spatial))
    n.refuse("kernel_shape, strides or pads do not fit rank " + std::to_string(d.rank));
  if (!d.is_static()) n.refuse("the extents are not known: give them in onnx_options::extents");
  // What pooling would have made of the result.
  dims natural = d;
  for (int i = 0; i < spatial; ++i)
    natural[i + 2] = detail::bounded_product(d[i + 2] - 1, ops::entry(stride, i, 1)) + window[i] -
                     ops::padding_before(pads, i) - ops::padding_after(pads, spatial, i);
  if (!std::ranges::all_of(natural, [](extent_t e) { return e >= 0; })) n.refuse("the pads are larger than the window");
  if (!n.has(2)) return n.out(max_unpool(n.in(0), n.in(1), {.to = natural}));
  // The positions count in the natural extents; the stated ones are as large or larger.
  const dims to = dims_of(n, n.integers(2));
  if (to.rank != d.rank) n.refuse("output_shape is of another rank");
  const any_tensor positions = cast(n.in(1), i64);
  any_tensor rest = positions, moved = n.scalar(i64, 0);
  extent_t below = natural.count();
  for (int i = 0; i < to.rank; ++i) {
    if (to[i] < natural[i] || natural[i] < 1) n.refuse("output_shape is smaller than what was pooled");
    below /= natural[i];
    moved = moved * to[i] + rest / below;
    rest = rest % below;
  }
  n.out(max_unpool(n.in(0), moved, {.to = to}));
}

constexpr mapping table[] = {
    {"AveragePool", average},
    {"GlobalAveragePool", unary<ops::global_avg_pool_op>},
    {"GlobalLpPool", global_p_norm},
    {"GlobalMaxPool", unary<ops::global_max_pool_op>},
    {"LpPool", p_norm},
    {"MaxPool", largest},
    {"MaxUnpool", unpool},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> pooling_operators() { return table; }

}  // namespace tenon::onnx
