// Elements chosen or placed by the values of another operand.
#include "onnx/operators/common.hpp"
#include "tenon/ops/dynamic.hpp"
#include "tenon/ops/scatter.hpp"

namespace tenon::onnx {
namespace {

void one_hot_values(node_call& n) {
  const std::vector<double> depth = n.reals(1);
  if (depth.size() != 1) n.refuse("the depth is no scalar");
  any_tensor indices = n.in(0);
  if (!is_integer(n.type(0))) indices = cast(indices, i64);
  const any_tensor hot = one_hot(indices, {.depth = n.few(static_cast<std::int64_t>(depth[0]), "depth"),
                                           .axis = n.few(n.integer("axis", -1), "axis"),
                                           .type = b8});
  const any_tensor values = n.in(2);
  const auto nth = [&](int i) -> any_tensor { return reshaped(slice(values, {.start = {i}, .stop = {i + 1}}), {}); };
  n.out(select(hot, nth(1), nth(0)));
}
void largest_k(node_call& n) {
  std::int64_t k = 0;
  if (n.version() < 10) {
    k = n.integer("k", 0);
  } else {
    const std::vector<std::int64_t> given = n.integers(1);
    if (given.size() != 1) n.refuse("k is no scalar");
    k = given[0];
  }
  n.ignore({"sorted"});
  const auto best = top_k(
      n.in(0),
      {.k = n.few(k, "k"), .axis = n.few(n.integer("axis", -1), "axis"), .largest = n.integer("largest", 1) != 0});
  n.out(0, std::get<0>(best));
  n.out(1, any_tensor(std::get<1>(best)));
}
void running_sum(node_call& n) {
  const std::vector<std::int64_t> axis = n.integers(1);
  if (axis.size() != 1) n.refuse("the axis is no scalar");
  n.out(cumsum(n.in(0), {.axis = n.few(axis[0], "axis"),
                         .exclusive = n.integer("exclusive", 0) != 0,
                         .reverse = n.integer("reverse", 0) != 0}));
}
/// Where the condition holds: which elements these are is looked up here when it is known.
void compress_marked(node_call& n) {
  const bool flat = !n.find("axis");
  const int axis = flat ? 0 : n.axis("axis", 0, n.rank(0));
  const any_tensor x = flat ? reshaped(n.in(0), {dyn}) : n.in(0);
  const auto known = n.known_marks(1, n.in(1));
  if (!known) return n.out(compress(x, n.in(1), {.axis = axis}));
  std::vector<std::int64_t> where;
  for (std::size_t i = 0; i < known->size(); ++i)
    if ((*known)[i]) where.push_back(static_cast<std::int64_t>(i));
  n.out(gather(x, n.constant(i64, {static_cast<extent_t>(where.size())}, where.data()), {.axis = axis}));
}

/// The positions of what is not 0, [rank, count], looked up here when they are known.
void nonzero_positions(node_call& n) {
  const any_tensor x = n.in(0);
  const auto known = n.known_marks(0, n.type(0) == b8 ? x : any_tensor(not_equal(x, n.scalar(n.type(0), 0))));
  if (!known) return n.out(nonzero(x));
  const dims d = n.shape(0);
  std::vector<std::vector<std::int64_t>> at(static_cast<std::size_t>(d.rank));
  for (std::size_t i = 0; i < known->size(); ++i) {
    if (!(*known)[i]) continue;
    auto rest = static_cast<std::int64_t>(i);
    for (int k = d.rank; k-- > 0;) {
      at[static_cast<std::size_t>(k)].push_back(rest % d[k]);
      rest /= d[k];
    }
  }
  std::vector<std::int64_t> all;
  for (const auto& row : at) all.insert(all.end(), row.begin(), row.end());
  const extent_t count = at.empty() ? 0 : static_cast<extent_t>(at[0].size());
  n.out(n.constant(i64, {d.rank, count}, all.data()));
}

void unique_elements(node_call& n) {
  unique_attrs at{.flat = !n.find("axis"), .sorted = n.integer("sorted", 1) != 0};
  if (!at.flat) at.axis = n.axis("axis", 0, n.rank(0));
  const auto [values, first, inverse, counts] = unique(n.in(0), at);
  n.out(0, any_tensor(values));
  n.out(1, any_tensor(first));
  n.out(2, any_tensor(inverse));
  n.out(3, any_tensor(counts));
}

scatter_mode mode_of(node_call& n) {
  const std::string_view word = n.text("reduction", "none");
  if (word == "none") return scatter_mode::replace;
  for (int i = 1; i < names_of(scatter_mode{}).n; ++i)
    if (names_of(scatter_mode{}).v[i] == word) return static_cast<scatter_mode>(i);
  n.refuse("reduction '" + std::string(word) + "' is not known");
}
void scatter_along(node_call& n) {
  n.out(scatter_elements(n.in(0), n.in(1), n.in(2), {.axis = n.few(n.integer("axis", 0), "axis"), .mode = mode_of(n)}));
}

constexpr mapping table[] = {
    {"Compress", compress_marked},
    {"CumSum", running_sum},
    {"Gather", [](node_call& n) { n.out(gather(n.in(0), n.in(1), {.axis = n.few(n.integer("axis", 0), "axis")})); }},
    {"GatherElements",
     [](node_call& n) { n.out(gather_elements(n.in(0), n.in(1), {.axis = n.few(n.integer("axis", 0), "axis")})); }},
    {"GatherND",
     [](node_call& n) {
       n.out(gather_nd(n.in(0), n.in(1), {.batch = n.few(n.integer("batch_dims", 0), "batch_dims")}));
     }},
    {"NonZero", nonzero_positions},
    {"OneHot", one_hot_values},
    {"Scatter", scatter_along},
    {"ScatterElements", scatter_along},
    {"ScatterND", [](node_call& n) { n.out(scatter_nd(n.in(0), n.in(1), n.in(2), {.mode = mode_of(n)})); }},
    {"TopK", largest_k},
    {"Unique", unique_elements},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> indexing_operators() { return table; }

}  // namespace tenon::onnx
