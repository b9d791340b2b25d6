#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "core/text.hpp"
#include "core/with_dtype.hpp"
#include "tenon/core/dtype.hpp"
#include "tenon/core/hash.hpp"

using namespace tenon;

namespace {

/// The value of a pattern of a binary format, from its definition.
double value_of(unsigned bits, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1,
            exponent = static_cast<int>(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
  const unsigned fraction = bits & ((1u << fraction_bits) - 1);
  const double sign = bits & 0x8000 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return fraction ? NAN : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp(fraction + (1u << fraction_bits), exponent - bias - fraction_bits);
}

template <class H>
void check_all_patterns(int exponent_bits, int fraction_bits) {
  const unsigned infinity = ((1u << exponent_bits) - 1) << fraction_bits;
  int wrong = 0;
  for (unsigned b = 0; b < 0x10000; ++b) {
    const H h = std::bit_cast<H>(static_cast<std::uint16_t>(b));
    const double expected = value_of(b, exponent_bits, fraction_bits);
    const float f = static_cast<float>(h);
    if (std::isnan(expected)) {
      wrong += !std::isnan(f) || !std::isnan(static_cast<float>(H(f))) || std::signbit(f) != (b >> 15 != 0);
      continue;
    }
    wrong += f != expected || std::signbit(f) != (b >> 15 != 0);
    wrong += H(f).bits != b;
    if ((b & 0x7fff) == infinity) continue;
    // Halfway to the next value away from zero goes to the even one, its neighbours to theirs. Beyond the largest value
    // the next one is where it would stand with one more exponent.
    const unsigned next = b + 1;
    const double step = std::abs(expected - value_of(b ^ 1, exponent_bits, fraction_bits));
    const double away = (b & 0x7fff) + 1 == infinity ? expected + std::copysign(step, expected)
                                                     : value_of(next, exponent_bits, fraction_bits);
    const float middle = static_cast<float>((expected + away) / 2);
    if (middle != (expected + away) / 2) continue;  // f32 has no such value (below its own subnormals)
    wrong += H(middle).bits != (b & 1 ? next : b);
    wrong += H(std::nextafter(middle, static_cast<float>(std::copysign(HUGE_VAL, expected)))).bits != next;
    wrong += H(std::nextafter(middle, 0.0f)).bits != b;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("float16: every pattern converts exactly, and halves between patterns round to even") {
  check_all_patterns<float16>(5, 10);
}

TEST_CASE("bfloat16: every pattern converts exactly, and halves between patterns round to even") {
  check_all_patterns<bfloat16>(8, 7);
}

TEST_CASE("float16 and bfloat16: the ends of the ranges") {
  CHECK(float16(65519.99f).bits == 0x7bff);
  CHECK(float16(65520.0f).bits == 0x7c00);
  CHECK(float16(-1e30f).bits == 0xfc00);
  CHECK(float16(HUGE_VALF).bits == 0x7c00);
  CHECK(float16(0x1p-24f).bits == 1);
  CHECK(float16(0x1p-25f).bits == 0);
  CHECK(float16(std::nextafter(0x1p-25f, 1.0f)).bits == 1);
  CHECK(float16(-0.0f).bits == 0x8000);
  CHECK(bfloat16(3.4e38f).bits == 0x7f80);
  CHECK(bfloat16(-0.0f).bits == 0x8000);
  CHECK(bfloat16(std::bit_cast<float>(0x7f800001u)).bits == 0x7fc0);  // a payload in the lower half stays a NaN
}

TEST_CASE("an element type of the run time is found as a C++ type, and an unknown one is refused") {
  for (int i = 0; i < static_cast<int>(any_dtype); ++i) {
    const auto d = static_cast<dtype>(i);
    CHECK(detail::with_dtype(d, [](auto t) { return t(); }) == d);
    detail::with_host_type(d, [&](auto x) {
      CHECK(static_cast<int>(sizeof x) == size_of(d));
      CHECK(std::is_floating_point_v<decltype(x)> == (d == f32 || d == f64));
      CHECK(std::is_same_v<decltype(x), bool> == (d == b8));
      if constexpr (std::is_integral_v<decltype(x)>)
        CHECK((std::is_signed_v<decltype(x)> ? is_signed_integer(d) : is_unsigned_integer(d) || d == b8));
    });
  }
  CHECK_THROWS_WITH_AS(detail::with_dtype(any_dtype, [](auto) {}), "any_dtype: the element type is not known",
                       type_error);
}

TEST_CASE("hash_bytes: sizes, seeds and single bits all tell apart") {
  std::set<detail::hash128> seen;
  std::string bytes(100, '\0');
  for (std::size_t n = 0; n <= bytes.size(); ++n) CHECK(seen.insert(detail::hash_bytes(bytes.data(), n)).second);
  for (std::size_t i = 0; i < 8 * bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << i % 8));
    CHECK(seen.insert(detail::hash_text(flipped)).second);
  }
  CHECK(seen.insert(detail::hash_text("", {1, 0})).second);
  CHECK(seen.insert(detail::hash_text("", {0, 1})).second);
  CHECK(detail::hash_text("tenon") == detail::hash_text(std::string("tenon")));
}

TEST_CASE("hash_bytes: any two flipped bits of four words change it, and half of its bits on average") {
  const std::string bytes = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL";
  const auto flip = [](std::string s, std::size_t i) {
    s[i / 8] = static_cast<char>(s[i / 8] ^ (1 << i % 8));
    return s;
  };
  std::set<detail::hash128> seen;
  std::size_t pairs = 0;
  double changed = 0;
  const auto plain = detail::hash_text(bytes);
  for (std::size_t i = 0; i < 8 * bytes.size(); ++i)
    for (std::size_t j = 0; j < i; ++j, ++pairs) {
      const auto h = detail::hash_text(flip(flip(bytes, i), j));
      seen.insert(h);
      changed += std::popcount(h.lo ^ plain.lo) + std::popcount(h.hi ^ plain.hi);
    }
  CHECK(seen.size() == pairs);
  CHECK(changed / static_cast<double>(pairs) == doctest::Approx(64).epsilon(0.01));
}

TEST_CASE("hash_bytes: the same on every machine of this byte order, so that caches can be shared") {
  CHECK(detail::hash_text("").lo == 0x48580ba766238c60u);
  CHECK(detail::hash_text("The kernel's name is the hash of the kernel.").lo == 0x130f26e71bd506c3u);
  CHECK(detail::hash_text("The kernel's name is the hash of the kernel.").hi == 0x92c13b152b8c81adu);
}

TEST_CASE("cat: what errors show") {
  CHECK(detail::cat("a ", -3, " ", std::uint64_t{18446744073709551615u}, " ", f32, dims{2, dyn, dim("n")}) ==
        "a -3 18446744073709551615 f32[2,dyn,n]");
  CHECK(detail::cat(detail::quoted{std::string_view("x\n\x7f\0y", 5)}) == "'x\\x0a\\x7f\\x00y'");
  CHECK(detail::cat(detail::quoted{std::string(200, 'a')}) == "'" + std::string(100, 'a') + "...'");
  const extent_t many[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, -9};
  CHECK(detail::cat(detail::list{many, 10}) == "[1,2,3,4,5,6,7,8,9,-9]");
}
