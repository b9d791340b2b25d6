#include "graph/pass_settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "tenon/core/error.hpp"

namespace tenon::ir {
namespace {

constexpr std::string_view switches[] = {"off", "on"};
constexpr std::string_view strips[] = {"never", "paying", "possible"};
constexpr std::string_view low_types[] = {"off", "bf16", "f16"};

// In the order of pass_option. A gigabyte of folded values, and of multiplications in making one: some seconds.
constexpr known_option options[] = {
    {pass_option::combine_parallel_least, "combine_parallel.least", 2, 2, 1 << 20, {}},
    {pass_option::fold_constants_max_bytes, "fold_constants.max_bytes", std::int64_t{1} << 30, 0, INT64_MAX, {}},
    {pass_option::fold_constants_max_work, "fold_constants.max_work", std::int64_t{1} << 30, 0, INT64_MAX, {}},
    {pass_option::fuse_strips, "fuse.strips", 1, 0, 2, strips},
    {pass_option::mixed_precision, "mixed_precision", 0, 0, 2, low_types},
    {pass_option::verify, "verify", 0, 0, 1, switches},
};

std::int64_t read(const known_option& o, std::string_view text) {
  if (!o.words.empty()) {
    const auto word = std::ranges::find(o.words, text);
    if (word == o.words.end())
      throw argument_error(fmt::format("options: {} is '{}'; it takes {}", o.key, text, fmt::join(o.words, ", ")));
    return word - o.words.begin();
  }
  std::int64_t v = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (code != std::errc() || end != text.data() + text.size() || v < o.least || v > o.most)
    throw argument_error(
        fmt::format("options: {} is '{}'; it takes an integer from {} to {}", o.key, text, o.least, o.most));
  return v;
}

}  // namespace

std::span<const known_option> known_options() { return options; }

pass_settings::pass_settings(const pass_options& given) {
  static_assert(std::size(options) == std::tuple_size_v<decltype(values_)>);
  for (const known_option& o : options) values_[static_cast<std::size_t>(o.id)] = o.fallback;
  const std::string* text = given.values.begin();
  for (const std::string& key : given.keys) {
    const auto o = std::ranges::find(options, key, &known_option::key);
    if (o == std::end(options)) {
      std::vector<std::string_view> keys;
      for (const known_option& k : options) keys.push_back(k.key);
      throw argument_error(fmt::format("options: there is no '{}'; known: {}", key, fmt::join(keys, ", ")));
    }
    values_[static_cast<std::size_t>(o->id)] = read(*o, *text++);
  }
}

std::string_view pass_settings::word(pass_option id) const {
  const known_option& o = options[static_cast<std::size_t>(id)];
  return o.words.empty() ? std::string_view() : o.words[static_cast<std::size_t>((*this)[id])];
}

}  // namespace tenon::ir
