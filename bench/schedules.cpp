// One computation under named schedules: plain loops, vectorised, tiled, packed, the library's own, and one that a user
// might write. Each side of a row is a schedule; all compute the same (checked here, up to the order of sums).
//   bench_schedules [--threads N] [--only matmul|conv2d|softmax|depthwise|attention]
#include <cmath>
#include <tenon/tenon.hpp>

#include "machine_peaks.hpp"
#include "measure.hpp"

using namespace tenon;
using bench::side;

namespace {

// The callables and their results, so that every side runs on the same arguments.
template <class F, class... A>
class comparison {
 public:
  comparison(F f, const A&... a) : f_(f), arguments_(a...), expected_(f(a...)) { add("default", f); }

  void add(const char* name, F f) {
    const auto got = std::apply([&](const A&... a) { return f(a...); }, arguments_);
    for (std::int64_t i = 0; i < got.size(); ++i)
      if (!(std::abs(got.data()[i] - expected_.data()[i]) <= 1e-3f * std::max(1.0f, std::abs(expected_.data()[i]))))
        std::fprintf(stderr, "%s: element %ld is %g, not %g\n", name, static_cast<long>(i),
                     static_cast<double>(got.data()[i]), static_cast<double>(expected_.data()[i])),
            std::exit(1);
    sides_.push_back({name, [this, f, y = std::make_shared<array<f32>>(got)] {
                        std::apply([&](const A&... a) { f.into(*y, a...); }, arguments_);
                      }});
  }
  // `change` takes the steps on a schedule that begins as plain loops.
  template <class C>
  void add_schedule(const char* name, C change) {
    auto s = f_.schedule();
    change(s);
    add(name, s.compile());
  }
  void run(const bench::arguments& words, const char* what, double work) {
    bench::measure(sides_, 9, 5e-3);
    bench::print(words.table(std::string("schedules, ") + what).c_str(), what, sides_, work);
  }

