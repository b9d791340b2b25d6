// A loop or a branch of the graph whose bodies are small: one kernel, not steps with jumps.
//
//   again: less: i, n -> more             kernel while_less_add
//          to done if more is 0      ->     do
//          add: i -> i                        more[] = i[] < n[]
//          to again                         while more[]
//   done:                                     i[] = i[] + 1
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "loop/kernel.hpp"
#include "runtime/executable.hpp"

namespace tenon {

/// A kernel that is still loops. It stands in the steps until all of them are there, and is then obtained.
struct loops_code final : runtime::code {
  std::shared_ptr<ir::kernel> loops;
  std::string text;                ///< of its structure: without its name
  int nests = 1;                   ///< that it is made of
  std::vector<std::size_t> raw{};  ///< parameters that are bytes of values of other types

  explicit loops_code(ir::kernel);
};
/// Null where the step is no kernel of loops.
const loops_code* loops_of(const runtime::step&);

/// The steps of bodies, with their buffers in the function around.
struct control_region {
  bool repeats = false;  ///< while (first, condition) second; else if (condition) first else second
  runtime::slot condition{};
  std::vector<runtime::step> first{}, second{};
  std::int64_t own_from = 0;  ///< bytes of the workspace from there on hold nothing before it runs, and nothing after

  /// Why it stays steps; empty where it can be one kernel.
  std::string stays_steps() const;
  /// The one kernel, launched. Every step is a kernel or a copy.
  runtime::step joined() const;
};

/// A list of steps in which branches are one kernel each, where they are small.
struct joined_branches {
  struct branch {
    std::int64_t first, end;  ///< its steps before
    std::string stays_steps;  ///< why; empty: it is one step now
  };
  std::vector<runtime::step> steps;
  std::vector<std::int64_t> placed;  ///< of each step before, and of the end
  std::vector<branch> branches;      ///< that are in no other one of these
};
/// When all buffers are where they will be: as steps a branch may change a value where it lies.
joined_branches join_branches(const std::vector<runtime::step>&);

}  // namespace tenon
