// The options of passes: every key, what it takes and what it is unless given, in one list.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tenon/dsl/options.hpp"

namespace tenon::ir {

enum class pass_option : std::uint8_t {
  combine_parallel_least,
  fold_constants_max_bytes,
  fold_constants_max_work,
  fuse_strips,
  mixed_precision,
  verify,
};

struct known_option {
  pass_option id;
  std::string_view key;
  std::int64_t fallback, least, most;
  std::span<const std::string_view> words;  ///< instead of numbers: the value is the word's place
};
std::span<const known_option> known_options();

/// Checked values. Throws argument_error for a key that is not known and a value that is not taken.
class pass_settings {
 public:
  pass_settings() : pass_settings(pass_options()) {}
  explicit pass_settings(const pass_options&);
  std::int64_t operator[](pass_option o) const { return values_[static_cast<std::size_t>(o)]; }
  /// The word that was chosen.
  std::string_view word(pass_option) const;

 private:
  std::array<std::int64_t, 6> values_{};
};

}  // namespace tenon::ir
