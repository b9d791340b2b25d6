// The text form of kernels: what the printer and the parser share.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loop/kernel.hpp"

namespace tenon::ir {

/// Names of a kernel's symbols and buffers as they stand in its text: in backquotes where they are no plain word,
/// followed by @index where another has the same name.
struct names {
  std::vector<std::string> symbols, buffers;
  names() = default;
  explicit names(const kernel&);
  std::string symbol(std::int64_t id) const;
  std::string buffer(std::int64_t id) const;
};

/// A letter or underscore, then letters, digits, underscores and dots; no word that the text form uses itself.
bool is_plain_name(std::string_view);
/// In backquotes, with \ before ` and \, and \n for a new line.
std::string quote_name(std::string_view);
std::string variable_name(const expr&);

/// Precedences of the infix operators, lowest first; 0 for what is written as a call.
struct infix {
  prim op;
  std::string_view symbol;
  int level;
};
inline constexpr infix infix_operators[] = {{prim::logical_or, "||", 1},
                                            {prim::logical_and, "&&", 2},
                                            {prim::bit_or, "|", 3},
                                            {prim::bit_xor, "^", 4},
                                            {prim::bit_and, "&", 5},
                                            {prim::equal, "==", 6},
                                            {prim::not_equal, "!=", 6},
                                            {prim::less, "<", 7},
                                            {prim::less_equal, "<=", 7},
                                            {prim::greater, ">", 7},
                                            {prim::greater_equal, ">=", 7},
                                            {prim::shift_left, "<<", 8},
                                            {prim::shift_right, ">>", 8},
                                            {prim::shift_right_logical, ">>>", 8},
                                            {prim::add, "+", 9},
                                            {prim::sub, "-", 9},
                                            {prim::mul, "*", 10},
                                            {prim::div, "/", 10},
                                            {prim::mod, "%", 10}};
inline constexpr int unary_level = 11;

/// Prints expressions. What is shared and large, or very deep, gets a name in a line `let t0 = ...` before the
/// statement that uses it, so that text stays linear in the size of the expressions.
class expr_printer {
 public:
  expr_printer(const names* n, std::span<const expr_ref> roots);
  /// The lines that come before, without their ends.
  const std::vector<std::string>& lets() const { return lets_; }
  std::string operator()(expr_ref e) const { return print(e, 0); }

 private:
  std::string print(expr_ref, int level) const;
  std::string print_node(expr_ref, int level) const;
  std::string print_apply(expr_ref, int level) const;
  std::string list(std::span<const expr_ref>) const;

  const names* names_;
  std::unordered_map<expr_ref, std::string> bound_;
  std::vector<std::string> lets_;
};

}  // namespace tenon::ir
