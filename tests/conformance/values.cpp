#include "values.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace conformance {

std::int64_t count(const shape_t& s) {
  std::int64_t n = 1;
  for (std::int64_t e : s) n *= e;
  return n;
}

void for_each(const shape_t& s, const std::function<void(const shape_t&)>& f) {
  const std::int64_t n = count(s);
  shape_t at(s.size(), 0);
  for (std::int64_t i = 0; i < n; ++i) {
    f(at);
    for (std::size_t d = s.size(); d-- > 0;) {
      if (++at[d] < s[d]) break;
      at[d] = 0;
    }
  }
}

std::size_t values::offset(const shape_t& index) const {
  std::int64_t at = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) at = at * shape[d] + index[d];
  return static_cast<std::size_t>(at);
}
real values::broadcast_at(const shape_t& index) const {
  shape_t own(shape.size());
  const std::size_t skip = index.size() - shape.size();
  for (std::size_t d = 0; d < shape.size(); ++d) own[d] = shape[d] == 1 ? 0 : index[d + skip];
  return at(own);
}
void values::set(const shape_t& index, real value, real off) {
  const std::size_t i = offset(index);
  v[i] = value;
  if (off == 0) return;
  slack.resize(v.size());
  slack[i] = off;
}

namespace {

struct format {
  int precision, lowest;  // bits of the significand; exponent of the smallest number
  real largest;
};
format format_of(dtype t) {
  switch (t) {
    case f64:
      return {53, -1074, std::numeric_limits<double>::max()};
    case f32:
      return {24, -149, std::numeric_limits<float>::max()};
    case f16:
      return {11, -24, 65504.0L};
    default:
      return {8, -133, 0x1.FEp127L};
  }
}
dtype arithmetic_of(dtype t) { return t == f16 || t == bf16 ? f32 : t; }
int spacing(const format& f, real x) {
  int e = 0;
  std::frexp(x, &e);
  return std::max(e - f.precision, f.lowest);
}

}  // namespace

real rounded(dtype t, real x) {
  if (!tenon::is_float(t) || x == 0 || !std::isfinite(x)) return x;
  const format f = format_of(t);
  const int q = spacing(f, x);
  const real r = std::scalbn(std::nearbyint(std::scalbn(x, -q)), q);
  return std::fabs(r) > f.largest ? std::copysign(std::numeric_limits<real>::infinity(), x) : r;
}
real wrapped(dtype t, std::int64_t x) {
  switch (t) {
    case i32:
      return static_cast<std::int32_t>(x);
    case u8:
      return static_cast<std::uint8_t>(x);
    case b8:
      return x != 0;
    default:
      return x;
  }
}

real epsilon(dtype t) { return std::scalbn(1.0L, 1 - format_of(arithmetic_of(t)).precision); }
real ulp(dtype t, real x) {
  const format f = format_of(arithmetic_of(t));
  return std::isfinite(x) ? std::scalbn(1.0L, x == 0 ? f.lowest : spacing(f, x)) : 0;
}
real tiny(dtype t) {
  const format f = format_of(arithmetic_of(t));
  return std::scalbn(1.0L, f.lowest + f.precision - 1);
}

void encode(dtype t, real x, std::byte* to) {
  const auto put = [&](auto v) { std::memcpy(to, &v, sizeof v); };
  switch (t) {
    case f64:
      return put(static_cast<double>(x));
    case f32:
      return put(static_cast<float>(x));
    case bf16:
      return put(static_cast<std::uint16_t>(std::isnan(x) ? 0x7fc1
                                                          : std::bit_cast<std::uint32_t>(static_cast<float>(x)) >> 16));
    case f16: {
      const std::uint16_t sign = std::signbit(x) ? 0x8000 : 0;
      const real m = std::fabs(x);
      if (std::isnan(x)) return put(std::uint16_t{0x7e01});
      if (std::isinf(x)) return put(static_cast<std::uint16_t>(sign | 0x7c00));
      if (m < 0x1p-14L) return put(static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::scalbn(m, 24))));
      int e = 0;
      const auto significand = static_cast<std::uint16_t>(std::scalbn(std::frexp(m, &e), 11));
      return put(static_cast<std::uint16_t>(sign | ((e + 14) << 10) | (significand & 0x3ff)));
    }
    case i64:
      return put(static_cast<std::int64_t>(x));
    case i32:
      return put(static_cast<std::int32_t>(x));
    case i8:
      return put(static_cast<std::int8_t>(x));
    case u64:
      return put(static_cast<std::uint64_t>(x));
    default:
      return put(static_cast<std::uint8_t>(x));
  }
}

