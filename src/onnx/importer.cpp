#include "onnx/importer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "onnx/wire.hpp"

namespace tenon::onnx {
namespace {

/// The operator sets that the conversions know.
constexpr std::int64_t first_set = 1, last_set = 21;
/// How many faults an error lists; what is more is counted.
constexpr std::size_t max_listed = 100;

/// Thrown by node_call::refuse and its like, reported with the node.
struct refusal {
  std::string why;
};

std::string_view plain_domain(std::string_view d) { return d == "ai.onnx" ? std::string_view() : d; }

/// Errors of operators name a line of this library: the node says more.
std::string_view without_place(std::string_view text) {
  const std::size_t at = text.rfind("; at ");
  return at == std::string_view::npos ? text : text.substr(0, at);
}

}  // namespace

const value* scope::find(std::string_view name) const {
  for (const scope* s = this; s; s = s->outer)
    if (const auto it = s->values.find(name); it != s->values.end()) return &it->second;
  return nullptr;
}

importer::importer(const source& s, const onnx_options& o, const loc& w) : source_(s), options_(o), where_(w) {}

// ---- inputs

extent_t importer::unnamed() {
  for (int i = 0;; ++i) {
    const std::string name = fmt::format("d{}", i);
    const extent_t e = detail::name_base + detail::pack_name(name.data(), name.size());
    if (names_taken_.insert(e).second) return e;
  }
}
extent_t importer::named(std::string_view name) {
  for (const auto& [given, number] : options_.extents)
    if (given == name) {
      if (number < 0) throw argument_error(fmt::format("import_onnx: extent {} of '{}' is below 0", number, name));
      return number;
    }
  const auto it = extents_.find(name);
  if (it != extents_.end()) return it->second;
  // "?" and the like say that there is no name: two of them are not equal.
  if (std::ranges::none_of(name, [](char c) { return c != '_' && detail::pack_name(&c, 1); })) return unnamed();
  std::string plain;
  for (char c : name.substr(0, detail::max_name_length)) plain += detail::pack_name(&c, 1) ? c : '_';
  extent_t e = detail::name_base + detail::pack_name(plain.data(), plain.size());
  if (plain.empty() || !names_taken_.insert(e).second) e = unnamed();
  return extents_[std::string(name)] = e;
}
dims importer::extents_of(const value_info& v) {
  if (!v.has_shape) return detail::any_dims();
  if (v.shape.size() > static_cast<std::size_t>(dims::max_rank))
    throw load_error(fmt::format("input '{}': rank {} > {}", v.name, v.shape.size(), dims::max_rank));
  dims d;
  // Largest extent that is taken: products of eight of them are still checked where they are made.
  constexpr extent_t largest = extent_t{1} << 40;
  for (const dimension& e : v.shape) {
    if (e.value > largest) throw load_error(fmt::format("input '{}': extent {} is too large", v.name, e.value));
    d.push_back(!e.name.empty() ? named(e.name) : e.value >= 0 ? e.value : unnamed());
  }
  return d;
}
void importer::declare_input(const value_info& v) {
  if (v.name.empty()) throw load_error("an input has no name");
  if (std::ranges::find(input_names_, v.name) != input_names_.end())
    throw load_error(fmt::format("two inputs are called '{}'", v.name));
  if (v.element == any_dtype)
    throw onnx_error(fmt::format("input '{}' is {}, no tensor of a type of ours", v.name, v.what), {});
  inputs_.push_back(ir::make_input(v.name, v.element, extents_of(v), where_));
  input_names_.emplace_back(v.name);
}

// ---- the model

onnx_model importer::run() {
  model_ = read_model(source_.bytes);
  if (!model_.has_graph) throw load_error("no ONNX model: it has no graph");
  const graph main = read_graph(model_.graph);
  scope all;
  all.sets = model_.sets;
  wire_reader parts(main.message);
  for (field f; parts.next(f);) {
    if (f.number == 15) throw onnx_error("sparse initializers are not supported", {});
    if (f.number != 5) continue;
    const named_constant c = read_tensor(f.bytes, source_);
    all.values[c.name].tensor = any_tensor(ir::make_constant(c.value, where_));
  }
  for (std::string_view message : main.inputs) {
    const value_info v = read_value_info(message);
    if (all.values.contains(v.name)) continue;  // an initializer's type
    if (const param_value* given = options_.values.find(v.name)) {
      if (given->type() != v.element)
        throw type_error(fmt::format("import_onnx: the value of input '{}' is {}, the model says {}", v.name,
                                     name(given->type()), name(v.element)));
      all.values[v.name].tensor = any_tensor(ir::make_constant(given->type(), given->dims(), given->data(), where_));
      continue;
    }
    declare_input(v);
    all.values[v.name].tensor = any_tensor(inputs_.back());
  }
  run_graph(main, all);
  ir::graph g;
  g.inputs = inputs_;
  std::vector<std::string> outputs;
  for (std::string_view message : main.outputs) {
    const value_info v = read_value_info(message);
    const value* made = all.find(v.name);
    outputs.emplace_back(v.name);
    if (!made) {
      errors_.push_back(fmt::format("output '{}': no node makes it", v.name));
    } else if (made->symbolic) {
      errors_.push_back(fmt::format("output '{}' holds extents that only the call knows", v.name));
    } else if (!made->failed) {
      g.outputs.push_back(made->tensor.node());
    }
  }
  if (main.outputs.empty()) errors_.emplace_back("the graph has no outputs");
  if (!errors_.empty()) {
    std::string text = fmt::format("{}: cannot be imported ({} faults):", source_.name, errors_.size() + more_errors_);
    for (const std::string& e : errors_) text += "\n  " + e;
    if (more_errors_) text += fmt::format("\n  and {} more", more_errors_);
    throw onnx_error(text, {wanted_.begin(), wanted_.end()});
  }
  return {std::move(g), input_names_, std::move(outputs)};
}

void importer::report(const node& n, int index, std::string_view why) {
  if (errors_.size() >= max_listed) {
    ++more_errors_;
    return;
  }
  errors_.push_back(n.name.empty() ? fmt::format("{} (node {}): {}", n.op, index, why)
                                   : fmt::format("{} '{}': {}", n.op, n.name, why));
}

void importer::want_inputs_of(const ir::node& n) {
  const detail::node_ref root(&n);
  for (const ir::node* p : ir::post_order({&root, 1}))
    if (p->op == &ir::input_definition()) wanted_.emplace(ir::leaf_name(*p));
}

void importer::run_graph(const graph& g, scope& s) {
  if (s.depth > max_depth) throw refusal{"graphs are nested too deeply"};
  wire_reader parts(g.message);
  int index = 0;
  for (field f; parts.next(f);)
    if (f.number == (g.is_function ? 7u : 1u)) run_node(read_node(f.bytes), s, index++);
}

void importer::run_node(const node& n, scope& s, int index) {
  const auto fail = [&](std::string_view why) {
    if (!why.empty()) report(n, index, why);
    for (std::string_view o : n.outputs)
      if (!o.empty()) s.values[o].failed = true;
  };
  for (std::string_view i : n.inputs) {
    if (i.empty()) continue;
    const value* v = s.find(i);
    if (!v) return fail(fmt::format("no node before it makes its input '{}'", i));
    if (v->failed) return fail("");
  }
  for (std::string_view o : n.outputs)
    if (!o.empty() && s.values.contains(o)) return report(n, index, fmt::format("'{}' is made twice", o));
  try {
    convert(n, s);
  } catch (const refusal& r) {
    fail(r.why);
  } catch (const error& e) {
    fail(without_place(e.what()));
  }
}

void importer::convert(const node& n, scope& s) {
  const std::string_view domain = plain_domain(n.domain);
  for (const function& f : model_.functions)
    if (f.name == n.op && plain_domain(f.domain) == domain) return expand_function(f, n, s);
  const mapping* m = domain.empty() ? find_mapping(n.op) : nullptr;
  if (!m)
    throw refusal{domain.empty() ? "the operator is not supported"
                                 : fmt::format("the operator, of domain '{}', is not supported", domain)};
  std::int64_t version = 0;
  for (const operator_set& o : s.sets)
    if (plain_domain(o.domain).empty()) version = o.version;
  if (version < first_set || version > last_set)
    throw refusal{fmt::format("operator set {} is outside {} to {}", version, first_set, last_set)};
  node_call call(*this, n, s, version);
  bool constant = true;
  for (int i = 0; i < call.inputs(); ++i) {
    if (!call.has(i)) continue;
    if (call.is_symbolic(i)) {
      const mapping* e = find_extent_mapping(n.op);
      if (!e)
        throw refusal{fmt::format("'{}' holds extents that only the call knows: give them in onnx_options::extents",
                                  n.inputs[static_cast<std::size_t>(i)])};
      e->convert(call);
      return call.check_attributes();
    }
    const ir::constant_value* c = call.constant(i);
    constant = constant && c && static_cast<std::int64_t>(c->bytes()) <= max_folded_bytes;
  }
  m->convert(call);
  call.check_attributes();
  std::vector<detail::node_ref> made, operands;
  for (int i = 0; i < call.inputs(); ++i)
    if (call.has(i)) operands.push_back(call.in(i).node());
  for (std::string_view o : n.outputs) {
    const auto it = s.values.find(o);
    if (o.empty()) continue;
    if (it == s.values.end()) throw refusal{fmt::format("its output '{}' is not supported", o)};
    if (it->second.symbolic || it->second.failed) continue;
    if (constant) it->second.tensor = folded(it->second.tensor);
  }
}

any_tensor importer::folded(const any_tensor& t) const {
  ir::graph g;
  g.outputs = {t.node()};
  const ir::pass_settings budget(pass_options{{"fold_constants.max_bytes", max_folded_bytes}});
  return any_tensor(ir::fold_constants(ir::expand_library(g), budget).outputs[0]);
}

void importer::expand_function(const function& f, const node& n, scope& s) {
  const graph body = read_function(f.message);
  scope inner;
  inner.sets = read_operator_sets(f.message);
  inner.depth = s.depth + 1;
  inner.call = &n;
  for (std::size_t i = 0; i < body.inputs.size(); ++i)
    if (i < n.inputs.size() && !n.inputs[i].empty()) inner.values[body.inputs[i]] = *s.find(n.inputs[i]);
  run_graph(body, inner);
  for (std::size_t i = 0; i < n.outputs.size(); ++i) {
    if (n.outputs[i].empty()) continue;
    const value* v = i < body.outputs.size() ? inner.find(body.outputs[i]) : nullptr;
    if (!v) throw refusal{fmt::format("the function does not make its output {}", i)};
    s.values[n.outputs[i]] = *v;
  }
}

// ---- a node under conversion

const loc& node_call::where() const { return importer_.where_; }
void node_call::refuse(const std::string& why) const { throw refusal{why}; }

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
  if (c->type() == i64)
    return elements<extent_t>(*c, [](const void* p, std::size_t k) { return static_cast<const std::int64_t*>(p)[k]; });
  if (c->type() == i32)
    return elements<extent_t>(*c, [](const void* p, std::size_t k) { return static_cast<const std::int32_t*>(p)[k]; });
  if (c->type() == b8)
    return elements<extent_t>(*c, [](const void* p, std::size_t k) { return static_cast<const bool*>(p)[k]; });
  refuse(fmt::format("'{}' is {}, not i64 or i32", node_.inputs[static_cast<std::size_t>(i)], name(c->type())));
}
std::vector<std::int64_t> node_call::integers(int i) const {
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
  if (c->type() == f32)
    return elements<double>(*c, [](const void* p, std::size_t k) { return double{static_cast<const float*>(p)[k]}; });
  if (c->type() == f64)
    return elements<double>(*c, [](const void* p, std::size_t k) { return static_cast<const double*>(p)[k]; });
  std::vector<double> r;
  for (std::int64_t e : integers(i)) r.push_back(static_cast<double>(e));
  return r;
}

