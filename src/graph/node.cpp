#include "graph/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory_resource>

#include "core/growing.hpp"
#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"

namespace tenon {
namespace detail {

void node_ref::retain(const ir::node* n) { n->references.fetch_add(1, std::memory_order_relaxed); }

void node_ref::release(const ir::node* n) {
  if (n->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // A chain of 100,000 nodes must not overflow the stack: operands are released from a list, not by recursion.
  std::vector<const ir::node*> dead{n};
  while (!dead.empty()) {
    auto* d = const_cast<ir::node*>(dead.back());
    dead.pop_back();
    for (node_ref& operand : d->operands) {
      const ir::node* o = operand.p_;
      operand.p_ = nullptr;
      if (o && o->references.fetch_sub(1, std::memory_order_acq_rel) == 1) dead.push_back(o);
    }
    delete d;
  }
}

}  // namespace detail

namespace ir {
namespace {

std::atomic<std::uint64_t> nodes_made{0};

std::uint64_t hash_type(const value_type& t) {
  std::uint64_t h = detail::mix(static_cast<std::uint64_t>(t.element), static_cast<std::uint64_t>(t.shape.rank + 1));
  for (extent_t e : t.shape) h = detail::mix(h, static_cast<std::uint64_t>(e));
  return h;
}

// How an operand is called in an error: its name, or the operator that made it.
std::string described(const node& n) {
  const std::string_view given = leaf_name(n);
  const std::string_view shown = !given.empty() ? given : n.op->name;
  return fmt::format("{} {}", shown, to_string(n.type));
}

template <class Error>
[[noreturn]] void refuse(const op_def& op, std::string_view why, const operand_list& operands, const loc& w) {
  std::string text = fmt::format("{}: {}", op.name, why);
  for (std::size_t i = 0; i < operands.size(); ++i) text += (i ? ", " : "; ") + described(*operands[i]);
  throw Error(fmt::format("{}; at {}:{}", text, w.file(), w.line()));
}

// Counts and bytes of a value are computed without further checks: extents that no memory holds end here, those beside
// unknown ones and beside a 0 too.
bool fits_in_memory(const value_type& t) {
  constexpr extent_t address_space = extent_t{1} << 47;
  extent_t bytes = std::max(1, static_cast<int>(size_of(t.element)));
  for (extent_t e : t.shape)
    if (e > 0) bytes = detail::bounded_product(bytes, detail::at_most(e));
  return bytes <= address_space;
}

}  // namespace

node::node(loc w) : serial(nodes_made.fetch_add(1, std::memory_order_relaxed)), where(w) {}

std::string to_string(const value_type& t) {
  detail::text s;
  s << name(t.element);
  s << t.shape;
  return std::string(s.view());
}

void infer(node& made) {
  const op_def& op = *made.op;
  const operand_list& operands = made.operands;
  const loc& w = made.where;
  const int n = static_cast<int>(operands.size());
  if (n < op.min_operands || n > op.max_operands)
    refuse<argument_error>(op, fmt::format("takes {} operands, not {}", op.min_operands, n), operands, w);
  // On the stack where they are few.
  std::byte space[512];
  std::pmr::monotonic_buffer_resource memory(space, sizeof space);
  std::pmr::vector<dims> shapes(&memory);
  std::pmr::vector<dtype> types(&memory);
  shapes.reserve(operands.size());
  types.reserve(operands.size());
  bool controls = false;
  for (const node_ref& o : operands) {
    if (!o) refuse<argument_error>(op, "an operand is an empty tensor handle", {}, w);
    if (!o->more.empty() && op.kind != op_kind::projection)
      refuse<argument_error>(op, "an operand has several results; take one of them", operands, w);
    shapes.push_back(o->type.shape);
    types.push_back(o->type.element);
    controls = controls || o->controls;
  }
  made.controls = controls || has_bodies(op);
  // Rules over operand types see neither the other results nor bodies.
  if (op.kind == op_kind::projection) {
    made.type = projected_type(made);
  } else if (has_bodies(made)) {
    infer_control(made);
  } else {
    const detail::outcome shape = op.shape(made.attrs.get(), {shapes.data(), n});
    if (!shape.ok) refuse<shape_error>(op, shape.why.view(), operands, w);
    const detail::type_outcome type = op.types(made.attrs.get(), {types.data(), n});
    if (!type.ok) refuse<type_error>(op, type.why.view(), operands, w);
    made.type = {type.out, shape.out};
    for (int i = 1; i < op.results; ++i) made.more.push_back({type.more[i - 1], shape.more[i - 1]});
  }
  for (int i = 0; i < made.results(); ++i)
    if (const value_type& t = i == 0 ? made.type : made.more[static_cast<std::size_t>(i - 1)]; !fits_in_memory(t))
      refuse<shape_error>(op, fmt::format("{} is too large for memory", to_string(t)), operands, w);
  std::uint64_t h = detail::mix(op.name.hash, op.attrs->hash(made.attrs.get()));
  for (const node_ref& o : operands) h = detail::mix(h, o->hash);
  made.hash = detail::mix(h, hash_type(made.type));
}

node_ref make_node(const op_def& op, attrs_ref attrs, operand_list operands, const loc& w) {
  auto made = std::make_unique<node>(w);
  made->op = &op;
  made->attrs = std::move(attrs);
  made->operands = std::move(operands);
  infer(*made);
  return node_ref(made.release());
}

bool same_structure(const node& a, const node& b) {
  return a.hash == b.hash && a.op == b.op && a.type == b.type && a.more == b.more && a.operands == b.operands &&
         (a.attrs == b.attrs || a.op->attrs->equal(a.attrs.get(), b.attrs.get()));
}

std::vector<const node*> post_order(std::span<const node_ref> roots) {
  std::vector<const node*> order;
  node_set seen;
  std::vector<std::pair<const node*, std::size_t>> stack;
  for (const node_ref& root : roots) {
    if (!seen.insert(root.get())) continue;
    stack.emplace_back(root.get(), 0);
    while (!stack.empty()) {
      auto& [n, next] = stack.back();
      if (next == n->operands.size()) {
        order.push_back(n);
        stack.pop_back();
        continue;
      }
      const node* operand = n->operands[next++].get();
      if (seen.insert(operand)) stack.emplace_back(operand, 0);
    }
  }
  return order;
}

namespace {
std::vector<std::uint64_t> root_serials(const graph& g) {
  std::vector<std::uint64_t> r;
  for (const node_ref& n : g.inputs) r.push_back(n->serial);
  for (const node_ref& n : g.outputs) r.push_back(n->serial);
  return r;
}
}  // namespace

std::shared_ptr<const graph_order> node_order(const graph& g) {
  std::vector<std::uint64_t> serials = root_serials(g);
  if (g.order && g.order->roots == serials) return g.order;
  std::vector<node_ref> roots = g.inputs;  // also those that nothing uses
  roots.insert(roots.end(), g.outputs.begin(), g.outputs.end());
  return std::make_shared<const graph_order>(graph_order{post_order(roots), false, std::move(serials)});
}

// Open addressing, at most half full: a node's hash lies beside it, so that what differs is not looked at.
struct node_table::impl {
  struct slot {
    std::uint64_t hash = 0;
    node_ref n;
  };
  std::vector<slot> slots{64};
  std::size_t count = 0;
  // What was kept, and is in no slot before somebody asks: most passes make nothing.
  std::vector<const node*> kept;

