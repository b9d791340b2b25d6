// The text of scalar bodies, out and in: what stands in the braces of compute{...} and elementwise{...}.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "dsl/body.hpp"
#include "dsl/body_scope.hpp"
#include "loop/evaluate.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

struct infix {
  std::string_view op, symbol;
  int level;
};
// From loosest to tightest; comparisons do not chain.
constexpr infix infixes[] = {
    {"bit_or", "|", 0}, {"bit_xor", "^", 1}, {"bit_and", "&", 2}, {"less_equal", "<=", 3}, {"greater_equal", ">=", 3},
    {"less", "<", 3},   {"greater", ">", 3}, {"add", "+", 4},     {"sub", "-", 4},         {"mul", "*", 5},
    {"div", "/", 5},    {"mod", "%", 5}};
constexpr int tightest = 6, comparison_level = 3;

std::optional<reducer> reducer_named(std::string_view s) {
  for (reducer r : {reducer::sum, reducer::prod, reducer::max, reducer::min, reducer::all, reducer::any})
    if (name(r) == s) return r;
  return {};
}
std::optional<dtype> dtype_named(std::string_view s) {
  for (int i = 0; i < static_cast<int>(any_dtype); ++i)
    if (name(static_cast<dtype>(i)) == s) return static_cast<dtype>(i);
  return {};
}

std::int64_t bits_of_constant(const node& n) {
  const constant_value& c = constant_of(n);
  std::int64_t bits = 0;
  std::memcpy(&bits, c.data(), static_cast<std::size_t>(size_of(c.type())));
  return canonical_bits(c.type(), bits);
}
std::string print_constant(const node& n) {
  const dtype t = n.type.element;
  const std::int64_t bits = bits_of_constant(n);
  if (t == u64) return fmt::format("u64({})", static_cast<std::uint64_t>(bits));
  if (!is_float(t)) return fmt::format("{}({})", name(t), bits);
  const double v = value_of(t, bits);
  if (std::isnan(v)) return fmt::format("{}(0x{:x})", name(t), static_cast<std::uint64_t>(bits));
  return t == f64 ? fmt::format("f64({})", v) : fmt::format("{}({})", name(t), static_cast<float>(v));
}

// ---------------------------------------------------------------- out
class printer {
 public:
  explicit printer(const std::vector<body_axis>& axes) : axes_(axes) {}

  std::string print(const node_ref& body) {
    scopes_ = scopes_of(body);
    for (const node* n : post_order({&body, 1}))
      for (const node_ref& o : n->operands) ++uses_[o.get()];
    order_ = post_order({&body, 1});
    return scope(nullptr, *body);
  }
  std::string declared(const body_axis& a) const {
    return a.extent < 0 ? a.name : fmt::format("{}:{}", a.name, a.extent);
  }

