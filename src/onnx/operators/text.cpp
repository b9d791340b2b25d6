// Text, of words as numbers: how often n-grams of a pool occur.
#include "onnx/operators/common.hpp"
#include "tenon/ops/scatter.hpp"

namespace tenon::onnx {
namespace {

/// Most slices of the operand that are compared with a pool.
constexpr std::int64_t max_compared = 4096;
constexpr std::int64_t max_columns = std::int64_t{1} << 20;

/// The n-grams of one length in the pool.
struct gram_set {
  std::int64_t length = 0, count = 0, first = 0;  ///< `first`: its first one among those of all lengths
  const std::int64_t* words = nullptr;            ///< one n-gram after the other
};
std::vector<gram_set> gram_sets(node_call& n, const std::vector<std::int64_t>& pool) {
  // Where the n-grams of 1, 2, ... words begin in the pool.
  std::vector<std::int64_t> begins = n.integers("ngram_counts");
  begins.push_back(std::ssize(pool));
  std::vector<gram_set> sets;
  std::int64_t before = 0;
  for (std::size_t i = 0; i + 1 < begins.size(); ++i) {
    const std::int64_t length = static_cast<std::int64_t>(i) + 1, begin = begins[i], end = begins[i + 1];
    if (begin < 0 || end < begin || end > std::ssize(pool) || (end - begin) % length != 0)
      n.refuse("ngram_counts do not cut a pool of " + std::to_string(pool.size()) + " into n-grams");
    const std::int64_t count = (end - begin) / length;
    sets.push_back({length, count, before, pool.data() + begin});
    before += count;
  }
  return sets;
}

/// How often each n-gram of the set occurs in each row of `x` [rows, words], its words next to each other or with up to
/// `skips` words between two of them: [rows, n-grams]. Null where the rows are too short for any.
any_tensor occurrences(node_call& n, const any_tensor& x, const gram_set& set, std::int64_t skips,
                       std::int64_t& compared) {
  const extent_t words = detail::shape_of(x.node())[1];
  if (set.length > 1 && words < 0) n.refuse("the number of words is not known: give it in onnx_options::extents");
  any_tensor total;
  std::vector<any_tensor> pool;  // the first words of all n-grams, the second ones, ...
  // A single word has no gaps.
  for (std::int64_t distance = 1; distance == 1 || (set.length > 1 && distance - 1 <= skips); ++distance) {
    const std::int64_t reach = (set.length - 1) * distance;
    if (words >= 0 && words <= reach) break;
    if ((compared += set.length) > max_compared)
      n.refuse("n-grams of " + std::to_string(set.length) + " words with " + std::to_string(skips) +
               " skips are more than " + std::to_string(max_compared) + " comparisons with the pool");
    for (std::int64_t k = std::ssize(pool); k < set.length; ++k) {
      std::vector<std::int64_t> kth;
      for (std::int64_t g = 0; g < set.count; ++g) kth.push_back(set.words[g * set.length + k]);
      pool.push_back(n.constant(i64, {set.count}, kth.data()));
    }
    any_tensor found;
    for (std::int64_t k = 0; k < set.length; ++k) {
      any_tensor word = x;
      if (reach > 0)
        word = slice(x, {.start = {n.few(k * distance, "a position")},
                         .stop = {n.few(words - reach + k * distance, "a position")},
                         .step = {},
                         .axes = {1}});
      const any_tensor same = equal(unsqueeze(word, {2}), pool[static_cast<std::size_t>(k)]);
      found = k == 0 ? same : any_tensor(logical_and(found, same));
    }
    const any_tensor here = sum(cast(found, f32), {.axes = {1}});
    total = total.node() ? any_tensor(total + here) : here;
  }
  return total;
}

void tf_idf_vectorizer(node_call& n) {
  if (const attribute* strings = n.find("pool_strings"); strings && !strings->texts().empty())
    n.refuse("a pool of strings is not supported");
  const std::string_view mode = n.text("mode", "");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") n.refuse("mode '" + std::string(mode) + "' is not known");
  const std::int64_t shortest = n.integer("min_gram_length", 1), longest = n.integer("max_gram_length", 1),
                     skips = n.integer("max_skip_count", 0);
  if (shortest < 1 || longest < shortest || skips < 0)
    n.refuse("n-grams of " + std::to_string(shortest) + " to " + std::to_string(longest) + " words with " +
             std::to_string(skips) + " skips");
  if (n.type(0) != i64 && n.type(0) != i32) n.refuse("words of " + std::string(name(n.type(0))));
  if (n.rank(0) != 1 && n.rank(0) != 2) n.refuse("rank " + std::to_string(n.rank(0)) + ", neither 1 nor 2");
  const std::vector<std::int64_t> pool = n.integers("pool_int64s"), column = n.integers("ngram_indexes");
  const std::vector<gram_set> sets = gram_sets(n, pool);
  const attribute* weight_list = n.find("weights");
  const std::vector<float> weights = weight_list ? weight_list->reals() : std::vector<float>{};
  if (sets.empty() || column.empty() || sets.back().first + sets.back().count != std::ssize(column))
    n.refuse("ngram_indexes has " + std::to_string(column.size()) + " elements, not one for each n-gram of the pool");
  const auto [least, last] = std::ranges::minmax(column);
  if (least < 0 || last >= max_columns) n.refuse("an index of " + std::to_string(least < 0 ? least : last));
  const extent_t columns = last + 1;
  // As ONNX's reference has it: the weights are those of the columns.
  if (!weights.empty() && (weights.size() != column.size() || std::ssize(weights) < columns))
    n.refuse(std::to_string(weights.size()) + " weights for " + std::to_string(column.size()) + " n-grams in " +
             std::to_string(columns) + " columns");

  any_tensor x = n.type(0) == i64 ? n.in(0) : any_tensor(cast(n.in(0), i64));
  if (n.rank(0) == 1) x = unsqueeze(x, {0});
  const extent_t rows = detail::shape_of(x.node())[0];
  std::vector<any_tensor> counts;
  std::vector<std::int64_t> to;  // their columns
  std::int64_t compared = 0;
  for (const gram_set& s : sets) {
    if (s.length < shortest || s.length > longest || s.count == 0) continue;
    const any_tensor found = occurrences(n, x, s, skips, compared);
    if (!found.node()) continue;
    counts.push_back(found);
    to.insert(to.end(), column.begin() + s.first, column.begin() + s.first + s.count);
  }
  const any_tensor zero = n.scalar(f32, 0);
  any_tensor y = broadcast_to(zero, extents(dims{rows, columns}));
  if (!counts.empty()) {
    const any_tensor all = counts.size() == 1 ? counts[0] : any_tensor(concat(counts, {.axis = 1}));
    const any_tensor at = n.constant(i64, {std::ssize(to)}, to.data());
    y = scatter_elements(y, broadcast_to(at, extents(dims{rows, std::ssize(to)})), all,
                         {.axis = 1, .mode = scatter_mode::add});
  }
  if (mode != "TF") {
    const std::vector<float> ones(static_cast<std::size_t>(columns), 1);
    const any_tensor w = n.constant(f32, {columns}, weights.empty() ? ones.data() : weights.data());
    y = mode == "IDF" ? any_tensor(select(greater(y, zero), w, zero)) : any_tensor(y * w);
  }
  n.out(n.rank(0) == 1 ? any_tensor(squeeze(y, {0})) : y);
}

constexpr mapping table[] = {
    {"TfIdfVectorizer", tf_idf_vectorizer},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> text_operators() { return table; }

}  // namespace tenon::onnx
