// Signals: windows, Fourier transforms, mel filters.
#include <cmath>
#include <numbers>

#include "onnx/operators/fourier.hpp"

namespace tenon::onnx {
namespace {

/// a - b cos(2 pi i / n) + c cos(4 pi i / n) of `size` elements; n is the size, or with periodic = 0 one less.
void cosine_window(node_call& n, double a, double b, double c) {
  const std::vector<std::int64_t> size = n.integers(0);
  constexpr std::int64_t most = max_list;
  if (size.size() != 1 || size[0] < 0 || size[0] > most) n.refuse("the size is no scalar, or too large");
  const std::int64_t wanted = n.integer("output_datatype", 1);
  const dtype type = element_type(wanted);
  if (!is_float(type)) n.refuse("of " + element_name(wanted));
  const bool periodic = n.integer("periodic", 1) != 0;
  const double period = static_cast<double>(periodic ? size[0] : size[0] - 1);
  std::vector<double> w;
  for (std::int64_t i = 0; i < size[0]; ++i) {
    const double t = 2 * std::numbers::pi * static_cast<double>(i) / period;
    w.push_back(a - b * std::cos(t) + c * std::cos(2 * t));
  }
  n.out(cast(n.table(f64, {size[0]}, w.data()), type));
}

/// The number of an operand that the import must know.
std::int64_t known_number(node_call& n, int i, const char* what) {
  const std::vector<std::int64_t> v = n.integers(i);
  if (v.size() != 1) n.refuse(std::string("the ") + what + " is no scalar");
  return v[0];
}
/// A length that a transform can have.
extent_t transform_length(node_call& n, std::int64_t length) {
  if (length < 1 || length > longest_transform)
    n.refuse("a transform of length " + std::to_string(length) + ", which is not 1 to " +
             std::to_string(longest_transform));
  return length;
}
any_tensor cut(const any_tensor& x, int axis, extent_t first, extent_t end) {
  return slice(x, {.start = {static_cast<int>(first)}, .stop = {static_cast<int>(end)}, .step = {}, .axes = {axis}});
}
/// Rows [rows, n] with as many elements as wanted: cut, or with zeros behind.
any_tensor fitted(const any_tensor& x, extent_t wanted) {
  const extent_t n = detail::shape_of(x.node())[1];
  if (n == wanted) return x;
  if (n > wanted) return cut(x, 1, 0, wanted);
  return pad(x, {.before = {0, 0}, .after = {0, static_cast<int>(wanted - n)}});
}
/// Operand 0, whose last axis holds the real and, where there are two elements, the imaginary part, as tensors without
/// that axis, f32 or f64.
complex_tensor complex_operand(node_call& n) {
  const dims d = n.shape(0);
  if (!is_float(n.type(0))) n.refuse("a signal of " + std::string(name(n.type(0))));
  if (d.rank < 2) n.refuse("rank " + std::to_string(d.rank) + " < 2");
  const int last = d.rank - 1;
  if (d[last] != 1 && d[last] != 2) n.refuse("the last axis does not hold 1 or 2 parts of a number");
  const any_tensor x = ops::widened(n.in(0));
  const auto part = [&](int k) -> any_tensor { return squeeze(cut(x, last, k, k + 1), {last}); };
  return {part(0), d[last] == 2 ? part(1) : any_tensor()};
}
/// The parts along a new last axis, in the type of operand 0.
void out_parts(node_call& n, const std::vector<any_tensor>& parts) {
  std::vector<any_tensor> columns;
  for (const any_tensor& p : parts) columns.push_back(unsqueeze(p, {-1}));
  n.out(ops::narrowed(columns.size() == 1 ? columns[0] : any_tensor(concat(columns, {.axis = -1})), n.in(0)));
}

/// Both parts of the first n / 2 + 1 elements of the transform of n real numbers become those of all: the element of
/// -k is that of k conjugated.
any_tensor mirrored(const any_tensor& x, extent_t n, bool imaginary) {
  const extent_t half = n / 2 + 1;
  const any_tensor known = fitted(x, half), tail = reverse(cut(known, 1, 1, n - half + 1), {1});
  return concat(known, imaginary ? any_tensor(-tail) : tail, {.axis = 1});
}
void dft(node_call& n) {
  const complex_tensor x = complex_operand(n);
  const dims d = n.shape(0);
  const std::int64_t given = n.version() < 20 ? n.integer("axis", 1) : n.has(2) ? known_number(n, 2, "axis") : -2;
  const std::int64_t from_front = given < 0 ? given + d.rank : given;
  if (from_front < 0 || from_front > d.rank - 2)
    n.refuse("axis " + std::to_string(given) + " is none of the signal's, rank " + std::to_string(d.rank));
  const auto axis = static_cast<int>(from_front);
  const bool inverse = n.integer("inverse", 0) != 0, onesided = n.integer("onesided", 0) != 0;
  const bool real = !x.im.node();
  if (onesided && real == inverse)
    n.refuse(inverse ? "onesided and inverse, of real numbers" : "onesided, of complex numbers");
  if (d[axis] < 0) n.refuse("the extent of the axis is not known: give it in onnx_options::extents");
  const extent_t length = transform_length(n, n.has(1)              ? known_number(n, 1, "length")
                                              : inverse && onesided ? 2 * (d[axis] - 1)
                                                                    : d[axis]);
  // The axis last, all others as one.
  ints order, back;
  dims others;
  for (int k = 0; k < d.rank - 1; ++k) {
    if (k == axis) continue;
    order.v[order.size++] = k;
    others.push_back(d[k]);
  }
  order.v[order.size++] = axis;
  back.size = order.size;
  for (int k = 0; k < order.size; ++k) back.v[order.v[k]] = k;
  const extent_t rows = others.rank == 1 ? others[0] : others.is_static() ? others.count() : dyn;
  const auto as_rows = [&](const any_tensor& t) -> any_tensor {
    return reshaped(any_tensor(transpose(t, order)), {rows, d[axis]});
  };
  const auto as_given = [&](const any_tensor& t) -> any_tensor {
    dims to = others;
    to.push_back(detail::shape_of(t.node())[1]);
    return transpose(reshaped(t, to), back);
  };
  const auto input = [&](const any_tensor& t, bool imaginary) {
    return onesided && inverse ? mirrored(as_rows(t), length, imaginary) : fitted(as_rows(t), length);
  };
  complex_tensor y = fourier_transform({input(x.re, false), real ? any_tensor() : input(x.im, true)}, inverse);
  std::vector<any_tensor> parts{y.re, y.im};
  if (onesided && inverse) parts.pop_back();
  for (any_tensor& p : parts) {
    if (inverse) p = p * (1 / static_cast<double>(length));
    if (onesided && !inverse) p = cut(p, 1, 0, length / 2 + 1);
    p = as_given(p);
  }
  out_parts(n, parts);
}

void short_time_dft(node_call& n) {
  const complex_tensor x = complex_operand(n);
  const dims d = n.shape(0);
  const bool onesided = n.integer("onesided", 1) != 0;
  if (d.rank != 3) n.refuse("a signal of rank " + std::to_string(d.rank) + " != 3");
  if (d[1] < 0) n.refuse("the length of the signal is not known: give it in onnx_options::extents");
  if (onesided && x.im.node()) n.refuse("onesided, of complex numbers");
  const std::int64_t step = known_number(n, 1, "step");
  if (n.has(2) && (n.rank(2) != 1 || n.shape(2)[0] < 0)) n.refuse("the window is no vector of known length");
  if (!n.has(2) && !n.has(3)) n.refuse("neither a window nor the length of a frame is given");
  const extent_t length = transform_length(n, n.has(3) ? known_number(n, 3, "length of a frame") : n.shape(2)[0]);
  if (n.has(2) && n.shape(2)[0] != length)
    n.refuse("a window of " + std::to_string(n.shape(2)[0]) + " for frames of " + std::to_string(length));
  if (step < 1 || d[1] < length)
    n.refuse("frames of " + std::to_string(length) + ", a step of " + std::to_string(step) + ", in a signal of " +
             std::to_string(d[1]));
  const std::int64_t frames = (d[1] - length) / step + 1;
  if (frames > longest_transform) n.refuse(std::to_string(frames) + " frames");
  const any_tensor at = unsqueeze(counted(frames), {1}) * step + counted(length);
  const auto framed = [&](const any_tensor& t) -> any_tensor {
    if (!t.node()) return {};
    any_tensor f = gather(t, at, {.axis = 1});
    if (n.has(2)) f = f * ops::widened(n.in(2));
    return reshaped(f, {d[0] < 0 ? dyn : detail::bounded_product(d[0], frames), length});
  };
  const complex_tensor y = fourier_transform({framed(x.re), framed(x.im)}, false);
  std::vector<any_tensor> parts{y.re, y.im};
  for (any_tensor& p : parts) {
    if (onesided) p = cut(p, 1, 0, length / 2 + 1);
    p = reshaped(p, {d[0], frames, detail::shape_of(p.node())[1]});
  }
  out_parts(n, parts);
}

/// Triangles whose corners lie evenly on the mel scale: column i rises from corner i to 1 at the next one, and falls to
/// 0 at the one behind. ONNX's step is the range over the number of corners, not of the gaps between them.
void mel_filters(node_call& n) {
  const std::int64_t filters = known_number(n, 0, "number of filters"), length = known_number(n, 1, "length"),
                     rate = known_number(n, 2, "sample rate");
  const std::vector<double> low = n.reals(3), high = n.reals(4);
  const std::int64_t wanted = n.integer("output_datatype", 1);
  const dtype type = element_type(wanted);
  if (type == any_dtype || type == b8) n.refuse("of " + element_name(wanted));
  if (low.size() != 1 || high.size() != 1) n.refuse("an edge is no scalar");
  constexpr std::int64_t most = std::int64_t{1} << 20;
  const std::int64_t bins = length / 2 + 1;
  if (filters < 0 || filters > max_list || length < 0 || bins > most || filters * bins > most || rate < 1)
    n.refuse(std::to_string(filters) + " filters of " + std::to_string(length) + " samples at a rate of " +
             std::to_string(rate));
  const auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double first = mel(low[0]), step = (mel(high[0]) - first) / static_cast<double>(filters + 2);
  std::vector<std::int64_t> corner;
  for (std::int64_t i = 0; i < filters + 2; ++i) {
    const double hertz = 700 * (std::pow(10, (static_cast<double>(i) * step + first) / 2595) - 1);
    const double at = std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate));
    if (!(at >= 0 && at <= static_cast<double>(bins)) || (i && at < static_cast<double>(corner.back())) ||
        (i <= filters && at == static_cast<double>(bins)))
      n.refuse("edges of " + std::to_string(low[0]) + " and " + std::to_string(high[0]) +
               " hertz, which are not inside the spectrum and in order");
    corner.push_back(static_cast<std::int64_t>(at));
  }
  std::vector<double> w(static_cast<std::size_t>(bins * filters));
  for (std::int64_t i = 0; i < filters; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const std::int64_t from = corner[k], peak = corner[k + 1], to = corner[k + 2];
    const auto set = [&](std::int64_t bin, double v) { w[static_cast<std::size_t>(bin * filters + i)] = v; };
    set(peak, 1);
    for (std::int64_t b = from; b < peak; ++b) set(b, static_cast<double>(b - from) / static_cast<double>(peak - from));
    for (std::int64_t b = peak; b < to; ++b) set(b, static_cast<double>(to - b) / static_cast<double>(to - peak));
  }
  n.out(cast(n.table(f64, {bins, filters}, w.data()), type));
}

constexpr mapping table[] = {
    {"BlackmanWindow", [](node_call& n) { cosine_window(n, 0.42, 0.5, 0.08); }},
    {"DFT", dft},
    {"HammingWindow", [](node_call& n) { cosine_window(n, 25.0 / 46, 21.0 / 46, 0); }},
    {"HannWindow", [](node_call& n) { cosine_window(n, 0.5, 0.5, 0); }},
    {"MelWeightMatrix", mel_filters},
    {"STFT", short_time_dft},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> signal_operators() { return table; }

}  // namespace tenon::onnx
