#include "loop/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "loop/evaluate.hpp"

namespace tenon::ir {
namespace {

constexpr std::string_view words[] = {
    "kernel",  "in",      "out",   "local",    "stride",  "parallel", "vectorized",  "unrolled", "for",
    "if",      "else",    "block", "pass",     "declare", "streamed", "contraction", "into",     "rows",
    "columns", "summing", "value", "prefetch", "also",    "let",      "true",        "false",    "inf",
    "inff",    "nan",     "nanf",  "bits",     "at",      "function", "do",          "while",    "overlap"};

bool is_digits(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_reserved(std::string_view s) {
  if (std::ranges::find(words, s) != std::end(words)) return true;
  for (int p = 0; p < prim_count; ++p)
    if (s == name(static_cast<prim>(p))) return true;
  for (int r = 0; r <= static_cast<int>(reducer::argmin); ++r)
    if (s == name(static_cast<reducer>(r))) return true;
  for (int d = 0; d <= static_cast<int>(any_dtype); ++d)
    if (s == name(static_cast<dtype>(d))) return true;
  if ((s[0] == 'i' || s[0] == 'v' || s[0] == 't') && is_digits(s.substr(1))) return true;
  return s.starts_with("acc") && is_digits(s.substr(3));
}

template <class T>
std::string number_text(T v, std::string_view suffix) {
  if (std::isinf(v)) return fmt::format("{}inf{}", v < 0 ? "-" : "", suffix);
  std::string s = fmt::format("{}", v);
  if (s.find_first_of(".e") == s.npos) s += ".0";
  return s += suffix;
}

/// Reads back as the same bits, whatever they are.
std::string constant_text(const expr& e) {
  const dtype t = e.type;
  if (t == b8) return e.payload ? "true" : "false";
  if (t == i64) return fmt::format("{}", e.payload);
  if (t == u64) return fmt::format("u64({})", static_cast<std::uint64_t>(e.payload));
  if (is_integer(t)) return fmt::format("{}({})", name(t), e.payload);
  if (!is_float(t)) return fmt::format("bits<{}>(0x{:x})", name(t), static_cast<std::uint64_t>(e.payload));
  const double v = value_of(t, e.payload);
  const bool plain_nan = e.payload == (t == f64 ? 0x7ff8000000000000 : 0x7fc00000) && compute_type(t) == t;
  if (std::isnan(v) && !plain_nan)
    return fmt::format("bits<{}>(0x{:x})", name(t), static_cast<std::uint64_t>(e.payload));
  if (std::isnan(v)) return t == f64 ? "nan" : "nanf";
  if (t == f64) return number_text(v, "");
  const std::string s = number_text(static_cast<float>(v), "f");
  return t == f32 ? s : fmt::format("{}({})", name(t), s);
}

const infix* find_infix(prim p) {
  for (const infix& o : infix_operators)
    if (o.op == p) return &o;
  return nullptr;
}

/// Names as text, those that several share made different by their index.
std::vector<std::string> unique_names(const std::vector<std::string>& given) {
  std::unordered_map<std::string_view, int> count;
  for (const std::string& s : given) ++count[s];
  std::vector<std::string> r;
  for (std::size_t i = 0; i < given.size(); ++i) {
    r.push_back(is_plain_name(given[i]) ? given[i] : quote_name(given[i]));
    if (count[given[i]] > 1) r.back() += fmt::format("@{}", i);
  }
  return r;
}

}  // namespace

bool is_plain_name(std::string_view s) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (s.empty() || !letter(s[0])) return false;
  if (!std::ranges::all_of(s, [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '.'; })) return false;
  return !is_reserved(s);
}

std::string quote_name(std::string_view s) {
  std::string r = "`";
  for (char c : s) {
    if (c == '`' || c == '\\') r += '\\';
    if (c == '\n')
      r += "\\n";
    else
      r += c;
  }
  return r += '`';
}

std::string variable_name(const expr& e) {
  if (e.payload < 0) return fmt::format("acc{}", -1 - e.payload);
  return fmt::format("{}{}", e.type == i64 ? 'i' : 'v', e.payload);
}

names::names(const kernel& k) {
  symbols = unique_names(k.symbols);
  std::vector<std::string> b;
  for (const ir::buffer& x : k.buffers) b.push_back(x.name);
  buffers = unique_names(b);
}
std::string names::symbol(std::int64_t id) const {
  const auto n = static_cast<std::int64_t>(symbols.size());
  return id >= 0 && id < n ? symbols[id] : fmt::format("`symbol {}`", id);
}
std::string names::buffer(std::int64_t id) const {
  const auto n = static_cast<std::int64_t>(buffers.size());
  return id >= 0 && id < n ? buffers[id] : fmt::format("`buffer {}`", id);
}

expr_printer::expr_printer(const names* n, std::span<const expr_ref> roots) : names_(n) {
  constexpr std::int64_t large = 400;
  constexpr int deep = 40;
  struct facts {
    std::int64_t size = 1;
    int depth = 1, uses = 0;
  };
  std::unordered_map<expr_ref, facts> all;
  const std::vector<expr_ref> order = post_order(roots);
  std::int64_t total = 0;
  for (expr_ref e : order) {
    facts& f = all[e];
    for (expr_ref x : e->operands) {
      ++all[x].uses;
      f.size = std::min(f.size + all[x].size, large + 1);
    }
  }
  for (expr_ref e : roots)
    if (e) total += all[e].size;
  for (expr_ref e : order) {
    if (e->operands.empty()) continue;
    facts& f = all[e];
    f.depth = 1;
    for (expr_ref x : e->operands) f.depth = std::max(f.depth, all[x].depth + 1);
    if ((total > large && f.uses > 1) || f.depth > deep) {
      std::string t = fmt::format("t{}", lets_.size());
      lets_.push_back(fmt::format("let {} = {}", t, print(e, 0)));
      bound_[e] = std::move(t);
      f.depth = 1;
    }
  }
}

std::string expr_printer::list(std::span<const expr_ref> x) const {
  std::string s;
  for (expr_ref e : x) s += fmt::format("{}{}", s.empty() ? "" : ", ", print(e, 0));
  return s;
}

std::string expr_printer::print(expr_ref e, int level) const {
  if (!e) return "`nothing`";
  if (auto it = bound_.find(e); it != bound_.end()) return it->second;
  return print_node(e, level);
}

std::string expr_printer::print_node(expr_ref e, int level) const {
  switch (e->kind) {
    case expr_kind::constant:
      return constant_text(*e);
    case expr_kind::variable:
      return variable_name(*e);
    case expr_kind::symbol:
      return names_ ? names_->symbol(e->payload) : fmt::format("s{}", e->payload);
    case expr_kind::load: {
      const std::string indices = list(e->indices());
      std::string mask;
      if (!e->mask()->is_true()) mask = fmt::format("{}if {}", indices.empty() ? "" : " ", print(e->mask(), 0));
      return fmt::format("{}[{}{}]", names_ ? names_->buffer(e->payload) : fmt::format("b{}", e->payload), indices,
                         mask);
    }
    case expr_kind::reduce: {
      std::string loops;
      for (int i = 0; i < e->loops(); ++i)
        loops += fmt::format("{}{} < {}", i ? ", " : "", print(e->loop_variable(i), 0), print(e->loop_extent(i), 8));
      return fmt::format("{}{{{}}}({})", name(e->reducer()), loops, print(e->body(), 0));
    }
    default:
      return print_apply(e, level);
  }
}

std::string expr_printer::print_apply(expr_ref e, int level) const {
  const auto x = [&](int i) { return e->operands[i]; };
  if (e->op == prim::cast) return fmt::format("{}({})", name(e->type), print(x(0), 0));
  if (e->op == prim::bitcast) return fmt::format("bitcast<{}>({})", name(e->type), print(x(0), 0));
  std::string s;
  int own = unary_level;
  if (e->op == prim::neg) {
    s = fmt::format("-{}", print(x(0), unary_level));
  } else if (e->op == prim::logical_not) {
    s = fmt::format("!{}", print(x(0), unary_level));
  } else if (e->op == prim::bit_not) {
    s = fmt::format("~{}", print(x(0), unary_level));
  } else if (const infix* o = find_infix(e->op)) {
    own = o->level;
    // Comparisons do not chain.
    const int left = is_comparison(e->op) ? own + 1 : own;
    const bool minus = e->op == prim::add && x(1)->is(expr_kind::constant) && x(1)->type == i64 && x(1)->payload < 0 &&
                       x(1)->payload != INT64_MIN;
    s = minus ? fmt::format("{} - {}", print(x(0), left), -x(1)->payload)
              : fmt::format("{} {} {}", print(x(0), left), o->symbol, print(x(1), own + 1));
  } else {
    return fmt::format("{}({})", name(e->op), list(e->operands));
  }
  return own < level ? fmt::format("({})", s) : s;
}

std::string to_string(expr_ref e, const names* n) {
  expr_printer p(n, std::span(&e, 1));
  std::string s;
  for (const std::string& l : p.lets()) s += l + "; ";
  return s + p(e);
}

namespace {

class kernel_printer {
 public:
  explicit kernel_printer(const kernel& k) : k_(k), names_(k) {}

