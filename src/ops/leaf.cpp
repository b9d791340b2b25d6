#include "ops/leaf.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "loop/evaluate.hpp"
#include "ops/define.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ir {

/// Which result of a node with several.
struct result_attrs {
  int index = 0;
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("index", s.index);
  }
  friend bool operator==(const result_attrs&, const result_attrs&) = default;
};
/// What a value's type is said to be.
struct as_attrs {
  dtype type = any_dtype;
  dims extents = detail::any_dims();
  template <class Self, class V>
  static constexpr void fields(Self& s, V&& v) {
    v("type", s.type);
    v("extents", s.extents);
  }
  friend bool operator==(const as_attrs&, const as_attrs&) = default;
};

}  // namespace tenon::ir

namespace tenon::ops {
namespace {

/// A value as it is, its type stated: what both sides know.
struct as_op : movement_op {
  using attrs = ir::as_attrs;
  static constexpr const char* name = "as";
  static constexpr outcome shape(const attrs& at, shapes s) {
    outcome o;
    o.out = at.extents;
    if (s[0].any()) return o;
    o.out = s[0];
    if (at.extents.any()) return o;
    if (s[0].rank != at.extents.rank) {
      o.refuse() << "rank " << s[0].rank << " is not " << at.extents.rank << " of " << at.extents;
      return o;
    }
    for (int i = 0; i < s[0].rank; ++i) {
      const extent_t stated = at.extents[i];
      if (stated >= 0 && s[0][i] >= 0 && stated != s[0][i]) {
        o.refuse() << "extents " << s[0][i] << " != " << stated << " of " << at.extents;
        return o;
      }
      if (s[0][i] < 0 && stated != dyn) o.out[i] = stated;
    }
    return o;
  }
  static constexpr type_outcome types(const attrs& at, dtypes t) {
    type_outcome o;
    o.out = t[0] == any_dtype ? at.type : t[0];
    if (at.type != any_dtype && t[0] != any_dtype && at.type != t[0])
      o.refuse() << "it is " << tenon::name(t[0]) << ", not " << tenon::name(at.type);
    return o;
  }
  template <class C, class I>
  static auto compute(C& c, const attrs&, const I& i) {
    return c.load(0, i);
  }
};

}  // namespace
}  // namespace tenon::ops