 private:
  // What is used more than once is named at the start of the innermost reduction that it belongs to.
  std::string scope(const node* reduce, const node& body) {
    std::string s;
    for (const node* n : order_)
      if (n != &body && !n->operands.empty() && uses_[n] > 1 && scopes_.of.at(n) == reduce) {
        std::string value = print(*n, 0);
        const std::string id = fmt::format("t{}", named_.size());
        s += fmt::format("let {} = {}; ", id, value);
        named_[n] = id;
      }
    return s + print(body, 0);
  }
  std::string print(const node& n, int level) {
    if (auto it = named_.find(&n); it != named_.end()) return it->second;
    if (n.op == &constant_definition()) return print_constant(n);
    if (n.op == &argument_definition()) return fmt::format("a{}", n.attributes<argument_attrs>().operand);
    if (n.op == &index_value_definition()) return fmt::format("at({})", form(n.attributes<index_value_attrs>().index));
    if (n.op == &index_load_definition()) {
      const auto& a = n.attributes<index_load_attrs>();
      std::string s = fmt::format("a{}[", a.operand);
      for (std::size_t i = 0; i < a.indices.size(); ++i) s += (i ? ", " : "") + form(a.indices[i]);
      return s + "]";
    }
    if (n.op == &index_reduce_definition()) {
      const auto& a = n.attributes<index_reduce_attrs>();
      std::string s = fmt::format("{}(", name(a.how));
      for (std::size_t i = 0; i < a.axes.size(); ++i)
        s += (i ? ", " : "") + declared(axes_[static_cast<std::size_t>(a.axes[i].axis)]);
      return fmt::format("{})({})", s, scope(&n, n.operand(0)));
    }
    for (const infix& x : infixes)
      if (n.op->name == x.op) {
        const std::string s = fmt::format("{} {} {}", print(n.operand(0), x.level + (x.level == comparison_level)),
                                          x.symbol, print(n.operand(1), x.level + 1));
        return x.level < level ? "(" + s + ")" : s;
      }
    if (n.op->name == "neg") return "-" + print(n.operand(0), tightest);
    std::string s = fmt::format("{}{}(", n.op->name, n.op->attrs->print(n.attrs.get()));
    for (std::size_t i = 0; i < n.operands.size(); ++i) s += (i ? ", " : "") + print(*n.operands[i], 0);
    return s + ")";
  }
  std::string form(const index_form& f) const {
    std::string s;
    for (int i = 0; i < f.n; ++i) {
      const auto& [axis, extent, c] = f.terms[i];
      const std::string& id = axes_[static_cast<std::size_t>(axis)].name;
      s += s.empty() ? (c == -1 ? "-" : "") : c < 0 ? " - " : " + ";
      const extent_t shown = s.empty() || i == 0 ? c : (c < 0 ? -c : c);
      s += shown == 1 || shown == -1 ? id : fmt::format("{}*{}", shown, id);
    }
    if (s.empty()) return fmt::format("{}", f.offset);
    if (f.offset) s += fmt::format(" {} {}", f.offset < 0 ? '-' : '+', f.offset < 0 ? -f.offset : f.offset);
    return s;
  }

  const std::vector<body_axis>& axes_;
  body_scopes scopes_;
  std::vector<const node*> order_;
  std::unordered_map<const node*, int> uses_;
  std::unordered_map<const node*, std::string> named_;
};

std::string declared_operands(const std::vector<dtype>& types) {
  std::string s = "(";
  for (std::size_t k = 0; k < types.size(); ++k) s += fmt::format("{}a{}: {}", k ? ", " : "", k, name(types[k]));
  return s + ")";
}

// ---------------------------------------------------------------- in
class reader {
 public:
  explicit reader(std::string_view s) : text_(s) {}

  attrs_ref compute() {
    auto a = std::make_shared<compute_attrs>();
    expect("{");
    a->operands = operands();
    expect("->");
    expect("(");
    if (!accept(")")) {
      do declare_axis();
      while (accept(","));
      expect(")");
    }
    a->rank = static_cast<int>(axes_.size());
    if (a->rank > dims::max_rank) fail("at most 8 axes of the result");
    expect("=");
    in_compute_ = true;
    a->body = body();
    expect("}");
    end();
    a->axes = axes_;
    return std::make_shared<compute_attrs>(canonical(std::move(*a)));
  }
  attrs_ref elementwise() {
    auto a = std::make_shared<elementwise_attrs>();
    expect("{");
    a->name = word("a name");
    a->operands = operands();
    expect("=");
    a->body = body();
    expect("}");
    end();
    return a;
  }

 private:
  std::vector<dtype> operands() {
    expect("(");
    if (accept(")")) return {};
    do {
      const std::string expected = fmt::format("a{}", types_.size());
      if (word("an operand's name") != expected) fail(fmt::format("'{}'", expected));
      expect(":");
      types_.push_back(element_type());
    } while (accept(","));
    expect(")");
    return types_;
  }
  dtype element_type() {
    const auto t = dtype_named(word("an element type"));
    if (!t) fail("an element type");
    return *t;
  }
  extent_t declare_axis() {
    body_axis a{word("an axis"), detail::inferred_extent};
    if (accept(":")) a.extent = integer();
    if (visible_.contains(a.name)) fail(fmt::format("a new axis ({} is bound)", a.name));
    visible_[a.name] = static_cast<extent_t>(axes_.size());
    axes_.push_back(std::move(a));
    return static_cast<extent_t>(axes_.size()) - 1;
  }

