// Convolutions beside oneDNN (speed.md): weights bound as constants; data with channels last on our side, as they lie
// inside a network ("NCHW": the same with data in that order; "tenon direct": without Winograd's method), in oneDNN's
// own formats, reorders untimed, on theirs. bench_convolutions [--threads N] [--only NAME]; bench/report.py makes the
// table.
#include <cmath>
#include <tenon/tenon.hpp>

#include "measure.hpp"
#include "peers.hpp"

using namespace tenon;
using namespace tenon::bench;

namespace {

using images = tensor<f32, shape<dyn, dyn, dyn, dyn>>;

struct layer {
  param weight;
  conv2d_attrs attrs;
  auto operator()(images x) const { return conv2d(x, weight, attrs); }
};
/// The same from and to [n, h, w, c].
struct channels_last {
  layer of;
  auto operator()(images x) const { return transpose(of(transpose(x, {0, 3, 1, 2})), {0, 2, 3, 1}); }
};
array<f32> last(const array<f32>& x) {
  static auto move = jit([](images v) { return transpose(v, {0, 2, 3, 1}); });
  return move(x);
}

void run(const shape_line& s, const arguments& given) {
  const auto& v = s.numbers;
  const convolution c{v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9]};
  const array<f32> x = array<f32>::uniform({c.n, c.c_in, c.h, c.w}, 1),
                   w = array<f32>::uniform({c.c_out, c.c_in / c.groups, c.kernel, c.kernel}, 2);
  array<f32> ours = array<f32>::zeros({c.n, c.c_out, c.out_h(), c.out_w()}), theirs = ours;
  const auto both = [](long n) { return ints{static_cast<int>(n), static_cast<int>(n)}; };
  const layer l{param("w", f32, {c.c_out, c.c_in / c.groups, c.kernel, c.kernel}),
                {.stride = both(c.stride),
                 .padding = both(c.padding),
                 .dilation = both(c.dilation),
                 .groups = static_cast<int>(c.groups)}};
  auto f = build(l, signature<images>{}, {.target = given.target(), .params = param_set().set("w", w)});
  auto g = build(channels_last{l}, signature<images>{}, {.target = given.target(), .params = param_set().set("w", w)});
  auto d = build(channels_last{l}, signature<images>{},
                 {.target = given.target(), .params = param_set().set("w", w), .context = {.disabled = {"winograd"}}});
  const array<f32> x_last = last(x);
  array<f32> ours_last = last(ours);
  std::vector<side> sides{{"tenon", [&] { g.into(ours_last, x_last); }}, {"NCHW", [&] { f.into(ours, x); }}};
  const timed_convolution direct = onednn_convolution(c, x.data(), w.data(), theirs.data(), false),
                          winograd = onednn_convolution(c, x.data(), w.data(), theirs.data(), true);
  if (winograd.run) sides.push_back({"tenon direct", [&] { d.into(ours_last, x_last); }});
  sides.push_back({"direct", direct.run});
  if (winograd.run) sides.push_back({"winograd", winograd.run});
  measure(sides, 9);
  direct.read();
  const double allowed = 1e-5 * static_cast<double>(c.c_in / c.groups * c.kernel * c.kernel);
  for (std::int64_t i = 0; i < ours.size(); ++i)
    if (!(std::abs(ours.data()[i] - theirs.data()[i]) <= allowed)) {
      std::fprintf(stderr, "%s: element %ld is %g, oneDNN has %g\n", s.name.c_str(), static_cast<long>(i),
                   ours.data()[i], theirs.data()[i]);
      std::exit(1);
    }
  const array<f32> again = last(ours);
  for (std::int64_t i = 0; i < again.size(); ++i)
    if (!(std::abs(again.data()[i] - ours_last.data()[i]) <= allowed)) {
      std::fprintf(stderr, "%s: element %ld is %g with channels last, else %g\n", s.name.c_str(), static_cast<long>(i),
                   ours_last.data()[i], again.data()[i]);
      std::exit(1);
    }
  print(given.table("convolution").c_str(), s.name, sides, c.flops());
}

}  // namespace

int main(int argc, char** argv) {
  const arguments given(argc, argv, [](const std::string&, const std::function<long()>&) { return false; });
  set_peer_threads(given.threads);
  std::printf("peak\tone core\tfma\t%.6g\t1\t1\t1\n", measured_peak());
  for (const shape_line& s : read_shapes(TENON_BENCH_SHAPES "/conv2d.csv"))
    if (given.wanted(s.name)) run(s, given);
}
