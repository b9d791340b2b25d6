// A node under conversion: its operands, attributes and results.
#include <fmt/format.h>

#include <algorithm>

#include "graph/op_def.hpp"
#include "onnx/importer.hpp"
#include "onnx/wire.hpp"

namespace tenon::onnx {

const loc& node_call::where() const { return importer_.where_; }
void node_call::refuse(const std::string& why) const { throw refusal{why}; }

std::string_view node_call::label() const {
  return !node_.name.empty() || node_.outputs.empty() ? node_.name : node_.outputs[0];
}
bool node_call::has(int i) const { return i < inputs() && !node_.inputs[static_cast<std::size_t>(i)].empty(); }
const value& node_call::given(int i) const {
  if (!has(i)) refuse(fmt::format("input {} is missing", i));
  return *scope_.find(node_.inputs[static_cast<std::size_t>(i)]);
}
const any_tensor& node_call::in(int i) const { return given(i).tensor; }
bool node_call::is_symbolic(int i) const { return given(i).symbolic; }
const dims& node_call::shape(int i) const {
  const dims& d = in(i).node()->type.shape;
  if (d.any()) refuse(fmt::format("the rank of '{}' is not known", node_.inputs[static_cast<std::size_t>(i)]));
  return d;
}
const ir::constant_value* node_call::constant(int i) const {
  const value& v = given(i);
  if (v.symbolic || v.tensor.node()->op != &ir::constant_definition()) return nullptr;
  return &ir::constant_of(*v.tensor.node());
}
bool node_call::is_scalar(int i) const { return is_symbolic(i) ? given(i).scalar : rank(i) == 0; }

namespace {
template <class T, class F>
std::vector<T> elements(const ir::constant_value& c, F convert) {
  std::vector<T> r;
  const auto n = static_cast<std::size_t>(c.extents().count());
  for (std::size_t i = 0; i < n; ++i) r.push_back(convert(c.data(), i));
  return r;
}
}  // namespace

std::vector<extent_t> node_call::extents(int i) const {
  std::vector<extent_t> list = extent_list(i);
  if (std::ranges::find(list, unknown_extent) != list.end())
    refuse(
        fmt::format("'{}' holds an extent that follows from others in a way that only the call knows: give them in "
                    "onnx_options::extents",
                    node_.inputs[static_cast<std::size_t>(i)]));
  return list;
}
std::vector<extent_t> node_call::extent_list(int i) const {
  const value& v = given(i);
  if (v.symbolic) return v.extents;
  const ir::constant_value* c = constant(i);
  if (!c) {
    importer_.want_inputs_of(*v.tensor.node());
    refuse(
        fmt::format("the values of '{}' decide extents, and only the call knows them: give those of the inputs that "
                    "they come from in onnx_options::values",
                    node_.inputs[static_cast<std::size_t>(i)]));
  }
  if (c->extents().count() > max_list)
    refuse(fmt::format("'{}' has {} elements, too many for a list of extents",
                       node_.inputs[static_cast<std::size_t>(i)], c->extents().count()));
  if (c->type() == i64)
    return elements<extent_t>(*c, [](const void* p, std::size_t k) { return static_cast<const std::int64_t*>(p)[k]; });
  if (c->type() == i32)
    return elements<extent_t>(*c, [](const void* p, std::size_t k) { return static_cast<const std::int32_t*>(p)[k]; });
  if (c->type() == b8)
    return elements<extent_t>(*c, [](const void* p, std::size_t k) { return static_cast<const bool*>(p)[k]; });
  refuse(fmt::format("'{}' is {}, not i64 or i32", node_.inputs[static_cast<std::size_t>(i)], name(c->type())));
}
std::vector<std::int64_t> node_call::integers(int i) const {
  if (!is_symbolic(i)) return extent_list(i);  // a constant: the least integers stand for no names there
  std::vector<std::int64_t> v = extents(i);
  for (std::int64_t e : v)
    if (detail::is_named(e))
      refuse(fmt::format("'{}' holds an extent that only the call knows: give it in onnx_options::extents",
                         node_.inputs[static_cast<std::size_t>(i)]));
  return v;
}
std::vector<double> node_call::reals(int i) const {
  const ir::constant_value* c = constant(i);
  if (!c) {
    importer_.want_inputs_of(*in(i).node());
    refuse(
        fmt::format("the values of '{}' must be known: give those of the inputs that they come from in "
                    "onnx_options::values",
                    node_.inputs[static_cast<std::size_t>(i)]));
  }
  if (c->extents().count() > max_list)
    refuse(
        fmt::format("'{}' has {} elements, too many", node_.inputs[static_cast<std::size_t>(i)], c->extents().count()));
  if (c->type() == f32)
    return elements<double>(*c, [](const void* p, std::size_t k) { return double{static_cast<const float*>(p)[k]}; });
  if (c->type() == f64)
    return elements<double>(*c, [](const void* p, std::size_t k) { return static_cast<const double*>(p)[k]; });
  std::vector<double> r;
  for (std::int64_t e : integers(i)) r.push_back(static_cast<double>(e));
  return r;
}

std::optional<std::vector<std::int64_t>> node_call::known_marks(int i, const any_tensor& marks) const {
  const dims& d = marks.node()->type.shape;
  if (!constant(i) || !d.is_static() || d.count() > max_list) return std::nullopt;
  const any_tensor known = importer_.folded(marks);
  if (known.node()->op != &ir::constant_definition()) return std::nullopt;
  return elements<std::int64_t>(ir::constant_of(*known.node()),
                                [](const void* p, std::size_t k) { return static_cast<const bool*>(p)[k]; });
}

void node_call::refuse_unknown(const any_tensor& t, const std::string& why) const {
  importer_.want_inputs_of(*t.node());
  refuse(why);
}

std::optional<bool> node_call::known_scalar(const any_tensor& t) const {
  const ir::node& n = *t.node();
  if (n.op != &ir::constant_definition() || n.type.element != b8 || n.type.shape.count() != 1) return std::nullopt;
  return *static_cast<const bool*>(ir::constant_of(n).data());
}

const attribute* node_call::find(std::string_view name) const {
  read_.insert(name);
  for (const attribute& a : node_.attributes) {
    if (a.name != name) continue;
    if (!a.is_reference) return &a;
    if (scope_.call)
      for (const attribute& b : scope_.call->attributes)
        if (b.name == a.text) return &b;
    return nullptr;
  }
  return nullptr;
}
std::int64_t node_call::integer(std::string_view name, std::int64_t otherwise) const {
  const attribute* a = find(name);
  return a ? a->integer : otherwise;
}
float node_call::real(std::string_view name, float otherwise) const {
  const attribute* a = find(name);
  return a ? a->real : otherwise;
}
std::string_view node_call::text(std::string_view name, std::string_view otherwise) const {
  const attribute* a = find(name);
  return a ? a->text : otherwise;
}
std::vector<std::int64_t> node_call::integers(std::string_view name) const {
  const attribute* a = find(name);
  return a ? a->integers() : std::vector<std::int64_t>{};
}
int node_call::few(std::int64_t v, std::string_view what) const {
  if (v < -INT32_MAX || v > INT32_MAX) refuse(fmt::format("{} {} is too large", what, v));
  return static_cast<int>(v);
}
ints node_call::few(const std::vector<std::int64_t>& l, std::string_view what) const {
  if (l.size() > static_cast<std::size_t>(ints::capacity))
    refuse(fmt::format("{} of {} elements, at most {}", what, l.size(), ints::capacity));
  ints r;
  for (std::int64_t v : l) r.v[r.size++] = few(v, what);
  return r;
}
int node_call::axis(std::string_view name, std::int64_t otherwise, int rank) const {
  const std::int64_t given = integer(name, otherwise), a = given < 0 ? given + rank : given;
  if (a < 0 || a >= rank) refuse(fmt::format("{} {} is outside rank {}", name, given, rank));
  return static_cast<int>(a);
}
ir::constant_value node_call::tensor(std::string_view name) const {
  const attribute* a = find(name);
  if (!a) refuse(fmt::format("it has no attribute '{}'", name));
  return read_tensor(a->tensor, importer_.source_).value;
}
void node_call::ignore(std::initializer_list<std::string_view> names) const { read_.insert(names); }
void node_call::check_attributes() const {
  for (const attribute& a : node_.attributes)
    if (!read_.contains(a.name)) refuse(fmt::format("attribute '{}' is not supported", a.name));
}

bool node_call::wants(int i) const { return i < outputs() && !node_.outputs[static_cast<std::size_t>(i)].empty(); }
void node_call::out(int i, value v) {
  if (!wants(i)) return;
  scope_.values[node_.outputs[static_cast<std::size_t>(i)]] = std::move(v);
}
void node_call::out(int i, const any_tensor& t) {
  value v;
  v.tensor = t;
  out(i, std::move(v));
}
void node_call::out(const std::vector<extent_t>& list, bool scalar) {
  value v;
  if (std::ranges::any_of(list, [](extent_t e) { return detail::is_named(e) || e == unknown_extent; })) {
    v.symbolic = true;
    v.scalar = scalar;
    v.extents = list;
  } else {
    v.tensor = constant(i64, scalar ? dims{} : dims{static_cast<extent_t>(list.size())}, list.data());
  }
  out(0, std::move(v));
}

std::vector<value> node_call::run(std::string_view attribute_name, const std::vector<value>& arguments) {
  const attribute* a = find(attribute_name);
  if (!a) refuse(fmt::format("it has no attribute '{}'", attribute_name));
  const graph g = read_graph(a->graph);
  scope inner;
  inner.outer = &scope_;
  inner.sets = scope_.sets;
  inner.call = scope_.call;
  inner.depth = scope_.depth + 1;
  wire_reader parts(g.message);
  for (field f; parts.next(f);) {
    if (f.number != 5) continue;
    const named_constant c = read_tensor(f.bytes, importer_.source_);
    inner.values[c.name].tensor = any_tensor(ir::make_constant(c.value, where()));
  }
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    const value_info v = read_value_info(g.inputs[i]);
    if (i < arguments.size()) inner.values[v.name] = arguments[i];
  }
  importer_.run_graph(g, inner);
  std::vector<value> results;
  for (std::string_view o : g.outputs) {
    const value_info v = read_value_info(o);
    const value* made = inner.find(v.name);
    if (!made) refuse(fmt::format("no node of its graph makes '{}'", v.name));
    results.push_back(*made);
  }
  return results;
}

