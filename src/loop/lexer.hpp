// Words of the text form of kernels, line by line.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tenon::ir {

struct token {
  enum class kind : std::uint8_t {
    word,     ///< a name or keyword; `text` without quotes
    quoted,   ///< a name in backquotes
    integer,  ///< `bits`
    real,     ///< `text`: digits; f32 if it ends in f
    symbol,   ///< an operator or bracket
    end,      ///< of the line
  };
  kind what{};
  std::string text;
  std::uint64_t bits = 0;
  int column = 0;
  bool is(std::string_view s) const { return (what == kind::word || what == kind::symbol) && text == s; }
};

struct token_line {
  int number = 0, indent = 0;
  std::vector<token> tokens;  ///< the last one is `end`
};

/// Lines that are not blank or comments (// to the end of the line). parse_error names line and column.
std::vector<token_line> split_lines(std::string_view text);
/// How an error shows a token.
std::string describe(const token&);

}  // namespace tenon::ir
