// Attention of random shapes against plain loops in double: batches, grouped heads, masks of both types, causal, scaled
// and capped scores, rows that see nothing, lengths beyond one block of keys; as the operator and spelt out; on each
// target; one kernel; the same bits with 1, 2 and 3 threads; memory that does not grow with the square of the length.
//   test_schedule_attention [--from SEED] [--to SEED] [--target TEXT]...
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "seeds.hpp"

using namespace tenon;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

enum class masking { none, bits, numbers };

struct problem {
  long batch = 1, heads = 1, heads_of_k = 1, queries = 1, keys = 1, depth = 1, width = 1;
  attention_attrs attrs{};
  masking mask = masking::none;
  std::vector<long> mask_extents{};  // broadcast to [batch, heads, queries, keys]
  bool transposed_keys = false, transposed_values = false;
  std::string text() const {
    std::string s = "[" + std::to_string(batch) + "," + std::to_string(heads) + "/" + std::to_string(heads_of_k) + "," +
                    std::to_string(queries) + "," + std::to_string(keys) + "] of " + std::to_string(depth) + ", " +
                    std::to_string(width);
    if (attrs.causal) s += ", causal from " + std::to_string(attrs.offset);
    if (mask != masking::none) s += mask == masking::bits ? ", mask of bits" : ", mask of numbers";
    for (long e : mask_extents) s += " " + std::to_string(e);
    return s + (transposed_keys ? ", keys the other way" : "") + (transposed_values ? ", values the other way" : "");
  }
};

template <dtype D>
struct values {
  array<D> q, k, v, numbers;
  array<b8> bits;
};

template <class T>
double number(T x) {
  if constexpr (std::is_same_v<T, double>) return x;
  return static_cast<float>(x);
}

// One row of the result: the definition, in double. `sizes`: of each element the sum of what its terms amount to.
template <dtype D>
void reference(const problem& p, const values<D>& in, long b, long h, long i, std::vector<double>& row,
               std::vector<double>& sizes) {
  const long group = p.heads / p.heads_of_k, hk = (b * p.heads_of_k + h / group);
  const auto* q = in.q.data() + ((b * p.heads + h) * p.queries + i) * p.depth;
  std::vector<double> score(static_cast<std::size_t>(p.keys));
  double top = -infinity;
  for (long s = 0; s < p.keys; ++s) {
    double x = 0;
    for (long d = 0; d < p.depth; ++d) {
      const long at = p.transposed_keys ? (hk * p.depth + d) * p.keys + s : (hk * p.keys + s) * p.depth + d;
      x += number(q[d]) * number(in.k.data()[at]);
    }
    x *= p.attrs.scale != 0 ? p.attrs.scale : 1 / std::sqrt(1.0 * p.depth);
    if (p.attrs.softcap != 0) x = p.attrs.softcap * std::tanh(x / p.attrs.softcap);
    if (p.mask != masking::none) {
      const long full[] = {b, h, i, s};
      long at = 0;
      for (std::size_t d = 0; d < p.mask_extents.size(); ++d) {
        const long e = p.mask_extents[d];
        at = at * e + (e == 1 ? 0 : full[4 - p.mask_extents.size() + d]);
      }
      if (p.mask == masking::numbers) x += number(in.numbers.data()[at]);
      if (p.mask == masking::bits && !in.bits.data()[at]) x = -infinity;
    }
    if (p.attrs.causal && s > i + p.attrs.offset) x = -infinity;
    score[static_cast<std::size_t>(s)] = x;
    top = std::max(top, x);
  }
  row.assign(static_cast<std::size_t>(p.width), 0);
  sizes.assign(static_cast<std::size_t>(p.width), 0);
  double total = 0;
  for (double& x : score) total += x = top == -infinity ? 0 : std::exp(x - top);
  for (long s = 0; s < p.keys; ++s)
    for (long e = 0; e < p.width; ++e) {
      const long at = p.transposed_values ? (hk * p.width + e) * p.keys + s : (hk * p.keys + s) * p.width + e;
      const double term = total == 0 ? 0 : score[static_cast<std::size_t>(s)] / total * number(in.v.data()[at]);
      row[static_cast<std::size_t>(e)] += term;
      sizes[static_cast<std::size_t>(e)] += std::abs(term);
    }
}

