// The import of one model: what an operator's conversion sees of a node, and the state behind it.
//
//   {"LeakyRelu", [](node_call& n) { n.out(leaky_relu(n.in(0), {.alpha = n.real("alpha", 0.01f)})); }}
#pragma once
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/node.hpp"
#include "onnx/proto.hpp"
#include "ops/leaf.hpp"
#include "tenon/onnx/onnx.hpp"
#include "tenon/ops/ops.hpp"

namespace tenon::onnx {

using any_tensor = tensor<any_dtype, any_shape>;

/// Largest constant, in bytes, that is computed during the import; larger ones are left to the compiler's passes.
inline constexpr std::int64_t max_folded_bytes = std::int64_t{1} << 20;

/// What all folded constants may take together: an import needs no more memory than stated (tests/onnx/mutations.cpp).
inline constexpr std::int64_t max_all_folded_bytes = std::int64_t{16} << 20;
/// Longest list of extents, axes and the like that is looked at.
inline constexpr std::int64_t max_list = 1 << 16;

/// In a list of extents: one that nobody can say before the call. (-1 is a number there: a Reshape asks with it.)
inline constexpr extent_t unknown_extent = INT64_MIN / 2;

/// A value of the model: a tensor; or a list of extents (of integers) of which some are names, which is no tensor yet.
struct value {
  any_tensor tensor;
  std::vector<extent_t> extents;
  bool symbolic = false;
  bool scalar = false;  ///< symbolic: rank 0, one extent
  bool failed = false;  ///< a node before it is at fault: nothing is said twice
};

/// The values by name, of a graph or of a subgraph inside it.
struct scope {
  std::map<std::string_view, value> values;
  const scope* outer = nullptr;
  std::vector<operator_set> sets;  ///< versions in force
  const node* call = nullptr;      ///< of the function that is expanded: where its attributes stand
  int depth = 0;

  const value* find(std::string_view name) const;
};

class importer;

/// Thrown by node_call::refuse and its like, reported with the node.
struct refusal {
  std::string why;
};

/// A node under conversion. Each member throws what the importer reports with the node's name.
class node_call {
 public:
  node_call(importer& i, const node& n, scope& s, std::int64_t version)
      : importer_(i), node_(n), scope_(s), version_(version) {}

  std::string_view op() const { return node_.op; }
  /// Of the node, or of its first result where it has none.
  std::string_view label() const;
  /// Of the operator set.
  std::int64_t version() const { return version_; }
  const loc& where() const;

  // ---- operands
  int inputs() const { return static_cast<int>(node_.inputs.size()); }
  bool has(int i) const;
  const any_tensor& in(int i) const;
  dtype type(int i) const { return in(i).node()->type.element; }
  /// A rank is known, the extents may not be.
  const dims& shape(int i) const;
  int rank(int i) const { return shape(i).rank; }
  bool is_symbolic(int i) const;
  /// The elements of an integer operand of rank 0 or 1 that the import must know; extents may be among them by name.
  std::vector<extent_t> extents(int i) const;
  /// The same, unknown ones among them too.
  std::vector<extent_t> extent_list(int i) const;
  /// The same without names.
  std::vector<std::int64_t> integers(int i) const;
  /// Elements of an operand of floats that the import must know.
  std::vector<double> reals(int i) const;
  /// The elements of booleans that follow from operand i; nothing when the import does not know them.
  std::optional<std::vector<std::int64_t>> known_marks(int i, const any_tensor& marks) const;
  /// The one element of a boolean; nothing when the import does not know it.
  std::optional<bool> known_scalar(const any_tensor&) const;
  /// The constant that the operand is, if it is.
  const ir::constant_value* constant(int i) const;
  bool is_scalar(int i) const;

  // ---- attributes; one that nobody asks for is not supported
  const attribute* find(std::string_view name) const;
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  float real(std::string_view name, float otherwise) const;
  std::string_view text(std::string_view name, std::string_view otherwise) const;
  /// Empty when it is not there.
  std::vector<std::int64_t> integers(std::string_view name) const;
  /// Axes and the like, which are few.
  ints few(std::string_view name) const { return few(integers(name), name); }
  ints few(const std::vector<std::int64_t>&, std::string_view what) const;
  int few(std::int64_t, std::string_view what) const;
  /// An axis of operand i, counted from the front.
  int axis(std::string_view name, std::int64_t otherwise, int rank) const;
  ir::constant_value tensor(std::string_view name) const;
  /// For attributes that say nothing about the result.
  void ignore(std::initializer_list<std::string_view> names) const;

