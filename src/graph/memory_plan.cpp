#include "graph/memory_plan.hpp"

#include <algorithm>

#include "graph/op_def.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {

memory_plan plan_memory(const graph& g, const fusion& f) {
  struct value {
    const node* n;
    std::int64_t bytes;
    int first, last;
    std::int64_t offset = 0;
  };
  std::unordered_map<const node*, std::size_t> index;
  std::vector<value> values;
  std::unordered_map<const node*, int> defined;
  std::vector<const node*> results;
  for (const node_ref& o : g.outputs) results.push_back(f.storage(o.get()));
  auto is_result = [&](const node* n) { return std::find(results.begin(), results.end(), n) != results.end(); };
  for (int step = 0; step < static_cast<int>(f.groups.size()); ++step) defined[f.groups[step].root] = step;
  auto add = [&](const node* n, int step) {
    if (is_result(n)) return;
    const std::int64_t bytes = (n->type.shape.count() * size_of(n->type.element) + 63) / 64 * 64;
    index[n] = values.size();
    values.push_back({n, bytes, step, step});
  };
  for (int step = 0; step < static_cast<int>(f.groups.size()); ++step) {
    const group& k = f.groups[step];
    if (k.root->more.empty()) add(k.root, step);
    for (const node* o : k.operands) {
      if (o->op->kind == op_kind::projection && !index.contains(o) && !is_result(o))
        add(o, defined.at(o->operands[0].get()));
      if (auto it = index.find(o); it != index.end()) values[it->second].last = step;
    }
  }
  // Greedy by size: the largest first, each at the lowest offset that is free during its life.
  std::vector<value*> by_size;
  for (value& v : values) by_size.push_back(&v);
  std::sort(by_size.begin(), by_size.end(),
            [](value* a, value* b) { return a->bytes != b->bytes ? a->bytes > b->bytes : a < b; });
  memory_plan plan;
  std::vector<value*> placed;  // by offset
  for (value* v : by_size) {
    std::int64_t at = 0;
    for (const value* p : placed) {
      if (p->last < v->first || v->last < p->first) continue;
      if (p->offset >= at + v->bytes) break;
      at = std::max(at, p->offset + p->bytes);
    }
    v->offset = at;
    placed.insert(std::upper_bound(placed.begin(), placed.end(), v,
                                   [](const value* a, const value* b) { return a->offset < b->offset; }),
                  v);
    plan.bytes = std::max(plan.bytes, at + v->bytes);
    plan.offset[v->n] = at;
  }
  return plan;
}

}  // namespace tenon::ir
