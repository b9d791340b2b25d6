#include <algorithm>

#include "core/growing.hpp"
#include "graph/fuse.hpp"
#include "graph/node_map.hpp"
#include "graph/op_def.hpp"

namespace tenon::ir {
namespace {

constexpr std::size_t most_operands = 16, most_results = 4;
// Kernels apart: made much earlier than it is read, a result takes memory all the while.
constexpr std::size_t nearby = 8;
// Reductions to fewer elements may be long enough to be cut into kernels of their own.
constexpr extent_t least_rows = 16;

bool reduces(const group& g) {
  const auto sums = [](const node* n) { return n->op->kind == op_kind::reduction; };
  return sums(g.root) || std::ranges::any_of(g.inlined, sums);
}
bool may_share(const group& g) {
  const auto alone = [](const node* n) {
    const op_kind k = n->op->kind;
    return (k != op_kind::map && k != op_kind::reduction && k != op_kind::leaf) || !n->more.empty();
  };
  return !alone(g.root) && std::ranges::none_of(g.inlined, alone) && detail::count_at_most(g.root->type.shape) > 0;
}
// What both read: more of it than they write, or there is nothing to gain.
const node* largest_operand(const group& g) {
  const node* most = nullptr;
  for (const node* n : g.operands)
    if (!most || detail::count_at_most(n->type.shape) > detail::count_at_most(most->type.shape)) most = n;
  return most && detail::count_at_most(most->type.shape) >= detail::count_at_most(g.root->type.shape) ? most : nullptr;
}

class merger {
 public:
  explicit merger(fusion& f) : f_(f) {
    for (std::size_t k = 0; k < f.groups.size(); ++k) {
      made_[f.groups[k].root] = k;
      for (const group::output& o : f.groups[k].also) made_[o.value] = k;
    }
  }
  void run() {
    // Of the groups that read a value, each is asked for by the next ones.
    node_map<std::size_t> reader;
    std::vector<bool> gone(f_.groups.size());
    for (std::size_t k = 0; k < f_.groups.size(); ++k) {
      const node* const x = may_share(f_.groups[k]) ? largest_operand(f_.groups[k]) : nullptr;
      if (!x) continue;
      const auto [last, fresh] = reader.insert(x);
      if (!fresh && k - *last <= nearby && fits(f_.groups[*last], f_.groups[k], *last)) {
        merge(f_.groups[*last], std::move(f_.groups[k]), *last);
        gone[k] = true;
      } else {
        *last = k;
      }
    }
    std::size_t k = 0;
    std::erase_if(f_.groups, [&](const group&) { return gone[k++]; });
  }

 private:
  axis_order order_of(const node* n) const {
    const auto it = f_.order.find(n);
    return it == f_.order.end() ? axis_order() : it->second;
  }
  // b can be made where a is, before all that lies between them, when everything it reads is there by then.
  bool fits(const group& a, const group& b, std::size_t place) const {
    if (a.root->type.shape != b.root->type.shape || order_of(a.root) != order_of(b.root)) return false;
    if (reduces(a) && detail::count_at_most(a.root->type.shape) < least_rows) return false;
    if (reduces(a) != reduces(b) || a.inlined.size() + b.inlined.size() + 2 > max_group) return false;
    if (a.also.size() + b.also.size() + 1 > most_results || a.operands.size() + b.operands.size() > most_operands)
      return false;
    return std::ranges::all_of(b.operands, [&](const node* o) {
      const auto made = made_.find(o->op->kind == op_kind::projection ? o->operands[0].get() : o);
      return !made || *made < place;
    });
  }
  void merge(group& a, group&& b, std::size_t place) {
    std::vector<int> axes;
    for (int d = 0; d < b.root->type.shape.rank; ++d) axes.push_back(b.root->type.shape[d] == 1 ? -1 : d);
    b.inlined.push_back(b.root);
    for (const node* n : b.inlined)
      if (std::ranges::find(a.inlined, n) == a.inlined.end()) a.inlined.push_back(n);
    for (const node* o : b.operands)
      if (std::ranges::find(a.operands, o) == a.operands.end()) a.operands.push_back(o);
    a.notes.push_back({.why = fusion_note::reason::sibling, .value = b.root, .other = a.root});
    a.notes.insert(a.notes.end(), b.notes.begin() + 1, b.notes.end());
    made_[b.root] = place;
    for (const group::output& o : b.also) made_[o.value] = place;
    a.also.push_back({b.root, std::move(axes)});
    a.also.insert(a.also.end(), b.also.begin(), b.also.end());
  }

  fusion& f_;
  node_map<std::size_t> made_;  // by which group
};

}  // namespace

void fuse_siblings(fusion& f) { merger(f).run(); }

}  // namespace tenon::ir
