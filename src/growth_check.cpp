#include "growth_check.hpp"

#include <fmt/format.h>

#include <unordered_map>

#include "core/growing.hpp"
#include "graph/op_def.hpp"
#include "graph/passes.hpp"
#include "loop/lower.hpp"
#include "ops/control.hpp"

namespace tenon {

using namespace ir;

void refuse_growth(const graph& g) {
  for (const node* n : post_order(g.outputs))
    for (int i = 0; i < n->results(); ++i)
      if (const value_type& t = i == 0 ? n->type : n->more[static_cast<std::size_t>(i) - 1]; detail::grows(t.shape))
        throw shape_error(fmt::format("{}: {} is too large for memory; at {}:{}", n->op->name, to_string(t),
                                      n->where.file(), n->where.line()));
}

std::vector<value_type> mapped(std::span<const value_type> types, const std::function<extent_t(extent_t)>& f) {
  std::vector<value_type> r(types.begin(), types.end());
  for (value_type& t : r)
    for (int d = 0; d < t.shape.rank; ++d) t.shape[d] = f(t.shape[d]);
  return r;
}

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
}  // namespace tenon
