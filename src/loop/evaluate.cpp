#include "loop/evaluate.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <unordered_map>

#include "core/round_to_odd.hpp"
#include "core/with_dtype.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ir {
namespace {

/// f(host_t<D>{}) for a type D that arithmetic happens in.
template <class F>
auto with_host(dtype d, F f) {
  using R = decltype(f(double{}));
  return detail::with_host_type(d, [&](auto zero) -> R {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, float16> || std::is_same_v<T, bfloat16>)
      throw compile_error(fmt::format("evaluate: there is no arithmetic in {}", name(d)));
    else
      return f(zero);
  });
}

template <class T>
T decode(std::int64_t bits) {
  if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<double>(bits);
  else if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  else if constexpr (std::is_same_v<T, bool>)
    return bits != 0;
  else
    return static_cast<T>(bits);
}
template <class T>
std::int64_t encode(T v) {
  if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<std::int64_t>(v);
  else if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<std::uint32_t>(v);
  else
    return static_cast<std::int64_t>(v);
}

template <class T>
T integer_binary(prim p, T a, T b) {
  // Unsigned 64-bit arithmetic wraps; narrowing to T afterwards gives the wrapped result for every width.
  using U = std::uint64_t;
  constexpr int width = sizeof(T) * 8;
  const U count = static_cast<std::make_unsigned_t<T>>(b);
  switch (p) {
    case prim::add:
      return static_cast<T>(U(a) + U(b));
    case prim::sub:
      return static_cast<T>(U(a) - U(b));
    case prim::mul:
      return static_cast<T>(U(a) * U(b));
    case prim::div:
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>)
        if (b == T(-1)) return static_cast<T>(U{0} - U(a));
      return static_cast<T>(a / b);
    case prim::mod: {
      if (b == 0) return 0;
      if constexpr (std::is_signed_v<T>) {
        if (b == T(-1)) return 0;
        T r = static_cast<T>(a % b);
        return r != 0 && (r < 0) != (b < 0) ? static_cast<T>(r + b) : r;
      }
      return static_cast<T>(a % b);
    }
    case prim::min:
      return b < a ? b : a;
    case prim::max:
      return a < b ? b : a;
    case prim::pow: {
      U base = U(a), r = 1;
      if constexpr (std::is_signed_v<T>)
        if (b < 0) return static_cast<T>(a == 1 ? 1 : a == T(-1) ? (b % 2 ? -1 : 1) : 0);
      for (U n = count; n; n >>= 1, base *= base)
        if (n & 1) r *= base;
      return static_cast<T>(r);
    }
    case prim::bit_and:
      return static_cast<T>(a & b);
    case prim::bit_or:
      return static_cast<T>(a | b);
    case prim::bit_xor:
      return static_cast<T>(a ^ b);
    case prim::shift_left:
      return count >= width ? T(0) : static_cast<T>(U(a) << count);
    case prim::shift_right:
      return static_cast<T>(count >= width ? (a < T(0) ? -1 : 0) : a >> count);
    case prim::shift_right_logical:
      return count >= width ? T(0) : static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) >> count);
    default:
      break;
  }
  throw compile_error(fmt::format("evaluate: {} has no integer form", name(p)));
}

template <class T>
T float_binary(prim p, T a, T b) {
  switch (p) {
    case prim::add:
      return a + b;
    case prim::sub:
      return a - b;
    case prim::mul:
      return a * b;
    case prim::div:
      return a / b;
    case prim::mod:
      return std::fmod(a, b);
    case prim::min:
      return std::isnan(a) || std::isnan(b) ? a + b : b < a ? b : a;
    case prim::max:
      return std::isnan(a) || std::isnan(b) ? a + b : a < b ? b : a;
    case prim::pow:
      return static_cast<T>(std::pow(double(a), double(b)));
    case prim::atan2:
      return static_cast<T>(std::atan2(double(a), double(b)));
    case prim::scale: {
      if (!std::isfinite(b)) return std::isnan(b) ? a + b : b > 0 ? a * b : a * T(0);
      constexpr T far = 5000;  // beyond which every result is 0 or infinite
      return std::scalbn(a, static_cast<int>(std::clamp(std::floor(b), -far, far)));
    }
    default:
      break;
  }
  throw compile_error(fmt::format("evaluate: {} has no float form", name(p)));
}

