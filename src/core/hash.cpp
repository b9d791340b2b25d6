#include "tenon/core/hash.hpp"

#include <bit>
#include <cstring>

namespace tenon::detail {
namespace {

/// 128 bits of state for one stream of words. Each word enters both halves, with different rotations, so that no
/// difference of words cancels in both. Both steps are bijections of the half: nothing is lost before the end.
struct stream {
  std::uint64_t a, b;
  void add(std::uint64_t word) {
    a = std::rotl(a ^ word, 29) * 0x9e3779b97f4a7c15u;
    b = std::rotl(b + word, 41) * 0xc2b2ae3d27d4eb4fu;
  }
};

std::uint64_t load(const unsigned char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

}  // namespace

hash128 hash_bytes(const void* data, std::size_t size, hash128 seed) {
  const auto* p = static_cast<const unsigned char*>(data);
  // Two streams hide the latency of the multiplications.
  stream even{seed.lo ^ 0x243f6a8885a308d3u, seed.hi ^ 0x13198a2e03707344u};
  stream odd{mix(seed.lo, 0xa4093822299f31d0u), mix(seed.hi, 0x082efa98ec4e6c89u)};
  std::size_t left = size;
  for (; left >= 16; left -= 16, p += 16) {
    even.add(load(p));
    odd.add(load(p + 8));
  }
  if (left >= 8) {
    even.add(load(p));
    left -= 8;
    p += 8;
  }
  std::uint64_t last = 0;
  if (left) std::memcpy(&last, p, left);
  odd.add(last);
  // The size tells apart inputs that differ by trailing zeros.
  const std::uint64_t lo = mix(mix(mix(mix(size, even.a), even.b), odd.a), odd.b);
  return {lo, mix(mix(mix(mix(lo, odd.b), even.a), odd.a), even.b)};
}

}  // namespace tenon::detail
