#include "graph/kernel_space.hpp"

#include <algorithm>
#include <unordered_set>

#include "core/growing.hpp"
#include "graph/op_def.hpp"
#include "loop/lower_context.hpp"

namespace tenon::ir {
namespace {

double weight(const expr& e) {
  if (!e.is(expr_kind::apply) || e.is_index || e.is(prim::cast) || e.is(prim::bitcast)) return 0;
  return e.op >= prim::exp && e.op <= prim::erf ? math_weight : 1;
}

}  // namespace

double operations_of(expr_arena& a, const node& n) {
  double all = 0;
  if (n.op->kind == op_kind::map) {
    std::vector<expr_ref> x;
    for (const node_ref& o : n.operands)
      x.push_back(a.variable(compute_type(o->type.element), -1 - static_cast<std::int64_t>(x.size())));
    const expr_ref e = n.op->scalar(a, n.attrs.get(), x);
    for (expr_ref s : post_order(std::span(&e, 1))) all += weight(*s);
  } else if (n.op->kind == op_kind::reduction && n.type.shape.count() > 0) {
    kernel_space space(a, n.type.shape, {});
    for (const kernel_space::read& r : space.reads(n, space.root()))
      all = std::max(all, space.evaluations(r.of) / static_cast<double>(detail::count_at_most(n.type.shape)));
  }
  return all;
}

double times_read(expr_arena& a, const node& n, const node& operand) {
  if (n.type.shape.count() == 0 || operand.type.shape.count() == 0) return 0;
  double all = 0;
  kernel_space space(a, n.type.shape, {});
  for (const kernel_space::read& r : space.reads(n, space.root()))
    if (r.value == &operand) all += space.evaluations(r.of);
  return all / static_cast<double>(detail::count_at_most(operand.type.shape));
}

kernel_space::kernel_space(expr_arena& a, const dims& root, const axis_order& order)
    : a_(&a), loops_(static_cast<std::size_t>(root.rank)) {
  for (int place = 0; place < root.rank; ++place) {
    const int d = order.empty() ? place : order[static_cast<std::size_t>(place)];
    axis_at_.push_back(d);
    extents_.push_back(static_cast<double>(detail::at_most(root[d])));
    axes_.push_back(root[d] == 1 ? a.index(0) : a.variable(i64, place));
  }
}

instance kernel_space::root() const {
  instance i{std::vector<expr_ref>(axes_.size()), a_->boolean(true), -1};
  for (std::size_t place = 0; place < axes_.size(); ++place)
    i.at[static_cast<std::size_t>(axis_at_[place])] = axes_[place];
  return i;
}

int kernel_space::place_of(expr_ref v) const {
  const auto it = std::ranges::find(axes_, v);
  return it == axes_.end() ? -1 : static_cast<int>(it - axes_.begin());
}

// How many loops of axes are around it; -1: it is none of them.
int kernel_space::depth_of_loop(expr_ref v) const {
  const int place = place_of(v);
  return place < 0 ? -1 : static_cast<int>(loops_.place_of(static_cast<std::size_t>(place)));
}

std::vector<expr_ref> kernel_space::mentioned_by(const instance& i) const {
  std::vector<expr_ref> mentioned;
  const auto add = [&](expr_ref e) {
    if (e->is(expr_kind::variable)) mentioned.push_back(e);
  };
  const auto look_into = [&](expr_ref e) {
    if (e->operands.empty()) return add(e);
    for (expr_ref x : post_order(std::span(&e, 1))) add(x);
  };
  for (expr_ref e : i.at) look_into(e);
  look_into(i.mask);
  return mentioned;
}

// Loops further in than all that it mentions do not count.
int kernel_space::level_of(const std::vector<expr_ref>& mentioned, int around) const {
  int level = around < 0 ? 0 : reductions_[static_cast<std::size_t>(around)].level;
  for (expr_ref e : mentioned) level = std::max(level, depth_of_loop(e) + 1);
  return level;
}

kernel_space::depth kernel_space::depth_of(const instance& i) const {
  const std::vector<expr_ref> mentioned = mentioned_by(i);
  depth d{i.inside, 0};
  while (d.reduction >= 0) {
    const reduction& r = reductions_[static_cast<std::size_t>(d.reduction)];
    if (std::ranges::find_first_of(r.variables, mentioned) != r.variables.end()) break;
    d.reduction = r.around;
  }
  d.level = level_of(mentioned, d.reduction);
  return d;
}

double kernel_space::evaluations(const instance& i) const {
  const depth d = depth_of(i);
  double n = 1;
  for (int loop = 0; loop < d.level; ++loop) n *= extents_[loops_[static_cast<std::size_t>(loop)]];
  for (int r = d.reduction; r >= 0; r = reductions_[static_cast<std::size_t>(r)].around)
    n *= reductions_[static_cast<std::size_t>(r)].trips;
  return n;
}

bool kernel_space::is_placed(const instance& i, const dims& shape, std::vector<int>& axes) const {
  axes.clear();
  if (!i.mask->is_true() || i.inside >= 0 || evaluations(i) != static_cast<double>(detail::count_at_most(shape)))
    return false;
  for (int d = 0; d < shape.rank; ++d) {
    const expr_ref e = i.at[static_cast<std::size_t>(d)];
    const int place = e->is(expr_kind::variable) ? place_of(e) : -1;
    const int axis = place < 0 ? -1 : axis_at_[static_cast<std::size_t>(place)];
    if (shape[d] == 1 ? !e->is_constant(0) : axis < 0 || std::ranges::find(axes, axis) != axes.end()) return false;
    axes.push_back(axis);
  }
  return true;
}

int kernel_space::place_of_axis(int axis) const {
  const auto it = std::ranges::find(axis_at_, axis);
  return it == axis_at_.end() ? -1 : static_cast<int>(it - axis_at_.begin());
}

bool kernel_space::put_outside(const instance& i) {
  const std::vector<expr_ref> mentioned = mentioned_by(i);
  const bool done = loops_.put_outside([&](std::size_t place) {
    return !axes_[place]->is(expr_kind::variable) || std::ranges::find(mentioned, axes_[place]) != mentioned.end();
  });
  for (reduction& r : reductions_) r.level = level_of(r.mentioned, r.around);
  return done;
}

instance kernel_space::normal(instance i) const {
  i.inside = depth_of(i).reduction;
  return i;
}

// One element as an expression in which loads stand for operands.
expr_ref kernel_space::definition(const node& n, const instance& of) {
  const auto described = [&](const value_type& t) {
    lower_operand o;
    o.type = t.element;
    o.shape = t.shape;
    for (extent_t e : t.shape) o.extents.push_back(a_->index(e));
    return o;
  };
  std::vector<lower_operand> in;
  for (const node_ref& o : n.operands) {
    const auto known = std::ranges::find(buffers_, o.get());
    const std::int64_t id = known - buffers_.begin();
    if (known == buffers_.end()) buffers_.push_back(o.get());
    in.push_back(described(o->type));
    in.back().read = [this, id, t = o->type.element](std::span<const expr_ref> at, expr_ref mask) {
      return a_->load(t, id, at, mask);
    };
  }
  lower_context c(*a_, std::move(in), {described(n.type)}, n.op->main_operand, of.mask);
  return n.op->compute(c, n.attrs.get(), of.at);
}

std::vector<kernel_space::read> kernel_space::reads(const node& n, const instance& of) {
  std::vector<read> found;
  if (n.op->kind == op_kind::map) {
    for (const node_ref& o : n.operands) {
      const dims& s = o->type.shape;
      read r{o.get(), {{}, of.mask, of.inside}};
      for (int d = 0; d < s.rank; ++d)
        r.of.at.push_back(s[d] == 1 ? a_->index(0) : of.at[of.at.size() - static_cast<std::size_t>(s.rank - d)]);
      r.of = normal(std::move(r.of));
      found.push_back(std::move(r));
    }
    return found;
  }
  // What an instance's own indices read is read already.
  std::unordered_set<expr_ref> seen;
  for (expr_ref e : post_order(of.at)) seen.insert(e);
  std::vector<std::pair<expr_ref, int>> open{{definition(n, of), of.inside}};
  while (!open.empty()) {
    const auto [e, around] = open.back();
    open.pop_back();
    if (!seen.insert(e).second) continue;
    int within = around;
    if (e->is(expr_kind::reduce)) {
      const instance here{of.at, of.mask, around};
      const depth d = depth_of(here);
      reduction r{d.reduction, d.level, 1, {}, mentioned_by(here)};
      for (int i = 0; i < e->loops(); ++i) {
        r.variables.push_back(e->loop_variable(i));
        const expr_ref trips = e->loop_extent(i);
        r.trips *= trips->is(expr_kind::constant) ? static_cast<double>(detail::at_most(trips->payload)) : 1;
      }
      within = static_cast<int>(reductions_.size());
      reductions_.push_back(std::move(r));
    } else if (e->is(expr_kind::load)) {
      found.push_back({buffers_[static_cast<std::size_t>(e->payload)],
                       normal({{e->indices().begin(), e->indices().end()}, e->mask(), around})});
    }
    for (expr_ref o : e->operands) open.emplace_back(o, within);
  }
  return found;
}

}  // namespace tenon::ir