template <class T>
T float_unary(prim p, T x) {
  const double d = x;
  const auto r = [&](double v) { return static_cast<T>(v); };
  switch (p) {
    case prim::neg:
      return -x;
    case prim::abs:
      return std::fabs(x);
    case prim::sign:
      return x > 0 ? T(1) : x < 0 ? T(-1) : x == 0 ? T(0) : x;
    case prim::floor:
      return std::floor(x);
    case prim::ceil:
      return std::ceil(x);
    case prim::round:
      return std::nearbyint(x);
    case prim::trunc:
      return std::trunc(x);
    case prim::sqrt:
      return std::sqrt(x);
    case prim::rsqrt:
      return T(1) / std::sqrt(x);
    case prim::reciprocal:
      return T(1) / x;
    case prim::exp:
      return r(std::exp(d));
    case prim::exp2:
      return r(std::exp2(d));
    case prim::expm1:
      return r(std::expm1(d));
    case prim::log:
      return r(std::log(d));
    case prim::log2:
      return r(std::log2(d));
    case prim::log1p:
      return r(std::log1p(d));
    case prim::sin:
      return r(std::sin(d));
    case prim::cos:
      return r(std::cos(d));
    case prim::tan:
      return r(std::tan(d));
    case prim::asin:
      return r(std::asin(d));
    case prim::acos:
      return r(std::acos(d));
    case prim::atan:
      return r(std::atan(d));
    case prim::sinh:
      return r(std::sinh(d));
    case prim::cosh:
      return r(std::cosh(d));
    case prim::tanh:
      return r(std::tanh(d));
    case prim::asinh:
      return r(std::asinh(d));
    case prim::acosh:
      return r(std::acosh(d));
    case prim::atanh:
      return r(std::atanh(d));
    case prim::erf:
      return r(std::erf(d));
    default:
      break;
  }
  throw compile_error(fmt::format("evaluate: {} has no float form", name(p)));
}

template <class T>
T integer_unary(prim p, T x) {
  switch (p) {
    case prim::neg:
      return static_cast<T>(std::uint64_t{0} - std::uint64_t(x));
    case prim::abs:
      return x < T(0) ? static_cast<T>(std::uint64_t{0} - std::uint64_t(x)) : x;
    case prim::sign:
      return static_cast<T>(x > T(0) ? 1 : x < T(0) ? -1 : 0);
    case prim::bit_not:
      return static_cast<T>(~x);
    case prim::floor:
    case prim::ceil:
    case prim::round:
    case prim::trunc:
      return x;
    default:
      break;
  }
  throw compile_error(fmt::format("evaluate: {} has no integer form", name(p)));
}

template <class T>
bool compare(prim p, T a, T b) {
  switch (p) {
    case prim::equal:
      return a == b;
    case prim::not_equal:
      return a != b;
    case prim::less:
      return a < b;
    case prim::less_equal:
      return a <= b;
    case prim::greater:
      return a > b;
    default:
      return a >= b;
  }
}

template <class To, class From>
To convert(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(x)) return 0;
    // The bounds are powers of two, so exact in every float type: -2^(w-1) or 0, and 2^w' just above the highest.
    const From low = static_cast<From>(std::numeric_limits<To>::min());
    const From high = std::ldexp(From(1), std::numeric_limits<To>::digits);
    if (x < low) return std::numeric_limits<To>::min();
    if (x >= high) return std::numeric_limits<To>::max();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

