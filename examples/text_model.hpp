// A text's vector: the mean of the rows that a table has for its tokens, stretched to length 1.
#pragma once
#include <algorithm>
#include <cstdint>
#include <tenon/tenon.hpp>
#include <vector>

namespace text {

using namespace tenon;

/// With the type and the extents of wordllama's table.
struct model {
  static constexpr extent_t words = 32000, width = 256;
  using tokens = tensor<i64, shape<dim("texts"), dim("tokens")>>;
  using mask = tensor<f32, shape<dim("texts"), dim("tokens"), 1>>;
  using inputs = signature<tokens, mask>;

  param_of<f16, shape<words, width>> table{"embedding.weight"};

  /// The mask is 1 where a text has a token and 0 behind its last.
  auto operator()(tokens t, mask m) const {
    auto mean = sum.with<{.axes = {1}}>(cast<f32>(gather(table, t)) * m) / sum.with<{.axes = {1}}>(m);
    return mean / sqrt(sum.with<{.axes = {1}, .keep = true}>(mean * mean));
  }
};

/// Texts of several lengths, side by side.
struct batch {
  array<i64> tokens;
  array<f32> mask;

  explicit batch(const std::vector<std::vector<std::int64_t>>& texts) {
    std::size_t longest = 0;
    for (const auto& t : texts) longest = std::max(longest, t.size());
    const auto rows = static_cast<extent_t>(texts.size()), columns = static_cast<extent_t>(longest);
    tokens = array<i64>::zeros({rows, columns});
    mask = array<f32>::zeros({rows, columns, 1});
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::copy(texts[i].begin(), texts[i].end(), tokens.data() + i * longest);
      std::fill_n(mask.data() + i * longest, texts[i].size(), 1.0f);
    }
  }
};

}  // namespace text
