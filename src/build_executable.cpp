#include "build_executable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "codegen/codegen.hpp"
#include "codegen/identity.hpp"
#include "control_kernel.hpp"
#include "graph/alias.hpp"
#include "graph/memory_plan.hpp"
#include "graph/native_call.hpp"
#include "loop/in_place.hpp"
#include "loop/lower.hpp"
#include "loop/passes.hpp"
#include "named_passes.hpp"
#include "needed_copies.hpp"
#include "obtain_kernels.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"
#include "packed_constants.hpp"
#include "runtime/thread_pool.hpp"
#include "schedule/split_reductions.hpp"
#include "step_list.hpp"

namespace tenon {
namespace {

using namespace ir;

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
    if (joins()) branch_kernels();
    report_copies();
    obtain_code();
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
      move_reports(replace_result(out_->run, result, to));
    }
    for (std::size_t k = 0; k < late.size(); ++k) copy_value(late[k].first, late[k].second, types[k]);
    out_->run.results = visible;
    out_->results.resize(static_cast<std::size_t>(visible));
  }

  void prepare_groups(bool for_schedules = false) {
    {
      const timed t(times_, "fuse");
      // A schedule of the user's is for one result.
      const bool own_schedules = !settings_.schedule && !for_schedules;
      fusion_options options{
          .enabled = is_llvm() && enabled(fuse_pass), .several_results = own_schedules, .contiguous = is_contiguous_};
      if (options.enabled && own_schedules)
        options.as_strips = [this](const fusion& f, const group& g) {
          const std::string_view wanted = settings_.passes.settings().word(pass_option::fuse_strips);
          if (wanted == "never") return strips::impossible;
          const strips made =
              scheduling::windows_in_strips(lower(f, g, of_input_, {}, map_axes::merged, range_), machine().model);
          return made == strips::costly && wanted == "possible" ? strips::good : made;
        };
      fusion_ = fuse(graph_, options);
      if (enabled(alias_pass)) parts_ = share_buffers(graph_, fusion_, is_contiguous_);
    }
    if (dumps().wants("graph", dump_words::when::after, "fuse"))
      dump_words::write("graph", dump_words::when::after, "fuse", to_string(graph_, fusion_));
    for (const node* n : post_order(graph_.outputs))
      if (n->op->kind == op_kind::projection) projections_[n->operands[0].get()].push_back(n);
  }
  // As long as a few instructions copy it.
  static constexpr std::int64_t most_copied_bytes = 256;
  const codegen::machine_summary& machine() {
    if (machine_) return *machine_;
    machine_ = codegen::summarize(settings_.target.cpu);
    machine_->model.winograd = enabled(winograd_pass);
    machine_->model.threads = settings_.target.threads > 0 ? settings_.target.threads : runtime::default_threads();
    return *machine_;
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
    for (const compile_report::control_note& note : b.out_->report.control)  // those of branches come with its steps
      if (note.branch < 0) out_->report.control.push_back(note);
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
    for (compile_report::control_note note : body.report.control)
      if (note.branch >= 0) {
        note.branch = placed[static_cast<std::size_t>(note.branch)];
        out_->report.control.push_back(std::move(note));
      }
  }
  void move_reports(const std::vector<std::int64_t>& placed) {
    for (compile_report::kernel& k : out_->report.kernels) k.step = static_cast<std::size_t>(placed[k.step]);
    for (compile_report::control_note& n : out_->report.control)
      if (n.branch >= 0) n.branch = placed[static_cast<std::size_t>(n.branch)];
  }
  void control_steps(const node& n) {
    const std::vector<runtime::slot> results_at = result_slots(n);
    own_from_ = plan_.bytes + spare_begin_;
    std::vector<runtime::slot> operands;
    for (const node_ref& o : n.operands) operands.push_back(slot_of(o.get()));
    n.op == &while_definition() ? loop_steps(n, results_at, operands) : branch_steps(n, results_at, operands);
  }
  // The steps of a body that are not among the steps: for a kernel of the whole region.
  std::vector<runtime::step> steps_of(const compiled_graph& body, std::span<const runtime::slot> arguments,
                                      std::span<const runtime::slot> results, const runtime::slot& workspace) {
    step_list list(out_->run);
    const std::int64_t first = list.next();
    list.append(body.run, arguments, results, workspace.offset);
    return join_branches(list.take_from(first)).steps;
  }
  static std::string place_of(const node& n) {
    return fmt::format("{} at {}:{} ", n.op->name, n.where.file(), n.where.line());
  }
  // What the kernel at step `step`, made of these, is reported as.
  compile_report::kernel joined_report(const std::vector<compile_report::kernel>& parts, std::size_t step) const {
    const runtime::step& s = out_->run.steps[step];
    const loops_code& l = *loops_of(s);
    dump_loops(*l.loops, dump_words::when::after, control_kernels_pass.name);
    compile_report::kernel k{l.name, l.text, 1, s.nanoseconds, 0, 0};
    for (const compile_report::kernel& part : parts) {
      k.bytes_read += part.bytes_read;
      k.bytes_written += part.bytes_written;
      k.operations += part.operations;
    }
    k.fusion.push_back("it " + is_one_kernel(s));
    k.step = step;
    return k;
  }
  static std::string is_one_kernel(const runtime::step& s) {
    return fmt::format("is one kernel of {} nests", loops_of(s)->nests);
  }
  // Branches that are not in a kernel yet.
  void branch_kernels() {
    const auto is_branch = [](const compile_report::control_note& n) { return n.branch >= 0; };
    if (std::ranges::none_of(out_->report.control, is_branch)) return;
    const joined_branches made = join_branches(out_->run.steps);
    out_->run.steps = made.steps;
    std::vector<compile_report::kernel>& reports = out_->report.kernels;
    std::vector<compile_report::control_note> notes;
    for (compile_report::control_note& n : out_->report.control) {
      const auto at = std::ranges::find(made.branches, n.branch, &joined_branches::branch::first);
      if (is_branch(n) && at == made.branches.end()) continue;  // in one that is joined
      if (is_branch(n)) {
        const auto now = static_cast<std::size_t>(made.placed[static_cast<std::size_t>(n.branch)]);
        n.text +=
            at->stays_steps.empty() ? is_one_kernel(out_->run.steps[now]) : "is steps with jumps: " + at->stays_steps;
      }
      notes.push_back(std::move(n));
    }
    out_->report.control = std::move(notes);
    std::vector<compile_report::kernel> joined;
    for (const joined_branches::branch& b : made.branches) {
      if (!b.stays_steps.empty()) continue;
      const auto inside = [&](const compile_report::kernel& k) {
        const auto step = static_cast<std::int64_t>(k.step);
        return step >= b.first && step < b.end;
      };
      std::vector<compile_report::kernel> parts;
      std::ranges::copy_if(reports, std::back_inserter(parts), inside);
      std::erase_if(reports, inside);
      if (parts.empty()) continue;  // there a second time
      joined.push_back(joined_report(parts, static_cast<std::size_t>(made.placed[static_cast<std::size_t>(b.first)])));
    }
    move_reports(made.placed);
    std::ranges::move(joined, std::back_inserter(reports));
  }
  void branch_steps(const node& n, const std::vector<runtime::slot>& results,
                    const std::vector<runtime::slot>& operands) {
    const auto none = [](std::size_t) { return false; };
    const auto yes = body_of(bodies_of(n)[0], none), no = body_of(bodies_of(n)[1], none);
    const runtime::slot workspace = spare(std::max(yes->run.workspace_bytes, no->run.workspace_bytes));
    const auto read = std::span(operands).subspan(1);
    if (joins()) out_->report.control.push_back({place_of(n), std::ssize(out_->run.steps)});
    step_list list(out_->run);
    const std::int64_t otherwise = list.jump_if_zero(operands[0]);
    append(*yes, read, results, workspace, true);
    const std::int64_t end = list.jump();
    list.land(otherwise);
    append(*no, read, results, workspace, true);
    list.land(end);
  }
  static void append_to(std::vector<runtime::step>& list, std::vector<runtime::step> more) {
    std::ranges::move(more, std::back_inserter(list));
  }
  // Of the states that have two buffers.
  std::int64_t exchanged_bytes(const graph& body, std::span<const runtime::slot> here,
                               std::span<const runtime::slot> there) const {
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < here.size(); ++i)
      if (here[i] != there[i]) bytes += bytes_of(body.inputs[i]->type);
    return bytes;
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
    if (joins()) {
      const auto goes = [&](const auto& from) { return steps_of(*condition, from, std::span(&goes_on, 1), workspace); };
      const auto turn = [&](const auto& from, const auto& to) {
        return steps_of(*step, from, outputs_of(to), workspace);
      };
      control_region region{.repeats = true, .condition = goes_on, .first = goes(here), .own_from = own_from_};
      region.second = turn(here, there);
      const std::int64_t first = list.next();
      for (std::size_t i = 0; i < states; ++i) copy_value(there[i], here[i], body.inputs[i]->type);
      std::vector<runtime::step> back = list.take_from(first);
      // What is little is copied back after each turn; else every second turn makes it where it was:
      //   while (goes_on(here)) { there = turn(here); if (goes_on(there)) here = turn(there); else here = there; }
      if (exchanged_bytes(body, results, there) > most_copied_bytes && region.stays_steps().empty()) {
        const control_region again{
            .repeats = false, .condition = goes_on, .first = turn(there, here), .second = back, .own_from = INT64_MAX};
        append_to(region.second, goes(there));
        back = {again.joined()};
      }
      append_to(region.second, std::move(back));
      const std::string why = region.stays_steps();
      if (why.empty()) {
        out_->run.steps.push_back(region.joined());
        std::vector<compile_report::kernel> parts = condition->report.kernels;
        std::ranges::copy(step->report.kernels, std::back_inserter(parts));
        out_->report.kernels.push_back(joined_report(parts, out_->run.steps.size() - 1));
        out_->report.control.push_back({place_of(n) + is_one_kernel(out_->run.steps.back())});
        return;
      }
      out_->report.control.push_back({place_of(n) + "is steps with jumps: " + why});
    }
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
    const codegen::machine_summary& machine = this->machine();
    out_->report.cpu = settings_.target.cpu;
    std::unordered_map<std::string, std::shared_ptr<loops_code>> known;  // by structure
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
        dump_loops(c.kernel, dump_words::when::after, "schedule");
        written w;
        for (std::size_t i = 0; i < c.parameters.size(); ++i)
          if (c.kernel.buffers[i].written) w.add(bytes_of(c, c.kernel.buffers[i]), s.buffers[i]);
        const std::string name = c.kernel.name;
        auto code = std::make_shared<loops_code>(std::move(c.kernel));
        code = known.try_emplace(code->text, code).first->second;
        s.kernel = code;
        report(g, name, code->text, s, w, launch);
        out_->run.steps.push_back(std::move(s));
      }
    }
  }
  // The kernels of all steps, those of bodies among them.
  void obtain_code() {
    if (!is_llvm()) return;
    const codegen::machine_summary& machine = this->machine();
    const std::string suffix = machine.key + "|" + codegen::identity();
    std::vector<wanted_kernel> kernels;
    std::unordered_map<std::string, std::size_t> known;  // by structure
    for (std::size_t at = 0; at < out_->run.steps.size(); ++at) {
      const loops_code* l = loops_of(out_->run.steps[at]);
      if (!l) continue;
      const auto [it, fresh] = known.try_emplace(l->text, kernels.size());
      if (fresh) kernels.push_back({std::move(*l->loops), detail::hash_text(l->text + suffix), {}, nullptr});
      kernels[it->second].steps.push_back(at);
    }
    obtain(kernels, settings_, out_->report, times_);
    for (wanted_kernel& w : kernels)
      for (std::size_t s : w.steps) out_->run.steps[s].kernel = w.code;
  }
  // Whether loops and branches of small kernels become kernels.
  bool joins() const { return is_llvm() && enabled(control_kernels_pass); }
  bool enabled(const listed_pass& p) const { return settings_.passes.enabled(p.name, p.level); }
  const dump_words& dumps() const { return settings_.passes.dumps(); }
  void dump_loops(const kernel& k, dump_words::when at, std::string_view pass) const {
    if (dumps().wants("loop", at, pass)) dump_words::write("loop", at, pass, to_string(k));
  }

  const graph& graph_;
  const detail::growth_range range_;
  const compile_settings& settings_;
  stage_times& times_;
  std::optional<codegen::machine_summary> machine_;
  fusion fusion_;
  memory_plan plan_;
  std::int64_t spare_begin_ = 0, spare_bytes_ = 0;
  std::int64_t own_from_ = 0;  // of the workspace: what holds nothing before and after the loop or branch at hand
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

}  // namespace

std::unique_ptr<const compiled_graph> build_executable(const graph& g, const std::vector<const extent_t*>& strides,
                                                       std::span<const int> updates, detail::growth_range range,
                                                       const compile_settings& s, stage_times& times) {
  return builder(g, strides, range, s, times).build(updates);
}

std::vector<computation> lower_groups(const graph& g, const compile_settings& s, stage_times& times) {
  return builder(g, std::vector<const extent_t*>(g.inputs.size()), {}, s, times).lower_all();
}

}  // namespace tenon
