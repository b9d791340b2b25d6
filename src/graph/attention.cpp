#include "graph/attention.hpp"

#include <algorithm>
#include <functional>
#include <unordered_set>
#include <vector>

#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "ops/leaf.hpp"
#include "tenon/ops/arithmetic.hpp"
#include "tenon/ops/math.hpp"
#include "tenon/ops/matmul.hpp"
#include "tenon/ops/reduce.hpp"
#include "tenon/ops/select_cast.hpp"
#include "tenon/ops/selection.hpp"

namespace tenon::ir {
namespace {

template <class Op>
bool is(const node& n) {
  return n.op == &detail::definition<Op>();
}

class finder {
 public:
  explicit finder(const graph& g) : order_(node_order(g)) {
    std::size_t place = 0;
    for (const node* n : order_->nodes) {
      place_[n] = place++;
      for (const node_ref& o : n->operands) users_[o.get()].push_back(n);
    }
    for (const node_ref& o : g.outputs) users_[o.get()].push_back(nullptr);
  }

  std::unordered_map<const node*, const node*> run() {
    std::unordered_map<const node*, const node*> found;
    for (const node* n : order_->nodes)
      if (is<ops::matmul_op>(*n) && match(*n))
        for (const node* inside : inside_) found[inside] = n;
    return found;
  }

 private:
  bool match(const node& product) {
    inside_.clear();
    scores_ = largest_ = total_ = exponential_ = nullptr;
    const node& p = product.operand(0);
    shape_ = p.type.shape;
    type_ = p.type.element;
    if ((type_ != f32 && type_ != f64) || product.type.element != type_) return false;
    if (shape_.rank < 2 || product.type.shape.rank != shape_.rank || shape_[shape_.rank - 1] < 2) return false;
    if (!collect(p) || !scores_ || !largest_ || !total_ || !exponential_) return false;
    if (!is_softmax(p)) return false;
    add_operand(product.operand(1));
    add_operand(scores_->operand(0));
    add_operand(scores_->operand(1));
    keep_private(product);
    return inside_.contains(scores_);
  }

  bool is_row(const dims& s) const {
    if (s.rank != shape_.rank || s[s.rank - 1] != 1) return false;
    return std::equal(s.begin(), s.end() - 1, shape_.begin());
  }
  // What reaches `p` from the scores on: maps of their shape or one a row, one maximum, one sum, one exponential.
  bool collect(const node& p) {
    std::vector<const node*> open{&p};
    while (!open.empty()) {
      const node& n = *open.back();
      open.pop_back();
      const dims& s = n.type.shape;
      const bool whole = s == shape_, movement = n.op->kind == op_kind::movement && !n.op->view && !n.op->source;
      const bool widened = is<ops::cast_op>(n) && is_float(n.operand(0).type.element);  // a mask
      if (inside_.contains(&n) || n.op->kind == op_kind::leaf || !(whole || is_row(s) || widened)) continue;
      if (n.op->kind == op_kind::contraction) {
        if (scores_ || !whole || !is<ops::matmul_op>(n) || n.type.element != type_) return false;
        inside_.insert(&n);
        scores_ = &n;
        continue;
      }
      if (n.op->kind == op_kind::reduction) {
        const node*& role = is<ops::max_op>(n) ? largest_ : total_;
        if (role || whole || !(is<ops::max_op>(n) || is<ops::sum_op>(n)) || n.operand(0).type.shape != shape_)
          return false;
        role = &n;
      } else if (n.op->kind != op_kind::map && !movement) {
        continue;
      }
      if (is<ops::exp_op>(n)) {
        if (exponential_) return false;
        exponential_ = &n;
      }
      inside_.insert(&n);
      for (const node_ref& o : n.operands) open.push_back(o.get());
    }
    return true;
  }
  bool is_softmax(const node& p) const {
    const node& shifted = exponential_->operand(0);
    return (is<ops::div_op>(p) || is<ops::mul_op>(p)) && &p.operand(0) == exponential_ &&
           is_row(p.operand(1).type.shape) && &total_->operand(0) == exponential_ && is<ops::sub_op>(shifted) &&
           &shifted.operand(0) == &largest_->operand(0) && is_row(shifted.operand(1).type.shape);
  }
  // Widened from a shorter type, heads repeated for a group: read where it is used.
  void add_operand(const node& n) {
    const node* at = &n;
    while (is<ops::repeat_op>(*at) || (is<ops::cast_op>(*at) && is_float(at->operand(0).type.element))) {
      inside_.insert(at);
      at = &at->operand(0);
    }
  }
  // What others use too is stored; what was only needed for it is no part of this group either.
  void keep_private(const node& product) {
    std::vector<const node*> users_first(inside_.begin(), inside_.end());
    std::ranges::sort(users_first, std::greater(), [&](const node* n) { return place_.at(n); });
    const auto inside = [&](const node* u) { return u == &product || inside_.contains(u); };
    for (const node* n : users_first)
      if (!std::ranges::all_of(users_.at(n), inside)) inside_.erase(n);
  }

  std::shared_ptr<const graph_order> order_;
  node_map<std::size_t> place_;               // in the order
  node_map<std::vector<const node*>> users_;  // null: a result
  // Of the product that is looked at.
  std::unordered_set<const node*> inside_;
  dims shape_;
  dtype type_{};
  const node *scores_ = nullptr, *largest_ = nullptr, *total_ = nullptr, *exponential_ = nullptr;
};

}  // namespace

std::unordered_map<const node*, const node*> attention_groups(const graph& g) { return finder(g).run(); }

}  // namespace tenon::ir
