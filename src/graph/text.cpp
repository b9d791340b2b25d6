// The text form of graphs, out and in:
//   graph(%x: f32[n,784], %w: f32[784,10]) {
//     %0 = matmul(%x, %w) : f32[n,10]
//     return %0
//   }
// The bodies of control flow stand in braces behind the operands. What follows // on a line is a comment.
#include "graph/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "graph/op_def.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon {
namespace ir {

int graph::size() const { return static_cast<int>(post_order(outputs).size()); }
int graph::count(std::string_view op) const {
  int n = 0;
  for (const node* x : post_order(outputs)) n += x->op->name == op;
  return n;
}

namespace {

bool is_name(std::string_view s) {
  if (s.empty() || (s[0] >= '0' && s[0] <= '9')) return false;
  for (char c : s)
    if (!(c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
      return false;
  return true;
}

// Names of values: an input's own when it is a name and unique, numbers else.
node_map<std::string> name_values(const graph& g, const std::vector<const node*>& order) {
  node_map<std::string> names;
  std::unordered_set<std::string> used;
  int next = 0;
  auto give = [&](const node* n) {
    if (names.contains(n)) return;
    std::string s(leaf_name(*n));
    if (!is_name(s) || !used.insert(s).second) s = fmt::format("{}", next++);
    names[n] = "%" + s;
  };
  for (const node_ref& i : g.inputs) give(i.get());
  for (const node* n : order) give(n);
  return names;
}

std::string indented(std::string_view text, std::string_view by) {
  std::string s;
  while (!text.empty()) {
    const std::size_t end = text.find('\n') + 1;
    s.append(by).append(text.substr(0, end));
    text.remove_prefix(end);
  }
  return s;
}

}  // namespace

std::string to_string(const graph& g) { return to_string(g, post_order(g.outputs), {}); }

std::string to_string(const graph& g, const std::vector<const node*>& order, const node_map<std::string>& comments) {
  const auto names = name_values(g, order);
  std::string s = "graph(";
  for (std::size_t i = 0; i < g.inputs.size(); ++i)
    s += fmt::format("{}{}: {}", i ? ", " : "", names.at(g.inputs[i].get()), to_string(g.inputs[i]->type));
  s += ") {\n";
  node_set inputs;
  for (const node_ref& i : g.inputs) inputs.insert(i.get());
  for (const node* n : order) {
    if (inputs.contains(n)) continue;
    if (const std::string* const c = comments.find(n)) s += fmt::format("  // {}\n", *c);
    s += fmt::format("  {} = {}{}(", names.at(n), n->op->name, n->op->attrs->print(n->attrs.get()));
    for (std::size_t i = 0; i < n->operands.size(); ++i)
      s += fmt::format("{}{}", i ? ", " : "", names.at(n->operands[i].get()));
    s += ")";
    if (has_bodies(*n)) {
      s += " {\n";
      for (const graph& body : bodies_of(*n)) s += indented(to_string(body), "    ");
      s += "  }";
    }
    s += fmt::format(" : {}", to_string(n->type));
    for (const value_type& t : n->more) s += ", " + to_string(t);
    s += "\n";
  }
  s += "  return ";
  for (std::size_t i = 0; i < g.outputs.size(); ++i) s += (i ? ", " : "") + names.at(g.outputs[i].get());
  return s + "\n}\n";
}

bool equal(const graph& a, const graph& b) {
  if (a.inputs.size() != b.inputs.size() || a.outputs.size() != b.outputs.size()) return false;
  node_map<const node*> same;
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    if (a.inputs[i]->type != b.inputs[i]->type) return false;
    same[a.inputs[i].get()] = b.inputs[i].get();
  }
  const auto x = post_order(a.outputs), y = post_order(b.outputs);
  if (x.size() != y.size()) return false;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const node &p = *x[i], &q = *y[i];
    if (const node* const* const known = same.find(&p)) {
      if (*known != &q) return false;
      continue;
    }
    if (p.op != q.op || p.type != q.type || p.more != q.more || p.operands.size() != q.operands.size() ||
        !p.op->attrs->equal(p.attrs.get(), q.attrs.get()))
      return false;
    for (std::size_t k = 0; k < p.operands.size(); ++k)
      if (same[p.operands[k].get()] != q.operands[k].get()) return false;
    same[&p] = &q;
  }
  for (std::size_t i = 0; i < a.outputs.size(); ++i)
    if (same[a.outputs[i].get()] != b.outputs[i].get()) return false;
  return true;
}

namespace {

class reader {
 public:
  reader(std::string_view text, const graph* constants) : text_(text) {
    if (constants) know(*constants);
  }

  graph read() {
    graph g = read_graph();
    space();
    if (at_ != text_.size()) fail("the end");
    return g;
  }

