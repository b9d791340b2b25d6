// Permutations and maps that read along another axis than they write, against plain loops: random extents and orders,
// elements of every size, on each target; operands and results end, but for less than 64 bytes, where a
// page begins that nobody may touch; the same bits with 1, 2 and 3 threads.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <tenon/tenon.hpp>
#include <vector>

#include "targets.hpp"

using namespace tenon;

namespace {

/// Allocations, rounded up to their alignment, end where a page begins that must not be touched.
class fenced_memory : public memory {
 public:
  void* allocate(std::size_t bytes, std::size_t alignment) override {
    bytes = rounded(bytes, alignment);
    auto* base = static_cast<std::byte*>(
        mmap(nullptr, mapped(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base == MAP_FAILED) throw std::bad_alloc();
    std::byte* fence = base + mapped(bytes) - page;
    mprotect(fence, page, PROT_NONE);
    return fence - bytes;
  }
  void deallocate(void* p, std::size_t bytes, std::size_t alignment) noexcept override {
    bytes = rounded(bytes, alignment);
    munmap(static_cast<std::byte*>(p) + bytes + page - mapped(bytes), mapped(bytes));
  }

 private:
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  static std::size_t rounded(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }
  std::size_t mapped(std::size_t bytes) const { return rounded(bytes, page) + page; }
};

enum class kind : std::uint8_t { move, with_plain, twice, with_rows, heavy, bordered, count };

struct problem {
  std::vector<long> extents;  ///< of the operand
  std::vector<int> order;     ///< the operand's axis for each axis of the result
  kind what{};
  std::string text(dtype t) const {
    std::string s = std::string(name(t)) + " kind " + std::to_string(static_cast<int>(what)) + " [";
    for (long e : extents) s += std::to_string(e) + " ";
    s += "] by [";
    for (int d : order) s += std::to_string(d) + " ";
    return s + "]";
  }
};

problem make_problem(std::mt19937_64& random) {
  const auto extent = [&]() -> long {
    constexpr long edges[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 256, 257};
    switch (random() % 3) {
      case 0:
        return edges[random() % std::size(edges)];
      case 1:
        return 1 + static_cast<long>(random() % 20);
      default:
        return 1 + static_cast<long>(std::exp2(std::uniform_real_distribution<>(0, 10)(random)));
    }
  };
  problem p;
  const std::size_t rank = 2 + random() % 5;
  do {
    p.extents.clear();
    for (std::size_t d = 0; d < rank; ++d) p.extents.push_back(extent());
  } while (std::accumulate(p.extents.begin(), p.extents.end(), 1.0, std::multiplies<>()) > 4e5);
  if (random() % 30 == 0) p.extents[random() % rank] = 0;
  p.order.resize(rank);
  std::iota(p.order.begin(), p.order.end(), 0);
  do std::ranges::shuffle(p.order, random);
  while (p.order.back() == static_cast<int>(rank) - 1 && random() % 8);
  p.what = static_cast<kind>(random() % static_cast<int>(kind::count));
  return p;
}

template <dtype D>
array<D> random_array(const std::vector<long>& extents, std::mt19937_64& random, memory* m) {
  array<D> a = array<D>::zeros(extents, m);
  for (std::int64_t i = 0; i < a.size(); ++i) {
    if constexpr (D == b8)
      a.data()[i] = random() % 2 == 0;
    else if constexpr (is_float(D))
      a.data()[i] = static_cast<host_t<D>>(static_cast<float>(static_cast<long>(random() % 21) - 10));
    else
      a.data()[i] = static_cast<host_t<D>>(static_cast<long>(random() % 11));
  }
  return a;
}

/// Small whole numbers, so that every type and order of operations is exact.
template <dtype D>
long number(host_t<D> v) {
  if constexpr (D == f16 || D == bf16)
    return static_cast<long>(static_cast<float>(v));
  else
    return static_cast<long>(v);
}

template <dtype D>
tensor<D, any_shape> map(const problem& p, tensor<D, any_shape> x, tensor<D, any_shape> y, tensor<D, any_shape> row) {
  using any = tensor<D, any_shape>;
  ints order;
  for (int d : p.order) order.v[order.size++] = d;
  const any t = transpose(x, order);
  if constexpr (D == b8)
    return p.what == kind::move ? t : any(logical_xor(t, y));
  else
    switch (p.what) {
      case kind::with_plain:
        return t + y;
      case kind::twice:
        return t * y - t;
      case kind::with_rows:
        return t * row + y;
      case kind::heavy:
        return maximum(t * t - y, y * row - t) + minimum(t * y, row - t) * row;
      case kind::bordered: {
        ints one, none;
        for (std::size_t d = 0; d < p.order.size(); ++d) one.v[one.size++] = d % 2 ? 1 : 0, none.v[none.size++] = 0;
        const any wide = pad(x, {.before = one, .after = none, .value = 3});
        return transpose(wide, order);
      }
      default:
        return t;
    }
}

template <dtype D>
long expected(const problem& p, long t, long y, long row) {
  if constexpr (D == b8) return p.what == kind::move ? t : t ^ y;
  switch (p.what) {
    case kind::with_plain:
      return t + y;
    case kind::twice:
      return t * y - t;
    case kind::with_rows:
      return t * row + y;
    case kind::heavy:
      return std::max(t * t - y, y * row - t) + std::min(t * y, row - t) * row;
    default:
      return t;
  }
}

template <dtype D>
void check(const problem& p, std::mt19937_64& random, const std::vector<std::string>& targets) {
  fenced_memory fenced;
  const std::size_t rank = p.order.size();
  std::vector<long> out(rank);
  const bool bordered = p.what == kind::bordered && D != b8;
  const auto before = [&](std::size_t axis) { return bordered && axis % 2 ? 1l : 0l; };
  for (std::size_t d = 0; d < rank; ++d) {
    const auto from = static_cast<std::size_t>(p.order[d]);
    out[d] = p.extents[from] + before(from);
  }
  const array<D> x = random_array<D>(p.extents, random, &fenced), y = random_array<D>(out, random, &fenced),
                 row = random_array<D>({out.back()}, random, &fenced);
  array<D> want = array<D>::zeros(out);
  for (std::int64_t i = 0; i < want.size(); ++i) {
    std::vector<long> at(rank);
    std::int64_t rest = i;
    for (std::size_t d = rank; d-- > 0; rest /= out[d]) at[static_cast<std::size_t>(p.order[d])] = rest % out[d];
    std::int64_t from = 0;
    bool inside = true;
    for (std::size_t d = 0; d < rank; ++d) {
      inside = inside && at[d] >= before(d);
      from = from * p.extents[d] + at[d] - before(d);
    }
    const long t = inside ? number<D>(x.data()[from]) : 3;
    const long v = expected<D>(p, t, number<D>(y.data()[i]), number<D>(row.data()[i % out.back()]));
    if constexpr (D == f16 || D == bf16)
      want.data()[i] = host_t<D>(static_cast<float>(v));
    else
      want.data()[i] = static_cast<host_t<D>>(v);
  }
  for (const std::string& target : targets)
    for (const int threads : {1, 2, 3}) {
      using any = tensor<D, any_shape>;
      compile_options options{.target = target + " -num-threads=" + std::to_string(threads), .cache = false};
      auto f = jit([&p](any a, any b, any c) { return map<D>(p, a, b, c); }, options);
      array<D> got = array<D>::zeros(out, &fenced);
      f.into(got, x, y, row);
      for (std::int64_t i = 0; i < want.size(); ++i)
        if (std::memcmp(&got.data()[i], &want.data()[i], sizeof want.data()[i]) != 0)
          if (number<D>(got.data()[i]) != 0 || number<D>(want.data()[i]) != 0) {  // -0 is 0
            FAIL_CHECK(p.text(D) << ", " << target << ", " << threads << " threads: element " << i << " is "
                                 << number<D>(got.data()[i]) << ", not " << number<D>(want.data()[i]));
            break;
          }
    }
}

void check(dtype t, const problem& p, std::mt19937_64& random, const std::vector<std::string>& targets) {
  switch (t) {
    case f64:
      return check<f64>(p, random, targets);
    case i64:
      return check<i64>(p, random, targets);
    case f16:
      return check<f16>(p, random, targets);
    case i16:
      return check<i16>(p, random, targets);
    case i8:
      return check<i8>(p, random, targets);
    case u8:
      return check<u8>(p, random, targets);
    case b8:
      return check<b8>(p, random, targets);
    default:
      return check<f32>(p, random, targets);
  }
}

const std::vector<std::string> targets = test::instruction_levels();
constexpr dtype types[] = {f32, f64, f16, i8, b8, i16, i64, u8};

}  // namespace

TEST_CASE("random permutations and maps on them") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    std::mt19937_64 random(seed);
    problem p = make_problem(random);
    const dtype t = types[seed % std::size(types)];
    // Sums of products of these stay within 8 bits only where they are few.
    if (size_of(t) == 1 && p.what == kind::heavy) p.what = kind::move;
    CAPTURE(seed);
    check(t, p, random, {targets[random() % targets.size()]});
  }
}

