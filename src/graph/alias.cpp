#include "graph/alias.hpp"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/growing.hpp"
#include "graph/op_def.hpp"
#include "graph/trace.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/joining.hpp"

namespace tenon::ir {
namespace {

std::int64_t bytes_of(const node& n) { return detail::count_at_most(n.type.shape) * size_of(n.type.element); }

// The first axis in memory that has more than one element; the rank when there is none.
int outermost(const dims& shape, const axis_order& order) {
  for (int place = 0; place < shape.rank; ++place) {
    const int d = order.empty() ? place : order[static_cast<std::size_t>(place)];
    if (shape[d] != 1) return d;
  }
  return shape.rank;
}

// Where along its axis a result's index `i` reads, when that is i + start.
std::optional<std::int64_t> start_of(expr_ref read, expr_ref i) {
  if (read == i) return 0;
  if (read->is(expr_kind::constant) && i->is(expr_kind::constant)) return read->payload - i->payload;
  if (!read->is(prim::add)) return {};
  for (int k = 0; k < 2; ++k)
    if (read->operands[k] == i && read->operands[1 - k]->is(expr_kind::constant)) return read->operands[1 - k]->payload;
  return {};
}

class sharing {
 public:
  sharing(const graph& g, fusion& f, const std::function<bool(const node&)>& contiguous)
      : f_(f), contiguous_(contiguous) {
    for (const node_ref& o : g.outputs) {
      results_.insert(o.get());
      results_.insert(f.storage(o.get()));
    }
    for (const group& k : f.groups) {
      if (k.root->more.empty()) made_.insert(k.root);
      for (const group::output& o : k.also) made_.insert(o.value);
    }
  }

  buffer_parts run() {
    // Operands before users: a slice of a slice finds the buffer of the first.
    for (const group& k : f_.groups)
      if (k.inlined.empty() && k.also.empty() && k.root->op->kind == op_kind::movement) slice(*k.root);
    // Users before operands: a concat that is a part finds the buffer of the whole.
    for (auto k = f_.groups.rbegin(); k != f_.groups.rend(); ++k)
      if (is_concat(k->root) && k->also.empty() && std::ranges::all_of(k->inlined, is_concat)) concat(*k);
    std::erase_if(f_.groups, [&](const group& k) { return copied_.contains(k.root); });
    return std::move(parts_);
  }

 private:
  const axis_order* order_of(const node& n) const {
    const auto it = f_.order.find(&n);
    return it == f_.order.end() ? nullptr : &it->second;
  }
  static bool is_concat(const node* n) { return n->op == &detail::definition<ops::concat_op>(); }
  void lead(const node& part, const node& whole, std::int64_t shift) {
    f_.alias[&part] = &whole;
    if (shift) parts_.shift[&part] = shift;
    parts_.values.push_back(&part);
  }

  void slice(const node& n) {
    if (results_.contains(&n) || n.operands.size() != 1 || bytes_of(n) == 0 || !traced::can(n)) return;
    const node& x = n.operand(0);
    const node* const stored = f_.storage(&x);
    if (detail::grows(x.type.shape) || x.type.shape.rank != n.type.shape.rank || x.op == &constant_definition() ||
        stored->op == &constant_definition() || (stored->op == &input_definition() && !contiguous_(*stored)))
      return;
    const axis_order* const order = order_of(x);
    const axis_order* const own = order_of(n);
    const axis_order none, wanted = order ? *order : none;
    if (normal(wanted, n.type.shape) != (own ? *own : none)) return;
    const traced t(n);
    if (!t.value()->is(expr_kind::load) || !t.value()->mask()->is_true()) return;
    // Along every axis but the outermost, all of the operand.
    const int first = outermost(x.type.shape, wanted);
    std::int64_t skipped = 0;
    for (int d = 0; d < n.type.shape.rank; ++d) {
      const auto start =
          start_of(t.value()->indices()[static_cast<std::size_t>(d)], t.indices()[static_cast<std::size_t>(d)]);
      if (!start || (d != first && (*start != 0 || n.type.shape[d] != x.type.shape[d]))) return;
      if (d == first) skipped = *start;
    }
    const std::int64_t row = bytes_of(x) / std::max<extent_t>(1, first < x.type.shape.rank ? x.type.shape[first] : 1);
    lead(n, *stored, parts_.offset(f_, &x) + skipped * row);
    made_.erase(&n);
    copied_.insert(&n);
  }

  // The node whose kernel may write `part` elsewhere, or null.
  const node* maker_of(const node& part) const {
    const node* const m = f_.storage(&part);
    const bool apart = made_.contains(m) && !results_.contains(m) && !results_.contains(&part);
    const bool plain = !order_of(part) && !order_of(*m) && bytes_of(*m) == bytes_of(part);
    return apart && plain && parts_.offset(f_, &part) == 0 ? m : nullptr;
  }

  // What a kernel of concats joins, in order; nothing when it does not lie one after the other in the result: where all
  // axes but the outermost of more than one element are whole, it does.
  std::vector<const node*> joined(const group& k) const {
    if (detail::grows(k.root->type.shape)) return {};  // where its parts begin is not known
    const std::unordered_set<const node*> inside(k.inlined.begin(), k.inlined.end());
    std::vector<const node*> parts, open{k.root};
    while (!open.empty()) {
      const node& n = *open.back();
      open.pop_back();
      if (&n != k.root && !inside.contains(&n)) {
        parts.push_back(&n);
        continue;
      }
      const int axis = outermost(n.type.shape, {});
      if (axis == n.type.shape.rank || order_of(n)) return {};
      for (auto o = n.operands.rbegin(); o != n.operands.rend(); ++o) {
        for (int d = 0; d < n.type.shape.rank; ++d)
          if (d != axis && (*o)->type.shape[d] != n.type.shape[d]) return {};
        open.push_back(o->get());
      }
    }
    return parts;
  }

  void concat(const group& k) {
    const std::vector<const node*> parts = joined(k);
    std::unordered_set<const node*> makers;
    for (const node* p : parts)
      if (const node* const m = maker_of(*p); !m || !makers.insert(m).second) return;
    if (parts.empty()) return;
    // Its own buffer may be part of another's by now.
    const node* const whole = f_.storage(k.root);
    std::int64_t at = parts_.offset(f_, k.root);
    for (const node* p : parts) {
      const node* const m = f_.storage(p);
      lead(*m, *whole, at);
      made_.erase(m);
      at += bytes_of(*p);
    }
    copied_.insert(k.root);
  }

  fusion& f_;
  buffer_parts parts_;
  const std::function<bool(const node&)>& contiguous_;
  std::unordered_set<const node*> results_;  // values given out of the call, and whose buffers those are
  std::unordered_set<const node*> made_;     // by a kernel of their own, into a buffer of their own
  std::unordered_set<const node*> copied_;   // that need no kernel any more
};

}  // namespace

std::int64_t buffer_parts::offset(const fusion& f, const node* value) const {
  std::int64_t bytes = 0;
  for (auto it = f.alias.find(value); it != f.alias.end(); it = f.alias.find(value)) {
    if (const auto by = shift.find(value); by != shift.end()) bytes += by->second;
    value = it->second;
  }
  return bytes;
}

buffer_parts share_buffers(const graph& g, fusion& f, const std::function<bool(const node&)>& contiguous) {
  return sharing(g, f, contiguous).run();
}

}  // namespace tenon::ir
