#include "control_kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "loop/evaluate.hpp"
#include "loop/join.hpp"
#include "step_list.hpp"

namespace tenon {

using namespace ir;
using runtime::slot;
using runtime::step;

namespace {

// What a turn may take at most, in vector or scalar operations: a step that starts a kernel takes as long as some tens
// of them, and what is large is better off where threads can share it.
constexpr double most_work = 3000;
// Of text: code of that size takes as long to compile in one function as in several.
constexpr std::size_t most_text = 24'000;

// ---- how much a kernel does

class kernel_work {
 public:
  kernel_work(const kernel& k, const std::vector<std::int64_t>& values) : k_(k), values_(values) {}
  /// Of a loop whose end only data knows: infinity. Of a while: that of one turn.
  double all() { return of(k_.body); }

 private:
  // Where the loops around begin, and where they end.
  std::pair<std::int64_t, std::int64_t> ends_of(expr_ref e) const {
    const auto at = [&](bool last) {
      return evaluate(e, [&](expr_ref x) -> std::int64_t {
        if (x->is(expr_kind::symbol)) return values_[static_cast<std::size_t>(x->payload)];
        return last ? last_.at(x) : 0;
      });
    };
    return {at(false), at(true)};
  }
  double trips(expr_ref begin, expr_ref end, expr_ref variable) {
    for (expr_ref e : {begin, end})
      if (contains(e, [](expr_ref x) { return x->is(expr_kind::load); })) return HUGE_VAL;
    const auto [first_begin, last_begin] = ends_of(begin);
    const auto [first_end, last_end] = ends_of(end);
    last_[variable] = std::max(first_end, last_end) - 1;
    return static_cast<double>(std::max({first_end - first_begin, last_end - last_begin, std::int64_t{0}}));
  }
  double of(const stmt_ref& s) {
    return s ? std::visit([&](const auto& x) { return of(x); }, s->v) : 0;
  }
  double of(const block& b) {
    double sum = 0;
    for (const stmt_ref& s : b.list) sum += of(s);
    return sum;
  }
  double of(const loop& l) {
    const double n = trips(l.begin, l.end, l.variable);
    return std::isfinite(n) ? std::ceil(n / (l.kind == loop_kind::vectorized ? l.width : 1)) * (1 + of(l.body)) : n;
  }
  double of(const branch& b) { return std::max(of(b.then), of(b.otherwise)); }
  double of(const while_loop& w) { return of(w.test) + of(w.body); }
  double of(const declare&) const { return 0; }
  double of(const prefetch&) const { return 1; }
  double of(const contraction& c) {
    double steps = c.tile_rows * std::ceil(c.tile_columns / 16.0);
    for (const contraction::axis& a : c.reduction) steps *= trips(k_.arena->index(0), a.extent, a.variable);
    return steps;
  }
  double of(const store& w) const { return expression(w.value); }
  double of(const update& w) const { return expression(w.value); }
  static double expression(expr_ref value) {
    double sum = 1;
    for (expr_ref e : post_order(std::span(&value, 1))) {
      const bool math = e->is(expr_kind::apply) && e->op >= prim::exp && e->op <= prim::erf;
      if (!e->is_index && !e->is(expr_kind::constant)) sum += math ? 20 : 1;
    }
    return sum;
  }

  const kernel& k_;
  const std::vector<std::int64_t>& values_;
  std::unordered_map<expr_ref, std::int64_t> last_;  // of the variables
};

double work_of(const step& s) {
  if (const loops_code* l = loops_of(s)) return kernel_work(*l->loops, s.values).all();
  return 1 + static_cast<double>(s.values[0]) / 32;
}

// ---- the kernel

class joiner {
 public:
  explicit joiner(const control_region& r) : r_(r), a_(k_.make()) {
    k_.name = r.repeats ? "while" : "if";
    for (const auto* list : {&r_.first, &r_.second})
      for (const step& s : *list)
        if (loops_of(s)) k_.name += "_" + s.kernel->name;
  }

