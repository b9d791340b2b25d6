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
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "codegen/codegen.hpp"
#include "codegen/identity.hpp"
#include "compile_claims.hpp"
#include "graph/alias.hpp"
#include "graph/memory_plan.hpp"
#include "graph/native_call.hpp"
#include "loop/in_place.hpp"
#include "loop/lower.hpp"
#include "loop/passes.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"
#include "packed_constants.hpp"
#include "runtime/environment.hpp"
#include "runtime/thread_pool.hpp"
#include "schedule/split_reductions.hpp"
#include "step_list.hpp"
#include "tenon/ops/select_cast.hpp"

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
// No graph to graph functions, but with a level and a name that `disabled` and `required` take.
constexpr listed_pass fuse_pass = {"fuse", 1, nullptr};    // makes kernels of the graph: src/graph/fuse.cpp
constexpr listed_pass alias_pass = {"alias", 1, nullptr};  // copies that need no kernel: src/graph/alias.cpp
constexpr listed_pass in_place_pass = {"in_place", 1,
                                       nullptr};  // results over dying operands: src/graph/memory_plan.cpp
constexpr listed_pass winograd_pass = {"winograd", 3, nullptr};  // convolutions by transformed tiles: they round more
// After the extents are fixed.
constexpr listed_pass target_passes[] = {
    {"legalize", 0, legalize},
    {"fold_constants", 2, fold_constants},
    fuse_pass,
    alias_pass,
    in_place_pass,
    winograd_pass,
};
std::vector<listed_pass> all_passes() {
  std::vector<listed_pass> all(std::begin(graph_passes), std::end(graph_passes));
  all.insert(all.end(), std::begin(target_passes), std::end(target_passes));
  return all;
}

node_ref copied(const node_ref& x) {
  return make_node(detail::definition<ops::cast_op>(), std::make_shared<const cast_attrs>(cast_attrs{x->type.element}),
                   {x}, x->where);
}

// An output that is no buffer of its own (an argument, a constant, another output again) becomes a copy; not so what
// `stays` where its argument is.
graph separate_outputs(const graph& g, const std::function<bool(std::size_t output)>& stays) {
  graph r = g;
  std::unordered_set<const node*> taken;
  // From the last: what goes back into an argument is there, and needs its own memory first.
  for (std::size_t i = r.outputs.size(); i-- > 0;) {
    node_ref& o = r.outputs[i];
    const bool shared = o->op->kind == op_kind::leaf && !o->op->compute && !stays(i);
    if (shared || taken.contains(o.get())) o = copied(o);
    taken.insert(o.get());
  }
  return r;
}

// What bodies read, and what is updated, lies in memory without gaps.
graph contiguous_for_bodies(const graph& g, const std::vector<const extent_t*>& strides) {
  if (std::ranges::none_of(strides, [](const extent_t* s) { return s != nullptr; })) return g;
  return rewrite(g, [&](node_table&, const node_ref& n) -> node_ref {
    if (!has_bodies(*n) && !is_update(*n)) return {};
    std::vector<node_ref> operands = n->operands;
    for (node_ref& o : operands)
      for (std::size_t i = 0; i < g.inputs.size(); ++i)
        if (strides[i] && leaf_name(*o) == leaf_name(*g.inputs[i]) && o->op == &input_definition()) o = copied(o);
    return operands == n->operands ? node_ref() : make_node(*n->op, n->attrs, std::move(operands), n->where);
  });
}

// ---- kernels
class builder {
 public:
  builder(const graph& g, const std::vector<const extent_t*>& strides, detail::growth_range range,
          const compile_settings& s, stage_times& times)
      : graph_(g), range_(range), settings_(s), times_(times) {
    out_->range = range;
    out_->run.most = range.most;
    for (std::size_t i = 0; i < g.inputs.size(); ++i) {
      argument_[g.inputs[i].get()] = static_cast<std::uint32_t>(i);
      if (strides[i]) strides_[g.inputs[i].get()] = strides[i];
    }
    is_contiguous_ = [this](const node& n) { return !strides_.contains(&n); };
    of_input_ = [this](const node& n) -> const extent_t* {
      const auto it = strides_.find(&n);
      return it == strides_.end() ? nullptr : it->second;
    };
  }