TEST_CASE("matrices around the extents of tiles and blocks") {
  std::mt19937_64 random(7);
  for (const dtype t : types)
    for (const auto& [rows, columns] : {std::pair(64l, 64l), {256, 512}, {257, 255}, {3, 1000}, {129, 17}})
      check(t, {{rows, columns}, {1, 0}, kind::move}, random, {targets[random() % targets.size()]});
}

TEST_CASE("results that go past the caches") {
  std::mt19937_64 random(8);
  // Rows on lines and off them.
  check(f32, {{2049, 2064}, {1, 0}, kind::move}, random, {"llvm"});
  check(u8, {{4096, 4100}, {1, 0}, kind::move}, random, {"llvm"});
  check(f64, {{1536, 3, 512}, {2, 1, 0}, kind::with_plain}, random, {"llvm -mcpu=x86-64-v3"});
}

TEST_CASE("one callable for extents above and below those of a tile") {
  auto f = jit([](tensor<f32, shape<dyn, dyn>> a) { return transpose(a); }, {.target = "llvm", .cache = false});
  std::mt19937_64 random(10);
  for (const auto& [rows, columns] : {std::pair(64l, 48l), {64, 7}, {7, 64}, {1, 64}, {0, 5}, {3, 2}, {300, 17}}) {
    const array<f32> x = random_array<f32>({rows, columns}, random, nullptr), y = f(x);
    for (long i = 0; i < rows * columns; ++i) REQUIRE(y.data()[i % columns * rows + i / columns] == x.data()[i]);
  }
}

TEST_CASE("layouts of images") {
  std::mt19937_64 random(9);
  for (const dtype t : {f32, u8})
    for (const long channels : {1l, 3l, 4l, 70l}) {
      const std::vector<std::string> target{targets[random() % targets.size()]};
      check(t, {{2, channels, 14, 13}, {0, 2, 3, 1}, kind::move}, random, target);
      check(t, {{2, 14, 13, channels}, {0, 3, 1, 2}, kind::with_plain}, random, target);
    }
}
