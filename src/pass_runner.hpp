// Runs the listed passes as the user's context says: which of them, where the user's own stand, what is printed,
// checked and measured around each.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/pass_settings.hpp"
#include "stage_times.hpp"
#include "tenon/dsl/options.hpp"
#include "tenon/graph/graph.hpp"

namespace tenon {

/// One line of the list of passes.
struct listed_pass {
  std::string_view name;
  int level;                                                     ///< the least opt_level that runs it
  ir::graph (*run)(const ir::graph&, const ir::pass_settings&);  ///< null: no graph to graph function
};

/// The words of `dump` and of TENON_DUMP, read and checked.
class dump_words {
 public:
  enum class when : unsigned char { before, after };
  dump_words() = default;
  /// Adds the words of a list. `origin` begins the text of argument_error.
  void add(std::string_view list, std::string_view origin);
  /// Words without before or after mean after.
  bool wants(std::string_view stage, when, std::string_view pass) const;
  /// Writes to standard error, under a comment that says what it is, so that what is written reads back.
  static void write(std::string_view stage, when, std::string_view pass, const std::string& text);

 private:
  struct word {
    std::string stage, pass;  // an empty pass: all of them
    when at = when::after;
  };
  std::vector<word> words_;
};

class pass_runner {
 public:
  /// Checks every name in the context against the lists, of which `known` is all. Throws argument_error.
  pass_runner(const pass_context&, int opt_level, std::span<const listed_pass> known);

  bool enabled(std::string_view name, int level) const;
  /// The passes of one list in order, each followed by the user's own that stand there.
  ir::graph run(std::span<const listed_pass>, ir::graph, stage_times&) const;
  const dump_words& dumps() const { return dumps_; }
  const ir::pass_settings& settings() const { return settings_; }

 private:
  void run_added(std::string_view place, bool behind, ir::graph&, stage_times&) const;
  template <class F>
  void observed(std::string_view name, ir::graph&, stage_times&, F) const;

  pass_context context_;
  int opt_level_;
  ir::pass_settings settings_;
  dump_words dumps_;
};

}  // namespace tenon