  step run() {
    for (const auto* list : {&r_.first, &r_.second})
      for (const step& s : *list) add(s);
    condition_ = view_of({r_.condition, b8, {}, {}}, false);
    find_memory();
    place();
    std::vector<stmt_ref> list = before_;
    const stmt_ref first = statements(r_.first), second = statements(r_.second);
    const expr_ref condition = load(views_[condition_]);
    list.push_back(r_.repeats ? make_stmt(while_loop{first, condition, second})
                              : make_stmt(branch{condition, first, second}));
    list.insert(list.end(), after_.begin(), after_.end());
    k_.body = make_block(std::move(list));
    return launched();
  }

 private:
  /// A buffer of a step as its kernel sees it.
  struct view {
    slot at;
    dtype type{};
    std::vector<expr_ref> extents, strides;
    bool raw = false;    ///< bytes that a copy moves, whatever they are
    bool whole = false;  ///< it has to stay a parameter
    bool written = false;
    std::int64_t bytes = 0;  ///< at most
    std::size_t memory = 0;  ///< the first view that lies over it, or over what lies over it, with the same type
    std::int64_t buffer = -1;
    bool same(const view& o) const {
      return at == o.at && type == o.type && extents == o.extents && strides == o.strides && raw == o.raw;
    }
  };
  /// A step: which views its buffers are, and the kernel's symbols.
  struct part {
    const loops_code* loops = nullptr;  // null: a copy
    std::vector<std::size_t> views;
    std::vector<std::int64_t> symbols;
    std::unique_ptr<joined_kernel> joined;
  };

  std::int64_t symbol(std::int64_t value, std::int64_t growth) {
    const auto [it, fresh] = symbols_.try_emplace({value, growth}, std::ssize(k_.symbols));
    if (fresh) {
      k_.symbols.push_back(fmt::format("n{}", it->second));
      values_.push_back(value);
      growths_.push_back(growth);
    }
    return it->second;
  }
  std::int64_t at_most(expr_ref e) const {
    return evaluate(e, [&](expr_ref x) { return values_[static_cast<std::size_t>(x->payload)]; });
  }

  std::size_t view_of(view v, bool written) {
    auto it = std::ranges::find_if(views_, [&](const view& x) { return x.same(v); });
    if (it == views_.end()) {
      v.bytes = size_of(v.type);
      for (std::size_t d = 0; d < v.extents.size(); ++d) v.bytes *= at_most(v.extents[d]);
      // Elements that do not lie side by side: all of the argument.
      if (!v.strides.empty()) v.bytes = INT64_MAX / 2;
      views_.push_back(std::move(v));
      it = views_.end() - 1;
    }
    it->written |= written;
    return static_cast<std::size_t>(it - views_.begin());
  }

  void add(const step& s) {
    part& p = parts_.emplace_back();
    p.loops = loops_of(s);
    if (p.loops || !s.growths.empty())
      for (std::size_t i = 0; i < s.values.size(); ++i)
        p.symbols.push_back(symbol(s.values[i], i < s.growths.size() ? s.growths[i] : 0));
    if (!p.loops) {
      const expr_ref bytes = p.symbols.empty() ? a_.index(s.values[0]) : a_.symbol(p.symbols[0]);
      p.views = {view_of({s.buffers[0], u8, {bytes}, {}, true}, false),
                 view_of({s.buffers[1], u8, {bytes}, {}, true}, true)};
      return;
    }
    const kernel& k = *p.loops->loops;
    p.joined = std::make_unique<joined_kernel>(k, k_, p.symbols);
    const std::set<std::int64_t> whole = read_by_tiles(k);
    for (std::size_t i = 0; i < s.buffers.size(); ++i) {
      const buffer& b = k.buffers[i];
      view v{s.buffers[i], b.type, {}, {}, std::ranges::find(p.loops->raw, i) != p.loops->raw.end()};
      for (expr_ref e : b.extents) v.extents.push_back((*p.joined)(e));
      for (expr_ref e : b.strides) v.strides.push_back((*p.joined)(e));
      p.views.push_back(view_of(std::move(v), b.written));
      views_[p.views.back()].whole |= whole.contains(b.id);
    }
  }
  // A contraction's operands are loads along its axes.
  static std::set<std::int64_t> read_by_tiles(const kernel& k) {
    std::set<std::int64_t> ids;
    visit(k.body, [&](const stmt& s) {
      const auto* c = std::get_if<contraction>(&s.v);
      if (!c) return;
      for (expr_ref operand : {c->a, c->b, c->prefetch})
        for (expr_ref e : post_order(std::span(&operand, operand ? 1 : 0)))
          if (e->is(expr_kind::load)) ids.insert(e->payload);
    });
    return ids;
  }

