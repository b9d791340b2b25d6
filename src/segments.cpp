#include "segments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "graph/op_def.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/dynamic.hpp"

namespace tenon::detail {
namespace {

bool is_cut(const ir::node& n) { return n.op == &definition<ops::narrow_op>(); }

/// A graph's nodes by segment: one is in the first in which all of its operands are there.
class placement {
 public:
  explicit placement(const ir::graph& g) : order_(ir::post_order(g.outputs)) {
    for (const ir::node* n : order_) {
      int level = is_cut(*n) ? 1 : 0;
      for (const node_ref& o : n->operands) level = std::max(level, level_.at(o.get()) + is_cut(*n));
      level_[n] = level;
      last_ = std::max(last_, level);
    }
    for (const ir::node* n : order_)
      for (const node_ref& o : n->operands) {
        int& used = used_[o.get()];
        used = std::max(used, level_.at(n));
      }
  }
  const std::vector<const ir::node*>& order() const { return order_; }
  int last() const { return last_; }
  int of(const ir::node* n) const { return level_.at(n); }
  /// Made in its segment and looked at in a later one. What has no operands is made wherever it is used.
  bool is_carried(const ir::node* n) const {
    const auto used = used_.find(n);
    return !n->operands.empty() && !is_cut(*n) && used != used_.end() && used->second > level_.at(n);
  }

 private:
  std::vector<const ir::node*> order_;
  std::unordered_map<const ir::node*, int> level_, used_;
  int last_ = 0;
};

}  // namespace

std::unique_ptr<const segments> segments::of(const ir::graph& g, const compile_options& options, binding when,
                                             const loc& where) {
  const placement place(g);
  if (place.last() == 0) return nullptr;
  auto all = std::make_unique<segments>();
  all->arguments_ = all->values_ = static_cast<int>(g.inputs.size());
  std::unordered_map<const ir::node*, int> number;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) number[g.inputs[i].get()] = static_cast<int>(i);
  const auto is_result = [&](const ir::node* n) {
    return std::ranges::any_of(g.outputs, [&](const node_ref& o) { return o.get() == n; });
  };
  for (const ir::node* n : place.order())
    if (!number.contains(n) && (is_cut(*n) || place.is_carried(n) || is_result(n))) number[n] = all->values_++;
  for (int level = 0; level <= place.last(); ++level) {
    segment s;
    std::vector<node_ref> inputs, outputs;
    std::unordered_map<const ir::node*, node_ref> here;
    // All arguments go to each segment: they say what the extents with names are.
    for (const node_ref& i : g.inputs) {
      here[i.get()] = i;
      inputs.push_back(i);
      s.inputs.push_back(number.at(i.get()));
    }
    const auto inside = [&](const node_ref& o) -> node_ref {
      if (const auto known = here.find(o.get()); known != here.end()) return known->second;
      if (o->operands.empty()) return o;
      const node_ref stand_in =
          ir::make_input(fmt::format("value {}", number.at(o.get())), o->type.element, o->type.shape, o->where);
      inputs.push_back(stand_in);
      s.inputs.push_back(number.at(o.get()));
      return here[o.get()] = stand_in;
    };
    for (const ir::node* n : place.order()) {
      if (place.of(n) != level) continue;
      if (is_cut(*n)) {
        const auto count_of = [&](int k) {
          const node_ref& o = n->operands[static_cast<std::size_t>(k)];
          if (!number.contains(o.get()))
            throw argument_error(fmt::format("narrow: {} is a constant; at {}:{}", k == 0 ? "the value" : "the count",
                                             n->where.file(), n->where.line()));
          return number.at(o.get());
        };
        const int axis = n->attributes<first_axis_attrs>().axis;
        s.cuts.push_back(
            {number.at(n), count_of(0), count_of(1), axis < 0 ? axis + n->type.shape.rank : axis, n->where});
        continue;
      }
      if (n->operands.empty()) {
        if (number.contains(n) && number.at(n) >= all->arguments_) {  // a result
          outputs.emplace_back(n);
          s.outputs.push_back(number.at(n));
        }
        continue;
      }
      std::vector<node_ref> operands;
      for (const node_ref& o : n->operands) operands.push_back(inside(o));
      const node_ref made = ir::make_node(*n->op, n->attrs, std::move(operands), n->where);
      here[n] = made;
      if (!number.contains(n)) continue;
      outputs.push_back(made);
      s.outputs.push_back(number.at(n));
    }
    for (const node_ref& o : outputs) s.types.push_back(o->type.element);
    if (!outputs.empty())
      s.run =
          make_function(inputs.data(), inputs.size(), outputs.data(), outputs.size(), nullptr, 0, options, when, where);
    all->segments_.push_back(std::move(s));
  }
  for (const node_ref& o : g.outputs) all->results_.push_back(number.at(o.get()));
  return all;
}

segments::made segments::run(const any_view* const* arguments) const {
  made r;
  std::vector<any_view> values(static_cast<std::size_t>(values_));
  for (int i = 0; i < arguments_; ++i) values[static_cast<std::size_t>(i)] = *arguments[i];
  const auto value = [&](int i) -> any_view& { return values[static_cast<std::size_t>(i)]; };
  for (const segment& s : segments_) {
    for (const cut& c : s.cuts) {
      const any_view& from = value(c.buffer);
      const extent_t count = *static_cast<const std::int64_t*>(value(c.count).data);
      if (count < 0 || count > from.dims[c.axis])
        throw shape_error(fmt::format("narrow: the count is {}, axis {} has {} elements; at {}:{}", count, c.axis,
                                      from.dims[c.axis], c.where.file(), c.where.line()));
      dims extents = from.dims, strides;
      extents[c.axis] = count;
      for (int d = 0; d < extents.rank; ++d) strides.push_back(from.strides[d]);
      value(c.value) = checked_view(from.data, from.type, tenon::extents(extents), tenon::extents(strides), "narrow");
    }
    if (s.outputs.empty()) continue;
    std::vector<const any_view*> in;
    for (int i : s.inputs) in.push_back(&value(i));
    struct context {
      const segment& of;
      std::vector<any_view>& values;
      made& all;
    };
    context to{s, values, r};
    call_values(*s.run, in.data(),
                {[](void* p, int index, const dims& d, memory* from) -> const any_view& {
                   auto& c = *static_cast<context*>(p);
                   const auto i = static_cast<std::size_t>(index);
                   c.all.kept.push_back(std::make_unique<array_storage>(c.of.types[i], d, from));
                   return c.values[static_cast<std::size_t>(c.of.outputs[i])] = c.all.kept.back()->get();
                 },
                 &to});
  }
  for (int i : results_) r.results.push_back(value(i));
  return r;
}

call_stats segments::stats() const {
  call_stats all;
  for (const segment& s : segments_) {
    if (s.outputs.empty()) continue;
    const call_stats one = stats_of(*s.run);
    all.compilations += one.compilations;
    all.memory_hits += one.memory_hits;
    all.disk_hits += one.disk_hits;
    all.compile_seconds += one.compile_seconds;
    all.workspace_bytes = std::max(all.workspace_bytes, one.workspace_bytes);
    all.kernels += one.kernels;
  }
  return all;
}

std::string segments::explain() const {
  std::string text;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    text += fmt::format("segment {} of {}, {} extents before it\n", i + 1, segments_.size(), segments_[i].cuts.size());
    if (!segments_[i].outputs.empty()) text += detail::explain(*segments_[i].run).text();
  }
  return text;
}

}  // namespace tenon::detail
