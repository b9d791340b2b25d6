#include "pass_runner.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "graph/node.hpp"
#include "graph/pass_additions.hpp"
#include "graph/passes.hpp"
#include "runtime/environment.hpp"

namespace tenon {
namespace {

constexpr std::string_view stages[] = {"graph", "loop", "llvm", "asm"};

bool contains(const pass_names& names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

std::string_view text_of(dump_words::when w) { return w == dump_words::when::before ? "before" : "after"; }

// What the pass of somebody else may not change.
void check_interface(std::string_view pass, const ir::graph& before, const ir::graph& after) {
  const auto refuse = [&](std::string_view what, std::size_t i, const std::string& was, const std::string& is) {
    throw compile_error(fmt::format("pass {}: {} {} was {} and is {}", pass, what, i + 1, was, is));
  };
  const auto compare = [&](std::string_view what, const auto& was, const auto& is) {
    if (was.size() != is.size())
      throw compile_error(fmt::format("pass {}: there were {} {}s and are {}", pass, was.size(), what, is.size()));
    for (std::size_t i = 0; i < was.size(); ++i)
      if (!is[i] || was[i]->type != is[i]->type)
        refuse(what, i, ir::to_string(was[i]->type), is[i] ? ir::to_string(is[i]->type) : "empty");
  };
  compare("input", before.inputs, after.inputs);
  compare("output", before.outputs, after.outputs);
}

}  // namespace

void dump_words::add(std::string_view list, std::string_view origin) {
  if (list.empty()) return;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string_view given = list.substr(at, comma - at);
    at = comma + 1;
    std::string_view rest = given;
    const auto next = [&] {
      const std::string_view part = rest.substr(0, rest.find(':'));
      rest = part.size() == rest.size() ? std::string_view() : rest.substr(part.size() + 1);
      return part;
    };
    word w;
    w.stage = next();
    bool fits = std::ranges::find(stages, w.stage) != std::end(stages) && !given.ends_with(':');
    if (!rest.empty()) {
      std::string_view part = next();
      if (part == "before" || part == "after") {
        w.at = part == "before" ? when::before : when::after;
        part = next();
      }
      w.pass = part;
      fits = fits && rest.empty();
    }
    if (!fits)
      throw argument_error(fmt::format("{} '{}': '{}' is no stage[:before|:after][:pass]; stages: {}", origin, list,
                                       given, fmt::join(stages, ", ")));
    words_.push_back(std::move(w));
  }
}
bool dump_words::wants(std::string_view stage, when at, std::string_view pass) const {
  return std::ranges::any_of(
      words_, [&](const word& w) { return w.stage == stage && w.at == at && (w.pass.empty() || w.pass == pass); });
}
void dump_words::write(std::string_view stage, when at, std::string_view pass, const std::string& text) {
  // One call, so that threads that compile at once do not mix their lines.
  const std::string all = fmt::format("{} {} {} {}\n{}",
                                      stage == "llvm"  ? ";"
                                      : stage == "asm" ? "#"
                                                       : "//",
                                      stage, text_of(at), pass, text);
  std::fwrite(all.data(), 1, all.size(), stderr);
}

pass_runner::pass_runner(const pass_context& c, int opt_level, std::span<const listed_pass> known)
    : context_(c), opt_level_(opt_level), settings_(c.options) {
  std::vector<std::string_view> names;
  const auto add = [&](std::string_view name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const listed_pass& p : known) add(p.name);
  const auto check = [&](std::string_view name, std::string_view what) {
    if (std::ranges::find(names, name) == names.end())
      throw argument_error(
          fmt::format("options: {} names no pass: '{}'; known: {}", what, name, fmt::join(names, ", ")));
  };
  if (const pass_additions::content* added = c.additions.get())
    for (const auto& [pass, place] : added->passes) {
      // Places are names that stand already, so that no two passes wait for each other.
      check(place.pass, fmt::format("the place of pass {}", pass.name()));
      if (std::ranges::find(names, pass.name()) != names.end())
        throw argument_error(fmt::format("options: the name of pass '{}' is taken", pass.name()));
      add(pass.name());
      const auto p = std::ranges::find(known, place.pass, &listed_pass::name);
      if (place.behind && p != known.end() && !p->run)
        throw argument_error(
            fmt::format("options: pass {} cannot stand behind {}: there are no graph passes from there on", pass.name(),
                        place.pass));
    }
  for (const std::string& n : c.disabled) check(n, "disabled");
  for (const std::string& n : c.required) check(n, "required");
  dumps_.add(c.dump, "options: dump");
  dumps_.add(runtime::environment_text("TENON_DUMP").value_or(""), "environment variable TENON_DUMP:");
}

bool pass_runner::enabled(std::string_view name, int level) const {
  if (contains(context_.disabled, name)) return false;
  return opt_level_ >= level || contains(context_.required, name);
}

template <class F>
void pass_runner::observed(std::string_view name, ir::graph& g, stage_times& times, F run) const {
  using when = dump_words::when;
  const pass_additions::content* added = context_.additions.get();
  if (dumps_.wants("graph", when::before, name)) dump_words::write("graph", when::before, name, to_string(g));
  if (added)
    for (pass_instrument* i : added->instruments) i->before(name, g);
  const stopwatch watch;
  ir::graph made = run(g);
  const double seconds = watch.seconds();
  times.add(name, seconds);
  // Nodes are immutable: what a pass left as it was needs no second look.
  const bool changed = made.inputs != g.inputs || made.outputs != g.outputs;
  g = std::move(made);
#ifdef NDEBUG
  if (changed && settings_[ir::pass_option::verify])
#else
  if (changed)
#endif
    ir::verify(g);
  if (added)
    for (pass_instrument* i : added->instruments) i->after(name, g, seconds);
  if (dumps_.wants("graph", when::after, name)) dump_words::write("graph", when::after, name, to_string(g));
}

void pass_runner::run_added(std::string_view place, bool behind, ir::graph& g, stage_times& times) const {
  const pass_additions::content* added = context_.additions.get();
  if (!added) return;
  for (const auto& [pass, at] : added->passes) {
    if (at.pass != place || at.behind != behind) continue;
    // Its neighbours may be the user's own passes, too.
    run_added(pass.name(), false, g, times);
    if (enabled(pass.name(), 0))
      observed(pass.name(), g, times, [&](const ir::graph& from) {
        const auto once = [&](const ir::graph& one) {
          ir::graph to = pass(one);
          check_interface(pass.name(), one, to);
          ir::verify(to);
          return to;
        };
        return once(ir::in_bodies(from, once));
      });
    run_added(pass.name(), true, g, times);
  }
}

ir::graph pass_runner::run(std::span<const listed_pass> passes, ir::graph g, stage_times& times) const {
  for (const listed_pass& p : passes) {
    run_added(p.name, false, g, times);
    if (p.run && enabled(p.name, p.level))
      observed(p.name, g, times, [&](const ir::graph& from) {
        const auto once = [&](const ir::graph& one) { return p.run(one, settings_); };
        return once(ir::in_bodies(from, once));
      });
    run_added(p.name, true, g, times);
  }
  return g;
}

}  // namespace tenon