  static bool overlap(const view& a, const view& b) {
    return a.at.where == b.at.where && a.at.index == b.at.index && a.at.offset < b.at.offset + b.bytes &&
           b.at.offset < a.at.offset + a.bytes;
  }
  // A value has one element type: views of different ones are of different values, one after the other in one place.
  void find_memory() {
    type_copies();
    std::vector<std::size_t> all(views_.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    const std::vector<std::size_t> first =
        joined_sets(all, [](const view& a, const view& b) { return a.type == b.type || a.raw || b.raw; });
    for (std::size_t i : all) views_[i].memory = first[i];
  }
  // The first view of those that lie over each other, and for which `also` holds, one after the other.
  template <class F>
  std::vector<std::size_t> joined_sets(const std::vector<std::size_t>& views, F also) const {
    std::vector<std::size_t> to(views_.size());
    std::iota(to.begin(), to.end(), std::size_t{0});
    const auto root = [&](std::size_t i) {
      while (to[i] != i) i = to[i];
      return i;
    };
    for (std::size_t i : views)
      for (std::size_t j : views) {
        if (j >= i || !overlap(views_[i], views_[j]) || !also(views_[i], views_[j])) continue;
        const std::size_t a = root(i), b = root(j);
        to[std::max(a, b)] = std::min(a, b);
      }
    for (std::size_t i : views) to[i] = root(i);
    return to;
  }
  // What a copy moves has the type of the value that is there, where there is one.
  void type_copies() {
    for (part& p : parts_) {
      if (p.loops) continue;
      const view *from = &views_[p.views[0]], *to = &views_[p.views[1]], *like = nullptr;
      std::set<dtype> types;
      for (const view& v : views_) {
        if (v.raw || (!overlap(v, *from) && !overlap(v, *to))) continue;
        types.insert(v.type);
        if (!like && v.strides.empty() && v.bytes == from->bytes && (v.at == from->at || v.at == to->at)) like = &v;
      }
      if (!like || types.size() > 1) continue;
      const view model = *like;
      p.views = {view_of({from->at, model.type, model.extents, {}}, false),
                 view_of({views_[p.views[1]].at, model.type, model.extents, {}}, true)};
    }
    // What no copy names any more is gone.
    std::vector<bool> used(views_.size());
    used[condition_] = true;
    for (const part& p : parts_)
      for (std::size_t v : p.views) used[v] = true;
    std::vector<std::size_t> now(views_.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < views_.size(); ++i)
      if (used[i]) {
        now[i] = count;
        if (count != i) views_[count] = std::move(views_[i]);
        ++count;
      }
    views_.resize(count);
    condition_ = now[condition_];
    for (part& p : parts_)
      for (std::size_t& v : p.views) v = now[v];
  }

  bool is_element(const view& v) const {
    return !v.raw && !v.whole && std::ranges::all_of(v.extents, [](expr_ref e) { return e->is_constant(1); });
  }
  bool is_own(const view& v) const { return v.at.where == slot::kind::workspace && v.at.offset >= r_.own_from; }
  /// Memory of one element that a loop works on is a register while it runs, all else parameters.
  void place() {
    std::vector<bool> element(views_.size(), true), written(views_.size());
    for (const view& v : views_) {
      element[v.memory] = element[v.memory] && is_element(v);
      written[v.memory] = written[v.memory] || v.written;
    }
    const auto is_register = [&](const view& v) {
      return element[v.memory] && written[v.memory] && (is_own(v) || r_.repeats);
    };
    // What lies outside is read into its register first, and written at the end.
    std::vector<std::size_t> parameters;
    for (std::size_t i = 0; i < views_.size(); ++i) {
      view& v = views_[i];
      if (is_register(v) && (is_own(v) || v.memory != i)) continue;
      v.written = v.written || is_register(v);
      parameters.push_back(i);
    }
    number_overlaps(parameters);
    for (std::size_t i : parameters) {
      view& v = views_[i];
      v.buffer = k_.add_buffer(fmt::format("x{}", k_.buffers.size()), v.type, scope::parameter,
                               is_register(v) ? std::vector<expr_ref>{} : v.extents, v.strides);
      k_.buffers.back().written = v.written;
      k_.buffers.back().overlap = overlaps_[i];
      if (v.raw) raw_.push_back(slots_.size());
      slots_.push_back(v.at);
    }
    for (view& v : views_) {
      if (!is_register(v)) continue;
      view& first = views_[v.memory];
      if (&v != &first) {
        v.buffer = first.buffer;
        continue;
      }
      const std::int64_t outside = v.buffer;
      v.buffer = k_.add_buffer(fmt::format("now{}", k_.buffers.size()), v.type, scope::local, {});
      k_.buffers.back().written = true;
      before_.push_back(make_stmt(declare{v.buffer}));
      if (outside < 0) continue;
      before_.push_back(copy_nest(k_, outside, v.buffer));
      after_.push_back(copy_nest(k_, v.buffer, outside));
    }
  }
  /// Numbers for parameters that lie over each other, one of them written.
  void number_overlaps(const std::vector<std::size_t>& parameters) {
    std::vector<std::size_t> first = joined_sets(parameters, [](const view&, const view&) { return true; });
    std::vector<int> count(views_.size()), number(views_.size());
    std::vector<bool> written(views_.size());
    for (std::size_t i : parameters) {
      ++count[first[i]];
      written[first[i]] = written[first[i]] || views_[i].written;
    }
    overlaps_.assign(views_.size(), 0);
    int last = 0;
    for (std::size_t i : parameters) {
      if (count[first[i]] < 2 || !written[first[i]]) continue;
      if (number[first[i]] == 0) number[first[i]] = ++last;
      overlaps_[i] = number[first[i]];
    }
  }

  expr_ref load(const view& v) { return a_.load(v.type, v.buffer, {}); }
  stmt_ref statements(const std::vector<step>& steps) {
    std::vector<stmt_ref> list;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      part& p = parts_[next_++];
      std::vector<std::int64_t> buffers;
      for (std::size_t v : p.views) buffers.push_back(views_[v].buffer);
      list.push_back(p.loops ? p.joined->statements(buffers) : copy_nest(k_, buffers[0], buffers[1]));
    }
    return make_block(std::move(list));
  }

