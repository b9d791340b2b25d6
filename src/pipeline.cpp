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
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "codegen/codegen.hpp"
#include "codegen/identity.hpp"
#include "compile_claims.hpp"
#include "graph/memory_plan.hpp"
#include "graph/native_call.hpp"
#include "loop/lower.hpp"
#include "loop/passes.hpp"
#include "ops/leaf.hpp"
#include "packed_constants.hpp"
#include "runtime/thread_pool.hpp"
#include "schedule/split_reductions.hpp"
#include "tenon/ops/select_cast.hpp"

namespace tenon {
namespace {

using namespace ir;

// ---- the graph passes, in order: name, the least opt_level that runs it, what it does
struct graph_pass {
  std::string_view name;
  int level;
  graph (*run)(const graph&);
};
constexpr graph_pass graph_passes[] = {
    {"expand_library", 0, expand_library},
    {"simplify", 1, simplify},
    {"fold_constants", 1, [](const graph& g) { return fold_constants(g); }},
};
// After the extents are fixed.
constexpr graph_pass target_passes[] = {
    {"legalize", 0, legalize},
    {"fold_constants", 1, [](const graph& g) { return fold_constants(g); }},
};
// Passes that are no graph to graph functions, but have a name that `disabled` and `required` take.
constexpr std::string_view other_passes[] = {"fuse", "winograd"};
constexpr int fuse_level = 1;
// Convolutions by transformed tiles are faster, but round more.
constexpr int winograd_level = 3;

bool is_known(std::string_view name) {
  for (const graph_pass& p : graph_passes)
    if (p.name == name) return true;
  for (const graph_pass& p : target_passes)
    if (p.name == name) return true;
  return std::ranges::find(other_passes, name) != std::end(other_passes);
}
bool enabled(const compile_settings& s, std::string_view name, int level) {
  if (std::ranges::find(s.context.disabled.v, name) != s.context.disabled.v.end()) return false;
  if (std::ranges::find(s.context.required.v, name) != s.context.required.v.end()) return true;
  return s.opt_level >= level;
}
// The words of `dump`: a stage, with ":after" or without (both print it after it was made).
constexpr std::string_view dump_stages[] = {"graph", "loop", "llvm", "asm"};
constexpr std::string_view after_suffix = ":after";
template <class F>
void for_each_dump_word(std::string_view list, F f) {
  if (list.empty()) return;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    f(list.substr(at, comma - at));
    at = comma + 1;
  }
}
std::string_view dump_stage(std::string_view word) {
  if (word.ends_with(after_suffix)) word.remove_suffix(after_suffix.size());
  return word;
}
bool dumps(const compile_settings& s, std::string_view stage) {
  bool found = false;
  for_each_dump_word(s.context.dump, [&](std::string_view word) { found = found || dump_stage(word) == stage; });
  return found;
}
void dump(const compile_settings& s, std::string_view stage, std::string_view after, const std::string& text) {
  if (dumps(s, stage))
    std::fprintf(stderr, "---- %.*s after %.*s\n%s", static_cast<int>(stage.size()), stage.data(),
                 static_cast<int>(after.size()), after.data(), text.c_str());
}

template <std::size_t N>
graph run(const graph_pass (&passes)[N], graph g, const compile_settings& s) {
  for (const graph_pass& p : passes) {
    if (!enabled(s, p.name, p.level)) continue;
    g = p.run(g);
#ifndef NDEBUG
    verify(g);
#endif
    if (dumps(s, "graph")) dump(s, "graph", p.name, to_string(g));
  }
  return g;
}

// An output that is no buffer of its own (an argument, a constant, another output again) becomes a copy.
graph separate_outputs(const graph& g) {
  graph r = g;
  std::vector<const node*> taken;
  for (node_ref& o : r.outputs) {
    const bool shared = o->op->kind == op_kind::leaf && !o->op->compute;
    if (shared || std::ranges::find(taken, o.get()) != taken.end())
      o = make_node(detail::definition<ops::cast_op>(), std::make_shared<const cast_attrs>(cast_attrs{o->type.element}),
                    {o}, o->where);
    taken.push_back(o.get());
  }
  return r;
}

// ---- kernels
class builder {
 public:
  builder(const graph& g, const std::vector<const extent_t*>& strides, const compile_settings& s)
      : graph_(g), settings_(s) {
    for (std::size_t i = 0; i < g.inputs.size(); ++i) {
      argument_[g.inputs[i].get()] = static_cast<std::uint32_t>(i);
      if (strides[i]) strides_[g.inputs[i].get()] = strides[i];
    }
    of_input_ = [this](const node& n) -> const extent_t* {
      const auto it = strides_.find(&n);
      return it == strides_.end() ? nullptr : it->second;
    };
  }

