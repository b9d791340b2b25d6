// Attention (speed.md) beside what a user of libraries would write: for each head a product of OpenBLAS or oneDNN, a
// softmax, of oneDNN or ours, and another product; heads go to the threads. bench_attention [--threads N] [--only
// NAME]; bench/report.py makes the table.
#include <cmath>
#include <limits>
#include <tenon/tenon.hpp>

#include "measure.hpp"
#include "peers.hpp"

using namespace tenon;
using namespace tenon::bench;

namespace {

using heads = tensor<f32, shape<dyn, dyn, dyn>>;
using matrix = tensor<f32, shape<dyn, dyn>>;

struct problem {
  long count, queries, keys, depth;
  bool causal;
  double flops() const {
    double scores = static_cast<double>(queries) * static_cast<double>(keys);
    if (causal) {  // the ones that are seen
      scores = 0;
      for (long i = 0; i < queries; ++i) scores += static_cast<double>(std::min(i + 1, keys));
    }
    return 4 * static_cast<double>(count * depth) * scores;
  }
};

void mask(const problem& p, float* scores) {
  for (long i = 0; i < p.queries; ++i)
    for (long j = i + 1; j < p.keys; ++j) scores[i * p.keys + j] = -std::numeric_limits<float>::infinity();
}

void run(const shape_line& s, const arguments& given) {
  const problem p{s.numbers[0] * s.numbers[1], s.numbers[2], s.numbers[3], s.numbers[4], s.numbers[5] != 0};
  const array<f32> q = array<f32>::uniform({p.count, p.queries, p.depth}, 1),
                   k = array<f32>::uniform({p.count, p.keys, p.depth}, 2),
                   v = array<f32>::uniform({p.count, p.keys, p.depth}, 3);
  array<f32> ours = array<f32>::zeros({p.count, p.queries, p.depth}), theirs = ours;
  const attention_attrs how{.causal = p.causal};
  auto attend = jit([&](heads a, heads b, heads c) { return scaled_dot_product_attention(a, b, c, how); },
                    {.target = given.target()});
  const compile_options alone{.target = "llvm -num-threads=1"};
  auto soft = jit([](matrix x) { return softmax(x); }, alone);
  auto masked_soft = jit([](matrix x) { return softmax(causal_mask(x)); }, alone);
  // What a thread works in: scores before and after the softmax, and oneDNN's primitive on them.
  struct place {
    array<f32> scores, weights;
    std::function<void()> softmax;
  };
  std::vector<place> places;
  for (int t = 0; t < given.threads; ++t) {
    places.push_back({array<f32>::zeros({p.queries, p.keys}), array<f32>::zeros({p.queries, p.keys}), {}});
    place& mine = places.back();
    mine.softmax = onednn_softmax(p.queries, p.keys, mine.scores.data(), mine.weights.data());
  }
  const float scale = 1 / std::sqrt(static_cast<float>(p.depth));
  const auto with = [&](bool openblas, const std::function<void(place&)>& softmax) {
    return [&, openblas, softmax] {
      in_parallel(p.count, given.threads, [&](long h, int t) {
        place& at = places[static_cast<std::size_t>(t)];
        const float *q_h = q.data() + h * p.queries * p.depth, *k_h = k.data() + h * p.keys * p.depth,
                    *v_h = v.data() + h * p.keys * p.depth;
        float *scores = at.scores.data(), *weights = at.weights.data(), *y = theirs.data() + h * p.queries * p.depth;
        const auto transposed = openblas ? openblas_sgemm_transposed : onednn_sgemm_transposed;
        transposed(p.queries, p.keys, p.depth, scale, q_h, k_h, scores);
        softmax(at);
        (openblas ? openblas_sgemm : onednn_sgemm)(p.queries, p.depth, p.keys, weights, v_h, y);
      });
    };
  };
  const auto onednn = [&](place& at) {
    if (p.causal) mask(p, at.scores.data());
    at.softmax();
  };
  const auto own = [&](place& at) {
    p.causal ? masked_soft.into(at.weights, at.scores) : soft.into(at.weights, at.scores);
  };
  std::vector<side> sides{{"tenon", [&] { attend.into(ours, q, k, v); }},
                          {"OpenBLAS, oneDNN's softmax", with(true, onednn)},
                          {"OpenBLAS, our softmax", with(true, own)},
                          {"oneDNN, oneDNN's softmax", with(false, onednn)},
                          {"oneDNN, our softmax", with(false, own)}};
  for (const side& peer : sides) {
    peer.run();
    if (&peer == &sides[0]) continue;
    for (std::int64_t i = 0; i < ours.size(); ++i)
      if (!(std::abs(ours.data()[i] - theirs.data()[i]) <= 1e-5f)) {
        std::fprintf(stderr, "%s: element %ld is %g, %s has %g\n", s.name.c_str(), static_cast<long>(i), ours.data()[i],
                     peer.name.c_str(), theirs.data()[i]);
        std::exit(1);
      }
  }
  measure(sides, 9);
  print(given.table("attention").c_str(), s.name, sides, p.flops());
}

}  // namespace

int main(int argc, char** argv) {
  const arguments given(argc, argv, [](const std::string&, const std::function<long()>&) { return false; });
  set_peer_threads(1);  // of each call
  std::printf("peak\tone core\tfma\t%.6g\t1\t1\t1\n", measured_peak());
  for (const shape_line& s : read_shapes(TENON_BENCH_SHAPES "/attention.csv"))
    if (given.wanted(s.name)) run(s, given);
}