  /// Every kernel's computation, its parameters forgotten.
  std::vector<computation> lower_all() {
    prepare_groups(true);
    std::vector<computation> all;
    for (const group& g : fusion_.groups) {
      if (is_empty(*g.root) || has_bodies(*g.root)) continue;
      all.push_back(lower_group(g, map_axes::each));
      all.back().parameters.clear();
    }
    return all;
  }

  /// `updates`: the arguments whose new values are the last outputs.
  std::unique_ptr<const compiled_graph> build(std::span<const int> updates) {
    make();
    write_back(updates);
    report_copies();
    out_->run.finish();
    return std::move(out_);
  }

 private:
  /// All steps; every output is a result.
  void make() {
    prepare_groups();
    {
      const timed t(times_, "memory plan");
      // A schedule of the user's own may compute a point twice; native kernels are not checked for it.
      const bool in_place = is_llvm() && enabled(in_place_pass) && !settings_.schedule;
      plan_ = plan_memory(graph_, fusion_, parts_, in_place ? is_contiguous_ : nullptr);
    }
    for (std::size_t i = 0; i < graph_.outputs.size(); ++i) {
      result_[fusion_.storage(graph_.outputs[i].get())] = static_cast<std::uint32_t>(i);
      out_->results.push_back(graph_.outputs[i]->type);
    }
    for (const node_ref& i : graph_.inputs) out_->arguments.push_back(i->type);
    out_->run.arguments = static_cast<int>(graph_.inputs.size());
    out_->run.results = static_cast<int>(graph_.outputs.size());
    if (is_llvm()) {
      llvm_steps();
    } else {
      for (const group& g : fusion_.groups) {
        first_kernel_.push_back(std::ssize(out_->run.steps) + 1);
        if (!has_bodies(*g.root))
          native_step(g);
        else if (!is_empty(*g.root))
          control_steps(*g.root);
      }
    }
    out_->run.workspace_bytes = workspace_bytes_();
    report_workspace();
    for (const runtime::constant& c : out_->run.constants) out_->report.constant_bytes += c.bytes;
  }
  void report_copies() {
    for (std::size_t at = 0; at < out_->run.steps.size(); ++at)
      if (const runtime::step& s = out_->run.steps[at]; is_copy(s)) {
        compile_report::kernel k{"copy", "", s.extent, s.nanoseconds, s.values[0], s.values[0]};
        k.step = at;
        out_->report.kernels.push_back(std::move(k));
      }
    std::ranges::sort(out_->report.kernels, {},
                      [](const compile_report::kernel& k) { return std::tie(k.step, k.name); });
  }
  // New values go into the arguments' own memory: at once where nobody reads the old value any more, else by a copy
  // behind everything.
  void write_back(std::span<const int> updates) {
    const int visible = out_->run.results - static_cast<int>(updates.size());
    std::vector<std::pair<runtime::slot, runtime::slot>> late;
    std::vector<value_type> types;
    for (std::size_t k = 0; k < updates.size(); ++k) {
      const auto result = static_cast<std::uint32_t>(visible) + static_cast<std::uint32_t>(k);
      const auto argument = static_cast<std::uint32_t>(updates[k]);
      const value_type &is = out_->arguments[argument], &made = out_->results[result];
      if (made != is)
        throw shape_error(fmt::format("call: {} is {}, its new value is {}; made at {}:{}",
                                      leaf_name(*graph_.inputs[argument]), to_string(is), to_string(made),
                                      graph_.outputs[result]->where.file(), graph_.outputs[result]->where.line()));
      runtime::slot to{runtime::slot::kind::argument, argument, 0};
      if (!may_share(out_->run, argument, result)) {
        const runtime::slot beside{runtime::slot::kind::workspace, 0, out_->run.workspace_bytes};
        types.push_back(graph_.outputs[result]->type);
        out_->run.workspace_bytes += (bytes_of(types.back()) + 63) / 64 * 64;
        late.emplace_back(beside, to);
        to = beside;
      }
      const auto placed = replace_result(out_->run, result, to);
      for (compile_report::kernel& r : out_->report.kernels) r.step = static_cast<std::size_t>(placed[r.step]);
    }
    for (std::size_t k = 0; k < late.size(); ++k) copy_value(late[k].first, late[k].second, types[k]);
    out_->run.results = visible;
    out_->results.resize(static_cast<std::size_t>(visible));
  }

