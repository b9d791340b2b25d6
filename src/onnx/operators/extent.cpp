// Lists of extents by name: Shape, Gather, Concat and their like, before the extents are known.
#include "onnx/operators/common.hpp"

namespace tenon::onnx {
namespace {

void cast_extents(node_call& n) {
  n.ignore({"saturate"});
  const dtype to = element_type(n.integer("to", 0));
  if (to != i64 && to != i32) n.refuse("extents that only the call knows, as " + std::string(name(to)));
  n.out(n.extent_list(0), n.is_scalar(0));
}
void concat_extents(node_call& n) {
  n.integer("axis", 0);
  std::vector<extent_t> all;
  for (int i = 0; i < n.inputs(); ++i) {
    if (n.is_scalar(i)) n.refuse("of a scalar");
    const std::vector<extent_t> part = n.extent_list(i);
    all.insert(all.end(), part.begin(), part.end());
  }
  n.out(all);
}
void gather_extents(node_call& n) {
  n.integer("axis", 0);
  const std::vector<extent_t> from = n.extent_list(0);
  std::vector<extent_t> r;
  for (std::int64_t i : n.integers(1)) {
    if (i < 0) i += static_cast<std::int64_t>(from.size());
    if (i < 0 || i >= static_cast<std::int64_t>(from.size())) n.refuse("an index is outside the shape");
    r.push_back(from[static_cast<std::size_t>(i)]);
  }
  if (n.rank(1) > 1) n.refuse("indices of rank 2");
  n.out(r, n.is_scalar(1));
}
void slice_extents(node_call& n) {
  const std::vector<extent_t> from = n.extent_list(0);
  const auto size = static_cast<std::int64_t>(from.size());
  const auto one = [&](std::string_view attribute_name, int operand, std::int64_t otherwise) {
    const std::vector<std::int64_t> l = n.version() < 10 ? n.integers(attribute_name)
                                        : n.has(operand) ? n.integers(operand)
                                                         : std::vector<std::int64_t>{};
    return l.empty() ? otherwise : l[0];
  };
  std::int64_t start = one("starts", 1, 0), end = one("ends", 2, size);
  one("axes", 3, 0);
  if (one("steps", 4, 1) != 1) n.refuse("steps in a list of extents");
  const auto within = [&](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
  start = within(start);
  end = std::max(start, within(end));
  n.out(std::vector<extent_t>(from.begin() + start, from.begin() + end));
}
void reshape_extents(node_call& n) {
  const std::vector<extent_t> list = n.extent_list(0), to = n.extents(1);
  if (to.size() > 1) n.refuse("a list of extents as a matrix");
  n.out(list, to.empty());
}
void squeeze_extents(node_call& n) {
  if (n.version() < 13) n.integers("axes");
  if (n.extent_list(0).size() != 1) n.refuse("a list of extents with more than one element");
  n.out(n.extent_list(0), true);
}
void unsqueeze_extents(node_call& n) {
  if (n.version() < 13) n.integers("axes");
  if (!n.is_scalar(0)) n.refuse("a list of extents as a matrix");
  n.out(n.extent_list(0));
}

constexpr mapping table[] = {
    {"Cast", cast_extents},
    {"Concat", concat_extents},
    {"ConstantOfShape", [](node_call& n) { find_mapping("ConstantOfShape")->convert(n); }},
    {"Expand", [](node_call& n) { find_mapping("Expand")->convert(n); }},
    {"Gather", gather_extents},
    {"Identity", [](node_call& n) { n.out(n.extent_list(0), n.is_scalar(0)); }},
    {"Reshape", [](node_call& n) { n.is_symbolic(0) ? reshape_extents(n) : find_mapping("Reshape")->convert(n); }},
    {"Slice", slice_extents},
    {"Squeeze", squeeze_extents},
    {"Unsqueeze", unsqueeze_extents},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> extent_operators() { return table; }

}  // namespace tenon::onnx
