#include "tenon/ops/random.hpp"

#include <numbers>

#include "ops/define.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::ops {

template <>
struct meaning<random_bits_op> : random_bits_op {
  template <class C, class I>
  static auto compute(C& c, const attrs&, const I& i) {
    auto position = c.to_index(0);
    for (int d = 0; d < c.out_rank(); ++d) position = position * c.out_extent(d) + i[d];
    const auto number = [&](std::int64_t v) { return c.constant(v); };
    const auto low = [&](auto v) { return v & number(0xffffffff); };
    const auto high = [&](auto v) { return shift_right(v, number(32)); };
    const auto counter = c.to_value(position), seed = c.load(0, I{});
    auto c0 = low(counter), c1 = high(counter), c2 = number(0), c3 = number(0), k0 = low(seed), k1 = high(seed);
    for (int round = 0; round < 10; ++round) {
      const auto a = c0 * number(0xD2511F53), b = c2 * number(0xCD9E8D57);
      c0 = high(b) ^ c1 ^ k0;
      c1 = low(b);
      c2 = high(a) ^ c3 ^ k1;
      c3 = low(a);
      k0 = low(k0 + number(0x9E3779B9));
      k1 = low(k1 + number(0xBB67AE85));
    }
    return c0 | shift_left(c1, number(32));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(random_bits_op)

namespace tenon::ops {
namespace {
using ir::any_tensor;

any_tensor bits_for(const dims& to, const any_tensor& seed) { return random_bits(seed, {.to = to}); }
any_tensor as_u64(std::int64_t v) { return any_tensor(ir::make_scalar(u64, v, std::source_location::current())); }
/// The upper `digits` bits as multiples of 2^-digits in [0, 1).
any_tensor fraction(const any_tensor& bits, int digits, dtype type) {
  return cast(shift_right(bits, as_u64(64 - digits)), type) * (1.0 / static_cast<double>(std::int64_t{1} << digits));
}
/// Numbers in [0, 1) in the type's arithmetic.
any_tensor unit(const dims& to, const any_tensor& seed, dtype type) {
  constexpr int digits_of_f32 = 24, digits_of_f64 = 53;
  return fraction(bits_for(to, seed), type == f64 ? digits_of_f64 : digits_of_f32, compute_type(type));
}
/// c[0] + c[1] x + c[2] x^2 + ...
template <std::size_t N>
any_tensor polynomial(const double (&c)[N], const any_tensor& x) {
  any_tensor r = x * c[N - 1] + c[N - 2];
  for (std::size_t i = N - 2; i-- > 0;) r = r * x + c[i];
  return r;
}
/// The logarithm of normal numbers of f64, to about 2 ulp: e log 2 + log m with m in [0.7, 1.4], as a series in
/// (m - 1) / (m + 1).
any_tensor logarithm(const any_tensor& x) {
  constexpr std::int64_t root_of_half = 0x3FE6A09E667F3BCD;
  constexpr double series[] = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                               2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
  const any_tensor bits = bitcast<i64>(x);
  const any_tensor e =
      shift_right(bits - root_of_half, any_tensor(ir::make_scalar(i64, 52, std::source_location::current())));
  const any_tensor m = bitcast<f64>(any_tensor(bits - e * (std::int64_t{1} << 52)));
  const any_tensor s = (m - 1.0) / (m + 1.0);
  return cast(e, f64) * std::numbers::ln2 + polynomial(series, s * s) * s;
}
/// The cosine of 2 pi x for x in [0, 1): of what is left of the nearest quarter.
any_tensor cosine_of_turns(const any_tensor& x) {
  constexpr double sine[] = {1.0,
                             -1.0 / 6,
                             1.0 / 120,
                             -1.0 / 5040,
                             1.0 / 362880,
                             -1.0 / 39916800,
                             1.0 / 6227020800,
                             -1.0 / 1307674368000,
                             1.0 / 355687428096000};
  constexpr double cosine[] = {1.0,
                               -1.0 / 2,
                               1.0 / 24,
                               -1.0 / 720,
                               1.0 / 40320,
                               -1.0 / 3628800,
                               1.0 / 479001600,
                               -1.0 / 87178291200,
                               1.0 / 20922789888000};
  const any_tensor quarter = floor(x * 4.0 + 0.5), rest = (x - quarter * 0.25) * (2 * std::numbers::pi);
  const any_tensor square = rest * rest;
  const any_tensor c = polynomial(cosine, square), s = polynomial(sine, square) * rest;
  // cos(q pi / 2 + r) is cos r, -sin r, -cos r, sin r for q = 0, 1, 2, 3; 4 is 0 again.
  const any_tensor odd = logical_or(equal(quarter, 1.0), equal(quarter, 3.0));
  const any_tensor negative = logical_or(equal(quarter, 1.0), equal(quarter, 2.0));
  const any_tensor v = select(odd, s, c);
  return select(negative, -v, v);
}
/// x * scale + shift, without the steps that change nothing.
any_tensor scaled(any_tensor x, double scale, double shift) {
  if (scale != 1) x = x * scale;
  return shift == 0 ? x : any_tensor(x + shift);
}

detail::node_ref expand_random_uniform(const random_uniform_attrs& at, const detail::node_ref& seed) {
  const any_tensor x = scaled(unit(at.to, any_tensor(seed), at.type), at.high - at.low, at.low);
  return any_tensor(cast(x, at.type)).node();
}
detail::node_ref expand_random_normal(const random_normal_attrs& at, const detail::node_ref& seed) {
  const any_tensor bits = bits_for(at.to, any_tensor(seed));
  constexpr int half = 32;
  constexpr double least = 1.0 / static_cast<double>(std::int64_t{1} << half);
  const any_tensor turns = fraction(bits, half, f64);
  const any_tensor u = fraction(any_tensor(shift_left(bits, as_u64(half))), half, f64) + least;  // (0, 1]
  const any_tensor x = sqrt(any_tensor(logarithm(u) * -2.0)) * cosine_of_turns(turns);
  return any_tensor(cast(scaled(x, at.deviation, at.mean), at.type)).node();
}
detail::node_ref expand_bernoulli(const bernoulli_attrs& at, const detail::node_ref& p, const detail::node_ref& seed) {
  const dims& to = detail::shape_of(p);
  for (extent_t e : to)
    if (e == dyn) return {};
  const dtype type = detail::type_of(p);
  return any_tensor(cast(less(unit(to, any_tensor(seed), type), cast(any_tensor(p), compute_type(type))), at.type))
      .node();
}

}  // namespace

template <>
struct meaning<random_uniform_op> : random_uniform_op {
  template <class X>
  static X expand(const attrs& at, const X& seed) {
    return X(expand_random_uniform(at, seed.node()));
  }
};
template <>
struct meaning<random_normal_op> : random_normal_op {
  template <class X>
  static X expand(const attrs& at, const X& seed) {
    return X(expand_random_normal(at, seed.node()));
  }
};
template <>
struct meaning<bernoulli_op> : bernoulli_op {
  template <class X>
  static X expand(const attrs& at, const X& p, const X& seed) {
    return X(expand_bernoulli(at, p.node(), seed.node()));
  }
};

}  // namespace tenon::ops

TENON_DEFINE(random_uniform_op)
TENON_DEFINE(random_normal_op)
TENON_DEFINE(bernoulli_op)