  slot& place(std::uint64_t hash, const node& n) {
    for (std::size_t i = hash;; ++i) {
      slot& s = slots[i & (slots.size() - 1)];
      if (!s.n || (s.hash == hash && (s.n.get() == &n || same_structure(*s.n, n)))) return s;
    }
  }
  void grow(std::size_t to) {
    std::vector<slot> old(to);
    old.swap(slots);
    for (slot& s : old)
      if (s.n) place(s.hash, *s.n) = std::move(s);
  }
  const node_ref& add(node_ref n) {
    if (2 * (count + 1) > slots.size()) grow(2 * slots.size());
    slot& s = place(n->hash, *n);
    if (!s.n) {
      ++count;
      s.hash = n->hash;
      s.n = std::move(n);
    }
    return s.n;
  }
  void place_kept() {
    if (kept.empty()) return;
    if (const std::size_t wanted = std::bit_ceil(2 * (count + kept.size() + 1)); wanted > slots.size()) grow(wanted);
    for (const node* n : kept) add(node_ref(n));
    kept.clear();
  }
};

node_table::node_table() : impl_(std::make_unique<impl>()) {}
node_table::~node_table() = default;
node_ref node_table::unique(node_ref n) {
  impl_->place_kept();
  return impl_->add(std::move(n));
}
void node_table::keep(const node* n) { impl_->kept.push_back(n); }
bool node_table::contains(const node* n) {
  impl_->place_kept();
  return impl_->place(n->hash, *n).n.get() == n;
}
node_ref node_table::make(const op_def& op, attrs_ref attrs, operand_list operands, const loc& w) {
  return unique(make_node(op, std::move(attrs), std::move(operands), w));
}

}  // namespace ir
}  // namespace tenon