real decode(dtype t, const std::byte* from) {
  const auto get = [&](auto v) {
    std::memcpy(&v, from, sizeof v);
    return v;
  };
  switch (t) {
    case f64:
      return get(double{});
    case f32:
      return get(float{});
    case bf16:
      return std::bit_cast<float>(static_cast<std::uint32_t>(get(std::uint16_t{})) << 16);
    case f16: {
      const std::uint16_t b = get(std::uint16_t{});
      const int e = b >> 10 & 31, m = b & 0x3ff;
      real r = e == 0    ? std::scalbn(static_cast<real>(m), -24)
               : e == 31 ? (m ? std::numeric_limits<real>::quiet_NaN() : std::numeric_limits<real>::infinity())
                         : std::scalbn(static_cast<real>(m | 0x400), e - 25);
      return b >> 15 ? -r : r;
    }
    case i64:
      return get(std::int64_t{});
    case i32:
      return get(std::int32_t{});
    case i8:
      return get(std::int8_t{});
    case u64:
      return static_cast<real>(get(std::uint64_t{}));
    default:
      return get(std::uint8_t{});
  }
}

values filled(dtype t, const shape_t& shape, fill how, std::uint64_t seed) {
  values r(t, shape);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  const auto next = [&] {  // splitmix64
    std::uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  };
  const auto unit = [&] { return static_cast<real>(next() >> 11) * 0x1p-53L; };
  const real inf = std::numeric_limits<real>::infinity();
  for (std::size_t i = 0; i < r.v.size(); ++i) {
    const std::uint64_t pick = next() % 8;
    real x = 0;
    if (t == b8) {
      x = static_cast<real>(next() % 2);
    } else if (tenon::is_integer(t)) {
      const bool is_signed = t != u8;
      x = static_cast<real>(next() % 10);
      if (is_signed && how != fill::positive && next() % 2) x = -x;
      if (how == fill::plain && pick == 0) {
        const int which = static_cast<int>(next() % 3);
        x = t == u8      ? (which ? 255 : 128)
            : t == i8    ? (which ? 127 : -128)
            : which == 0 ? wrapped(t, t == i32 ? INT32_MIN : INT64_MIN)
            : which == 1 ? wrapped(t, t == i32 ? INT32_MAX : INT64_MAX)
                         : wrapped(t, static_cast<std::int64_t>(next()));
      }
      if (how == fill::positive) x += 1;
    } else {
      x = unit() * 4 - 2;
      if (how == fill::wide) x *= 100;
      if (how == fill::positive) x = unit() * 4 + 0x1p-10L;
      if (how == fill::plain && pick == 0) x *= 100;
      if (how == fill::plain && pick == 1) x *= 0x1p-7L;
      if (how == fill::plain && pick == 2) x = std::nearbyint(x * 8) / 2;  // halves: ties of rounding
      // One in five of a long tensor, but always the second of a short one; the first stays finite.
      const bool special = i == 1 || (i > 1 && next() % 5 == 0) || r.v.size() == 1;
      if (how == fill::nan && special) x = std::numeric_limits<real>::quiet_NaN();
      if (how == fill::infinities && special) x = pick % 3 == 0 ? -inf : pick % 3 == 1 ? inf : pick == 2 ? -0.0L : inf;
    }
    r.v[i] = rounded(t, x);
  }
  return r;
}

}  // namespace conformance