problem make_problem(std::mt19937_64& random) {
  const auto extent = [&](long most) -> long {
    constexpr long few[] = {1,  2,  3,  5,  7,  8,  12, 15, 16, 17,  31,  32,
                            33, 47, 48, 49, 63, 64, 65, 95, 97, 127, 128, 129};
    if (random() % 2) return std::min<long>(few[random() % std::size(few)], most);
    return 1 + static_cast<long>(std::exp2(std::uniform_real_distribution<>(0, std::log2(most))(random)));
  };
  problem p;
  p.batch = 1 + static_cast<long>(random() % 3);
  p.heads_of_k = 1 + static_cast<long>(random() % 3);
  p.heads = p.heads_of_k * (1 + static_cast<long>(random() % 3));
  p.queries = extent(150);
  p.keys = random() % 3 ? extent(300) : p.queries;
  p.depth = extent(80);
  p.width = random() % 2 ? p.depth : extent(80);
  if (random() % 12 == 0) {  // more than one block of keys
    p.batch = p.heads = p.heads_of_k = 1;
    p.queries = extent(40), p.keys = 2040 + extent(1200), p.depth = extent(16), p.width = extent(16);
  }
  if (random() % 25 == 0) (random() % 2 ? p.queries : p.keys) = 0;
  p.attrs.causal = random() % 3 == 0;
  if (p.attrs.causal && random() % 2)
    p.attrs.offset = static_cast<int>(p.keys - p.queries) + static_cast<int>(random() % 3);
  if (random() % 4 == 0) p.attrs.scale = 0.3;
  if (random() % 6 == 0) p.attrs.softcap = 2;
  p.mask = random() % 2 ? masking::none : random() % 2 ? masking::bits : masking::numbers;
  if (p.mask != masking::none) {
    const long full[] = {p.batch, p.heads, p.queries, p.keys};
    const std::size_t skip = random() % 3;
    for (std::size_t d = skip; d < 4; ++d) p.mask_extents.push_back(random() % 3 ? full[d] : 1);
  }
  p.transposed_keys = random() % 6 == 0;
  p.transposed_values = random() % 6 == 0;
  return p;
}

template <dtype D>
values<D> make_values(const problem& p, std::mt19937_64& random) {
  const auto to = [](double x) {
    if constexpr (D == f64) return x;
    return host_t<D>(static_cast<float>(x));
  };
  const auto filled = [&](std::vector<extent_t> extents) {
    array<D> x = array<D>::zeros(extents);
    for (auto& e : x) e = to(std::uniform_real_distribution<>(-2, 2)(random));
    return x;
  };
  const auto matrices = [&](long rows, long columns, bool turned) {
    if (turned) std::swap(rows, columns);
    return filled({p.batch, p.heads_of_k, rows, columns});
  };
  const auto mask = [&](masking of) { return p.mask == of ? p.mask_extents : std::vector<extent_t>{1}; };
  array<D> q = filled({p.batch, p.heads, p.queries, p.depth}), k = matrices(p.keys, p.depth, p.transposed_keys),
           v = matrices(p.keys, p.width, p.transposed_values), numbers = filled(mask(masking::numbers));
  array<b8> bits = array<b8>::zeros(mask(masking::bits));
  const std::uint64_t seen = random() % 4 ? 6 : 1;  // of 8; with 1 some rows see nothing
  for (bool& b : bits) b = random() % 8 < seen;
  for (auto& x : numbers)
    if (random() % 8 == 0) x = to(-infinity);
  return {std::move(q), std::move(k), std::move(v), std::move(numbers), std::move(bits)};
}

// The same in other words: one kernel too, with NaN where nothing is seen.
template <class X>
X spelt_out(const X& q, const X& k, const X& v, double scale) {
  return X(matmul(X(softmax(X(X(matmul(q, X(transpose(k)))) * scale))), v));
}

