// The messages of an ONNX file (onnx.proto), as far as an import needs them. Text and bytes are views into the file.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/leaf.hpp"
#include "tenon/core/dtype.hpp"
#include "tenon/core/extent.hpp"

namespace tenon::onnx {

/// The file: its bytes, what keeps them, and the folder that external data is looked for in.
struct source {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
  std::string name;    ///< in errors
  std::string folder;  ///< empty: there is none
};

/// An axis of a value's type: an extent, a name, or neither (-1).
struct dimension {
  extent_t value = dyn;
  std::string_view name;
};
/// A named value with its type. `element` is any_dtype for what is no dense tensor, and then `what` says what it is.
struct value_info {
  std::string_view name;
  dtype element = any_dtype;
  std::string what;
  bool has_shape = false;
  std::vector<dimension> shape;
};

/// AttributeProto.
struct attribute {
  std::string_view name;
  std::string_view message;  ///< for lists
  float real = 0;
  std::int64_t integer = 0;
  std::string_view text, tensor, graph;
  bool is_reference = false;  ///< to an attribute of the function that the node stands in: `text` names it

  std::vector<std::int64_t> integers() const;
  std::vector<float> reals() const;
  std::vector<std::string_view> texts() const;
};

/// NodeProto.
struct node {
  std::string_view name, op, domain;
  std::vector<std::string_view> inputs, outputs;
  std::vector<attribute> attributes;
};

/// The parts of a GraphProto (or of the body of a FunctionProto), each still a message.
struct graph {
  std::string_view name;
  std::vector<std::string_view> inputs, outputs;  ///< ValueInfoProto; of a function: names
  std::string_view message;                       ///< nodes and initializers are read one by one
  bool is_function = false;
};

struct operator_set {
  std::string_view domain;
  std::int64_t version = 0;
};
/// FunctionProto.
struct function {
  std::string_view name, domain;
  std::string_view message;
};
/// ModelProto.
struct model {
  std::vector<operator_set> sets;
  std::string_view graph;
  std::vector<function> functions;
  bool has_graph = false;
};

model read_model(std::string_view message);
graph read_graph(std::string_view message);
graph read_function(std::string_view message);
/// f(NodeProto) for each node, in order.
node read_node(std::string_view message);
/// Of the tensors that the graph holds.
std::vector<std::string_view> initializer_names(const graph&);
value_info read_value_info(std::string_view message);
std::vector<operator_set> read_operator_sets(std::string_view function_message);

/// The element type of a TensorProto.DataType; any_dtype for those that are none of ours.
dtype element_type(std::int64_t onnx_type);
/// Its name in errors: "string".
std::string element_name(std::int64_t onnx_type);

struct named_constant {
  std::string_view name;
  ir::constant_value value;
};
/// TensorProto. Elements that lie aligned in the file stay there; load_error naming the tensor for anything that is not
/// a dense tensor of a type of ours with as many elements as its extents say.
named_constant read_tensor(std::string_view message, const source&);

}  // namespace tenon::onnx