  /// Every kernel's computation, its parameters forgotten.
  std::vector<computation> lower_all() {
    prepare_groups();
    std::vector<computation> all;
    for (const group& g : fusion_.groups) {
      if (is_empty(*g.root)) continue;
      all.push_back(lower_group(g, map_axes::each));
      all.back().parameters.clear();
    }
    return all;
  }

  std::unique_ptr<const compiled_graph> build() {
    prepare_groups();
    plan_ = plan_memory(graph_, fusion_);
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      result_[fusion_.storage(graph_.outputs[i].get())] = static_cast<std::uint32_t>(i);
      out_->results.push_back(graph_.outputs[i]->type);
    }
    for (const node_ref& i : graph_.inputs) out_->arguments.push_back(i->type);
    out_->run.arguments = static_cast<int>(graph_.inputs.size());
    out_->run.results = static_cast<int>(graph_.outputs.size());
    if (settings_.target.what == codegen::target_spec::kind::native)
      for (const group& g : fusion_.groups) native_step(g);
    else
      llvm_steps();
    out_->run.workspace_bytes = workspace_bytes_();
    for (const runtime::constant& c : out_->run.constants) out_->report.constant_bytes += c.bytes;
    out_->run.finish();
    return std::move(out_);
  }

 private:
  void prepare_groups() {
    const bool fusing =
        settings_.target.what == codegen::target_spec::kind::llvm && enabled(settings_, "fuse", fuse_level);
    fusion_ = fuse(graph_, fusing, [this](const node& n) { return !strides_.contains(&n); });
    for (const node* n : post_order(graph_.outputs))
      if (n->op->kind == op_kind::projection) projections_[n->operands[0].get()].push_back(n);
  }
  std::int64_t workspace_bytes_() const { return plan_.bytes + spare_bytes_; }

  runtime::slot slot_of(const node* stored) {
    using kind = runtime::slot::kind;
    if (const auto it = result_.find(stored); it != result_.end()) return {kind::result, it->second, 0};
    if (const auto it = argument_.find(stored); it != argument_.end()) return {kind::argument, it->second, 0};
    if (stored->op == &constant_definition()) return {kind::constant, constant_index(*stored), 0};
    return {kind::workspace, 0, plan_.offset.at(stored)};
  }
  std::uint32_t constant_index(const node& n) {
    const auto [it, fresh] = constants_.try_emplace(&n, static_cast<std::uint32_t>(out_->run.constants.size()));
    if (fresh) {
      const constant_value& v = constant_of(n);
      out_->run.constants.push_back({v.shared(), v.data(), static_cast<std::int64_t>(v.bytes())});
    }
    return it->second;
  }
  // A constant in the layout of its kernel; the executable does not hold the original for it.
  runtime::slot packed_slot(const node& n, const scheduling::constant_packing& how) {
    const runtime::constant c = packed(constant_of(n), how);
    const auto [it, fresh] = packed_.try_emplace(c.data, static_cast<std::uint32_t>(out_->run.constants.size()));
    if (fresh) out_->run.constants.push_back(c);
    return {runtime::slot::kind::constant, it->second, 0};
  }
  // Space behind the plan's, for what only the kernels of one group use: those of the next group have it again.
  runtime::slot spare(std::int64_t bytes) {
    const runtime::slot s{runtime::slot::kind::workspace, 0, plan_.bytes + spare_begin_};
    spare_begin_ += (bytes + 63) / 64 * 64;
    spare_bytes_ = std::max(spare_bytes_, spare_begin_);
    return s;
  }
  // One slot for each result of a root with several; what nobody reads goes to space of its own.
  std::vector<runtime::slot> result_slots(const node& root) {
    spare_begin_ = 0;
    if (root.more.empty()) return {slot_of(&root)};
    std::vector<runtime::slot> s;
    for (const node* p : result_nodes(root)) {
      if (p) {
        s.push_back(slot_of(p));
        continue;
      }
      const std::size_t i = s.size();
      const value_type& t = i == 0 ? root.type : root.more[i - 1];
      s.push_back(spare(t.shape.count() * size_of(t.element)));
    }
    return s;
  }
  std::vector<const node*> result_nodes(const node& root) {
    std::vector<const node*> r(static_cast<std::size_t>(root.results()));
    if (const auto it = projections_.find(&root); it != projections_.end())
      for (const node* p : it->second) r[static_cast<std::size_t>(projected_index(*p))] = p;
    return r;
  }
  static std::int64_t bytes_of(const node& n) { return n.type.shape.count() * size_of(n.type.element); }
  void report(const group& g, std::string name, std::string loops, const runtime::step& s) {
    compile_report::kernel k{std::move(name), std::move(loops), s.extent, s.nanoseconds, 0, bytes_of(*g.root)};
    for (const node* o : g.operands) k.bytes_read += bytes_of(*o);
    out_->report.kernels.push_back(std::move(k));
  }

