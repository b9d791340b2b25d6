// Kernels on disk: content-addressed files, written aside and renamed, checksummed, bounded, shared by processes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/image.hpp"

namespace tenon::runtime {

/// A folder of kernel images. Every failure is a miss or a dropped write, never an error: a cache must not break a
/// program that would run without it. Safe from many threads and processes.
class disk_cache {
 public:
  /// TENON_CACHE_DIR ("off" or empty: none), else $XDG_CACHE_HOME/tenon, else $HOME/.cache/tenon; TENON_CACHE_SIZE
  /// bounds the bytes (default 1 GiB; K, M, G suffixes). An absurd value is an argument_error that names it.
  static disk_cache from_environment();
  disk_cache() = default;  // no folder: always a miss
  /// A relative folder is taken from where the process is now. Nothing is touched before the first find or store.
  disk_cache(std::string folder, std::int64_t max_bytes);

  const std::string& folder() const { return folder_; }
  std::int64_t max_bytes() const { return max_bytes_; }
  /// Why nothing is read or written (no folder, somebody else's, writable by everybody, not writable, ...), for
  /// `doctor()`; empty when the cache works or its folder only waits to be made.
  std::string defect() const;
  /// The image stored under `key`; a damaged, truncated or foreign file is a miss, and is removed.
  std::optional<image> find(const detail::hash128& key) const;
  /// Stores it; evicts the least recently used files when the bound is passed. Nothing is larger than the bound.
  void store(const image&) const;
  /// Removes the least recently used files until 7/8 of the bound remain, if it is nearly reached, and what crashed
  /// writers left an hour ago. `store` calls it about every 1/64 of the bound; one process at a time does it.
  void evict() const;

 private:
  std::string path_of(const detail::hash128& key) const;

  std::string folder_, missing_;  // missing_: why there is no folder
  std::int64_t max_bytes_ = 0;
};

}  // namespace tenon::runtime