template <dtype D>
bool check(const problem& p, std::mt19937_64& random, const std::vector<std::string>& targets, std::uint64_t seed) {
  using any = tensor<D, any_shape>;
  const values<D> in = make_values<D>(p, random);
  const bool plain = p.heads == p.heads_of_k && p.mask == masking::none && !p.attrs.causal && p.attrs.softcap == 0;
  const bool spelt = plain && (D == f32 || D == f64) && seed % 2;
  const auto model = [&](const any& q, const any& k0, const any& v0, const any& numbers,
                         const tensor<b8, any_shape>& bits) {
    const any k = p.transposed_keys ? any(transpose(k0)) : k0, v = p.transposed_values ? any(transpose(v0)) : v0;
    if (spelt)
      return spelt_out(q, k, v, p.attrs.scale != 0 ? p.attrs.scale : 1 / std::sqrt(1.0 * static_cast<double>(p.depth)));
    if (p.mask == masking::bits) return any(scaled_dot_product_attention(q, k, v, bits, p.attrs));
    if (p.mask == masking::numbers) return any(scaled_dot_product_attention(q, k, v, numbers, p.attrs));
    return any(scaled_dot_product_attention(q, k, v, p.attrs));
  };
  constexpr double stored = D == f64 ? 0x1p-53 : D == f32 ? 0x1p-24 : D == f16 ? 0x1p-11 : 0x1p-8;
  constexpr double computed = D == f64 ? 0x1p-53 : 0x1p-24;
  for (const std::string& target : targets) {
    array<D> before;
    for (const int threads : {1, 2, 3}) {
      auto f = jit(model, {.target = target + " -num-threads=" + std::to_string(threads), .cache = false});
      const array<D> got = f(in.q, in.k, in.v, in.numbers, in.bits);
      const auto fail = [&](const std::string& what) {
        std::fprintf(stderr, "seed %lu: %s %s%s, %s, %d threads: %s\n", static_cast<unsigned long>(seed),
                     std::string(name(D)).c_str(), p.text().c_str(), spelt ? ", spelt out" : "", target.c_str(),
                     threads, what.c_str());
        return false;
      };
      if (got.size() != p.batch * p.heads * p.queries * p.width)
        return fail("a result of " + std::to_string(got.size()) + " elements");
      const call_stats stats = f.stats();
      const bool degenerate = got.size() == 0 || p.keys < 2 || p.depth < 2 || p.width < 2;
      if (!degenerate && stats.kernels != 1) return fail(std::to_string(stats.kernels) + " kernels");
      if (threads > 1) {
        if (got.size() != 0 &&
            std::memcmp(before.data(), got.data(), static_cast<std::size_t>(got.size()) * sizeof(*got.data())) != 0)
          return fail("other bits than with 1 thread");
        continue;
      }
      std::vector<double> row, sizes;
      const auto* y = got.data();
      for (long b = 0; b < p.batch; ++b)
        for (long h = 0; h < p.heads; ++h)
          for (long i = 0; i < p.queries; ++i) {
            reference(p, in, b, h, i, row, sizes);
            for (std::size_t e = 0; e < row.size(); ++e, ++y) {
              // Of the exponent: of a sum over the depth, of size up to 4 depth |scale|; of the sums over keys.
              const double exponent = 8 * (static_cast<double>(p.depth) + 4) * static_cast<double>(p.depth) *
                                      std::max(1.0, std::abs(p.attrs.scale)) * computed;
              const double allowed = sizes[e] * (exponent + (2 * static_cast<double>(p.keys) + 60) * computed) +
                                     std::abs(row[e]) * stored + (D == f16 ? 0x1p-24 : 0);
              if (!(std::abs(number(*y) - row[e]) <= allowed))
                return fail("row " + std::to_string(i) + " of " + std::to_string(b) + ", " + std::to_string(h) +
                            ", element " + std::to_string(e) + " is " + std::to_string(number(*y)) + ", not " +
                            std::to_string(row[e]) + " within " + std::to_string(allowed));
            }
          }
      before = got;
    }
  }
  return true;
}

// Memory of a call: a block of scores, never all of them.
bool check_memory() {
  using any = tensor<f32, any_shape>;
  constexpr std::int64_t most = 1 << 20;
  for (const auto& [queries, keys] :
       {std::pair<extent_t, extent_t>{128, 128}, {2048, 2048}, {4096, 4096}, {16, 60000}}) {
    auto f = jit([](any q, any k, any v) { return scaled_dot_product_attention(q, k, v); },
                 {.target = "llvm -num-threads=1", .cache = false});
    f(array<f32>::zeros({1, queries, 16}), array<f32>::zeros({1, keys, 16}), array<f32>::zeros({1, keys, 16}));
    const std::int64_t bytes = f.stats().workspace_bytes;
    if (bytes <= most) continue;
    std::fprintf(stderr, "%ld x %ld: a call takes %ld bytes, not up to %ld\n", static_cast<long>(queries),
                 static_cast<long>(keys), static_cast<long>(bytes), static_cast<long>(most));
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const test::seed_range seeds = test::read_seeds(argc, argv, {.to = 24});
  int failures = test::count_failures(seeds, [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const problem p = make_problem(random);
    switch (random() % 6) {
      case 0:
        return check<f64>(p, random, seeds.targets, seed);
      case 1:
        return check<bf16>(p, random, seeds.targets, seed);
      case 2:
        return check<f16>(p, random, seeds.targets, seed);
      default:
        return check<f32>(p, random, seeds.targets, seed);
    }
  });
  if (seeds.from == 0) failures += !check_memory();
  return failures != 0;
}