  // ---- native: the operator as the C++ compiler compiled it
  struct native_code : runtime::code {
    native_plan plan;
  };
  void native_step(const group& g) {
    auto code = std::make_shared<native_code>();
    code->plan = plan_native(*g.root, [this](const node& n) { return of_input_(n); });
    code->name = g.root->op->name;
    code->entry = [](const runtime::kernel_call* c) -> std::int32_t {
      (*static_cast<const native_plan*>(c->context))(c->buffers);
      return 0;
    };
    code->context = &code->plan;
    runtime::step s;
    for (const node_ref& o : g.root->operands) s.buffers.push_back(slot_of(fusion_.storage(o.get())));
    for (const runtime::slot& r : result_slots(*g.root)) s.buffers.push_back(r);
    s.kernel = std::move(code);
    report(g, std::string(g.root->op->name), "", s);
    out_->run.steps.push_back(std::move(s));
  }

  // ---- llvm: loops, a schedule, a kernel
  // No element of any result: nothing runs, and the index arithmetic of extents of 0 is never made.
  static bool is_empty(const node& root) {
    return root.type.shape.count() == 0 &&
           std::ranges::all_of(root.more, [](const value_type& t) { return t.shape.count() == 0; });
  }
  struct wanted {
    kernel k;
    detail::hash128 key;
    std::vector<std::size_t> steps;
    std::shared_ptr<const runtime::code> code;
  };
  computation lower_group(const group& g, map_axes axes) {
    std::vector<const node*> results = result_nodes(*g.root);
    for (std::size_t i = 0; i < results.size() && !g.root->more.empty(); ++i)
      if (!results[i])
        results[i] = unused_.emplace_back(make_result(node_ref(g.root), static_cast<int>(i), g.root->where)).get();
    return lower(fusion_, g, of_input_, results, axes);
  }
  scheduling::launch schedule(computation& c, const codegen::machine_summary& machine) {
    if (!settings_.schedule) return scheduling::schedule_default(c, machine.model);
    labels_.push_back(scheduling::label_of(c.kernel.name, labels_));
    return scheduling::schedule_recorded(c, machine.model, *settings_.schedule, labels_.back(), machine.fma);
  }
  // Most groups are one kernel; long reductions are kernels of their own before it.
  std::vector<computation> computations_of(const group& g, const scheduling::machine_model& m) {
    if (!settings_.schedule) return scheduling::split_reductions([&] { return lower_group(g, map_axes::merged); }, m);
    std::vector<computation> one;
    one.push_back(lower_group(g, map_axes::each));
    return one;
  }
  std::vector<runtime::slot> buffers_of(const computation& c, const scheduling::launch& l,
                                        const std::vector<runtime::slot>& results_at,
                                        std::unordered_map<int, runtime::slot>& temporaries) {
    std::vector<const scheduling::constant_packing*> packing(c.parameters.size());
    for (const scheduling::constant_packing& p : l.packed) packing[p.parameter] = &p;
    std::vector<runtime::slot> slots;
    std::size_t results = 0;
    for (std::size_t i = 0; i < c.parameters.size(); ++i) {
      const computation::parameter& p = c.parameters[i];
      const buffer& b = c.kernel.buffers[i];
      if (!p.stored) {
        if (!temporaries.contains(p.temporary)) {
          std::int64_t bytes = size_of(b.type);
          for (expr_ref e : b.extents) bytes *= c.at_call(e);
          temporaries.emplace(p.temporary, spare(bytes));
        }
        slots.push_back(temporaries.at(p.temporary));
      } else if (b.written) {
        slots.push_back(results_at[results++]);
      } else {
        slots.push_back(packing[i] ? packed_slot(*p.stored, *packing[i]) : slot_of(p.stored));
      }
    }
    return slots;
  }
  void llvm_steps() {
    codegen::machine_summary machine = codegen::summarize(settings_.target.cpu);
    machine.model.winograd = enabled(settings_, "winograd", winograd_level);
    machine.model.threads = settings_.target.threads > 0 ? settings_.target.threads : runtime::default_threads();
    const std::string suffix = machine.key + "|" + codegen::identity();
    std::vector<wanted> kernels;
    std::unordered_map<std::string, std::size_t> known;  // by structure
    for (const group& g : fusion_.groups) {
      if (is_empty(*g.root)) continue;
      const std::vector<runtime::slot> results_at = result_slots(*g.root);
      std::unordered_map<int, runtime::slot> temporaries;
      for (computation& c : computations_of(g, machine.model)) {
        const scheduling::launch launch = schedule(c, machine);
        runtime::step s;
        s.buffers = buffers_of(c, launch, results_at, temporaries);
        s.values = c.symbol_values;
        s.extent = launch.extent;
        s.nanoseconds = launch.nanoseconds;
        s.scratch = launch.scratch;
        // The key is the structure: the readable name is no part of it.
        const std::string name = std::exchange(c.kernel.name, "k");
        const std::string text = to_string(c.kernel);
        c.kernel.name = name;
        dump(settings_, "loop", "schedule", to_string(c.kernel));
        report(g, name, text, s);
        const auto [it, fresh] = known.try_emplace(text, kernels.size());
        if (fresh) kernels.push_back({std::move(c.kernel), detail::hash_text(text + suffix), {}, nullptr});
        kernels[it->second].steps.push_back(out_->run.steps.size());
        out_->run.steps.push_back(std::move(s));
      }
    }
    obtain(kernels, machine);
    for (wanted& w : kernels)
      for (std::size_t s : w.steps) out_->run.steps[s].kernel = w.code;
  }