  void prepare_groups(bool for_schedules = false) {
    {
      const timed t(times_, "fuse");
      // A schedule of the user's is for one result.
      fusion_ = fuse(graph_, {.enabled = is_llvm() && enabled(fuse_pass),
                              .several_results = !settings_.schedule && !for_schedules,
                              .contiguous = is_contiguous_});
      if (enabled(alias_pass)) parts_ = share_buffers(graph_, fusion_, is_contiguous_);
    }
    if (dumps().wants("graph", dump_words::when::after, "fuse"))
      dump_words::write("graph", dump_words::when::after, "fuse", to_string(graph_, fusion_));
    for (const node* n : post_order(graph_.outputs))
      if (n->op->kind == op_kind::projection) projections_[n->operands[0].get()].push_back(n);
  }
  bool is_llvm() const { return settings_.target.what == codegen::target_spec::kind::llvm; }
  std::int64_t workspace_bytes_() const { return plan_.bytes + spare_bytes_; }

  runtime::slot slot_of(const node* value) {
    using kind = runtime::slot::kind;
    const node* const stored = fusion_.storage(value);
    const std::int64_t at = parts_.offset(fusion_, value);
    if (const auto it = result_.find(stored); it != result_.end()) return {kind::result, it->second, at};
    if (const auto it = argument_.find(stored); it != argument_.end()) return {kind::argument, it->second, at};
    if (stored->op == &constant_definition()) return {kind::constant, constant_index(*stored), at};
    return {kind::workspace, 0, plan_.offset.at(stored) + at};
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
    const timed t(times_, "packing constants");
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
      s.push_back(spare(bytes_of(t)));
    }
    return s;
  }
  std::vector<const node*> result_nodes(const node& root) {
    std::vector<const node*> r(static_cast<std::size_t>(root.results()));
    if (const auto it = projections_.find(&root); it != projections_.end())
      for (const node* p : it->second) r[static_cast<std::size_t>(projected_index(*p))] = p;
    return r;
  }
  void report_workspace() {
    workspace_report& w = out_->report.workspace;
    w.bytes = plan_.bytes;
    w.peak = plan_.peak;
    w.between = spare_bytes_;
    w.kernels = std::ssize(out_->run.steps);
    for (const runtime::step& s : out_->run.steps) w.scratch = std::max(w.scratch, s.scratch);
    first_kernel_.push_back(w.kernels + 1);
    const auto said = [](const node& n) { return fmt::format("{} {}", n.op->name, to_string(n.type)); };
    for (const memory_block& b : plan_.blocks) {
      const auto first = static_cast<std::size_t>(b.life.first), last = static_cast<std::size_t>(b.life.last);
      std::vector<std::string> holds;
      for (const node* n : b.holds) holds.push_back(said(*n));
      w.blocks.push_back({b.offset, b.life.bytes, first_kernel_[first],
                          std::max(first_kernel_[first], first_kernel_[last + 1] - 1), std::move(holds)});
    }
    for (const node* n : parts_.values)
      w.parts.push_back(
          fmt::format("{} lies at byte {} of {}", said(*n), parts_.offset(fusion_, n), said(*fusion_.storage(n))));
  }
  // Where they depend on the call, at most.
  static std::int64_t bytes_of(const value_type& t) { return detail::count_at_most(t.shape) * size_of(t.element); }
  static std::int64_t bytes_of(const node& n) { return bytes_of(n.type); }
  // All of a value's bytes, into another buffer.
  void copy_value(const runtime::slot& from, const runtime::slot& to, const value_type& t) {
    if (is_empty(t)) return;
    step_list list(out_->run);
    const std::int64_t before = list.next();
    list.copy(from, to, bytes_of(t));
    if (!detail::grows(t.shape) || list.next() == before) return;
    const auto bytes = [&](extent_t below) { return detail::at_call(t.shape, below).count() * size_of(t.element); };
    const std::int64_t less = bytes(0) - bytes(1);
    if (bytes(0) - bytes(2) != 2 * less)
      throw not_for_all_values(fmt::format("the bytes of {} are no line", to_string(t)));
    out_->run.steps.back().growths = {less};
  }
  static std::int64_t bytes_of(const computation& c, const buffer& b) {
    std::int64_t bytes = size_of(b.type);
    for (expr_ref e : b.extents) bytes *= c.at_call(e);
    return bytes;
  }
  // What a kernel writes, and how much of that to the workspace.
  struct written {
    std::int64_t bytes = 0, to_workspace = 0;
    void add(std::int64_t n, const runtime::slot& s) {
      bytes += n;
      if (s.where == runtime::slot::kind::workspace) to_workspace += n;
    }
  };
  void report(const group& g, std::string name, std::string loops, const runtime::step& s, const written& w,
              scheduling::launch launch = {}) {
    compile_report::kernel k{std::move(name), std::move(loops), s.extent, s.nanoseconds, 0, w.bytes, w.to_workspace};
    k.calls = std::move(launch.calls);
    k.operations = launch.operations;
    k.step = out_->run.steps.size();
    for (const fusion_note& n : g.notes) k.fusion.push_back(to_string(n));
    for (const node* o : g.operands) k.bytes_read += bytes_of(*o);
    if (is_update(*g.root)) {  // its slice alone
      k.bytes_written = bytes_of(g.root->operand(1));
      k.bytes_read = k.bytes_written + bytes_of(g.root->operand(2));
    }
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
    for (const node_ref& o : g.root->operands) s.buffers.push_back(slot_of(o.get()));
    const std::vector<runtime::slot> results_at = result_slots(*g.root);
    if (is_update(*g.root)) s.buffers[0] = begin_update(*g.root, results_at[0]);
    for (const runtime::slot& r : results_at) s.buffers.push_back(r);
    s.kernel = std::move(code);
    written w;
    w.add(bytes_of(*g.root), s.buffers[g.root->operands.size()]);
    report(g, std::string(g.root->op->name), "", s, w);
    out_->run.steps.push_back(std::move(s));
  }

  // ---- control flow: the steps of bodies, with jumps
  // The result of an update begins as its first operand, where it is not in its memory anyway.
  runtime::slot begin_update(const node& n, const runtime::slot& result) {
    copy_value(slot_of(n.operands[0].get()), result, n.type);
    return result;
  }
  std::unique_ptr<compiled_graph> body_of(const graph& body, const std::function<bool(std::size_t)>& stays) {
    for (const node* n : post_order(body.outputs))
      if (!n->type.shape.is_static())
        throw shape_error(fmt::format("{}: {} inside of a body: its extents depend on data; at {}:{}", n->op->name,
                                      to_string(n->type), n->where.file(), n->where.line()));
    const graph g = separate_outputs(body, stays);
    builder b(g, std::vector<const extent_t*>(g.inputs.size()), range_, settings_, times_);
    b.is_body_ = true;
    b.make();
    compile_report &r = out_->report, &made = b.out_->report;
    r.compilations += made.compilations;
    r.memory_hits += made.memory_hits;
    r.disk_hits += made.disk_hits;
    return std::move(b.out_);
  }
  // The reports of a body's kernels, with the steps that they are now.
  void append(const compiled_graph& body, std::span<const runtime::slot> arguments,
              std::span<const runtime::slot> results, const runtime::slot& workspace, bool reported) {
    const auto placed = step_list(out_->run).append(body.run, arguments, results, workspace.offset);
    if (!reported) return;
    for (compile_report::kernel k : body.report.kernels) {
      k.step = static_cast<std::size_t>(placed[k.step]);
      out_->report.kernels.push_back(std::move(k));
    }
  }
  void control_steps(const node& n) {
    const std::vector<runtime::slot> results_at = result_slots(n);
    std::vector<runtime::slot> operands;
    for (const node_ref& o : n.operands) operands.push_back(slot_of(o.get()));
    n.op == &while_definition() ? loop_steps(n, results_at, operands) : branch_steps(n, results_at, operands);
  }
  void branch_steps(const node& n, const std::vector<runtime::slot>& results,
                    const std::vector<runtime::slot>& operands) {
    const auto none = [](std::size_t) { return false; };
    const auto yes = body_of(bodies_of(n)[0], none), no = body_of(bodies_of(n)[1], none);
    const runtime::slot workspace = spare(std::max(yes->run.workspace_bytes, no->run.workspace_bytes));
    const auto read = std::span(operands).subspan(1);
    step_list list(out_->run);
    const std::int64_t otherwise = list.jump_if_zero(operands[0]);
    append(*yes, read, results, workspace, true);
    const std::int64_t end = list.jump();
    list.land(otherwise);
    append(*no, read, results, workspace, true);
    list.land(end);
  }
  // A state that its body may write where it reads it has one buffer, its result's. The others have two, which the body
  // exchanges: it is there twice, once in each direction.
  void loop_steps(const node& n, const std::vector<runtime::slot>& results,
                  const std::vector<runtime::slot>& operands) {
    const graph &test = bodies_of(n)[0], &body = bodies_of(n)[1];
    const auto condition = body_of(test, [](std::size_t) { return false; });
    const auto step = body_of(body, [&](std::size_t i) { return body.outputs[i] == body.inputs[i]; });
    const runtime::slot workspace = spare(std::max(condition->run.workspace_bytes, step->run.workspace_bytes));
    const runtime::slot goes_on = spare(1);
    std::vector<runtime::slot> here = operands, there = operands;
    step_list list(out_->run);
    const std::size_t states = results.size();
    for (std::size_t i = 0; i < states; ++i) {
      const value_type& t = body.inputs[i]->type;
      here[i] = there[i] = results[i];
      const auto k = static_cast<std::uint32_t>(i);
      if (!may_share(step->run, k, k)) there[i] = spare(bytes_of(t));
      copy_value(operands[i], here[i], t);
    }
    const auto outputs_of = [&](const std::vector<runtime::slot>& v) { return std::span(v).first(states); };
    const bool exchanged = !std::ranges::equal(outputs_of(here), outputs_of(there));
    const std::int64_t again = list.next();
    append(*condition, here, std::span(&goes_on, 1), workspace, true);
    const std::int64_t done = list.jump_if_zero(goes_on);
    append(*step, here, outputs_of(there), workspace, true);
    if (!exchanged) {
      list.jump(again);
      return list.land(done);
    }
    append(*condition, there, std::span(&goes_on, 1), workspace, false);
    const std::int64_t odd = list.jump_if_zero(goes_on);
    append(*step, there, outputs_of(here), workspace, false);
    list.jump(again);
    list.land(odd);
    for (std::size_t i = 0; i < states; ++i) copy_value(there[i], here[i], body.inputs[i]->type);
    list.land(done);
  }

  // ---- llvm: loops, a schedule, a kernel
  // No element of any result: nothing runs, and the index arithmetic of extents of 0 is never made.
  static bool is_empty(const value_type& t) { return t.shape.count() == 0; }
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
    const timed t(times_, "lowering");
    computation c = lower(fusion_, g, of_input_, results, axes, range_);
    if (const auto x = plan_.in_place.find(g.root); x != plan_.in_place.end()) compute_in_place(c, *x->second);
    return c;
  }
  // The loops as the computation says them, before any schedule.
  std::string plain_loops(const group& g, const codegen::machine_summary& machine) {
    std::string s;
    group one = g;
    one.also.clear();
    const auto add = [&] {
      computation c = lower_group(one, map_axes::each);
      scheduling::schedule_recorded(c, machine.model, {}, "", machine.fma);
      s += to_string(c.kernel);
    };
    add();
    for (const group::output& o : g.also) {  // a nest has one result
      one.root = o.value;
      add();
    }
    return s;
  }
  // The user's schedule names the kernels of the graph itself.
  bool recorded() const { return settings_.schedule && !is_body_; }
  scheduling::launch schedule(computation& c, const codegen::machine_summary& machine) {
    const timed t(times_, "scheduling");
    if (!recorded()) return scheduling::schedule_default(c, machine.model);
    labels_.push_back(scheduling::label_of(c.kernel.name, labels_));
    return scheduling::schedule_recorded(c, machine.model, *settings_.schedule, labels_.back(), machine.fma);
  }
  // Most groups are one kernel; long reductions are kernels of their own before it.
  std::vector<computation> computations_of(const group& g, const scheduling::machine_model& m) {
    if (!recorded()) return scheduling::split_reductions([&] { return lower_group(g, map_axes::merged); }, m);
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
          temporaries.emplace(p.temporary, spare(bytes_of(c, b)));
        }
        slots.push_back(temporaries.at(p.temporary));
      } else if (b.written && !c.value) {  // of a program, which may have several
        slots.push_back(results_at[results++]);
      } else {
        slots.push_back(packing[i] ? packed_slot(*p.stored, *packing[i]) : slot_of(p.value));
      }
    }
    return slots;
  }
  void llvm_steps() {
    codegen::machine_summary machine = codegen::summarize(settings_.target.cpu);
    machine.model.winograd = enabled(winograd_pass);
    machine.model.threads = settings_.target.threads > 0 ? settings_.target.threads : runtime::default_threads();
    out_->report.cpu = settings_.target.cpu;
    const std::string suffix = machine.key + "|" + codegen::identity();
    std::vector<wanted> kernels;
    std::unordered_map<std::string, std::size_t> known;  // by structure
    for (const group& g : fusion_.groups) {
      first_kernel_.push_back(std::ssize(out_->run.steps) + 1);
      if (is_empty(*g.root)) continue;
      if (has_bodies(*g.root)) {
        control_steps(*g.root);
        continue;
      }
      if (dumps().wants("loop", dump_words::when::before, "schedule"))
        dump_words::write("loop", dump_words::when::before, "schedule", plain_loops(g, machine));
      const std::vector<runtime::slot> results_at = result_slots(*g.root);
      if (is_update(*g.root)) begin_update(*g.root, results_at[0]);
      std::unordered_map<int, runtime::slot> temporaries;
      for (computation& c : computations_of(g, machine.model)) {
        const scheduling::launch launch = schedule(c, machine);
        if (plan_.in_place.contains(g.root)) check_in_place(c.kernel, c.output);
        if (settings_.fast_math && machine.fma) contract_products(c.kernel);
        runtime::step s;
        s.buffers = buffers_of(c, launch, results_at, temporaries);
        s.values = c.symbol_values;
        if (c.grows()) s.growths = c.growths;
        s.trips = launch.trips;
        s.extent = launch.extent;
        s.nanoseconds = launch.nanoseconds;
        s.scratch = launch.scratch;
        // The key is the structure: the readable name is no part of it.
        const std::string name = std::exchange(c.kernel.name, "k");
        const std::string text = to_string(c.kernel);
        c.kernel.name = name;
        dump_loops(c.kernel, dump_words::when::after, "schedule");
        written w;
        for (std::size_t i = 0; i < c.parameters.size(); ++i)
          if (c.kernel.buffers[i].written) w.add(bytes_of(c, c.kernel.buffers[i]), s.buffers[i]);
        report(g, name, text, s, w, launch);
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
          compile_one(*missing[i], generator, machine, summary);
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
  }
  void compile_one(wanted& w, const codegen::generator& generator, const codegen::machine& machine,
                   const codegen::machine_summary& summary) {
    using when = dump_words::when;
    dump_loops(w.k, when::before, "expand_math");
    {
      const timed t(times_, "expand_math");
      expand_math(w.k, summary.fma);
      verify(w.k);
    }
    dump_loops(w.k, when::after, "expand_math");
    for (const when at : {when::before, when::after})
      if (dumps().wants("llvm", at, w.k.name))
        dump_words::write("llvm", at, w.k.name, generator.llvm_ir(w.k, machine, at == when::after));
    if (dumps().wants("asm", when::after, w.k.name))
      dump_words::write("asm", when::after, w.k.name, generator.assembly(w.k, machine));
    codegen::compile_times spent;
    const runtime::image image = generator.compile(w.k, machine, w.key, &spent);
    times_.add("llvm", spent.code);
    times_.add("linking", spent.linking);
    {
      const timed t(times_, "disk cache");
      settings_.disk.store(image);
    }
    const timed t(times_, "loading");
    w.code = runtime::load_image(image);
  }
  bool enabled(const listed_pass& p) const { return settings_.passes.enabled(p.name, p.level); }
  const dump_words& dumps() const { return settings_.passes.dumps(); }
  void dump_loops(const kernel& k, dump_words::when at, std::string_view pass) const {
    if (dumps().wants("loop", at, pass)) dump_words::write("loop", at, pass, to_string(k));
  }

  const graph& graph_;
  const detail::growth_range range_;
  const compile_settings& settings_;
  stage_times& times_;
  fusion fusion_;
  memory_plan plan_;
  std::int64_t spare_begin_ = 0, spare_bytes_ = 0;
  bool is_body_ = false;
  buffer_parts parts_;
  std::vector<std::int64_t> first_kernel_;  // of each group, from 1
  std::vector<node_ref> unused_;            // results that nobody reads still need a name in the kernel
  std::vector<std::string> labels_;         // of the kernels so far, for the user's schedule
  std::unordered_map<const node*, std::uint32_t> argument_, result_, constants_;
  std::unordered_map<const void*, std::uint32_t> packed_;
  std::unordered_map<const node*, const extent_t*> strides_;
  std::unordered_map<const node*, std::vector<const node*>> projections_;
  std::function<bool(const node&)> is_contiguous_;
  std::function<const extent_t*(const node&)> of_input_;
  std::unique_ptr<compiled_graph> out_ = std::make_unique<compiled_graph>();
};

bool is_set(int level) { return level != unset_level; }

}  // namespace