 private:
  void know(const graph& g) {
    for (const node* n : post_order(g.outputs)) {
      if (n->op == &constant_definition()) constants_.emplace(n->op->attrs->print(n->attrs.get()), n);
      for (const graph& body : bodies_of(*n)) know(body);
    }
  }
  graph read_graph() {
    graph g;
    // A body sees its own values alone.
    const auto outside = std::exchange(values_, {});
    word("graph");
    expect('(');
    if (!accept(')')) {
      do {
        const std::string id = value_name();
        expect(':');
        const value_type t = type();
        node_ref n = make_input(id, t.element, t.shape, std::source_location::current());
        define(id, n);
        g.inputs.push_back(n);
      } while (accept(','));
      expect(')');
    }
    expect('{');
    while (peek() == '%') {
      const std::string id = value_name();
      expect('=');
      define(id, node_line());
    }
    word("return");
    do g.outputs.push_back(use());
    while (accept(','));
    expect('}');
    values_ = outside;
    return g;
  }
  node_ref node_line() {
    space();
    const std::size_t start = at_;
    const std::string op_name = identifier("an operator's name");
    const op_def* op = find_operator(op_name);
    if (!op) {
      at_ = start;
      fail(fmt::format("the name of an operator ('{}' is none)", op_name));
    }
    const std::string_view attributes = braces();
    std::vector<node_ref> operands;
    expect('(');
    if (!accept(')')) {
      do operands.push_back(use());
      while (accept(','));
      expect(')');
    }
    node_ref n;
    if (auto known = constants_.find(std::string(attributes));
        op == &constant_definition() && known != constants_.end())
      n = node_ref(known->second);
    else
      n = make_node(*op, has_bodies(*op) ? with_bodies(*op, attributes) : op->attrs->parse(attributes),
                    std::move(operands), std::source_location::current());
    expect(':');
    check_type(*n, n->type);
    for (const value_type& t : n->more) {
      expect(',');
      check_type(*n, t);
    }
    return n;
  }
  attrs_ref with_bodies(const op_def& op, std::string_view attributes) {
    control_attrs a = *static_cast<const control_attrs*>(op.attrs->parse(attributes).get());
    expect('{');
    if (++depth_ > deepest_body) fail(fmt::format("bodies at most {} deep", deepest_body));
    while (peek() != '}') a.bodies.push_back(read_graph());
    --depth_;
    expect('}');
    return std::make_shared<const control_attrs>(std::move(a));
  }
  void check_type(const node& n, const value_type& inferred) {
    space();
    const std::size_t start = at_;
    const value_type t = type();
    if (t == inferred) return;
    at_ = start;
    fail(fmt::format("type {} of {}, as its operands give it", to_string(inferred), n.op->name));
  }
  // Balanced {...}, strings skipped; empty when the next character is not '{'.
  std::string_view braces() {
    if (peek() != '{') return {};
    const std::size_t start = at_;
    int depth = 0;
    bool quoted = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quoted) {
        if (c == '\\') ++at_;
        quoted = c != '"';
      } else if (c == '"') {
        quoted = true;
      } else if (c == '{') {
        ++depth;
      } else if (c == '}' && --depth == 0) {
        ++at_;
        return text_.substr(start, at_ - start);
      }
    }
    fail("'}'");
  }
  value_type type() {
    value_type t;
    const std::string element = identifier("an element type");
    bool known = false;
    for (int i = 0; i <= static_cast<int>(any_dtype); ++i)
      if (name(static_cast<dtype>(i)) == element) t.element = static_cast<dtype>(i), known = true;
    if (!known) fail(fmt::format("an element type ('{}' is none)", element));
    expect('[');
    if (accept(']')) return t;
    if (text_.substr(at_, 3) == "...") {
      at_ += 3;
      t.shape.rank = -1;
      expect(']');
      return t;
    }
    do {
      if (t.shape.rank == dims::max_rank) fail("at most 8 extents");
      space();
      const std::size_t start = at_;
      const std::string word = identifier("an extent");
      extent_t e = 0;
      if (is_number(word)) {
        if (std::from_chars(word.data(), word.data() + word.size(), e).ec != std::errc()) fail("an extent of 64 bits");
      } else if (word == "dyn") {
        e = dyn;
      } else if (const extent_t packed = detail::pack_name(word.data(), word.size())) {
        e = detail::name_base + packed;
      } else {
        at_ = start;
        fail("an extent: a number, dyn or a name of 1 to 10 characters");
      }
      t.shape.push_back(e);
    } while (accept(','));
    expect(']');
    return t;
  }
  node_ref use() {
    const std::size_t start = at_;
    const std::string id = value_name();
    auto it = values_.find(id);
    if (it == values_.end()) {
      at_ = start;
      space();
      fail(fmt::format("a value defined above (%{} is not)", id));
    }
    return it->second;
  }
  void define(const std::string& id, node_ref n) {
    if (!values_.emplace(id, std::move(n)).second) fail(fmt::format("a new name (%{} is taken)", id));
  }
  std::string value_name() {
    expect('%');
    return identifier("a value's name");
  }
  std::string identifier(std::string_view what) {
    space();
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_name(std::string("_") + text_[at_]))) ++at_;
    if (at_ == start) fail(what);
    return std::string(text_.substr(start, at_ - start));
  }
  static bool is_number(std::string_view s) { return !s.empty() && s[0] >= '0' && s[0] <= '9'; }
  void word(std::string_view w) {
    space();
    if (text_.substr(at_, w.size()) != w) fail(fmt::format("'{}'", w));
    at_ += w.size();
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("'{}'", c));
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  char peek() {
    space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void space() {
    while (at_ < text_.size())
      if (text_.substr(at_, 2) == "//")
        at_ = std::min(text_.find('\n', at_), text_.size());
      else if (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')
        ++at_;
      else
        return;
  }
  [[noreturn]] void fail(std::string_view expected) {
    int line = 1, column = 1;
    for (std::size_t i = 0; i < at_ && i < text_.size(); ++i) {
      ++column;
      if (text_[i] == '\n') ++line, column = 1;
    }
    throw parse_error(fmt::format("graph text, line {}, column {}: expected {}", line, column, expected));
  }

  static constexpr int deepest_body = 64;  // bodies are read, printed and rewritten by recursion

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::unordered_map<std::string, node_ref> values_;
  std::unordered_map<std::string, const node*> constants_;
};

}  // namespace
}  // namespace ir

ir::graph parse_graph(std::string_view text, const ir::graph* constants) { return ir::reader(text, constants).read(); }

}  // namespace tenon