std::vector<std::int64_t> node_call::known_marks(int i, const any_tensor& marks) const {
  if (!constant(i)) {
    importer_.want_inputs_of(*in(i).node());
    refuse(
        fmt::format("the values of '{}' decide extents: give those of the inputs that they come from in "
                    "onnx_options::values",
                    node_.inputs[static_cast<std::size_t>(i)]));
  }
  const any_tensor known = importer_.folded(marks);
  if (known.node()->op != &ir::constant_definition()) refuse("its operand is too large to be looked at in an import");
  return elements<std::int64_t>(ir::constant_of(*known.node()),
                                [](const void* p, std::size_t k) { return static_cast<const bool*>(p)[k]; });
}

bool node_call::known_scalar(const any_tensor& t) const {
  if (t.node()->op != &ir::constant_definition() || t.node()->type != ir::value_type{b8, {}}) {
    importer_.want_inputs_of(*t.node());
    refuse("whether it goes on depends on values that only the call knows");
  }
  return *static_cast<const bool*>(ir::constant_of(*t.node()).data());
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
  if (v < INT32_MIN || v > INT32_MAX) refuse(fmt::format("{} {} is too large", what, v));
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
any_tensor node_call::scalar(dtype d, number n) const { return any_tensor(ir::make_scalar(d, n, where())); }
any_tensor node_call::emit(const ir::op_def& op, const void* attrs, std::span<const any_tensor> operands) const {
  std::vector<detail::argument> a;
  for (const any_tensor& t : operands) a.push_back({t.node().get()});
  return any_tensor(detail::emit(op, attrs, a.data(), static_cast<int>(a.size()), where()));
}

}  // namespace tenon::onnx