namespace {
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
}  // namespace

namespace {
// A number that looks like an extent that grows, where none does.
void refuse_growth(const graph& g) {
  for (const node* n : post_order(g.outputs))
    for (int i = 0; i < n->results(); ++i)
      if (const value_type& t = i == 0 ? n->type : n->more[static_cast<std::size_t>(i) - 1]; detail::grows(t.shape))
        throw shape_error(fmt::format("{}: {} is too large for memory; at {}:{}", n->op->name, to_string(t),
                                      n->where.file(), n->where.line()));
}

std::unique_ptr<const compiled_graph> build(graph g, const std::vector<const extent_t*>& strides,
                                            std::span<const int> updates, detail::growth_range range,
                                            const compile_settings& s, stage_times& times) {
  g = contiguous_for_bodies(g, strides);
  const std::size_t visible = g.outputs.size() - updates.size();
  g = separate_outputs(g, [&](std::size_t i) {
    return i >= visible && g.outputs[i] == g.inputs[static_cast<std::size_t>(updates[i - visible])];
  });
  auto made = builder(g, strides, range, s, times).build(updates);
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

namespace {
std::vector<value_type> mapped(std::span<const value_type> types, const std::function<extent_t(extent_t)>& f) {
  std::vector<value_type> r(types.begin(), types.end());
  for (value_type& t : r)
    for (int d = 0; d < t.shape.rank; ++d) t.shape[d] = f(t.shape[d]);
  return r;
}
// Refuses a graph in which something was decided by the value of the extent that grows: `other` is made for one value,
// which `f` puts in its place.
void check_at(const graph& g, const graph& other, const std::function<extent_t(extent_t)>& f) {
  const auto put = [](void* context, extent_t e) { return (*static_cast<decltype(&f)>(context))(e); };
  const auto same_attributes = [&](const node& a, const node& b) {
    if (has_bodies(a)) {
      const auto of_a = bodies_of(a), of_b = bodies_of(b);
      for (std::size_t i = 0; i < of_a.size() && i < of_b.size(); ++i) check_at(of_a[i], of_b[i], f);
      return of_a.size() == of_b.size();
    }
    void* const context = const_cast<std::function<extent_t(extent_t)>*>(&f);
    const attrs_ref bound = a.op->attrs->bind ? a.op->attrs->bind(a.attrs.get(), put, context) : nullptr;
    return a.op->attrs->equal(bound ? bound.get() : a.attrs.get(), b.attrs.get());
  };
  std::unordered_map<const node*, const node*> seen;
  std::vector<std::pair<const node*, const node*>> open;
  for (std::size_t i = 0; i < g.outputs.size(); ++i) open.emplace_back(g.outputs[i].get(), other.outputs[i].get());
  while (!open.empty()) {
    const auto [a, b] = open.back();
    open.pop_back();
    const auto [known, fresh] = seen.try_emplace(a, b);
    if (!fresh && known->second == b) continue;
    const bool same = a->op == b->op && a->operands.size() == b->operands.size() &&
                      mapped(std::span(&a->type, 1), f)[0] == b->type && mapped(a->more, f) == b->more &&
                      same_attributes(*a, *b);
    if (!fresh || !same)
      throw not_for_all_values(fmt::format("{} {} is not {} {} for another value; at {}:{}", a->op->name,
                                           to_string(a->type), b->op->name, to_string(b->type), a->where.file(),
                                           a->where.line()));
    for (std::size_t i = 0; i < a->operands.size(); ++i) open.emplace_back(a->operands[i].get(), b->operands[i].get());
  }
}
}  // namespace

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
  return builder(g, std::vector<const extent_t*>(g.inputs.size()), {}, s, times).lower_all();
}

}  // namespace tenon