  std::string text() {
    out_ = fmt::format("kernel {}({})\n", is_plain_name(k_.name) ? k_.name : quote_name(k_.name),
                       fmt::join(names_.symbols, ", "));
    for (const buffer& b : k_.buffers) declaration(b);
    if (k_.body) body(*k_.body, 0);
    return std::move(out_);
  }
  std::string text(const stmt& s) {
    statement(s, 0);
    return std::move(out_);
  }

 private:
  void line(int indent, std::string_view s) {
    out_.append(2 * indent, ' ');
    out_ += s;
    out_ += '\n';
  }
  /// Prints what large expressions are called, and gives the printer that uses the names.
  expr_printer printer(int indent, std::span<const expr_ref> roots) {
    expr_printer p(&names_, roots);
    for (const std::string& l : p.lets()) line(indent, l);
    return p;
  }
  static std::string list(const expr_printer& p, std::span<const expr_ref> x) {
    std::string s;
    for (expr_ref e : x) s += fmt::format("{}{}", s.empty() ? "" : ", ", p(e));
    return s;
  }
  static std::string mask(const expr_printer& p, expr_ref m) {
    return m && m->is_true() ? "" : fmt::format(" if {}", p(m));
  }

  void declaration(const buffer& b) {
    std::vector<expr_ref> roots = b.extents;
    roots.insert(roots.end(), b.strides.begin(), b.strides.end());
    const expr_printer p = printer(1, roots);
    const std::string_view kind = b.where == scope::local     ? "local"
                                  : b.where == scope::scratch ? "scratch"
                                  : b.written                 ? "out"
                                                              : "in";
    line(1, fmt::format("{} {}: {}[{}]{}{}", kind, names_.buffer(&b - k_.buffers.data()), name(b.type),
                        list(p, b.extents), b.strides.empty() ? "" : fmt::format(" stride [{}]", list(p, b.strides)),
                        b.overlap ? fmt::format(" overlap {}", b.overlap) : ""));
  }

