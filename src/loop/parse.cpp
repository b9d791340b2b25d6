#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>

#include "loop/evaluate.hpp"
#include "loop/lexer.hpp"
#include "loop/text.hpp"
#include "tenon/core/error.hpp"

namespace tenon::ir {
namespace {

std::optional<prim> find_prim(std::string_view s) {
  for (int p = 0; p < prim_count; ++p)
    if (s == name(static_cast<prim>(p))) return static_cast<prim>(p);
  return std::nullopt;
}
std::optional<reducer> find_reducer(std::string_view s) {
  for (int r = 0; r <= static_cast<int>(reducer::argmin); ++r)
    if (s == name(static_cast<reducer>(r))) return static_cast<reducer>(r);
  return std::nullopt;
}
std::optional<dtype> find_dtype(std::string_view s) {
  for (int d = 0; d < static_cast<int>(any_dtype); ++d)
    if (s == name(static_cast<dtype>(d))) return static_cast<dtype>(d);
  return std::nullopt;
}
/// The number in "i12", "acc3", ...
std::optional<std::int64_t> number_after(std::string_view s, std::string_view prefix) {
  if (!s.starts_with(prefix) || s.size() == prefix.size()) return std::nullopt;
  std::int64_t v = 0;
  const auto r = std::from_chars(s.data() + prefix.size(), s.data() + s.size(), v);
  if (r.ec != std::errc{} || r.ptr != s.data() + s.size() || v < 0 || v > INT64_MAX - 2) return std::nullopt;
  return v;
}

class parser {
 public:
  explicit parser(std::string_view text) : lines_(split_lines(text)) {}

  kernel run() {
    if (lines_.empty()) throw parse_error("line 1, column 1: expected 'kernel', not the end of the text");
    if (line().indent != 0) fail("expected 'kernel' at the start of the line");
    expect("kernel");
    k_.name = plain(any_name("the kernel's name"));
    expect("(");
    for (bool first = true; !peek().is(")"); first = false) {
      if (!first) expect(",");
      add(symbols_, any_name("a symbol's name"), "symbol", k_.symbols.size());
      k_.symbols.push_back(plain(last_name_));
    }
    expect(")");
    end_line();
    while (more() &&
           (peek().is("in") || peek().is("out") || peek().is("local") || peek().is("scratch") || header_let()))
      declaration();
    k_.body = statements(0);
    if (more()) fail("expected a statement at the start of the line");
    return std::move(k_);
  }