  bool find_loaded(wanted& w) {
    if (!(w.code = runtime::find_loaded(w.key))) return false;
    ++out_->report.memory_hits;
    return true;
  }
  // From the process, from disk, else compiled. What another thread compiles now is waited for, when all of our own is
  // done.
  void obtain(std::vector<wanted>& kernels, const codegen::machine_summary& summary) {
    std::vector<wanted*> open;
    for (wanted& w : kernels) open.push_back(&w);
    while (!open.empty()) {
      compile_claims claims;
      std::vector<wanted*> missing, others;
      for (wanted* w : open) {
        if (find_loaded(*w)) continue;
        if (!claims.take(w->key)) {
          others.push_back(w);
        } else if (find_loaded(*w)) {  // done between the look and the claim
        } else if (auto image = settings_.disk.find(w->key)) {
          w->code = runtime::load_image(*image);
          ++out_->report.disk_hits;
        } else {
          missing.push_back(w);
        }
      }
      if (!missing.empty()) compile_all(missing, summary);
      claims.release();
      for (const wanted* w : others) compile_claims::wait(w->key);
      open = std::move(others);
    }
  }

  // In parallel.
  void compile_all(const std::vector<wanted*>& missing, const codegen::machine_summary& summary) {
    const codegen::generator& generator = codegen::llvm();
    const codegen::machine machine = generator.resolve(settings_.target.cpu);
    std::mutex failure_mutex;
    std::exception_ptr failure;
    std::atomic<std::size_t> next{0};
    auto work = [&] {
      for (std::size_t i; (i = next.fetch_add(1)) < missing.size();) try {
          wanted& w = *missing[i];
          expand_math(w.k, summary.fma);
          verify(w.k);
          const runtime::image image = generator.compile(w.k, machine, w.key);
          settings_.disk.store(image);
          w.code = runtime::load_image(image);
        } catch (...) {
          const std::lock_guard lock(failure_mutex);
          failure = std::current_exception();
        }
    };
    const std::size_t helpers =
        std::min<std::size_t>(missing.size(), std::max(1u, std::thread::hardware_concurrency())) - 1;
    std::vector<std::thread> threads;
    try {
      for (std::size_t i = 0; i < helpers; ++i) threads.emplace_back(work);
    } catch (const std::system_error&) {  // no more threads to be had: those that there are do it
    }
    work();
    for (std::thread& t : threads) t.join();
    if (failure) std::rethrow_exception(failure);
    out_->report.compilations += static_cast<std::int64_t>(missing.size());
    for (const wanted* w : missing) {
      if (dumps(settings_, "llvm")) dump(settings_, "llvm", w->k.name, generator.llvm_ir(w->k, machine, true));
      if (dumps(settings_, "asm")) dump(settings_, "asm", w->k.name, generator.assembly(w->k, machine));
    }
  }