std::int64_t cast_bits(dtype to, dtype from, std::int64_t bits) {
  if (to == from) return bits;
  if (compute_type(from) != from) {
    const auto h = static_cast<std::uint16_t>(bits);
    const float x = from == f16 ? static_cast<float>(float16{std::bit_cast<float16>(h)})
                                : static_cast<float>(bfloat16{std::bit_cast<bfloat16>(h)});
    return cast_bits(to, f32, encode(x));
  }
  if (compute_type(to) != to) {
    const float x = with_host(from, [&](auto f) { return detail::before_16_bits(decode<decltype(f)>(bits)); });
    return to == f16 ? float16(x).bits : bfloat16(x).bits;
  }
  return with_host(from, [&](auto f) {
    return with_host(to, [&](auto t) { return encode(convert<decltype(t)>(decode<decltype(f)>(bits))); });
  });
}

enum class domain : std::uint8_t { numbers, floats, integers, booleans, numbers_or_booleans, anything };
domain domain_of(prim p) {
  if (p == prim::equal || p == prim::not_equal) return domain::numbers_or_booleans;
  if (p == prim::atan2 || p == prim::fma || p == prim::scale || p == prim::isnan || p == prim::isinf)
    return domain::floats;
  if (p >= prim::floor && p <= prim::erf) return domain::floats;
  if (p >= prim::logical_and && p <= prim::logical_not) return domain::booleans;
  if (p >= prim::bit_and && p <= prim::shift_right_logical) return domain::integers;
  if (p == prim::select || p == prim::cast || p == prim::bitcast) return domain::anything;
  return domain::numbers;
}
bool in_domain(domain m, dtype d) {
  const bool real = d == f32 || d == f64;
  switch (m) {
    case domain::numbers:
      return real || is_integer(d);
    case domain::floats:
      return real;
    case domain::integers:
      return is_integer(d);
    case domain::booleans:
      return d == b8;
    case domain::numbers_or_booleans:
      return real || is_integer(d) || d == b8;
    default:
      return d != any_dtype;
  }
}
std::string_view describe(domain m) {
  constexpr std::string_view texts[] = {"f32, f64 or integers",     "f32 or f64",  "integers", "b8",
                                        "f32, f64, integers or b8", "a known type"};
  return texts[static_cast<int>(m)];
}

}  // namespace

std::int64_t canonical_bits(dtype d, std::int64_t bits) {
  if (d == f16 || d == bf16) return static_cast<std::uint16_t>(bits);
  if (d == any_dtype) return bits;
  return with_host(d, [&](auto t) { return encode(decode<decltype(t)>(bits)); });
}
std::int64_t bits_of(dtype d, double v) { return cast_bits(d, f64, encode(v)); }
double value_of(dtype d, std::int64_t bits) { return decode<double>(cast_bits(f64, d, bits)); }

bool well_typed(prim p, dtype type, std::span<const expr_ref> x) {
  if (static_cast<int>(x.size()) != arity(p)) return false;
  const domain m = domain_of(p);
  for (expr_ref e : x)
    if (!in_domain(m, e->type)) return false;
  if (p == prim::cast) return type != any_dtype;
  if (p == prim::bitcast) return size_of(type) == size_of(x[0]->type) && type != b8 && x[0]->type != b8;
  if (p == prim::select) return x[0]->type == b8 && x[1]->type == x[2]->type && type == x[1]->type;
  for (expr_ref e : x)
    if (e->type != x[0]->type) return false;
  return type == result_type(p, x[0]->type, x[0]->type);
}

std::string type_problem(prim p, dtype type, std::span<const expr_ref> x) {
  if (well_typed(p, type, x)) return {};
  if (static_cast<int>(x.size()) != arity(p))
    return fmt::format("{} takes {} operands, not {}", name(p), arity(p), x.size());
  std::string given;
  for (expr_ref e : x) given += fmt::format("{}{}", given.empty() ? "" : ", ", name(e->type));
  const domain m = domain_of(p);
  for (expr_ref e : x)
    if (!in_domain(m, e->type)) return fmt::format("{} takes {}, not {}", name(p), describe(m), given);
  if (p == prim::bitcast)
    return fmt::format("bitcast from {} to {}: the sizes differ, or one is b8", name(x[0]->type), name(type));
  if (p == prim::select) {
    if (x[0]->type != b8) return fmt::format("select takes a b8 and two values of one type, not {}", given);
    if (x[1]->type != x[2]->type) return fmt::format("select takes a b8 and two values of one type, not {}", given);
  }
  for (expr_ref e : x)
    if (e->type != x[0]->type && p != prim::select)
      return fmt::format("{} takes operands of one type, not {}", name(p), given);
  return fmt::format("{} of {} does not give {}", name(p), given, name(type));
}