  node_ref body() {
    while (accept_word("let")) {
      const std::string id = word("a name");
      if (!is_numbered(id, 't')) fail("a name t0, t1, ...");
      expect("=");
      node_ref value = expression(0);
      if (!lets_.emplace(id, value).second) fail(fmt::format("a new name ({} is taken)", id));
      expect(";");
    }
    return expression(0);
  }
  node_ref expression(int level) {
    if (++depth_ > max_body_depth) fail("fewer nested expressions");
    node_ref left = level >= tightest ? unary() : expression(level + 1);
    for (bool more = level < tightest; more;) {
      more = false;
      for (const infix& x : infixes)
        if (x.level == level && accept_infix(x.symbol)) {
          left = make(x.op, {}, {left, expression(level + 1)});
          more = level != comparison_level;
          break;
        }
    }
    --depth_;
    return left;
  }
  node_ref unary() {
    if (accept("-")) return make("neg", {}, {unary()});
    if (accept("(")) {
      node_ref e = expression(0);
      expect(")");
      return e;
    }
    space();
    const std::size_t start = at_;
    const std::string id = word("an expression");
    if (const auto t = dtype_named(id)) return constant(*t);
    if (is_numbered(id, 't')) {
      if (auto it = lets_.find(id); it != lets_.end()) return it->second;
      at_ = start;
      fail(fmt::format("a name defined above ({} is not)", id));
    }
    if (is_numbered(id, 'a')) return leaf(id);
    if (const auto r = reducer_named(id); r && in_compute_) return reduction(*r);
    if (id == "at" && in_compute_) {
      expect("(");
      index_value_attrs a{form()};
      expect(")");
      return table_.make(index_value_definition(), std::make_shared<index_value_attrs>(a), {}, here());
    }
    const std::string_view attributes = braces();
    std::vector<node_ref> in;
    expect("(");
    if (!accept(")")) {
      do in.push_back(expression(0));
      while (accept(","));
      expect(")");
    }
    const std::size_t after = at_;
    at_ = start;
    node_ref n = make(id, attributes, std::move(in));
    at_ = after;
    return n;
  }
  node_ref make(std::string_view id, std::string_view attributes, std::vector<node_ref> in) {
    const op_def* op = find_operator(id);
    if (!op || op->kind != op_kind::map) fail(fmt::format("the name of a scalar operator ('{}' is none)", id));
    return table_.make(*op, op->attrs->parse(attributes), std::move(in), here());
  }
  node_ref leaf(const std::string& id) {
    const auto k = static_cast<std::size_t>(std::stoul(id.substr(1, 6)));
    if (k >= types_.size()) fail(fmt::format("a declared operand ({} is none)", id));
    if (!in_compute_)
      return table_.make(argument_definition(),
                         std::make_shared<argument_attrs>(argument_attrs{static_cast<int>(k), types_[k]}), {}, here());
    index_load_attrs a{static_cast<int>(k), types_[k], {}};
    expect("[");
    if (!accept("]")) {
      do a.indices.push_back(form());
      while (accept(","));
      expect("]");
    }
    return table_.make(index_load_definition(), std::make_shared<index_load_attrs>(std::move(a)), {}, here());
  }
  node_ref reduction(reducer how) {
    index_reduce_attrs a{how, {}};
    expect("(");
    do a.axes.push_back({declare_axis(), detail::inferred_extent, 1});
    while (accept(","));
    expect(")");
    expect("(");
    node_ref e = body();
    expect(")");
    for (auto& t : a.axes) visible_.erase(axes_[static_cast<std::size_t>(t.axis)].name);
    return table_.make(index_reduce_definition(), std::make_shared<index_reduce_attrs>(std::move(a)), {e}, here());
  }
  index_form form() {
    index_form f;
    bool negative = accept("-");
    do {
      extent_t c = 1;
      space();
      if (at_ < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[at_])))) {
        c = integer();
        if (!accept("*")) {
          f.offset += negative ? -c : c;
          continue;
        }
      }
      const std::string id = word("an axis");
      const auto it = visible_.find(id);
      if (it == visible_.end()) fail(fmt::format("an axis that is bound here ({} is not)", id));
      if (f.n == index_form::capacity) fail("at most 8 axes in an index");
      f.terms[f.n++] = {it->second, detail::inferred_extent, negative ? -c : c};
    } while (accept_sign(negative));
    return f;
  }
  bool accept_sign(bool& negative) {
    if (accept("+")) return negative = false, true;
    if (accept("-")) return negative = true, true;
    return false;
  }
  node_ref constant(dtype t) {
    expect("(");
    space();
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ')') ++at_;
    std::string s(text_.substr(start, at_ - start));
    std::int64_t bits = 0;
    const char *first = s.data(), *last = s.data() + s.size();
    std::from_chars_result r{};
    if (s.starts_with("0x")) {
      std::uint64_t u = 0;
      r = std::from_chars(first + 2, last, u, 16);
      bits = static_cast<std::int64_t>(u);
    } else if (is_float(t)) {
      double v = 0;
      r = std::from_chars(first, last, v);
      bits = bits_of(t, v);
    } else if (t == u64) {
      std::uint64_t u = 0;
      r = std::from_chars(first, last, u);
      bits = static_cast<std::int64_t>(u);
    } else {
      r = std::from_chars(first, last, bits);
    }
    if (s.empty() || r.ec != std::errc() || r.ptr != last || canonical_bits(t, bits) != bits) {
      at_ = start;
      fail(fmt::format("a value of type {}", name(t)));
    }
    expect(")");
    return table_.unique(make_constant(t, {}, &bits, here()));
  }

  std::string_view braces() {
    space();
    if (at_ >= text_.size() || text_[at_] != '{') return {};
    const std::size_t start = at_;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '{') ++depth;
      if (text_[at_] == '}' && --depth == 0) return text_.substr(start, ++at_ - start);
    }
    fail("'}'");
  }
  static bool is_numbered(std::string_view id, char letter) {
    return id.size() > 1 && id.size() < 8 && id[0] == letter &&
           std::all_of(id.begin() + 1, id.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  extent_t integer() {
    space();
    extent_t v = 0;
    const auto r = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (r.ec != std::errc() || v < 0) fail("a number");
    at_ = static_cast<std::size_t>(r.ptr - text_.data());
    return v;
  }
  std::string word(std::string_view what) {
    space();
    const std::size_t start = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    if (start == at_) fail(what);
    return std::string(text_.substr(start, at_ - start));
  }
  bool accept_word(std::string_view w) {
    space();
    const std::size_t end = at_ + w.size();
    if (text_.substr(at_, w.size()) != w ||
        (end < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[end])) || text_[end] == '_')))
      return false;
    at_ = end;
    return true;
  }
  bool accept(std::string_view s) {
    space();
    if (text_.substr(at_, s.size()) != s) return false;
    at_ += s.size();
    return true;
  }
  bool accept_infix(std::string_view s) {
    space();
    if ((s == "<" || s == ">") && text_.substr(at_ + 1, 1) == "=") return false;
    return accept(s);
  }
  void expect(std::string_view s) {
    if (!accept(s)) fail(fmt::format("'{}'", s));
  }
  void end() {
    space();
    if (at_ != text_.size()) fail("the end");
  }
  void space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  static loc here() { return std::source_location::current(); }
  [[noreturn]] void fail(std::string_view expected) {
    throw parse_error(fmt::format("scalar body, character {}: expected {}", at_ + 1, expected));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool in_compute_ = false;
  std::vector<dtype> types_;
  std::vector<body_axis> axes_;
  std::unordered_map<std::string, extent_t> visible_;
  std::unordered_map<std::string, node_ref> lets_;
  node_table table_;
};

}  // namespace

std::string print_compute(const compute_attrs& a) {
  printer p(a.axes);
  std::string s = "{" + declared_operands(a.operands) + " -> (";
  for (int i = 0; i < a.rank; ++i) s += (i ? ", " : "") + p.declared(a.axes[static_cast<std::size_t>(i)]);
  return s + ") = " + p.print(a.body) + "}";
}
std::string print_elementwise(const elementwise_attrs& a) {
  const std::vector<body_axis> none;
  return "{" + a.name + declared_operands(a.operands) + " = " + printer(none).print(a.body) + "}";
}
attrs_ref parse_compute(std::string_view s) { return reader(s).compute(); }
attrs_ref parse_elementwise(std::string_view s) { return reader(s).elementwise(); }

}  // namespace tenon::ir
