// Lists of extents by name: Shape, Gather, Concat and their like, before the extents are known.
#include <memory>

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
  if (!n.is_symbolic(0)) n.refuse("a slice up to an extent that only the call knows: give it in onnx_options::extents");
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

/// Element by element; a list of one element goes with any. `of` says what two extents make.
template <class F>
void combine_extents(node_call& n, F of) {
  const std::vector<extent_t> a = n.extent_list(0), b = n.extent_list(1);
  const bool scalar = n.is_scalar(0) && n.is_scalar(1);
  if (a.size() != b.size() && a.size() != 1 && b.size() != 1) n.refuse("lists of different lengths");
  std::vector<extent_t> r;
  for (std::size_t i = 0; i < (a.empty() || b.empty() ? 0 : std::max(a.size(), b.size())); ++i)
    r.push_back(of(a[a.size() == 1 ? 0 : i], b[b.size() == 1 ? 0 : i]));
  n.out(r, scalar);
}
bool is_number(extent_t e) { return !detail::is_named(e) && e != unknown_extent; }
/// What is left of an extent by name beside a number that changes nothing; else nobody can say before the call.
extent_t unchanged(extent_t a, extent_t b, extent_t neutral) {
  return is_number(b) && b == neutral ? a : unknown_extent;
}
extent_t added(extent_t a, extent_t b) {
  extent_t r = 0;
  if (is_number(a) && is_number(b)) return __builtin_add_overflow(a, b, &r) ? unknown_extent : r;
  return is_number(a) ? unchanged(b, a, 0) : unchanged(a, b, 0);
}
extent_t multiplied(extent_t a, extent_t b) {
  extent_t r = 0;
  if (is_number(a) && is_number(b)) return __builtin_mul_overflow(a, b, &r) ? unknown_extent : r;
  return is_number(a) ? unchanged(b, a, 1) : unchanged(a, b, 1);
}
extent_t subtracted(extent_t a, extent_t b) {
  extent_t r = 0;
  if (is_number(a) && is_number(b)) return __builtin_sub_overflow(a, b, &r) ? unknown_extent : r;
  return a == b && a != unknown_extent ? 0 : unchanged(a, b, 0);
}
extent_t divided(extent_t a, extent_t b) {
  if (is_number(a) && is_number(b) && b != 0 && b != -1) return a / b;
  return a == b && a != unknown_extent ? 1 : unchanged(a, b, 1);
}
/// Whether extents are equal, where it can be said: one by name is no negative number.
void equal_extents(node_call& n) {
  const std::vector<extent_t> a = n.extent_list(0), b = n.extent_list(1);
  if (a.size() != b.size() && a.size() != 1 && b.size() != 1) n.refuse("lists of different lengths");
  std::unique_ptr<bool[]> same(new bool[a.size() + b.size() + 1]);
  const std::size_t size = a.empty() || b.empty() ? 0 : std::max(a.size(), b.size());
  for (std::size_t i = 0; i < size; ++i) {
    const extent_t x = a[a.size() == 1 ? 0 : i], y = b[b.size() == 1 ? 0 : i];
    const bool by_name = !is_number(x) || !is_number(y);
    if (by_name && (x != y || x == unknown_extent) && !(is_number(x) && x < 0) && !(is_number(y) && y < 0))
      n.refuse("whether extents are equal that only the call knows");
    same[i] = x == y;
  }
  const bool scalar = n.is_scalar(0) && n.is_scalar(1);
  n.out(n.constant(b8, scalar ? dims{} : dims{static_cast<extent_t>(size)}, same.get()));
}
void choose_extents(node_call& n) {
  const std::vector<extent_t> which = n.extent_list(0), a = n.extent_list(1), b = n.extent_list(2);
  const std::size_t size = std::max({which.size(), a.size(), b.size()});
  std::vector<extent_t> r;
  for (const auto* list : {&which, &a, &b})
    if (list->size() != size && list->size() != 1) n.refuse("lists of different lengths");
  for (std::size_t i = 0; i < size; ++i) {
    const auto of = [&](const std::vector<extent_t>& l) { return l[l.size() == 1 ? 0 : i]; };
    r.push_back(of(which) ? of(a) : of(b));
  }
  n.out(r, n.is_scalar(0) && n.is_scalar(1) && n.is_scalar(2));
}
void product_of_extents(node_call& n) {
  n.ignore({"axes", "noop_with_empty_axes"});
  const bool keep = n.integer("keepdims", 1) != 0;
  extent_t all = 1;
  for (extent_t e : n.extent_list(0)) all = multiplied(all, e);
  n.out(std::vector<extent_t>{all}, !keep);
}
/// 0, 1, ... up to an extent by name.
void range_to_extent(node_call& n) {
  const std::vector<extent_t> start = n.extent_list(0), limit = n.extents(1), delta = n.extent_list(2);
  if (start != std::vector<extent_t>{0} || delta != std::vector<extent_t>{1} || limit.size() != 1)
    n.refuse("a range with extents that only the call knows, and not from 0 in steps of 1");
  n.out(n.make<ops::iota_op>({.type = i64, .to = {limit[0]}}, {}));
}

constexpr mapping table[] = {
    {"Add", [](node_call& n) { combine_extents(n, added); }},
    {"Cast", cast_extents},
    {"Concat", concat_extents},
    {"ConstantOfShape", [](node_call& n) { find_mapping("ConstantOfShape")->convert(n); }},
    {"Div", [](node_call& n) { combine_extents(n, divided); }},
    {"Equal", equal_extents},
    {"Expand", [](node_call& n) { find_mapping("Expand")->convert(n); }},
    {"Gather", gather_extents},
    {"Identity", [](node_call& n) { n.out(n.extent_list(0), n.is_scalar(0)); }},
    {"Mul", [](node_call& n) { combine_extents(n, multiplied); }},
    {"Range", range_to_extent},
    {"ReduceProd", product_of_extents},
    {"Reshape", [](node_call& n) { n.is_symbolic(0) ? reshape_extents(n) : find_mapping("Reshape")->convert(n); }},
    {"Slice", slice_extents},
    {"Squeeze", squeeze_extents},
    {"Sub", [](node_call& n) { combine_extents(n, subtracted); }},
    {"Unsqueeze", unsqueeze_extents},
    {"Where", choose_extents},
};
static_assert(is_sorted(table));

}  // namespace

std::span<const mapping> extent_operators() { return table; }

}  // namespace tenon::onnx