  const graph& graph_;
  const compile_settings& settings_;
  fusion fusion_;
  memory_plan plan_;
  std::int64_t spare_begin_ = 0, spare_bytes_ = 0;
  std::vector<node_ref> unused_;     // results that nobody reads still need a name in the kernel
  std::vector<std::string> labels_;  // of the kernels so far, for the user's schedule
  std::unordered_map<const node*, std::uint32_t> argument_, result_, constants_;
  std::unordered_map<const void*, std::uint32_t> packed_;
  std::unordered_map<const node*, const extent_t*> strides_;
  std::unordered_map<const node*, std::vector<const node*>> projections_;
  std::function<const extent_t*(const node&)> of_input_;
  std::unique_ptr<compiled_graph> out_ = std::make_unique<compiled_graph>();
};

bool is_set(int level) { return level != unset_level; }

}  // namespace

compile_settings::compile_settings(const compile_options& o)
    : target(codegen::parse_target(o.target.text())),
      opt_level(is_set(o.opt_level)           ? o.opt_level
                : is_set(o.context.opt_level) ? o.context.opt_level
                                              : 3),
      context(o.context),
      disk(o.cache ? runtime::disk_cache::from_environment() : runtime::disk_cache()) {
  if (is_set(o.opt_level) && is_set(o.context.opt_level) && o.opt_level != o.context.opt_level)
    throw argument_error(
        fmt::format("options: opt_level is {} and the context's is {}", o.opt_level, o.context.opt_level));
  if (opt_level < 0 || opt_level > 4)
    throw argument_error(fmt::format("options: opt_level {} is outside 0 to 4", opt_level));
  auto check = [](const pass_names& passes, std::string_view list) {
    for (const std::string& n : passes.v)
      if (!is_known(n))
        throw argument_error(
            fmt::format("options: {} names no pass: '{}'; known: expand_library, simplify, fold_constants, "
                        "legalize, fuse, winograd",
                        list, n));
  };
  check(context.disabled, "disabled");
  check(context.required, "required");
  for_each_dump_word(context.dump, [&](std::string_view word) {
    if (std::ranges::find(dump_stages, dump_stage(word)) == std::end(dump_stages))
      throw argument_error(
          fmt::format("options: dump '{}': '{}' names no stage; known: graph, loop, llvm, asm, each also "
                      "with :after",
                      context.dump, word));
  });
}

graph prepare(const graph& g, const compile_settings& s) { return run(graph_passes, g, s); }

namespace {
// Extents fixed, and all that depends on them done.
graph prepare_for(const graph& prepared, std::span<const value_type> arguments, const compile_settings& s) {
  graph g = specialize(prepared, arguments);
  g = run(graph_passes, std::move(g), s);
  g = run(target_passes, std::move(g), s);
  g = separate_outputs(g);
  verify(g);
  return g;
}
}  // namespace

std::unique_ptr<const compiled_graph> compile(const graph& prepared, std::span<const value_type> arguments,
                                              const std::vector<const extent_t*>& strides, const compile_settings& s) {
  const graph g = prepare_for(prepared, arguments, s);
  return builder(g, strides, s).build();
}

std::vector<computation> lower_all(const graph& prepared, std::span<const value_type> arguments,
                                   const compile_settings& s) {
  if (s.target.what == codegen::target_spec::kind::native)
    throw schedule_error("schedule: the native target runs operators as the C++ compiler compiled them: no loops");
  const graph g = prepare_for(prepared, arguments, s);
  return builder(g, std::vector<const extent_t*>(g.inputs.size()), s).lower_all();
}

}  // namespace tenon