  // ---- results
  int outputs() const { return static_cast<int>(node_.outputs.size()); }
  bool wants(int i) const;
  void out(const any_tensor& t) { out(0, t); }
  void out(int i, const any_tensor&);
  void out(const std::vector<extent_t>& extents, bool scalar = false);
  void out(int i, value);

  /// Runs a subgraph of the node on these inputs.
  std::vector<value> run(std::string_view attribute_name, const std::vector<value>& arguments);
  const value& given(int i) const;

  // ---- nodes
  any_tensor constant(dtype, const dims&, const void* data) const;
  /// The same for a table that the node computes of a few numbers: all of a model's take no more than
  /// max_all_folded_bytes.
  any_tensor table(dtype, const dims&, const void* data) const;
  any_tensor scalar(dtype, number) const;
  template <class Op>
  any_tensor make(const typename Op::attrs& at, std::initializer_list<any_tensor> operands) const {
    return emit(detail::definition<Op>(), &at, {operands.begin(), operands.size()});
  }
  /// An operator whose results are those of the node.
  template <class Op>
  void make_all(const typename Op::attrs& at, std::span<const any_tensor> operands) {
    const any_tensor all = emit(detail::definition<Op>(), &at, operands);
    for (int i = 0; i < Op::results; ++i) out(i, any_tensor(detail::emit_result(all.node(), i, where())));
  }

  [[noreturn]] void refuse(const std::string& why) const;
  /// The same for a value that the import must know: inputs that it follows from are named to the user.
  [[noreturn]] void refuse_unknown(const any_tensor&, const std::string& why) const;
  /// Throws for attributes that were not asked for.
  void check_attributes() const;

 private:
  any_tensor emit(const ir::op_def&, const void* attrs, std::span<const any_tensor> operands) const;

  importer& importer_;
  const node& node_;
  scope& scope_;
  std::int64_t version_;
  mutable std::set<std::string_view> read_;
};

/// How one operator of ONNX is said in ours. Each family of operators has a table, sorted by name.
struct mapping {
  std::string_view op;
  void (*convert)(node_call&);
};
std::span<const mapping> elementwise_operators();
std::span<const mapping> logical_operators();
std::span<const mapping> activation_operators();
std::span<const mapping> reduction_operators();
std::span<const mapping> shape_operators();
std::span<const mapping> movement_operators();
std::span<const mapping> indexing_operators();
std::span<const mapping> product_operators();
std::span<const mapping> pooling_operators();
std::span<const mapping> normalization_operators();
std::span<const mapping> image_operators();
std::span<const mapping> quantized_operators();
std::span<const mapping> loss_operators();
std::span<const mapping> recurrent_operators();
std::span<const mapping> signal_operators();
std::span<const mapping> text_operators();
std::span<const mapping> random_operators();
std::span<const mapping> control_operators();
/// Of lists of extents by name: what a model computes with shapes.
std::span<const mapping> extent_operators();

/// Of all families; null when there is none.
const mapping* find_mapping(std::string_view op);
const mapping* find_extent_mapping(std::string_view op);

class importer {
 public:
  importer(const source&, const onnx_options&, const loc&);
  onnx_model run();

 private:
  friend node_call;
  void declare_input(const value_info&);
  void run_graph(const graph&, scope&);
  void run_node(const node&, scope&, int index);
  void convert(const node&, scope&);
  /// False when no operator of the user's has the node's name.
  bool convert_by_user(const node&, scope&);
  void expand_function(const function&, const node&, scope&);
  dims extents_of(const value_info&);
  /// What the user says of an extent by name.
  std::optional<extent_t> stated(std::string_view name) const;
  extent_t named(std::string_view name);
  extent_t unnamed();
  any_tensor folded(const any_tensor&);
  void report(const node&, int index, std::string_view why);
  void want_inputs_of(const ir::node&);

  const source& source_;
  const onnx_options& options_;
  loc where_;
  model model_;
  std::vector<detail::node_ref> inputs_;
  std::vector<std::string> input_names_;
  std::map<std::string, extent_t, std::less<>> extents_;  // of dimension names
  std::set<extent_t> names_taken_;
  std::vector<std::string> errors_;
  std::size_t more_errors_ = 0;
  std::size_t nodes_ = 0;          // converted so far, those of subgraphs and functions each time
  std::int64_t folded_bytes_ = 0;  // of constants made so far
  std::set<std::string> wanted_;
};

}  // namespace tenon::onnx
