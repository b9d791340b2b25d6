#include "schedule/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "loop/text.hpp"

namespace tenon::scheduling {

using namespace ir;

namespace {

class finder {
 public:
  finder(computation& c, const std::vector<expr_ref>& accumulators)
      : c_(c), a_(c.kernel.make()), names_(c.kernel), reduces_(reductions_of(c)), accumulators_(accumulators) {
    for (const computation::axis& x : c.axes)
      if (x.variable->is(expr_kind::variable)) extent_[x.variable] = x.size;
    for (expr_ref r : reduces_)
      for (int i = 0; i < r->loops(); ++i) extent_[r->loop_variable(i)] = c.at_call(r->loop_extent(i));
  }
  std::vector<readable> run() {
    for (std::size_t r = 0; r < reduces_.size(); ++r) look(reduces_[r]->body(), static_cast<int>(r));
    look(c_.value, -1);
    return std::move(found_);
  }

 private:
  // Operands before users; what a reduction makes is no part of the expression that it stands in.
  static std::vector<expr_ref> nodes_of(expr_ref root) {
    std::vector<expr_ref> order;
    std::unordered_set<expr_ref> seen{root};
    std::vector<std::pair<expr_ref, std::size_t>> stack{{root, 0}};
    while (!stack.empty()) {
      auto& [e, next] = stack.back();
      if (e->is(expr_kind::reduce) || next == e->operands.size()) {
        order.push_back(e);
        stack.pop_back();
      } else if (const expr_ref x = e->operands[next++]; seen.insert(x).second) {
        stack.emplace_back(x, 0);
      }
    }
    return order;
  }
  void look(expr_ref root, int reduction) {
    const std::vector<expr_ref> all = nodes_of(root);
    // Indices and masks are no intermediates.
    std::unordered_set<expr_ref> places;
    for (expr_ref e : all)
      if (e->is(expr_kind::load))
        for (expr_ref o : e->operands)
          for (expr_ref x : nodes_of(o)) places.insert(x);
    for (expr_ref e : all) {
      if (e->is(expr_kind::load)) operand(e, reduction);
      const bool whole_result = e == root && reduction < 0;
      if (e->is(expr_kind::apply) && !e->is(prim::cast) && e->type != b8 && !e->is_index && !whole_result &&
          !places.contains(e))
        intermediate(e, reduction);
    }
  }
  void operand(expr_ref e, int reduction) {
    auto v = std::ranges::find(found_, e->payload, &readable::buffer);
    if (v == found_.end()) {
      const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(e->payload)];
      readable made{
          .name = names_.buffer(b.id), .buffer = b.id, .extents = {}, .parameters = {}, .needs = {}, .reads = {}};
      for (expr_ref x : b.extents) {
        made.extents.push_back(c_.at_call(x));
        made.parameters.push_back(a_.fresh_variable());
      }
      made.function = a_.load(b.type, b.id, made.parameters);
      found_.push_back(std::move(made));
      v = found_.end() - 1;
    }
    v->reads.push_back({reduction, e, {e->indices().begin(), e->indices().end()}});
  }
  // Two that differ in the names of their loops alone are one function.
  void intermediate(expr_ref e, int reduction) {
    std::vector<expr_ref> free;  // loops in the order in which the expression mentions them
    std::vector<int> needs;
    bool reads = false;
    for (expr_ref x : nodes_of(e)) {
      if (x->is(expr_kind::variable) && extent_.contains(x)) free.push_back(x);
      reads |= x->is(expr_kind::load);
      if (x->is(expr_kind::reduce))
        needs.push_back(static_cast<int>(std::ranges::find(reduces_, x) - reduces_.begin()));
    }
    if (free.empty() || !reads) return;
    std::vector<std::pair<expr_ref, expr_ref>> at;
    std::vector<std::int64_t> extents;
    for (std::size_t i = 0; i < free.size(); ++i) {
      if (i == positions_.size()) positions_.push_back(a_.fresh_variable());
      at.emplace_back(free[i], positions_[i]);
      extents.push_back(extent_.at(free[i]));
    }
    for (int r : needs)
      at.emplace_back(reduces_[static_cast<std::size_t>(r)], accumulators_[static_cast<std::size_t>(r)]);
    const expr_ref function = a_.substitute(e, at);
    auto v =
        std::ranges::find_if(found_, [&](const readable& x) { return x.function == function && x.extents == extents; });
    if (v == found_.end()) {
      readable made{.name = named(name(e->op)), .extents = extents, .parameters = {}, .needs = needs, .reads = {}};
      made.function = function;
      made.parameters.assign(positions_.begin(), positions_.begin() + static_cast<std::ptrdiff_t>(free.size()));
      found_.push_back(std::move(made));
      v = found_.end() - 1;
    }
    v->reads.push_back({reduction, e, free});
  }
  std::string named(std::string_view function) const {
    int same = 1;
    for (const readable& v : found_) same += v.name == function || v.name.starts_with(fmt::format("{}#", function));
    return same == 1 ? std::string(function) : fmt::format("{}#{}", function, same);
  }

  computation& c_;
  expr_arena& a_;
  names names_;
  std::vector<expr_ref> reduces_, accumulators_;
  std::unordered_map<expr_ref, std::int64_t> extent_;
  std::vector<expr_ref> positions_;  // the indices of every intermediate
  std::vector<readable> found_;
};

}  // namespace

std::vector<expr_ref> reductions_of(const computation& c) {
  std::vector<expr_ref> all;
  for (expr_ref e : post_order(c.values()))
    if (e->is(expr_kind::reduce)) all.push_back(e);
  return all;
}

std::vector<readable> readable_values(computation& c, const std::vector<expr_ref>& accumulators) {
  return finder(c, accumulators).run();
}

}  // namespace tenon::scheduling