  step launched() {
    step s;
    int nests = 0;
    for (const auto* list : {&r_.first, &r_.second})
      for (const step& x : *list) {
        s.nanoseconds += x.nanoseconds;
        s.scratch += x.scratch;
        if (const loops_code* l = loops_of(x)) nests += l->nests;
      }
    auto code = std::make_shared<loops_code>(std::move(k_));
    code->nests = nests;
    code->raw = std::move(raw_);
    s.kernel = std::move(code);
    s.buffers = std::move(slots_);
    s.values = std::move(values_);
    if (std::ranges::any_of(growths_, [](std::int64_t g) { return g != 0; })) s.growths = std::move(growths_);
    return s;
  }

  const control_region& r_;
  kernel k_;
  expr_arena& a_;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> symbols_;
  std::vector<std::int64_t> values_, growths_;
  std::vector<view> views_;
  std::vector<part> parts_;
  std::size_t condition_ = 0, next_ = 0;
  std::vector<int> overlaps_;
  std::vector<slot> slots_;
  std::vector<std::size_t> raw_;
  std::vector<stmt_ref> before_, after_;
};

}  // namespace

loops_code::loops_code(kernel k) : loops(std::make_shared<kernel>(std::move(k))) {
  name = std::exchange(loops->name, std::string(1, 'k'));
  text = to_string(*loops);
  loops->name = name;
}

const loops_code* loops_of(const step& s) { return dynamic_cast<const loops_code*>(s.kernel.get()); }

std::string control_region::stays_steps() const {
  double work = 0;
  std::size_t text = 0;
  for (const auto* list : {&first, &second})
    for (const step& s : *list) {
      if (!s.kernel) return "a loop or a branch in it is steps";
      const loops_code* l = loops_of(s);
      if (!l && !is_copy(s)) return fmt::format("{} is no kernel of loops", s.kernel->name);
      const double own = work_of(s);
      if (!std::isfinite(own)) return fmt::format("only data says how much {} does", s.kernel->name);
      if (own > most_work)
        return fmt::format("{} takes about {:.0f} operations, more than {:.0f}", s.kernel->name, own, most_work);
      work += own;
      if (l) text += l->text.size();
    }
  if (work > most_work) return fmt::format("a turn takes about {:.0f} operations, more than {:.0f}", work, most_work);
  if (text > most_text) return fmt::format("its loops are {} bytes of text, more than {}", text, most_text);
  return {};
}

step control_region::joined() const { return joiner(*this).run(); }

namespace {

// What branch_steps of src/build_executable.cpp writes:
//   to otherwise if condition is 0; then..; to end; otherwise: ..; end:
class branch_finder {
 public:
  explicit branch_finder(const std::vector<step>& steps) : steps_(steps) {}

