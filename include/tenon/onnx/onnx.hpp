// Models from ONNX files (libtenon-onnx): link tenon::onnx and include this beside tenon.hpp.
//
//   auto net = build(import_onnx("model.onnx"), {.target = "llvm"});
//   std::vector<param_value> y = net(array<f32>::uniform({1, 3, 224, 224}, 1));
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/core/error.hpp"
#include "tenon/dsl/jit.hpp"
#include "tenon/graph/graph.hpp"
#include "tenon/graph/untyped.hpp"

namespace tenon {

namespace onnx {
class node_call;
}

/// A node of a model as an operator of the user's own sees it.
class onnx_call {
 public:
  explicit onnx_call(onnx::node_call& n) : call_(&n) {}
  int inputs() const;
  /// Whether input i is there: one may be left out.
  bool has(int i) const;
  tensor<any_dtype, any_shape> input(int i) const;
  // Attributes by name; lists are empty when they are not there. The import refuses a node with attributes that nobody
  // asked for.
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  double real(std::string_view name, double otherwise) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  std::vector<std::int64_t> integers(std::string_view name) const;
  std::vector<double> reals(std::string_view name) const;

 private:
  onnx::node_call* call_;
};
/// An operator of the user's own: its domain and name in the model, and what it stands for. `make` gives one tensor for
/// each output of the node; what it throws is reported with the node.
struct onnx_operator {
  std::string domain, name;
  std::function<std::vector<tensor<any_dtype, any_shape>>(const onnx_call&)> make;
};

/// What a user may say about an import.
struct onnx_options {
  /// Inputs that become constants: those whose values decide extents (the target of a Reshape that is no initializer)
  /// have to be among them.
  param_set values{};
  /// Extents that become numbers, by name, {"batch", 1}, or by input and axis, {"x[2]", 48}. Needed where the model
  /// computes with them.
  std::vector<std::pair<std::string, extent_t>> extents{};
  /// Operators of the user's own; one with the name of an operator of ONNX replaces that.
  std::vector<onnx_operator> operators{};
};

/// A model that cannot be imported: the text lists every node that is at fault, with its operator, name and reason.
class onnx_error : public load_error {
 public:
  onnx_error(const std::string& text, std::vector<std::string> wanted) : load_error(text), wanted_(std::move(wanted)) {}
  /// Inputs whose values decide extents: an import that gets them in onnx_options::values may go on.
  const std::vector<std::string>& wanted_inputs() const { return wanted_; }

 private:
  std::vector<std::string> wanted_;
};

/// An imported model: a graph like a user's own, with the names of its inputs and outputs. Its dimensions with a name
/// are named extents (of names longer than ten characters the first ten; those without get one).
class onnx_model {
 public:
  onnx_model(ir::graph g, std::vector<std::string> inputs, std::vector<std::string> outputs)
      : graph_(std::move(g)), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  const ir::graph& graph() const { return graph_; }
  const std::vector<std::string>& inputs() const { return inputs_; }
  const std::vector<std::string>& outputs() const { return outputs_; }

 private:
  ir::graph graph_;
  std::vector<std::string> inputs_, outputs_;
};

/// Reads a model of ONNX, operator sets 1 to 25. Initializers become constants; they, and external data, stay in the
/// mapped file, so it must not be changed while they are used. Extents that the model computes are computed here.
/// Throws onnx_error that lists all nodes that cannot be imported, load_error for a file that is no model.
onnx_model import_onnx(const std::string& path, const onnx_options& = {}, loc where = std::source_location::current());
/// The same from memory, which is copied; external data cannot be found.
onnx_model import_onnx(std::span<const std::byte> bytes, const onnx_options& = {},
                       loc where = std::source_location::current());

/// Makes a callable of a model. Its parameters are already constants: options.params is not looked at.
untyped_function build(const onnx_model&, compile_options = {}, loc where = std::source_location::current());

namespace detail {
/// The model's graph with the parameters' and results' types as stated, as a function; type_error, shape_error or
/// argument_error when the model's are others.
function_ref typed_onnx(const onnx_model&, const dtype* types, const dims* shapes, std::size_t parameters,
                        std::size_t results, compile_options, const loc&);

template <class R, class... P, class... T>
compiled<R(P...)> build_typed(const onnx_model& m, type_list<T...>, compile_options&& options, const loc& where) {
  constexpr dtype types[] = {P::type..., T::type...};
  constexpr dims shapes[] = {P::shape_type::value..., T::shape_type::value...};
  return compiled<R(P...)>(typed_onnx(m, types, shapes, sizeof...(P), sizeof...(T), std::move(options), where));
}
}  // namespace detail

/// A typed callable: build<tensor<f32, any_shape>>(import_onnx("m.onnx"), signature<tensor<f32, shape<dyn, 64>>>{}).
/// The result is a tensor, or a std::tuple or std::array of them.
template <class R, class... P>
auto build(const onnx_model& m, signature<P...>, compile_options options = {},
           loc where = std::source_location::current()) {
  return detail::build_typed<R, P...>(m, typename detail::results_of<R>::types{}, std::move(options), where);
}

}  // namespace tenon
