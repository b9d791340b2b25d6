// Products and convolutions of quantised values, by plain loops in 64 bits: zero points that are known when the kernel
// is made and that only the call knows, padding with each, odd extents, groups.
#include <doctest/doctest.h>

#include <random>

#include "ops/leaf.hpp"
#include "targets.hpp"
#include "tenon/ops/quantize.hpp"
#include "tenon/tenon.hpp"

using namespace tenon;

namespace {

const auto here = std::source_location::current();
template <dtype D>
using of = tensor<D, any_shape>;
using numbers = std::vector<int>;

struct source {
  std::mt19937_64 engine{7};
  int operator()(int low, int high) {
    return low + static_cast<int>(engine() % static_cast<std::uint64_t>(high - low + 1));
  }
  template <dtype D>
  array<D> filled(const std::vector<extent_t>& shape) {
    array<D> a = array<D>::zeros(shape);
    for (std::int64_t i = 0; i < a.size(); ++i)
      a.data()[i] = static_cast<host_t<D>>(D == u8 ? (*this)(0, 255) : (*this)(-128, 127));
    return a;
  }
};
template <dtype D>
of<D> constant(const array<D>& a) {
  return of<D>(ir::make_constant(D, a.dims(), a.data(), here));
}
std::vector<std::string> all_targets() {
  std::vector<std::string> r = test::instruction_levels();
  r.emplace_back("native");
  return r;
}

struct problem {
  extent_t n = 1, in = 3, out = 4, groups = 1, x[2]{}, k[2]{};
  int stride[2]{}, dilation[2]{}, before[2]{}, after[2]{};
  bool vector_of_zeros = false, known = false;
  extent_t result(int d) const { return (x[d] + before[d] + after[d] - dilation[d] * (k[d] - 1) - 1) / stride[d] + 1; }
  conv_attrs attrs() const {
    return {.stride = {stride[0], stride[1]},
            .padding = {before[0], before[1], after[0], after[1]},
            .dilation = {dilation[0], dilation[1]},
            .groups = static_cast<int>(groups)};
  }
};
problem random_problem(source& random) {
  problem p;
  p.n = random(1, 2);
  constexpr extent_t in_group[] = {1, 2, 3, 4, 5, 8, 16, 19}, out_group[] = {1, 3, 16, 17, 35};
  p.groups = random(0, 2) ? 1 : random(2, 3);
  p.in = p.groups * in_group[random(0, 7)];
  p.out = p.groups * out_group[random(0, 4)];
  for (int d = 0; d < 2; ++d) {
    p.k[d] = random(1, 3);
    p.stride[d] = random(1, 2);
    p.dilation[d] = random(0, 3) ? 1 : 2;
    p.x[d] = random(5, 21);
    p.before[d] = random(0, 2);
    p.after[d] = random(0, 2);
  }
  p.vector_of_zeros = random(0, 1) != 0;
  p.known = random(0, 1) != 0;
  return p;
}

template <dtype X, dtype W>
numbers by_loops(const problem& p, const array<X>& x, const array<W>& w, const array<X>& xz, const array<W>& wz) {
  numbers y;
  const extent_t each = p.in / p.groups;
  for (extent_t i = 0; i < p.n; ++i)
    for (extent_t o = 0; o < p.out; ++o)
      for (extent_t a = 0; a < p.result(0); ++a)
        for (extent_t b = 0; b < p.result(1); ++b) {
          std::int64_t sum = 0;
          for (extent_t c = 0; c < each; ++c)
            for (extent_t f = 0; f < p.k[0]; ++f)
              for (extent_t g = 0; g < p.k[1]; ++g) {
                const extent_t v = a * p.stride[0] + f * p.dilation[0] - p.before[0],
                               h = b * p.stride[1] + g * p.dilation[1] - p.before[1];
                if (v < 0 || h < 0 || v >= p.x[0] || h >= p.x[1]) continue;
                const std::int64_t left = x(i, o / (p.out / p.groups) * each + c, v, h) - xz.data()[0];
                sum += left * (w(o, c, f, g) - wz.data()[p.vector_of_zeros ? o : 0]);
              }
          y.push_back(static_cast<int>(sum));
        }
  return y;
}

/// Zero points of 0 and of 128 have forms of their own.
template <dtype X, dtype W>
void check_convolution(source& random) {
  const problem p = random_problem(random);
  const auto x = random.filled<X>({p.n, p.in, p.x[0], p.x[1]});
  const auto w = random.filled<W>({p.out, p.in / p.groups, p.k[0], p.k[1]});
  auto xz = random.filled<X>({});
  auto wz = p.vector_of_zeros ? random.filled<W>({p.out}) : random.filled<W>({});
  const int kind = random(0, 3);
  if (kind < 2) xz.data()[0] = static_cast<host_t<X>>(kind * (X == u8 ? 128 : 1));
  if (kind > 0)
    for (std::int64_t i = 0; i < wz.size(); ++i) wz.data()[i] = static_cast<host_t<W>>(W == u8 ? 128 : 0);
  const numbers want = by_loops(p, x, w, xz, wz);
  for (const std::string& target : all_targets())
    for (const char* threads : {" -num-threads=1", " -num-threads=2"}) {
      const compile_options how{.target = target + (target == "native" ? "" : threads)};
      const array<i32> got =
          p.known
              ? jit(
                    [&](of<X> v) {
                      return of<i32>(conv_integer(v, constant(w), constant(xz), constant(wz), p.attrs()));
                    },
                    how)(x)
              : jit([&](of<X> v, of<W> u, of<X> a, of<W> b) { return of<i32>(conv_integer(v, u, a, b, p.attrs())); },
                    how)(x, w, xz, wz);
      CAPTURE(target);
      CAPTURE(p.in);
      CAPTURE(p.out);
      CAPTURE(p.groups);
      CAPTURE(p.known);
      CAPTURE(kind);
      REQUIRE(got.size() == static_cast<std::int64_t>(want.size()));
      REQUIRE(numbers(got.data(), got.data() + got.size()) == want);
    }
}

template <dtype A, dtype B>
void check_product(source& random) {
  constexpr extent_t some[] = {1, 2, 3, 7, 13, 16, 37, 64, 65};
  const extent_t m = some[random(0, 8)], k = some[random(0, 8)], n = some[random(0, 8)];
  const auto a = random.filled<A>({m, k});
  const auto b = random.filled<B>({k, n});
  const bool vectors = random(0, 1) != 0, known = random(0, 1) != 0;
  auto az = vectors ? random.filled<A>({m}) : random.filled<A>({});
  auto bz = vectors ? random.filled<B>({n}) : random.filled<B>({});
  if (random(0, 2) == 0)
    for (std::int64_t i = 0; i < bz.size(); ++i) bz.data()[i] = static_cast<host_t<B>>(B == u8 ? 128 : 0);
  numbers want;
  for (extent_t i = 0; i < m; ++i)
    for (extent_t j = 0; j < n; ++j) {
      std::int64_t sum = 0;
      for (extent_t e = 0; e < k; ++e)
        sum += std::int64_t{a(i, e) - az.data()[vectors ? i : 0]} * (b(e, j) - bz.data()[vectors ? j : 0]);
      want.push_back(static_cast<int>(sum));
    }
  for (const std::string& target : all_targets()) {
    const array<i32> got =
        known ? jit([&](of<A> v) { return of<i32>(matmul_integer(v, constant(b), constant(az), constant(bz))); },
                    {.target = target})(a)
              : jit([](of<A> v, of<B> u, of<A> y, of<B> z) { return of<i32>(matmul_integer(v, u, y, z)); },
                    {.target = target})(a, b, az, bz);
    CAPTURE(target);
    CAPTURE(m);
    CAPTURE(k);
    CAPTURE(n);
    CAPTURE(known);
    CAPTURE(vectors);
    REQUIRE(numbers(got.data(), got.data() + got.size()) == want);
  }
}

template <dtype A, dtype B>
void check_mixed_product(source& random) {
  const extent_t m = random(1, 40), k = random(1, 70), n = random(1, 40);
  const auto a = random.filled<A>({m, k});
  const auto b = random.filled<B>({k, n});
  numbers want;
  for (extent_t i = 0; i < m; ++i)
    for (extent_t j = 0; j < n; ++j) {
      int sum = 0;
      for (extent_t e = 0; e < k; ++e) sum += int{a(i, e)} * int{b(e, j)};
      want.push_back(sum);
    }
  for (const std::string& target : all_targets()) {
    const array<i32> got = jit([](of<A> v, of<B> u) { return of<i32>(matmul(v, u)); }, {.target = target})(a, b),
                     bound = jit([&](of<A> v) { return of<i32>(matmul(v, constant(b))); }, {.target = target})(a);
    CAPTURE(target);
    REQUIRE(numbers(got.data(), got.data() + got.size()) == want);
    REQUIRE(numbers(bound.data(), bound.data() + bound.size()) == want);
  }
}

}  // namespace

