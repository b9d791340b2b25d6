// From a file to a model, and from a model to a callable.
#include <fmt/format.h>

#include <cstring>

#include "graph/passes.hpp"
#include "onnx/importer.hpp"
#include "onnx/wire.hpp"
#include "runtime/mapped_file.hpp"

namespace tenon {
namespace {

onnx_model import_source(const onnx::source& s, const onnx_options& o, const loc& where) {
  try {
    return onnx::importer(s, o, where).run();
  } catch (const onnx_error&) {
    throw;
  } catch (const load_error& e) {
    throw load_error(fmt::format("{}: {}", s.name, onnx::printable(e.what())));
  }
}

detail::function_ref function_of(const ir::graph& g, compile_options options, const loc& where) {
  return detail::make_function(g.inputs.data(), g.inputs.size(), g.outputs.data(), g.outputs.size(), nullptr, 0,
                               std::move(options), detail::binding::now, where);
}

}  // namespace

onnx_model import_onnx(const std::string& path, const onnx_options& o, loc where) {
  std::unique_ptr<detail::mapped_file> file = detail::mapped_file::open(path);
  onnx::source s;
  s.bytes = {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
  s.owner = std::make_shared<detail::shared_ref>(file.release());
  s.name = path;
  const std::size_t slash = path.rfind('/');
  s.folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return import_source(s, o, where);
}

onnx_model import_onnx(std::span<const std::byte> bytes, const onnx_options& o, loc where) {
  std::shared_ptr<char[]> copy(new char[bytes.size() + 1]);
  if (!bytes.empty()) std::memcpy(copy.get(), bytes.data(), bytes.size());
  onnx::source s;
  s.bytes = {copy.get(), bytes.size()};
  s.owner = std::shared_ptr<const void>(copy, copy.get());
  s.name = "the model in memory";
  return import_source(s, o, where);
}

untyped_function build(const onnx_model& m, compile_options options, loc where) {
  return {function_of(m.graph(), std::move(options), where), m.inputs(), m.outputs()};
}

namespace detail {

function_ref typed_onnx(const onnx_model& m, const dtype* types, const dims* shapes, std::size_t parameters,
                        std::size_t results, compile_options options, const loc& where) {
  ir::graph g = m.graph();
  const auto count = [&](std::size_t stated, std::size_t has, std::string_view what) {
    if (stated != has)
      throw argument_error(fmt::format("build: {} {} are stated, the model has {}; at {}:{}", stated, what, has,
                                       where.file(), where.line()));
  };
  count(parameters, g.inputs.size(), "parameters");
  count(results, g.outputs.size(), "results");
  // What the signature knows better than the model becomes part of the graph; what it leaves open stays as it is.
  std::vector<ir::value_type> inputs;
  for (std::size_t i = 0; i < parameters; ++i) {
    const node_ref stated = emit_as(g.inputs[i], types[i], shapes[i], where);  // throws when they do not fit
    ir::value_type t = g.inputs[i]->type;
    if (t.shape.any()) t.shape = shapes[i];
    for (int d = 0; d < t.shape.rank && !shapes[i].any(); ++d)
      if (shapes[i][d] >= 0) t.shape[d] = shapes[i][d];
    inputs.push_back(t);
  }
  g = ir::specialize(g, inputs);
  for (std::size_t i = 0; i < results; ++i)
    g.outputs[i] = emit_as(g.outputs[i], types[parameters + i], shapes[parameters + i], where);
  return function_of(g, std::move(options), where);
}

}  // namespace detail
}  // namespace tenon