std::int64_t evaluate(prim p, dtype type, dtype from, std::span<const std::int64_t> x) {
  switch (p) {
    case prim::select:
      return x[0] ? x[1] : x[2];
    case prim::cast:
      return cast_bits(type, from, x[0]);
    case prim::bitcast:
      return canonical_bits(type, x[0]);
    case prim::logical_and:
      return x[0] & x[1];
    case prim::logical_or:
      return x[0] | x[1];
    case prim::logical_xor:
      return x[0] ^ x[1];
    case prim::logical_not:
      return !x[0];
    default:
      break;
  }
  return with_host(from, [&](auto t) -> std::int64_t {
    using T = decltype(t);
    const T a = decode<T>(x[0]), b = x.size() > 1 ? decode<T>(x[1]) : T{};
    if (is_comparison(p)) return compare(p, a, b);
    if constexpr (std::is_floating_point_v<T>) {
      if (p == prim::isnan) return std::isnan(a);
      if (p == prim::isinf) return std::isinf(a);
      if (p == prim::fma) return encode(std::fma(a, b, decode<T>(x[2])));
      return encode(arity(p) == 2 ? float_binary(p, a, b) : float_unary(p, a));
    } else if constexpr (!std::is_same_v<T, bool>) {
      return encode(arity(p) == 2 ? integer_binary(p, a, b) : integer_unary(p, a));
    }
    throw compile_error(fmt::format("evaluate: {} does not take {}", name(p), name(from)));
  });
}

std::int64_t evaluate(expr_ref root, const std::function<std::int64_t(expr_ref)>& value_of) {
  std::unordered_map<expr_ref, std::int64_t> value;
  for (expr_ref e : post_order(std::span(&root, 1))) {
    if (e->is(expr_kind::symbol) || e->is(expr_kind::variable)) {
      value[e] = value_of(e);
    } else if (e->is(expr_kind::constant)) {
      value[e] = e->payload;
    } else {
      std::vector<std::int64_t> in;
      for (expr_ref o : e->operands) in.push_back(value.at(o));
      value[e] = evaluate(e->op, e->type, e->operands.back()->type, in);
    }
  }
  return value.at(root);
}

std::int64_t identity(reducer r, dtype d) {
  if (r == reducer::all) return 1;
  if (r == reducer::any) return 0;
  if (r == reducer::sum) return bits_of(d, 0);
  if (r == reducer::prod) return bits_of(d, 1);
  return with_host(d, [&](auto t) {
    using T = decltype(t);
    const bool low = r == reducer::max || r == reducer::argmax;
    if constexpr (std::is_floating_point_v<T>) {
      constexpr T inf = std::numeric_limits<T>::infinity();
      return encode(low ? -inf : inf);
    }
    return encode(low ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max());
  });
}

std::int64_t combine(reducer r, dtype d, std::int64_t a, std::int64_t b) {
  constexpr prim steps[] = {prim::add, prim::mul, prim::max, prim::min, prim::logical_and, prim::logical_or};
  const std::int64_t x[] = {a, b};
  return evaluate(steps[static_cast<int>(r)], d, d, x);
}

bool better(reducer r, dtype d, std::int64_t a, std::int64_t at, std::int64_t b, std::int64_t bt) {
  return with_host(d, [&](auto t) {
    using T = decltype(t);
    const T x = decode<T>(a), y = decode<T>(b);
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(x) != std::isnan(y)) return std::isnan(x);
      if (std::isnan(x)) return at < bt;
    }
    if (x == y) return at < bt;
    return r == reducer::argmax ? y < x : x < y;
  });
}

}  // namespace tenon::ir