any_tensor node_call::constant(dtype d, const dims& s, const void* data) const {
  return any_tensor(ir::make_constant(d, s, data, where()));
}
any_tensor node_call::table(dtype d, const dims& s, const void* data) const {
  const std::int64_t bytes = s.count() * size_of(d);
  if (bytes > max_all_folded_bytes - importer_.folded_bytes_)
    refuse(fmt::format("the tables that the model's nodes compute take more than {} bytes", max_all_folded_bytes));
  importer_.folded_bytes_ += bytes;
  return constant(d, s, data);
}
any_tensor node_call::scalar(dtype d, number n) const { return any_tensor(ir::make_scalar(d, n, where())); }
any_tensor node_call::emit(const ir::op_def& op, const void* attrs, std::span<const any_tensor> operands) const {
  std::vector<detail::argument> a;
  for (const any_tensor& t : operands) a.push_back({t.node().get()});
  return any_tensor(detail::emit(op, attrs, a.data(), static_cast<int>(a.size()), where()));
}

}  // namespace tenon::onnx

// ---- the same for the user's own operators

namespace tenon {

int onnx_call::inputs() const { return call_->inputs(); }
bool onnx_call::has(int i) const { return call_->has(i); }
tensor<any_dtype, any_shape> onnx_call::input(int i) const {
  if (call_->has(i) && call_->is_symbolic(i))
    call_->refuse(fmt::format("input {} holds extents that only the call knows", i));
  return call_->in(i);
}
std::int64_t onnx_call::integer(std::string_view name, std::int64_t otherwise) const {
  return call_->integer(name, otherwise);
}
double onnx_call::real(std::string_view name, double otherwise) const {
  return call_->find(name) ? call_->real(name, 0) : otherwise;
}
std::string onnx_call::text(std::string_view name, std::string_view otherwise) const {
  return std::string(call_->text(name, otherwise));
}
std::vector<std::int64_t> onnx_call::integers(std::string_view name) const { return call_->integers(name); }
std::vector<double> onnx_call::reals(std::string_view name) const {
  const onnx::attribute* a = call_->find(name);
  const std::vector<float> all = a ? a->reals() : std::vector<float>{};
  return {all.begin(), all.end()};
}

}  // namespace tenon
