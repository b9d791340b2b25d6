#include "graph/memory_plan.hpp"

#include <algorithm>
#include <ranges>
#include <unordered_set>

#include "core/growing.hpp"
#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

std::int64_t bytes_of(const node& n) { return detail::count_at_most(n.type.shape) * size_of(n.type.element); }

class planner {
 public:
  planner(const graph& g, const fusion& f, const buffer_parts& parts) : f_(f), parts_(parts) {
    for (const node_ref& o : g.outputs) results_.insert(f.storage(o.get()));
    std::unordered_map<const node*, int> made;  // by kernels with several results
    for (int step = 0; step < static_cast<int>(f.groups.size()); ++step) {
      const group& k = f.groups[static_cast<std::size_t>(step)];
      if (k.root->more.empty())
        hold(f.storage(k.root), step);
      else
        made[k.root] = step;
      for (const group::output& o : k.also) hold(f.storage(o.value), step);
      for (const node* o : k.operands) {
        const node* const s = f.storage(o);
        if (s->op->kind == op_kind::projection && !block_.contains(s)) hold(s, made.at(s->operands[0].get()));
        if (const std::size_t* const b = block_.find(s)) plan_.blocks[*b].life.last = step;
      }
    }
  }

  void take_over(const std::function<bool(const node&)>& contiguous) {
    for (int step = 0; step < static_cast<int>(f_.groups.size()); ++step) {
      const group& k = f_.groups[static_cast<std::size_t>(step)];
      std::size_t* const own = block_.find(k.root);
      if (!own || !is_elementwise(k, contiguous)) continue;
      const node* const x = dying_operand(k, step);
      if (!x) continue;
      memory_block &from = plan_.blocks[block_.at(f_.storage(x))], &to = plan_.blocks[*own];
      from.life.last = to.life.last;
      from.holds.push_back(k.root);
      to.holds.clear();
      *own = static_cast<std::size_t>(&from - plan_.blocks.data());
      plan_.in_place[k.root] = x;
    }
    std::erase_if(plan_.blocks, [](const memory_block& b) { return b.holds.empty(); });
  }

  memory_plan placed() {
    std::vector<lifetime> lives;
    for (const memory_block& b : plan_.blocks) lives.push_back(b.life);
    const placement p = place(lives);
    plan_.bytes = p.bytes;
    plan_.peak = peak_of(lives);
    for (std::size_t i = 0; i < lives.size(); ++i) {
      plan_.blocks[i].offset = p.offset[i];
      for (const node* n : plan_.blocks[i].holds) plan_.offset[n] = p.offset[i];
    }
    return std::move(plan_);
  }

 private:
  // The buffer lives from `step` on, at least.
  void hold(const node* stored, int step) {
    if (results_.contains(stored)) return;
    const auto [block, fresh] = block_.insert(stored);
    if (!fresh) return;
    *block = plan_.blocks.size();
    plan_.blocks.push_back({{(bytes_of(*stored) + 63) / 64 * 64, step, step}, 0, {stored}});
  }

  const axis_order& order_of(const node& n) const {
    static const axis_order none;
    const auto it = f_.order.find(&n);
    return it == f_.order.end() ? none : it->second;
  }
  static bool is_whole(const node& n, const node& of) { return n.type.shape == of.type.shape; }

  // One loop nest in which every point reads its operands and is stored, once.
  bool is_elementwise(const group& k, const std::function<bool(const node&)>& contiguous) const {
    const auto plain = [](const node* n) {
      return n->op->kind == op_kind::map || (n->op->kind == op_kind::leaf && n->op->compute);
    };
    if (k.root->op->kind != op_kind::map || !k.also.empty() || !std::ranges::all_of(k.inlined, plain)) return false;
    const std::unordered_set<const node*> inside(k.inlined.begin(), k.inlined.end());
    const auto lies_like_root = [&](const node& o) {
      if (std::ranges::count_if(o.type.shape, [](extent_t e) { return e != 1; }) <= 1) return true;
      if (o.op == &input_definition() && !contiguous(o)) return false;
      return order_of(o) == order_of(*k.root) && (is_whole(o, *k.root) || order_of(o).empty());
    };
    const auto reads_well = [&](const node* n) {
      return std::ranges::all_of(n->operands, [&](const node_ref& o) {
        return inside.contains(o.get()) || is_splat(*o) || lies_like_root(*o);
      });
    };
    return reads_well(k.root) && std::ranges::all_of(k.inlined, reads_well);
  }

  // Read whole, at the points of the result; its memory dies here.
  const node* dying_operand(const group& k, int step) const {
    const std::unordered_set<const node*> inside(k.inlined.begin(), k.inlined.end());
    std::unordered_map<const node*, const node*> read_as;  // memory -> the value; null: as several, or as a part
    std::vector<const node*> order;
    const auto read = [&](const node* n) {
      for (const node_ref& o : n->operands) {
        if (inside.contains(o.get()) || is_splat(*o)) continue;
        const node* const s = f_.storage(o.get());
        const bool fits = is_whole(*o, *k.root) && bytes_of(*o) == bytes_of(*s) && parts_.offset(f_, o.get()) == 0 &&
                          o->type.element == k.root->type.element;
        const auto [it, fresh] = read_as.try_emplace(s, fits ? o.get() : nullptr);
        if (fresh)
          order.push_back(s);
        else if (it->second != o.get())
          it->second = nullptr;
      }
    };
    read(k.root);
    std::ranges::for_each(k.inlined, read);
    for (const node* s : order)
      if (const std::size_t* const b = block_.find(s); read_as.at(s) && b) {
        const lifetime& life = plan_.blocks[*b].life;
        if (life.last == step && life.first < step && life.bytes > 0) return read_as.at(s);
      }
    return nullptr;
  }

  const fusion& f_;
  const buffer_parts& parts_;
  memory_plan plan_;
  node_map<std::size_t> block_;  // of each buffer of the workspace
  node_set results_;
};

}  // namespace

memory_plan plan_memory(const graph& g, const fusion& f, const buffer_parts& parts,
                        const std::function<bool(const node&)>& contiguous) {
  planner p(g, f, parts);
  if (contiguous) p.take_over(contiguous);
  return p.placed();
}

}  // namespace tenon::ir