  joined_branches all() const {
    joined_branches r;
    r.placed.resize(steps_.size() + 1);
    join(0, std::ssize(steps_), r);
    r.placed.back() = std::ssize(r.steps);
    for (step& s : r.steps)
      if (!s.kernel) s.target = r.placed[static_cast<std::size_t>(s.target)];
    return r;
  }

 private:
  const step& at(std::int64_t i) const { return steps_[static_cast<std::size_t>(i)]; }
  // Where the branch that begins there ends; 0: none does. A loop's last jump goes back.
  std::int64_t end_of(std::int64_t i) const {
    if (at(i).kernel || at(i).buffers.empty() || at(i).target <= i + 1) return 0;
    const step& last = at(at(i).target - 1);
    return !last.kernel && last.buffers.empty() && last.target >= at(i).target ? last.target : 0;
  }
  std::vector<step> arm(std::int64_t begin, std::int64_t end) const {
    joined_branches r;
    r.placed.resize(steps_.size() + 1);
    join(begin, end, r);
    return std::move(r.steps);
  }
  void join(std::int64_t begin, std::int64_t end, joined_branches& to) const {
    for (std::int64_t i = begin; i < end;) {
      const std::int64_t placed = std::ssize(to.steps), after = end_of(i);
      to.placed[static_cast<std::size_t>(i)] = placed;
      if (after) {
        const std::int64_t otherwise = at(i).target;
        const control_region r{.repeats = false,
                               .condition = at(i).buffers[0],
                               .first = arm(i + 1, otherwise - 1),
                               .second = arm(otherwise, after),
                               .own_from = INT64_MAX};
        to.branches.push_back({i, after, r.stays_steps()});
        if (to.branches.back().stays_steps.empty()) {
          to.steps.push_back(r.joined());
          for (; i < after; ++i) to.placed[static_cast<std::size_t>(i)] = placed;
          continue;
        }
      }
      to.steps.push_back(at(i++));
    }
  }

  const std::vector<step>& steps_;
};

}  // namespace

joined_branches join_branches(const std::vector<step>& steps) { return branch_finder(steps).all(); }

}  // namespace tenon