namespace tenon::ir {
namespace {

template <class A>
op_def leaf_definition(std::string_view name, detail::outcome (*shape)(const void*, detail::shapes),
                       detail::type_outcome (*types)(const void*, detail::dtypes)) {
  op_def d;
  d.name = name;
  d.kind = op_kind::leaf;
  d.min_operands = d.max_operands = 0;
  d.attrs = &attrs_definition<A>();
  d.shape = shape;
  d.types = types;
  return d;
}
op_def named_definition(std::string_view name) {
  return leaf_definition<named_type>(
      name,
      [](const void* a, detail::shapes) {
        detail::outcome o;
        o.out = static_cast<const named_type*>(a)->extents;
        return o;
      },
      [](const void* a, detail::dtypes) {
        detail::type_outcome o;
        o.out = static_cast<const named_type*>(a)->type;
        return o;
      });
}

template <class A>
attrs_ref shared(A a) {
  return std::make_shared<A>(std::move(a));
}

}  // namespace

constant_value::constant_value(dtype type, const dims& extents, std::shared_ptr<const void> data)
    : type_(type), extents_(extents), data_(std::move(data)) {
  const detail::hash128 shape{hash_field(extents), static_cast<std::uint64_t>(type)};
  hash_ = detail::hash_bytes(data_.get(), bytes(), shape);
}
bool operator==(const constant_value& a, const constant_value& b) {
  if (a.hash_ != b.hash_ || a.type_ != b.type_ || a.extents_ != b.extents_) return false;
  return a.data_ == b.data_ || a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

const op_def& input_definition() {
  static const op_def d = named_definition("input");
  return d;
}
const op_def& param_definition() {
  static const op_def d = named_definition("param");
  return d;
}
const op_def& constant_definition() {
  static const op_def d = leaf_definition<constant_attrs>(
      "constant",
      [](const void* a, detail::shapes) {
        detail::outcome o;
        o.out = static_cast<const constant_attrs*>(a)->value.extents();
        return o;
      },
      [](const void* a, detail::dtypes) {
        detail::type_outcome o;
        o.out = static_cast<const constant_attrs*>(a)->value.type();
        return o;
      });
  return d;
}
const op_def& result_definition() {
  static const op_def d = [] {
    op_def r;
    r.name = "result";
    r.kind = op_kind::projection;
    r.attrs = &attrs_definition<result_attrs>();
    // The node's type comes from projected_type: a rule over operand types cannot see the other results.
    r.shape = [](const void*, detail::shapes s) { return detail::broadcast_all(s); };
    r.types = [](const void*, detail::dtypes t) { return detail::same_types(t); };
    return r;
  }();
  return d;
}
const op_def& as_definition() {
  static const op_def d = [] {
    op_def r = make_definition<ops::as_op>();
    r.attrs = &attrs_definition<as_attrs>();
    return r;
  }();
  return d;
}

node_ref make_input(std::string_view name, dtype d, const dims& s, const loc& w) {
  return make_node(input_definition(), shared(named_type{std::string(name), d, s}), {}, w);
}
node_ref make_param(std::string_view name, dtype d, const dims& s, const loc& w) {
  return make_node(param_definition(), shared(named_type{std::string(name), d, s}), {}, w);
}
node_ref make_constant(dtype d, const dims& s, const void* data, const loc& w) {
  const auto bytes = static_cast<std::size_t>(s.count() * size_of(d));
  std::shared_ptr<unsigned char[]> copy(new unsigned char[bytes ? bytes : 1]);
  if (bytes) std::memcpy(copy.get(), data, bytes);
  return make_constant(constant_value(d, s, std::shared_ptr<const void>(copy, copy.get())), w);
}
node_ref make_constant(constant_value v, const loc& w) {
  return make_node(constant_definition(), shared(constant_attrs{std::move(v)}), {}, w);
}
node_ref make_scalar(dtype d, number n, const loc& w) {
  const auto refuse = [&](std::string_view why) {
    const std::string value = n.is_integer ? fmt::format("{}", n.integer) : fmt::format("{}", n.real);
    throw type_error(fmt::format("number {}: {}; at {}:{}", value, why, w.file(), w.line()));
  };
  if (d == any_dtype) refuse("no operand beside it has a known element type");
  const bool fraction = !n.is_integer && (!std::isfinite(n.real) || n.real != std::trunc(n.real));
  if (fraction && !is_float(d)) refuse(fmt::format("no value of {}", name(d)));
  const std::int64_t bits = n.is_integer && is_integer(d) ? canonical_bits(d, n.integer) : bits_of(d, n.real);
  return make_constant(d, {}, &bits, w);
}
node_ref make_result(const node_ref& n, int index, const loc& w) {
  if (!n) throw argument_error(fmt::format("result {} of an empty tensor handle; at {}:{}", index, w.file(), w.line()));
  if (index < 0 || index >= n->results())
    throw argument_error(
        fmt::format("{}: result {} of {}; at {}:{}", n->op->name, index, n->results(), w.file(), w.line()));
  if (n->more.empty()) return n;
  return make_node(result_definition(), shared(result_attrs{index}), {n}, w);
}
node_ref make_as(const node_ref& n, dtype d, const dims& s, const loc& w) {
  return make_node(as_definition(), shared(as_attrs{d, s}), {n}, w);
}

std::string_view leaf_name(const node& n) {
  if (n.op != &input_definition() && n.op != &param_definition()) return {};
  return n.attributes<named_type>().name;
}
const constant_value& constant_of(const node& n) { return n.attributes<constant_attrs>().value; }
int projected_index(const node& n) { return n.attributes<result_attrs>().index; }
value_type projected_type(const node& n) {
  const int i = projected_index(n);
  const node& source = n.operand(0);
  if (i < 0 || i >= source.results())
    throw argument_error(fmt::format("result: {} has {} results, index {}", source.op->name, source.results(), i));
  return i == 0 ? source.type : source.more[static_cast<std::size_t>(i - 1)];
}

void place(const std::vector<node_ref>& results, std::span<const node_ref> operands, const loc& where) {
  // What is reached from the results without passing an operand was made by the expansion, and nobody else has it yet.
  std::vector<const node*> open;
  auto push = [&](const node_ref& n) {
    if (!n) return;  // an expansion that waits
    for (const node_ref& o : operands)
      if (o == n) return;
    open.push_back(n.get());
  };
  for (const node_ref& r : results) push(r);
  std::vector<const node*> done;
  while (!open.empty()) {
    const node* n = open.back();
    open.pop_back();
    if (std::find(done.begin(), done.end(), n) != done.end()) continue;
    done.push_back(n);
    const_cast<node*>(n)->where = where;
    for (const node_ref& o : n->operands) push(o);
  }
}

}  // namespace tenon::ir
