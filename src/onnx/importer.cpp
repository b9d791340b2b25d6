#include "onnx/importer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "onnx/wire.hpp"

namespace tenon::onnx {
namespace {

/// The operator sets that the conversions know.
constexpr std::int64_t first_set = 1, last_set = 25;
/// How many faults an error lists; what is more is counted.
constexpr std::size_t max_listed = 100;

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
std::optional<extent_t> importer::stated(std::string_view name) const {
  for (const auto& [given, number] : options_.extents)
    if (given == name) {
      if (number < 0) throw argument_error(fmt::format("import_onnx: extent {} of '{}' is below 0", number, name));
      return number;
    }
  return std::nullopt;
}
extent_t importer::named(std::string_view name) {
  if (const auto number = stated(name)) return *number;
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
    const auto of_axis = e.value >= 0 ? std::nullopt : stated(fmt::format("{}[{}]", v.name, d.rank));
    if (of_axis) {
      d.push_back(*of_axis);
      continue;
    }
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
    throw onnx_error(fmt::format("input '{}' is {}, no tensor of a type of ours", printable(v.name), v.what), {});
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
      errors_.push_back(fmt::format("output '{}': no node makes it", printable(v.name)));
    } else if (made->symbolic) {
      errors_.push_back(fmt::format("output '{}' holds extents that only the call knows", printable(v.name)));
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
  errors_.push_back(n.name.empty() ? fmt::format("{} (node {}): {}", printable(n.op), index, printable(why))
                                   : fmt::format("{} '{}': {}", printable(n.op), printable(n.name), printable(why)));
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

bool importer::convert_by_user(const node& n, scope& s) {
  const auto own = std::ranges::find_if(options_.operators, [&](const onnx_operator& o) {
    return o.name == n.op && plain_domain(o.domain) == plain_domain(n.domain);
  });
  if (own == options_.operators.end()) return false;
  std::int64_t version = 0;
  for (const operator_set& o : s.sets)
    if (plain_domain(o.domain) == plain_domain(n.domain)) version = o.version;
  node_call call(*this, n, s, version);
  const std::vector<any_tensor> made = own->make(onnx_call(call));
  if (made.size() != n.outputs.size())
    throw refusal{fmt::format("the user's operator makes {} results, the node has {}", made.size(), n.outputs.size())};
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (!made[i].node()) throw refusal{fmt::format("the user's operator makes nothing as its result {}", i)};
    call.out(static_cast<int>(i), made[i]);
  }
  call.check_attributes();
  return true;
}

void importer::convert(const node& n, scope& s) {
  // A node takes some bytes of the file; functions and loops that are written out may take many more nodes, to a bound.
  constexpr std::size_t written_out = std::size_t{1} << 16, bytes_of_node = 8;
  if (++nodes_ > written_out + source_.bytes.size() / bytes_of_node)
    throw refusal{
        fmt::format("the model has more than {} nodes when its functions and loops are written out", nodes_ - 1)};
  if (convert_by_user(n, s)) return;
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

any_tensor importer::folded(const any_tensor& t) {
  const ir::value_type& type = t.node()->type;
  if (t.node()->op == &ir::constant_definition() || !type.shape.is_static()) return t;
  const std::int64_t bytes = type.shape.count() * size_of(type.element);
  if (bytes > max_all_folded_bytes - folded_bytes_) return t;
  ir::graph g;
  g.outputs = {t.node()};
  const ir::pass_settings budget(pass_options{{"fold_constants.max_bytes", max_folded_bytes}});
  const any_tensor made(ir::fold_constants(ir::expand_library(g), budget).outputs[0]);
  if (made.node()->op == &ir::constant_definition()) folded_bytes_ += bytes;
  return made;
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

}  // namespace tenon::onnx
