// Read this first: the way of an expression, stage by stage.
//
//   traced graph -> prepare: params bound, library operators expanded, constants folded      (once per callable)
//   -> compile: extents fixed, the same passes, legalised, fused, memory planned             (once per set of extents)
//   -> each group lowered to loops, scheduled, math expanded, verified
//   -> each kernel found in the process, on disk, or compiled -> executable
#include "pipeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "build_executable.hpp"
#include "growth_check.hpp"
#include "named_passes.hpp"
#include "needed_copies.hpp"
#include "runtime/environment.hpp"

namespace tenon {
namespace {

using namespace ir;

constexpr listed_pass fast_math_pass = {"fast_math", 4, fast_math};
// ---- the graph passes, in order: name, the least opt_level that runs it, what it does
constexpr listed_pass graph_passes[] = {
    {"expand_library", 0, expand_library},
    {"mixed_precision", 0, mixed_precision},  // on request: the option of its name
    fast_math_pass,                           // the option of its name, too
    {"canonicalize", 1, canonicalize},
    {"move_views", 1, move_views},
    {"fold_constants", 2, fold_constants},
    {"fold_scale", 3, fold_scale},
    {"combine_parallel", 4, combine_parallel},
    {"fold_constants", 2, fold_constants},
};
// After the extents are fixed.
constexpr listed_pass target_passes[] = {
    {"legalize", 0, legalize},
    {"fold_constants", 2, fold_constants},
    fuse_pass,
    alias_pass,
    in_place_pass,
    control_kernels_pass,
    winograd_pass,
};
std::vector<listed_pass> all_passes() {
  std::vector<listed_pass> all(std::begin(graph_passes), std::end(graph_passes));
  all.insert(all.end(), std::begin(target_passes), std::end(target_passes));
  return all;
}

bool is_set(int level) { return level != unset_level; }

int level_of(const compile_options& o) {
  if (is_set(o.opt_level) && is_set(o.context.opt_level) && o.opt_level != o.context.opt_level)
    throw argument_error(
        fmt::format("options: opt_level is {} and the context's is {}", o.opt_level, o.context.opt_level));
  const int level = is_set(o.opt_level) ? o.opt_level : is_set(o.context.opt_level) ? o.context.opt_level : 3;
  if (level < 0 || level > 4) throw argument_error(fmt::format("options: opt_level {} is outside 0 to 4", level));
  return level;
}
// The option is the pass; a context that forbids it says otherwise.
pass_context context_of(const compile_options& o) {
  pass_context c = o.context;
  if (!o.fast_math) return c;
  const std::string name(fast_math_pass.name);
  if (std::ranges::find(c.disabled, name) != c.disabled.end())
    throw argument_error("options: fast_math is true and the context disables the pass of that name");
  c.required.push_back(name);
  return c;
}
void print_times(const stage_times& t, const compile_settings& s, std::string_view title) {
  if (!s.time) return;
  const std::string text = t.table(title);
  std::fwrite(text.data(), 1, text.size(), stderr);
}
}  // namespace

compile_settings::compile_settings(const compile_options& o)
    : target(codegen::parse_target(o.target.text())),
      passes(context_of(o), level_of(o), all_passes()),
      disk(o.cache ? runtime::disk_cache::from_environment() : runtime::disk_cache()),
      time(runtime::environment_flag("TENON_TIME", false)),
      fast_math(passes.enabled(fast_math_pass.name, fast_math_pass.level)) {}

graph prepare(const graph& g, const compile_settings& s) {
  stage_times times;
  graph r = s.passes.run(graph_passes, g, times);
  print_times(times, s, "time of the passes, once per callable");
  return r;
}

namespace {
// Extents fixed, and all that depends on them done.
graph prepare_for(const graph& prepared, std::span<const value_type> arguments, const compile_settings& s,
                  stage_times& times) {
  graph g = [&] {
    const timed t(times, "specialize");
    return specialize(prepared, arguments);
  }();
  g = s.passes.run(graph_passes, std::move(g), times);
  g = s.passes.run(target_passes, std::move(g), times);
  const timed t(times, "verify");
  verify(g);
  return g;
}

std::unique_ptr<const compiled_graph> build(graph g, const std::vector<const extent_t*>& strides,
                                            std::span<const int> updates, detail::growth_range range,
                                            const compile_settings& s, stage_times& times) {
  g = contiguous_for_bodies(g, strides);
  const std::size_t visible = g.outputs.size() - updates.size();
  g = separate_outputs(g, [&](std::size_t i) {
    return i >= visible && g.outputs[i] == g.inputs[static_cast<std::size_t>(updates[i - visible])];
  });
  auto made = build_executable(g, strides, updates, range, s, times);
  print_times(times, s,
              fmt::format("time of the stages; {} kernels, {} compiled", made->report.kernels.size(),
                          made->report.compilations));
  return made;
}
}  // namespace

std::unique_ptr<const compiled_graph> compile(const graph& prepared, std::span<const value_type> arguments,
                                              const std::vector<const extent_t*>& strides, std::span<const int> updates,
                                              const compile_settings& s) {
  stage_times times;
  graph g = prepare_for(prepared, arguments, s, times);
  refuse_growth(g);
  return build(std::move(g), strides, updates, {}, s, times);
}

std::unique_ptr<const compiled_graph> compile(const graph& prepared, std::span<const value_type> arguments,
                                              const std::vector<const extent_t*>& strides, std::span<const int> updates,
                                              detail::growth_range range, const compile_settings& s) {
  stage_times times;
  if (range.length() == 0) {  // one value: numbers do
    graph g = prepare_for(prepared, mapped(arguments, detail::at_most), s, times);
    refuse_growth(g);
    return build(std::move(g), strides, updates, range, s, times);
  }
  {
    const timed t(times, "specialize");
    const graph g = specialize(prepared, arguments);
    const extent_t all = range.length();
    for (const extent_t below : {extent_t{0}, extent_t{1}, all / 2, all - 1, all}) {
      if (below < 0 || below > all) continue;
      const auto f = [&](extent_t e) { return detail::at_call(e, below); };
      check_at(g, specialize(prepared, mapped(arguments, f)), f);
    }
  }
  graph g = prepare_for(prepared, arguments, s, times);
  // The same with one more at most: what depends on the bound itself shows.
  const auto more = [](extent_t e) { return e + detail::growth(e); };
  stage_times again;
  check_at(g, prepare_for(prepared, mapped(arguments, more), s, again), more);
  return build(std::move(g), strides, updates, range, s, times);
}

std::vector<computation> lower_all(const graph& prepared, std::span<const value_type> arguments,
                                   const compile_settings& s) {
  if (s.target.what == codegen::target_spec::kind::native)
    throw schedule_error("schedule: the native target runs operators as the C++ compiler compiled them: no loops");
  stage_times times;
  const graph g = separate_outputs(prepare_for(prepared, arguments, s, times), [](std::size_t) { return false; });
  refuse_growth(g);
  return lower_groups(g, s, times);
}

}  // namespace tenon