TEST_CASE("convolutions of bytes over zero points are exact, known or not, in padding too") {
  source random;
  for (int i = 0; i < 12; ++i) {
    check_convolution<u8, i8>(random);
    check_convolution<u8, u8>(random);
    check_convolution<i8, i8>(random);
    check_convolution<i8, u8>(random);
  }
}

TEST_CASE("products of bytes over zero points are exact, known or not") {
  source random;
  for (int i = 0; i < 12; ++i) {
    check_product<u8, i8>(random);
    check_product<u8, u8>(random);
    check_product<i8, i8>(random);
    check_product<i8, u8>(random);
  }
}

TEST_CASE("i8 and u8 multiply each other and themselves, constants too") {
  source random;
  for (int i = 0; i < 6; ++i) {
    check_mixed_product<i8, i8>(random);
    check_mixed_product<u8, u8>(random);
    check_mixed_product<u8, i8>(random);
    check_mixed_product<i8, u8>(random);
  }
}

TEST_CASE("floats become bytes by saturation, and what is no number becomes 0") {
  const float inf = __builtin_inff();
  const std::vector<float> from{0,   -0.0F, 1.5F, -1.5F,   126.9F, 127,   128.5F, 254.7F, 255,
                                256, -127,  -128, -129.5F, 1e9F,   -1e9F, inf,    -inf,   __builtin_nanf(""),
                                300, -3};
  array<f32> x = array<f32>::zeros({static_cast<extent_t>(from.size())});
  std::copy(from.begin(), from.end(), x.data());
  for (const std::string& target : all_targets()) {
    CAPTURE(target);
    const array<u8> without = jit([](of<f32> v) { return of<u8>(cast<u8>(v)); }, {.target = target})(x);
    const array<i8> with = jit([](of<f32> v) { return of<i8>(cast<i8>(v)); }, {.target = target})(x);
    const array<i16> wide = jit([](of<f32> v) { return of<i16>(cast<i16>(v)); }, {.target = target})(x);
    for (std::size_t i = 0; i < from.size(); ++i) {
      const auto clamped = [&](float low, float high) {
        return std::isnan(from[i]) ? 0 : static_cast<int>(std::min(high, std::max(low, std::trunc(from[i]))));
      };
      CHECK(int{without.data()[i]} == clamped(0, 255));
      CHECK(int{with.data()[i]} == clamped(-128, 127));
      CHECK(int{wide.data()[i]} == clamped(-32768, 32767));
    }
  }
}