 private:
  // --- words ---------------------------------------------------------------------------------------------------------
  bool more() const { return line_ < lines_.size(); }
  const token_line& line() const { return lines_[line_]; }
  const token& peek(std::size_t n = 0) const { return line().tokens[std::min(at_ + n, line().tokens.size() - 1)]; }
  token take() {
    token t = peek();
    if (t.what != token::kind::end) ++at_;
    return t;
  }
  [[noreturn]] void fail_at(const token& t, const std::string& what) const {
    throw parse_error(fmt::format("line {}, column {}: {}", line().number, t.column, what));
  }
  [[noreturn]] void fail(const std::string& what) const { fail_at(peek(), what); }
  [[noreturn]] void expected(std::string_view what) const {
    fail(fmt::format("expected {}, not {}", what, describe(peek())));
  }
  bool accept(std::string_view s) {
    if (!peek().is(s)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view s) {
    if (!accept(s)) expected(fmt::format("'{}'", s));
  }
  void end_line() {
    if (peek().what != token::kind::end) expected("the end of the line");
    ++line_;
    at_ = 0;
  }
  const std::string& any_name(std::string_view what) {
    const token& t = peek();
    if (t.what != token::kind::quoted && (t.what != token::kind::word || !is_plain_name(t.text))) expected(what);
    last_name_ = take().text;
    return last_name_;
  }
  static std::string plain(const std::string& s) { return s.substr(0, s.find('\0')); }
  template <class Map>
  void add(Map& map, const std::string& s, std::string_view what, std::size_t id) {
    if (!map.emplace(s, static_cast<std::int64_t>(id)).second)
      fail(fmt::format("there is already a {} named {}", what, s));
  }
  std::int64_t small_integer(std::string_view what) {
    if (peek().what != token::kind::integer || peek().bits > 1'000'000) expected(what);
    return static_cast<std::int64_t>(take().bits);
  }
  dtype element_type() {
    const auto d = peek().what == token::kind::word ? find_dtype(peek().text) : std::nullopt;
    if (!d) expected("an element type");
    take();
    return *d;
  }

  // --- the head ------------------------------------------------------------------------------------------------------
  /// Names of large extents come before the declaration that uses them, indented as declarations are.
  bool header_let() const { return peek().is("let") && line().indent > 0; }

  void declaration() {
    if (line().indent != 2) fail("expected a declaration indented by 2 spaces");
    if (accept("let")) return let();
    buffer b;
    const std::string kind = take().text;
    b.where = kind == "local" ? scope::local : kind == "scratch" ? scope::scratch : scope::parameter;
    b.written = kind != "in";
    add(buffers_, any_name("a buffer's name"), "buffer", k_.buffers.size());
    b.name = plain(last_name_);
    b.id = static_cast<std::int64_t>(k_.buffers.size());
    expect(":");
    b.type = element_type();
    expect("[");
    b.extents = list("]");
    if (accept("stride")) {
      expect("[");
      b.strides = list("]");
    }
    if (accept("overlap")) b.overlap = static_cast<int>(small_integer("the number of an overlap"));
    k_.buffers.push_back(std::move(b));
    end_line();
  }

  // --- statements ----------------------------------------------------------------------------------------------------
  stmt_ref statements(int indent) {
    std::vector<stmt_ref> list;
    while (more() && line().indent >= indent) {
      if (line().indent > indent)
        fail_at(line().tokens[0], fmt::format("expected an indentation of {} spaces, not {}", indent, line().indent));
      if (accept("pass"))
        end_line();
      else if (accept("let"))
        let();
      else
        list.push_back(statement(indent));
    }
    if (list.size() == 1) return list[0];
    return make_stmt(block{std::move(list)});
  }
  /// The statements below the current line, of which there is at least one.
  stmt_ref inner(int indent) {
    end_line();
    if (!more())
      throw parse_error(
          fmt::format("line {}, column 1: expected a statement indented by {} spaces, not the end of the text",
                      lines_.back().number + 1, indent + 2));
    if (line().indent != indent + 2)
      fail_at(line().tokens[0], fmt::format("expected a statement indented by {} spaces", indent + 2));
    if (indent > 2 * 500) fail("statements are nested deeper than 500 levels");
    return statements(indent + 2);
  }
  void let() {
    const token t = take();
    if (t.what != token::kind::word || !number_after(t.text, "t"))
      fail_at(t, fmt::format("expected a name like t0, not {}", describe(t)));
    expect("=");
    lets_[t.text] = expression();
    end_line();
  }

  stmt_ref statement(int indent) {
    if (accept("block")) {
      stmt_ref s = inner(indent);
      if (std::holds_alternative<block>(s->v)) return s;
      return make_stmt(block{{s}});
    }
    if (accept("declare")) {
      const declare d{buffer_id()};
      end_line();
      return make_stmt(d);
    }
    if (accept("if")) {
      branch b;
      b.condition = expression();
      b.then = inner(indent);
      if (more() && line().indent == indent && accept("else")) b.otherwise = inner(indent);
      return make_stmt(std::move(b));
    }
    if (peek().is("do") || peek().is("while")) {
      while_loop w;
      if (accept("do")) {
        w.test = inner(indent);
        if (!more() || line().indent != indent || !peek().is("while"))
          throw parse_error(fmt::format("line {}, column 1: expected 'while' after what runs before it",
                                        more() ? line().number : lines_.back().number + 1));
      }
      expect("while");
      w.condition = expression();
      w.body = inner(indent);
      return make_stmt(std::move(w));
    }
    if (accept("prefetch")) {
      const std::int64_t id = buffer_id();
      expect("[");
      return finish(prefetch{id, list("]")});
    }
    if (accept("contraction")) return tile(indent);
    if (peek().is("for") || peek().is("parallel") || peek().is("vectorized") || peek().is("unrolled"))
      return for_loop(indent);
    if (peek().what == token::kind::word || peek().what == token::kind::quoted) return assignment();
    expected("a statement");
  }

  stmt_ref for_loop(int indent) {
    loop l;
    if (accept("parallel")) {
      l.kind = loop_kind::parallel;
    } else if (accept("unrolled")) {
      l.kind = loop_kind::unrolled;
    } else if (accept("vectorized")) {
      l.kind = loop_kind::vectorized;
      expect("(");
      l.width = static_cast<int>(small_integer("a number of lanes"));
      expect(")");
    }
    expect("for");
    l.variable = variable();
    expect("in");
    expect("[");
    l.begin = expression();
    expect(",");
    l.end = expression();
    expect(")");
    l.body = inner(indent);
    return make_stmt(std::move(l));
  }

  stmt_ref assignment() {
    const bool streamed = accept("streamed");
    const std::int64_t id = buffer_id();
    expect("[");
    std::vector<expr_ref> indices = list("]");
    if (accept("=")) {
      store w{.buffer = id, .indices = std::move(indices), .value = expression(), .mask = nullptr};
      w.mask = mask();
      w.streamed = streamed;
      return finish(std::move(w));
    }
    if (streamed) expected("'='");
    const auto r = peek().what == token::kind::word ? find_reducer(peek().text) : std::nullopt;
    if (!r) expected("'=' or a reducer");
    take();
    expect("=");
    update w{.combine = *r, .buffer = id, .indices = std::move(indices), .value = expression(), .mask = nullptr};
    if (accept("at")) w.position = expression();
    w.mask = mask();
    return finish(std::move(w));
  }
  template <class S>
  stmt_ref finish(S s) {
    end_line();
    return make_stmt(std::move(s));
  }
  expr_ref mask() { return accept("if") ? expression() : m().boolean(true); }

  stmt_ref tile(int indent) {
    contraction c;
    c.tile_rows = static_cast<int>(small_integer("a number of rows"));
    if (!accept("x")) expected("'x'");
    c.tile_columns = static_cast<int>(small_integer("a number of columns"));
    expect("into");
    c.buffer = buffer_id();
    expect("[");
    c.indices = list("]");
    part(indent, "rows");
    c.row = variable();
    part(indent, "columns");
    c.column = variable();
    c.columns = range_from_zero();
    part(indent, "summing");
    while (peek().what != token::kind::end) {
      if (!c.reduction.empty()) expect(",");
      contraction::axis a{.variable = variable(), .extent = nullptr};
      a.extent = range_from_zero();
      c.reduction.push_back(a);
    }
    part(indent, "a");
    expect("=");
    c.a = expression();
    part(indent, "b");
    expect("=");
    c.b = expression();
    if (next_part_is("prefetch")) {
      part(indent, "prefetch");
      expect("=");
      c.prefetch = expression();
    }
    if (next_part_is("function")) {
      part(indent, "function");
      expect("=");
      c.function = expression();
    }
    part(indent, "value");
    expect("(");
    const token t = take();
    expect(":");
    const dtype type = element_type();
    std::optional<std::int64_t> n = number_after(t.text, "acc");
    if (n) n = -1 - *n;
    if (!n) n = number_after(t.text, type == i64 ? "i" : "v");
    if (!n || t.what != token::kind::word)
      fail_at(t, fmt::format("expected the accumulator's name, like acc0, not {}", describe(t)));
    c.accumulator = m().variable(type, *n);
    accumulators_[t.text] = c.accumulator;
    expect(")");
    expect("=");
    c.value = expression();
    if (accept("if")) c.mask = expression();
    while (next_part_is("also")) {
      part(indent, "also");
      contraction::result r{buffer_id(), {}, nullptr, nullptr};
      expect("[");
      r.indices = list("]");
      expect("=");
      r.value = expression();
      if (accept("if")) r.mask = expression();
      c.also.push_back(std::move(r));
    }
    return finish(std::move(c));
  }
  /// Whether the line after this one, which is at its end, begins with the word.
  bool next_part_is(std::string_view word) const {
    return peek().what == token::kind::end && line_ + 1 < lines_.size() && lines_[line_ + 1].tokens[0].is(word);
  }
  void part(int indent, std::string_view word) {
    end_line();
    if (!more() || line().indent != indent + 2 || !peek().is(word)) {
      const int number = more() ? line().number : lines_.back().number + 1;
      throw parse_error(fmt::format("line {}, column {}: expected '{}' of the contraction, indented by {} spaces",
                                    number, more() ? line().indent + 1 : 1, word, indent + 2));
    }
    take();
  }
  expr_ref range_from_zero() {
    expect("in");
    expect("[");
    if (peek().what != token::kind::integer || peek().bits != 0) expected("'0'");
    take();
    expect(",");
    expr_ref e = expression();
    expect(")");
    return e;
  }

  expr_ref variable() {
    const token t = take();
    const auto n = t.what == token::kind::word ? number_after(t.text, "i") : std::nullopt;
    if (!n) fail_at(t, fmt::format("expected a loop variable, like i0, not {}", describe(t)));
    return m().variable(i64, *n);
  }
  std::int64_t buffer_id() {
    const token t = take();
    const auto it = buffers_.find(t.text);
    if ((t.what != token::kind::word && t.what != token::kind::quoted) || it == buffers_.end())
      fail_at(t, fmt::format("expected the name of a buffer, not {}", describe(t)));
    return it->second;
  }

  // --- expressions ---------------------------------------------------------------------------------------------------
  expr_arena& m() { return *k_.arena; }
  std::vector<expr_ref> list(std::string_view close) {
    std::vector<expr_ref> r;
    while (!accept(close)) {
      if (!r.empty() && !accept(",")) expected(fmt::format("',' or '{}'", close));
      r.push_back(expression());
    }
    return r;
  }

  expr_ref expression(int level = 1) {
    if (++depth_ > 1000) fail("expressions are nested deeper than 1000 levels");
    expr_ref left = unary();
    for (int highest = unary_level;;) {
      const infix* o = nullptr;
      if (peek().what == token::kind::symbol)
        for (const infix& i : infix_operators)
          if (peek().text == i.symbol && i.level >= level && i.level <= highest) o = &i;
      if (!o) break;
      const token at = take();
      expr_ref right = expression(o->level + 1);
      left = checked(at, o->op, {left, right});
      if (is_comparison(o->op)) highest = o->level - 1;  // comparisons do not chain
    }
    --depth_;
    return left;
  }

  /// An operation whose operands fit; the verifier would only say so later, without the place.
  expr_ref checked(const token& at, prim p, std::vector<expr_ref> x) {
    const dtype type = x.empty() ? f32 : result_type(p, x[0]->type, x.size() > 1 ? x[1]->type : x[0]->type);
    if (static_cast<int>(x.size()) != arity(p)) fail_at(at, type_problem(p, type, x));
    return m().apply(p, x);
  }

  expr_ref unary() {
    if (++depth_ > 1000) fail("expressions are nested deeper than 1000 levels");
    const token t = peek();
    expr_ref r = nullptr;
    if (accept("-"))
      r = m().apply(prim::neg, unary());
    else if (accept("!"))
      r = m().apply(prim::logical_not, unary());
    else if (accept("~"))
      r = m().apply(prim::bit_not, unary());
    else
      r = primary();
    --depth_;
    return r;
  }

  expr_ref primary() {
    const token t = peek();
    if (accept("(")) {
      expr_ref e = expression();
      expect(")");
      return e;
    }
    if (t.what == token::kind::integer) {
      take();
      return m().index(static_cast<std::int64_t>(t.bits));
    }
    if (t.what == token::kind::real) return real();
    if (t.what == token::kind::quoted || (t.what == token::kind::word && is_plain_name(t.text))) return named();
    if (t.what != token::kind::word) expected("an expression");
    take();
    if (t.text == "true" || t.text == "false") return m().boolean(t.text == "true");
    if (t.text == "inf" || t.text == "inff") return m().constant(t.text == "inf" ? f64 : f32, HUGE_VAL);
    if (t.text == "nan") return m().constant_bits(f64, 0x7ff8000000000000);
    if (t.text == "nanf") return m().constant_bits(f32, 0x7fc00000);
    if (t.text == "bits") {
      const dtype d = in_angles();
      expect("(");
      if (peek().what != token::kind::integer) expected("the bits of a value");
      const auto v = static_cast<std::int64_t>(take().bits);
      expect(")");
      return m().constant_bits(d, v);
    }
    if (t.text == "bitcast") {
      const dtype d = in_angles();
      expect("(");
      expr_ref e = expression();
      expect(")");
      return m().bitcast(d, e);
    }
    if (auto it = lets_.find(t.text); it != lets_.end()) return it->second;
    if (auto it = accumulators_.find(t.text); it != accumulators_.end()) return it->second;
    if (!peek().is("("))  // i32(x) is a cast
      if (auto n = number_after(t.text, "i")) return m().variable(i64, *n);
    if (peek().is("{"))
      if (const auto r = find_reducer(t.text)) return reduction(*r);
    if (peek().is("(")) {
      const auto d = find_dtype(t.text);
      const auto p = find_prim(t.text);
      if (d || p) {
        take();
        std::vector<expr_ref> x = list(")");
        if (p && *p != prim::cast) return checked(t, *p, std::move(x));
        if (!d || x.size() != 1) fail_at(t, fmt::format("a cast takes 1 operand, not {}", x.size()));
        return m().cast(*d, x[0]);
      }
    }
    fail_at(t, fmt::format("expected an expression, not {}", describe(t)));
  }

  expr_ref real() {
    const token t = take();
    const bool single = t.text.back() == 'f';
    const char *first = t.text.data(), *last = first + t.text.size() - single;
    float f = 0;
    double d = 0;
    const auto r = single ? std::from_chars(first, last, f) : std::from_chars(first, last, d);
    if (r.ec != std::errc{} || r.ptr != last)
      fail_at(t, fmt::format("{} is no {} number", describe(t), single ? "f32" : "f64"));
    return single ? m().constant(f32, f) : m().constant(f64, d);
  }

  expr_ref named() {
    const token t = take();
    if (!accept("[")) {
      const auto it = symbols_.find(t.text);
      if (it == symbols_.end()) fail_at(t, fmt::format("there is no symbol named {}", describe(t)));
      return m().symbol(it->second);
    }
    const auto it = buffers_.find(t.text);
    if (it == buffers_.end()) fail_at(t, fmt::format("there is no buffer named {}", describe(t)));
    std::vector<expr_ref> indices;
    while (!peek().is("]") && !peek().is("if")) {
      if (!indices.empty()) expect(",");
      indices.push_back(expression());
    }
    expr_ref where = mask();
    expect("]");
    return m().load(k_.buffers[it->second].type, it->second, indices, where);
  }

  dtype in_angles() {
    expect("<");
    const dtype d = element_type();
    expect(">");
    return d;
  }

  expr_ref reduction(reducer r) {
    expect("{");
    std::vector<std::pair<expr_ref, expr_ref>> loops;
    while (!accept("}")) {
      if (!loops.empty()) expect(",");
      expr_ref v = variable();
      expect("<");
      loops.emplace_back(v, expression(8));
    }
    expect("(");
    expr_ref body = expression();
    expect(")");
    return m().reduce(r, loops, body);
  }

  std::vector<token_line> lines_;
  std::size_t line_ = 0, at_ = 0;
  int depth_ = 0;
  kernel k_;
  std::string last_name_;
  std::map<std::string, std::int64_t, std::less<>> symbols_, buffers_;
  std::map<std::string, expr_ref, std::less<>> lets_, accumulators_;
};

}  // namespace

kernel parse_kernel(std::string_view text) { return parser(text).run(); }

}  // namespace tenon::ir
