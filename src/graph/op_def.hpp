// What the compiler knows of an operator: made once from the operator's struct (src/ops/define.hpp), never by hand.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/node.hpp"
#include "loop/expr.hpp"
#include "tenon/core/hash.hpp"
#include "tenon/core/op_kind.hpp"

namespace tenon::ir {

class lower_context;  // symbolic compute: src/loop/lower_context.hpp
class lower_program;  // symbolic program: src/loop/lower_program.hpp

using ops::op_kind;

/// A native run of one node: typed operands with any strides, results contiguous unless strided by the user.
struct native_operand {
  void* data;
  dtype type;
  dims shape;
  extent_t strides[dims::max_rank];  ///< in elements
};
struct native_call {
  const void* attrs;
  const native_operand* in;
  int inputs;
  const native_operand* out;
  int outputs;
};
using native_fn = void (*)(const native_call&);

/// Attributes as text and bytes; made from the attribute struct's `fields`.
struct attrs_def {
  attrs_ref (*copy)(const void*);
  std::uint64_t (*hash)(const void*);
  bool (*equal)(const void*, const void*);
  /// "{.stride = {2,2}, .groups = 1}", only what differs from the defaults; "" when nothing does.
  std::string (*print)(const void*);
  /// Parses what print gives ("" too); parse_error names the field and the known ones.
  attrs_ref (*parse)(std::string_view);
  /// Replaces named extents inside the attributes by `value_of(extent)`.
  attrs_ref (*bind)(const void*, extent_t (*value_of)(void*, extent_t), void* context);
};

/// An operator's name with its hash, which goes into that of every node.
struct op_name : std::string_view {
  std::uint64_t hash = 0;
  constexpr op_name() = default;
  constexpr op_name(std::string_view s) : std::string_view(s) {
    for (const char c : s) hash = detail::mix(hash, static_cast<unsigned char>(c));
  }
  constexpr op_name(const char* s) : op_name(std::string_view(s)) {}
};

struct op_def {
  op_name name;
  op_kind kind{};
  int min_operands = 1, max_operands = 1, results = 1;
  int main_operand = 0;  ///< the operand whose element type a bare number takes
  bool view = false;     ///< the result is the operand's elements in the same row-major order: a reshape
  /// Whether operand 0 and the result are better off with their second axis innermost in memory; null: no.
  bool (*channels_last)(const node&) = nullptr;
  /// A transpose: the operand's axis for axis `axis` of the result; else null.
  int (*source)(const void* attrs, int rank, int axis) = nullptr;
  const attrs_def* attrs = nullptr;
  detail::outcome (*shape)(const void* attrs, detail::shapes) = nullptr;
  detail::type_outcome (*types)(const void* attrs, detail::dtypes) = nullptr;
  /// map: the scalar function on expressions (of the compute type); also evaluates scalar bodies of index notation.
  expr_ref (*scalar)(expr_arena&, const void* attrs, std::span<const expr_ref>) = nullptr;
  /// The result element at `indices` as an expression; null for programs and library operators.
  expr_ref (*compute)(lower_context&, const void* attrs, std::span<const expr_ref> indices) = nullptr;
  void (*program)(lower_program&, const void* attrs) = nullptr;
  /// library: the same value in other operators, one node a result.
  std::vector<node_ref> (*expand)(const void* attrs, std::span<const node_ref> operands, const loc&) = nullptr;
  /// library: whether the operands' extents that `expand` needs are known, once their ranks are; null: it needs none.
  bool (*is_ready)(const node&) = nullptr;
  /// The same value in nodes that lower well, or null when it is that already.
  node_ref (*legalize)(const node&) = nullptr;
  /// The same of one of several results.
  node_ref (*legalize_result)(const node&, int result) = nullptr;
  /// The function for these operand types; null when the operator does not take them.
  native_fn (*native)(const void* attrs, detail::dtypes) = nullptr;
};

/// By name, for text and import; null when there is none. `all_operators` is sorted by name.
const op_def* find_operator(std::string_view name);
std::span<const op_def* const> all_operators();

}  // namespace tenon::ir
