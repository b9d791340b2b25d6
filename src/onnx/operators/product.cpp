// Products, convolutions, determinants.
#include "onnx/operators/common.hpp"
#include "onnx/operators/window.hpp"
#include "tenon/ops/factors.hpp"

namespace tenon::onnx {
namespace {

void gemm(node_call& n) {
  n.ignore({"broadcast"});
  const bool ta = n.integer("transA", 0) != 0, tb = n.integer("transB", 0) != 0;
  const float alpha = n.real("alpha", 1), beta = n.real("beta", 1);
  const any_tensor a = ta ? any_tensor(transpose(n.in(0))) : n.in(0), b = tb ? any_tensor(transpose(n.in(1))) : n.in(1);
  any_tensor y = matmul(a, b);
  if (alpha != 1) y = y * alpha;
  if (n.has(2) && beta != 0) y = y + (beta == 1 ? n.in(2) : any_tensor(n.in(2) * beta));
  n.out(y);
}
/// Our einsum has no "...": each operand's axes that it stands for get letters of their own, the last ones in common.
void einsum_of(node_call& n) {
  std::string given, spec;
  for (char c : n.text("equation", ""))
    if (c != ' ') given += c;
  std::string free;
  for (char c = 'A'; c <= 'Z'; ++c)
    if (given.find(c) == std::string::npos) free += c;
  constexpr std::string_view dots = "...";
  const auto named_axes = [&](std::string_view term) {
    return static_cast<int>(std::ranges::count_if(term, [](char c) { return c != '.'; }));
  };
  int operand = 0, widest = 0;
  const std::size_t arrow = given.find("->");
  for (std::size_t at = 0; at <= given.size();) {
    const bool result = arrow != std::string::npos && at > arrow;
    const std::size_t end = std::min({given.find(',', at), at <= arrow ? arrow : given.size(), given.size()});
    std::string term = given.substr(at, end - at);
    const std::size_t where = term.find(dots);
    const int axes = result ? widest : operand < n.inputs() ? n.rank(operand) - named_axes(term) : 0;
    if (where != std::string::npos) {
      if (axes < 0 || axes > static_cast<int>(free.size())) n.refuse("'...' stands for no number of axes");
      term.replace(where, dots.size(), free.substr(free.size() - static_cast<std::size_t>(axes)));
      widest = std::max(widest, axes);
    }
    spec += term;
    ++operand;
    if (end == arrow) {
      spec += "->";
      at = end + 2;
    } else {
      if (end < given.size()) spec += ',';
      at = end + 1;
    }
  }
  if (n.inputs() == 1) return n.out(einsum(spec, n.in(0)));
  if (n.inputs() == 2) return n.out(einsum(spec, n.in(0), n.in(1)));
  if (n.inputs() == 3) return n.out(einsum(spec, n.in(0), n.in(1), n.in(2)));
  n.refuse(std::to_string(n.inputs()) + " operands, at most 3");
}
void conv(node_call& n) {
  n.ignore({"kernel_shape"});
  const window w = window_of(n, n.shape(1));
  any_tensor y = convolved(n, n.in(0), n.in(1), w);
  if (n.has(2)) y = y + ops::per_channel(n.in(2), n.rank(0));
  n.out(y);
}
void conv_transpose(node_call& n) {
  n.ignore({"kernel_shape"});
  const dims d = n.shape(0), k = n.shape(1);
  const int spatial = d.rank - 2;
  window w = window_of(n, k, automatic_padding::ignored);
  ints extra = n.few("output_padding");
  const ints shape = n.few("output_shape");
  if ((extra.size && extra.size != spatial) || (shape.size && shape.size != spatial))
    n.refuse("output_padding or output_shape is not as long as there are spatial axes");
  const std::string_view automatic = n.text("auto_pad", "NOTSET");
  if (shape.size || automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
    // The padding is what makes the extents come out.
    ints pads;
    pads.size = 2 * spatial;
    for (int i = 0; i < spatial; ++i) {
      const extent_t in = d[i + 2];
      if (in < 0 || k[i + 2] < 0) n.refuse("the extents are not known: give them in onnx_options::extents");
      const int s = ops::entry(w.stride, i, 1);
      const extent_t wanted = shape.size ? shape[i] : detail::bounded_product(in, s);
      const extent_t full = detail::bounded_product(in - 1, s) + ops::entry(extra, i, 0) +
                            ops::window_reach(k[i + 2], ops::entry(w.dilation, i, 1));
      const int total = n.few(std::max<extent_t>(full - wanted, 0), "padding");
      const bool upper = automatic == "SAME_UPPER";
      pads.v[i] = upper ? total / 2 : total - total / 2;
      pads.v[spatial + i] = total - pads.v[i];
      if (full < wanted) {
        if (extra.size == 0) extra.size = spatial;
        extra.v[i] += n.few(wanted - full, "output_padding");
      }
    }
    w.padding = pads;
  }
  const conv_transpose_attrs at{.stride = w.stride,
                                .padding = w.padding,
                                .dilation = w.dilation,
                                .groups = n.few(n.integer("group", 1), "group"),
                                .output_padding = extra};
  any_tensor y;
  if (spatial == 1)
    y = conv_transpose1d(n.in(0), n.in(1), at);
  else if (spatial == 2)
    y = conv_transpose2d(n.in(0), n.in(1), at);
  else if (spatial == 3)
    y = conv_transpose3d(n.in(0), n.in(1), at);
  else
    n.refuse(std::to_string(spatial) + " spatial axes, 1 to 3 are supported");
  if (n.has(2)) y = y + ops::per_channel(n.in(2), d.rank);
  n.out(y);
}

constexpr mapping table[] = {
    {"Conv", conv},
    {"ConvTranspose", conv_transpose},
    {"Det", unary<ops::det_op>},
    {"Einsum", einsum_of},
    {"Gemm", gemm},
    {"MatMul", [](node_call& n) { n.out(matmul(n.in(0), n.in(1))); }},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> product_operators() { return table; }

}  // namespace tenon::onnx