 private:
  F f_;
  std::tuple<A...> arguments_;
  array<f32> expected_;
  std::vector<side> sides_;
};

void matmul_512(const bench::arguments& words) {
  constexpr extent_t n = 512;
  auto f = jit([](tensor<f32, shape<n, n>> a, tensor<f32, shape<n, n>> b) { return matmul(a, b); },
               {.target = words.target()});
  const auto a = array<f32>::uniform({n, n}, 1), b = array<f32>::uniform({n, n}, 2);
  comparison all(f, a, b);
  all.add_schedule("plain loops", [](auto&) {});
  all.add_schedule("vectorised", [](auto& s) {
    auto [i, j, k] = s.template loops<3>("matmul");
    auto [jo, ji] = s.split(j, 64);
    s.reorder(i, jo, k, ji);
    s.vectorize(ji, 16);
    s.parallel(i);
  });
  all.add_schedule("tiled", [](auto& s) {
    auto [i, j, k] = s.template loops<3>("matmul");
    auto [io, jo, ii, ji] = s.tile(i, j, 12, 32);
    s.reorder(io, jo, k, ii, ji);
    s.vectorize(ji, 16);
    s.unroll(ii);
    s.parallel(io);
  });
  all.add_schedule("packed", [](auto& s) {
    auto [i, j, k] = s.template loops<3>("matmul");
    auto [io, ii] = s.split(i, 8, tail::shift);
    auto [jo, ji] = s.split(j, 48, tail::guard);
    s.reorder(jo, io, k, ii, ji);
    s.parallel(jo);
    const auto panel = s.pack("x1", jo, 1, 48);
    s.vectorize(panel[2], 16);
    s.tensorize(ii, ji);
  });
  all.add_schedule("by hand", [](auto& s) {
    auto [i, j, k] = s.template loops<3>("matmul");
    auto [io, ii] = s.split(i, 12);
    auto [jo, ji] = s.split(j, 32);
    s.reorder(io, jo, k, ii, ji);
    s.partition(io);
    s.parallel(io);
    s.prefetch("x1", jo, 1);
    s.tensorize(ii, ji);
  });
  all.run(words, "matmul", 2.0 * n * n * n);
}

void conv2d_56(const bench::arguments& words) {
  auto f = jit([](tensor<f32, shape<1, 64, 56, 56>> x,
                  tensor<f32, shape<64, 64, 3, 3>> w) { return conv2d.with<{.padding = {1, 1}}>(x, w); },
               {.target = words.target()});
  const auto x = array<f32>::uniform({1, 64, 56, 56}, 1), w = array<f32>::uniform({64, 64, 3, 3}, 2);
  comparison all(f, x, w);
  all.add_schedule("plain loops", [](auto&) {});
  all.add_schedule("vectorised", [](auto& s) {
    auto [n, o, h, v, c, p, q] = s.template loops<7>("conv2d");
    s.reorder(n, o, h, c, p, q, v);
    s.vectorize(v, 16);
  });
  all.add_schedule("tiled", [](auto& s) {
    auto [n, o, h, v, c, p, q] = s.template loops<7>("conv2d");
    auto [oo, oi] = s.split(o, 4);
    auto [vo, vi] = s.split(v, 32, tail::shift);
    s.reorder(oo, n, h, vo, c, p, q, oi, vi);
    s.vectorize(vi, 16);
    s.unroll(oi);
    s.parallel(oo);
  });
  all.run(words, "conv2d", 2.0 * 64 * 56 * 56 * 64 * 9);
}

void softmax_rows(const bench::arguments& words) {
  auto f = jit([](tensor<f32, shape<512, 1024>> x) { return softmax(x); }, {.target = words.target()});
  const auto x = array<f32>::uniform({512, 1024}, 1);
  comparison all(f, x);
  all.add_schedule("plain loops", [](auto&) {});
  all.add_schedule("vectorised", [](auto& s) {
    for (const loop_handle l : s.template loops<4>("max"))
      if (l.id > 0) s.vectorize(l, 16);
  });
  all.add_schedule("exponentials kept", [](auto& s) {
    auto [i, j, m, e] = s.template loops<4>("max");
    const auto kept = s.compute_at("exp", i);
    s.vectorize(kept[1], 16);
    for (const loop_handle l : {j, m, e}) s.vectorize(l, 16);
    s.parallel(i);
  });
  all.run(words, "softmax", 512.0 * 1024 * 5);
}

void depthwise_56(const bench::arguments& words) {
  auto f = jit([](tensor<f32, shape<1, 128, 56, 56>> x,
                  tensor<f32, shape<128, 1, 3, 3>> w) { return conv2d.with<{.padding = {1, 1}, .groups = 128}>(x, w); },
               {.target = words.target()});
  const auto x = array<f32>::uniform({1, 128, 56, 56}, 1), w = array<f32>::uniform({128, 1, 3, 3}, 2);
  comparison all(f, x, w);
  all.add_schedule("plain loops", [](auto&) {});
  all.run(words, "depthwise", 2.0 * 128 * 56 * 56 * 9);
}

void attention_128(const bench::arguments& words) {
  using heads = tensor<f32, shape<12, 128, 64>>;
  auto f = jit([](heads q, heads k, heads v) { return matmul(softmax(matmul(q, transpose(k, {0, 2, 1})) / 8.0f), v); },
               {.target = words.target()});
  const auto q = array<f32>::uniform({12, 128, 64}, 1), k = array<f32>::uniform({12, 128, 64}, 2),
             v = array<f32>::uniform({12, 128, 64}, 3);
  comparison all(f, q, k, v);
  all.add_schedule("plain loops", [](auto&) {});
  all.run(words, "attention", 4.0 * 12 * 128 * 128 * 64);
}

}  // namespace

int main(int count, char** words) {
  const bench::arguments a(count, words, [](const std::string&, const std::function<long()>&) { return false; });
  if (a.wanted("matmul")) matmul_512(a);
  if (a.wanted("conv2d")) conv2d_56(a);
  if (a.wanted("softmax")) softmax_rows(a);
  if (a.wanted("depthwise")) depthwise_56(a);
  if (a.wanted("attention")) attention_128(a);
  std::printf("peak\tone core\tfma\t%.6g\t1\t1\t1\n", measured_peaks().operations);
}
