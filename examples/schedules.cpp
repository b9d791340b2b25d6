// A schedule by hand, compared with the one that the library chooses.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <tenon/tenon.hpp>
using namespace tenon;

// Milliseconds of one call, the best of some.
template <class F>
double milliseconds(const F& f) {
  double best = 1e9;
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

int main() {
  auto mm = jit([](tensor<f32, shape<512, 512>> a, tensor<f32, shape<512, 512>> b) { return matmul(a, b); });

  schedule s = mm.schedule();  // the default schedule's starting point: plain loops
  auto plain = s.compile();
  auto [i, j, k] = s.loops<3>("matmul");
  auto [io, ii] = s.split(i, 12);
  auto [jo, ji] = s.split(j, 32);
  s.reorder(io, jo, k, ii, ji);
  s.vectorize(ji, 16);
  s.unroll(ii);
  s.parallel(io);
  print(s);  // the loop nest, as text
  auto mine = s.compile();

  // An illegal step says why, and changes nothing.
  try {
    s.parallel(k);
  } catch (const schedule_error& e) {
    print(e.what());
  }

  // A schedule is a value: saved, replayed.
  schedule again = mm.schedule(s.json());
  print(again.json() == s.json() ? "replayed" : "lost");

  const auto a = array<f32>::uniform({512, 512}, 1), b = array<f32>::uniform({512, 512}, 2);
  auto y = mm(a, b), z = mine(a, b);
  float apart = 0;
  for (int n = 0; n < 512 * 512; ++n) apart = std::max(apart, std::abs(y.data()[n] - z.data()[n]));
  std::printf("largest difference %g\n", static_cast<double>(apart));

  std::printf("default %.2f ms, mine %.2f ms, plain loops %.2f ms\n", milliseconds([&] { mm.into(y, a, b); }),
              milliseconds([&] { mine.into(z, a, b); }), milliseconds([&] { plain.into(z, a, b); }));
  return apart < 1e-3f ? 0 : 1;
}
