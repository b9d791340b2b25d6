#include "loop/lexer.hpp"

#include <fmt/format.h>

#include <charconv>

#include "tenon/core/error.hpp"

namespace tenon::ir {
namespace {

constexpr std::string_view symbols[] = {">>>", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(",
                                        ")",   "[",  "]",  "{",  "}",  ",",  ":",  "=",  "+",  "-",
                                        "*",   "/",  "%",  "<",  ">",  "&",  "|",  "^",  "~",  "!"};

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class line_lexer {
 public:
  line_lexer(std::string_view s, int number) : s_(s), number_(number) {}

  std::vector<token> tokens(std::size_t at) {
    at_ = at;
    std::vector<token> r;
    for (;;) {
      while (at_ < s_.size() && (s_[at_] == ' ' || s_[at_] == '\t' || s_[at_] == '\r')) ++at_;
      if (at_ >= s_.size() || s_.substr(at_).starts_with("//")) break;
      r.push_back(next());
    }
    r.push_back({.what = token::kind::end, .text = {}, .column = static_cast<int>(at_) + 1});
    return r;
  }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& what) const {
    throw parse_error(fmt::format("line {}, column {}: {}", number_, at + 1, what));
  }

  token next() {
    const std::size_t start = at_;
    token t{.what = token::kind::symbol, .text = {}, .column = static_cast<int>(start) + 1};
    const char c = s_[at_];
    if (letter(c)) {
      t.what = token::kind::word;
      while (at_ < s_.size() && (letter(s_[at_]) || digit(s_[at_]) || s_[at_] == '.')) ++at_;
      t.text = s_.substr(start, at_ - start);
      index_suffix(t);
    } else if (c == '`') {
      quoted(t);
      index_suffix(t);
    } else if (digit(c)) {
      number(t);
    } else {
      for (std::string_view o : symbols)
        if (t.text.empty() && s_.substr(at_).starts_with(o)) t.text = o;
      if (t.text.empty()) {
        const auto byte = static_cast<unsigned char>(c);
        fail(at_, byte >= 32 && byte < 127 ? fmt::format("unexpected character '{}'", c)
                                           : fmt::format("unexpected byte 0x{:02x}", byte));
      }
      at_ += t.text.size();
    }
    return t;
  }

  /// name@3: the index tells names apart that are the same; it stays part of the text, behind a byte no name has.
  void index_suffix(token& t) {
    if (at_ >= s_.size() || s_[at_] != '@') return;
    const std::size_t start = ++at_;
    while (at_ < s_.size() && digit(s_[at_])) ++at_;
    if (at_ == start) fail(at_, "expected an index after '@'");
    t.what = token::kind::quoted;
    t.text += '\0';
    t.text += s_.substr(start, at_ - start);
  }

  void quoted(token& t) {
    t.what = token::kind::quoted;
    const std::size_t start = at_++;
    for (; at_ < s_.size() && s_[at_] != '`'; ++at_) {
      if (s_[at_] != '\\') {
        t.text += s_[at_];
      } else if (++at_ < s_.size()) {
        t.text += s_[at_] == 'n' ? '\n' : s_[at_];
      }
    }
    if (at_ >= s_.size()) fail(start, "a name in backquotes does not end on its line");
    ++at_;
  }

  void number(token& t) {
    const std::size_t start = at_;
    const char* const end = s_.data() + s_.size();
    std::from_chars_result r{};
    if (s_.substr(at_).starts_with("0x")) {
      t.what = token::kind::integer;
      r = std::from_chars(s_.data() + at_ + 2, end, t.bits, 16);
    } else {
      while (at_ < s_.size() && digit(s_[at_])) ++at_;
      const std::size_t whole = at_;
      if (at_ < s_.size() && s_[at_] == '.')
        for (++at_; at_ < s_.size() && digit(s_[at_]);) ++at_;
      if (at_ < s_.size() && s_[at_] == 'e') {
        ++at_;
        if (at_ < s_.size() && (s_[at_] == '-' || s_[at_] == '+')) ++at_;
        if (at_ >= s_.size() || !digit(s_[at_])) fail(at_, "expected the digits of an exponent");
        while (at_ < s_.size() && digit(s_[at_])) ++at_;
      }
      if (at_ < s_.size() && s_[at_] == 'f') ++at_;
      t.what = at_ == whole ? token::kind::integer : token::kind::real;
      r.ptr = s_.data() + at_;
      if (t.what == token::kind::integer) r = std::from_chars(s_.data() + start, s_.data() + at_, t.bits);
    }
    if (r.ec == std::errc::result_out_of_range) fail(start, "the number does not fit into 64 bits");
    if (r.ec != std::errc{}) fail(start, "expected a number");
    at_ = r.ptr - s_.data();
    if (at_ < s_.size() && (letter(s_[at_]) || digit(s_[at_]) || s_[at_] == '.'))
      fail(at_, fmt::format("unexpected '{}' in a number", s_[at_]));
    t.text = s_.substr(start, at_ - start);
  }

  std::string_view s_;
  int number_;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<token_line> split_lines(std::string_view text) {
  std::vector<token_line> lines;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t n = std::min(text.find('\n'), text.size());
    const std::string_view s = text.substr(0, n);
    text.remove_prefix(std::min(n + 1, text.size()));
    std::size_t indent = 0;
    while (indent < s.size() && s[indent] == ' ') ++indent;
    if (indent < s.size() && s[indent] == '\t')
      throw parse_error(fmt::format("line {}, column {}: a tab in the indentation; two spaces per level are expected",
                                    number, indent + 1));
    token_line l{.number = number, .indent = static_cast<int>(indent), .tokens = line_lexer(s, number).tokens(indent)};
    if (l.tokens.size() > 1) lines.push_back(std::move(l));
  }
  return lines;
}

std::string describe(const token& t) {
  if (t.what == token::kind::end) return "the end of the line";
  std::string s = t.text;
  if (const std::size_t n = s.find('\0'); n != s.npos) s[n] = '@';
  return t.what == token::kind::quoted ? fmt::format("`{}`", s) : fmt::format("'{}'", s);
}

}  // namespace tenon::ir