  void body(const stmt& s, int indent) {
    if (auto* b = std::get_if<block>(&s.v)) {
      if (b->list.empty()) line(indent, "pass");
      for (const stmt_ref& x : b->list) statement(*x, indent);
    } else {
      statement(s, indent);
    }
  }
  void body(const stmt_ref& s, int indent) {
    if (s)
      body(*s, indent);
    else
      line(indent, "pass");
  }

  void statement(const stmt& s, int indent) {
    std::vector<expr_ref> roots;
    visit_operands(s, [&](expr_ref e) { roots.push_back(e); });
    const expr_printer p = printer(indent, roots);
    std::visit([&](auto& x) { print(x, p, indent); }, s.v);
  }

  void print(const block& b, const expr_printer&, int indent) {
    line(indent, "block");
    if (b.list.empty()) line(indent + 1, "pass");
    for (const stmt_ref& x : b.list) statement(*x, indent + 1);
  }
  void print(const loop& l, const expr_printer& p, int indent) {
    std::string kind;
    if (l.kind == loop_kind::parallel) kind = "parallel ";
    if (l.kind == loop_kind::vectorized) kind = fmt::format("vectorized({}) ", l.width);
    if (l.kind == loop_kind::unrolled) kind = "unrolled ";
    line(indent, fmt::format("{}for {} in [{}, {})", kind, p(l.variable), p(l.begin), p(l.end)));
    body(l.body, indent + 1);
  }
  void print(const store& w, const expr_printer& p, int indent) {
    line(indent, fmt::format("{}{}[{}] = {}{}", w.streamed ? "streamed " : "", names_.buffer(w.buffer),
                             list(p, w.indices), p(w.value), mask(p, w.mask)));
  }
  void print(const update& w, const expr_printer& p, int indent) {
    line(indent, fmt::format("{}[{}] {}= {}{}{}", names_.buffer(w.buffer), list(p, w.indices), name(w.combine),
                             p(w.value), w.position ? fmt::format(" at {}", p(w.position)) : "", mask(p, w.mask)));
  }
  void print(const declare& d, const expr_printer&, int indent) {
    line(indent, fmt::format("declare {}", names_.buffer(d.buffer)));
  }
  void print(const branch& b, const expr_printer& p, int indent) {
    line(indent, fmt::format("if {}", p(b.condition)));
    body(b.then, indent + 1);
    if (!b.otherwise) return;
    line(indent, "else");
    body(b.otherwise, indent + 1);
  }
  void print(const while_loop& w, const expr_printer& p, int indent) {
    if (w.test) {
      line(indent, "do");
      body(w.test, indent + 1);
    }
    line(indent, fmt::format("while {}", p(w.condition)));
    body(w.body, indent + 1);
  }
  void print(const prefetch& f, const expr_printer& p, int indent) {
    line(indent, fmt::format("prefetch {}[{}]", names_.buffer(f.buffer), list(p, f.indices)));
  }
  void print(const contraction& c, const expr_printer& p, int indent) {
    line(indent, fmt::format("contraction {} x {} into {}[{}]", c.tile_rows, c.tile_columns, names_.buffer(c.buffer),
                             list(p, c.indices)));
    line(indent + 1, fmt::format("rows {}", p(c.row)));
    line(indent + 1, fmt::format("columns {} in [0, {})", p(c.column), p(c.columns)));
    std::string axes;
    for (const contraction::axis& a : c.reduction)
      axes += fmt::format("{} {} in [0, {})", axes.empty() ? "" : ",", p(a.variable), p(a.extent));
    line(indent + 1, "summing" + axes);
    line(indent + 1, fmt::format("a = {}", p(c.a)));
    line(indent + 1, fmt::format("b = {}", p(c.b)));
    if (c.prefetch) line(indent + 1, fmt::format("prefetch = {}", p(c.prefetch)));
    if (c.function) line(indent + 1, fmt::format("function = {}", p(c.function)));
    line(indent + 1,
         fmt::format("value({}: {}) = {}{}", p(c.accumulator), c.accumulator ? name(c.accumulator->type) : "f32",
                     p(c.value), c.mask ? fmt::format(" if {}", p(c.mask)) : ""));
    for (const contraction::result& r : c.also)
      line(indent + 1, fmt::format("also {}[{}] = {}{}", names_.buffer(r.buffer), list(p, r.indices), p(r.value),
                                   r.mask ? fmt::format(" if {}", p(r.mask)) : ""));
  }

  const kernel& k_;
  names names_;
  std::string out_;
};

}  // namespace

std::string to_string(const kernel& k) { return kernel_printer(k).text(); }
std::string to_string(const kernel& k, const stmt& s) { return kernel_printer(k).text(s); }

}  // namespace tenon::ir
