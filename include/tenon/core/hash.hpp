// One hash for structure: cache keys, hash-consing, checksums of files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tenon::detail {

/// Mixes `v` into `h` (the finaliser of MurmurHash3, 64 bit: full avalanche).
constexpr std::uint64_t mix(std::uint64_t h, std::uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdu;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53u;
  return h ^ (h >> 33);
}

/// 128 bits: names of kernels and files, where a collision must not happen by chance.
struct hash128 {
  std::uint64_t lo = 0, hi = 0;
  friend constexpr bool operator==(const hash128&, const hash128&) = default;
  friend constexpr auto operator<=>(const hash128&, const hash128&) = default;
};
/// Hash of bytes; the same on every machine of one byte order.
hash128 hash_bytes(const void* data, std::size_t size, hash128 seed = {});
inline hash128 hash_text(std::string_view s, hash128 seed = {}) { return hash_bytes(s.data(), s.size(), seed); }

}  // namespace tenon::detail
