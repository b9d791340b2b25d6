#include "schedule/attention.hpp"

#include <cmath>
#include <unordered_map>

#include "loop/evaluate.hpp"

namespace tenon::scheduling {

using namespace ir;
namespace {

bool mentions(expr_ref e, expr_ref what) {
  return contains(e, [&](expr_ref x) { return x == what; });
}

// Whether two expressions are the same but for the names of variables: those of reductions inside, and given ones.
class renaming {
 public:
  bool same(expr_ref a, expr_ref b) {
    if (const auto it = of_.find(a); it != of_.end()) return it->second == b;
    of_[a] = b;
    if (a == b || a->is(expr_kind::variable)) return a == b;
    if (a->kind != b->kind || a->type != b->type || a->payload != b->payload || a->op != b->op ||
        a->operands.size() != b->operands.size())
      return false;
    if (a->is(expr_kind::reduce))
      for (int i = 0; i < a->loops(); ++i) rename(a->loop_variable(i), b->loop_variable(i));
    for (std::size_t i = 0; i < a->operands.size(); ++i)
      if (!same(a->operands[i], b->operands[i])) return false;
    return true;
  }
  void rename(expr_ref variable, expr_ref other) { of_[variable] = other; }

 private:
  std::unordered_map<expr_ref, expr_ref> of_;
};
bool same_over(expr_ref reduce, expr_ref body, expr_ref variable) {
  renaming names;
  names.rename(reduce->loop_variable(0), variable);
  return names.same(reduce->body(), body);
}

class matcher {
 public:
  explicit matcher(computation& c) : c_(c), a_(c.kernel.make()) {}

  std::optional<attention> match() {
    if (!find_result()) return {};
    key_ = m_.key_variable();
    expr_ref p = m_.result->body()->operands[0], v = m_.result->body()->operands[1];
    if (mentions_reduce(v)) std::swap(p, v);
    if (!operand(v, m_.value) || !softmax(p) || !find_dot()) return {};
    if (!find_axes()) return {};
    find_causal();
    return m_;
  }

 private:
  static bool is_sum_over_one(expr_ref e) {
    return e->is(expr_kind::reduce) && e->reducer() == reducer::sum && e->loops() == 1;
  }
  static bool mentions_reduce(expr_ref e) {
    return contains(e, [](expr_ref x) { return x->is(expr_kind::reduce); });
  }
  // The one reduction that is in no other.
  bool find_result() {
    std::vector<expr_ref> open{c_.value};
    std::unordered_map<expr_ref, bool> seen;
    while (!open.empty()) {
      const expr_ref e = open.back();
      open.pop_back();
      if (!seen.try_emplace(e, true).second) continue;
      if (!e->is(expr_kind::reduce)) {
        open.insert(open.end(), e->operands.begin(), e->operands.end());
        continue;
      }
      if (m_.result || !is_sum_over_one(e) || !is_float(e->type) || !e->body()->is(prim::mul)) return false;
      m_.result = e;
    }
    return m_.result != nullptr;
  }
  static bool operand(expr_ref value, attention::operand& o) {
    o.value = value;
    o.load = value->is(prim::cast) ? value->operands[0] : value;
    return o.load->is(expr_kind::load) && o.load->mask()->is_true();
  }
  // p = exp(score - shift), times or divided by what the row has fixed.
  bool softmax(expr_ref p) {
    m_.normal = a_.constant(m_.result->type, 1);
    while (!p->is(prim::exp)) {
      if (p->is(prim::mul) && !mentions(p->operands[1], key_)) {
        m_.normal = a_.mul(m_.normal, p->operands[1]);
        p = p->operands[0];
      } else if (p->is(prim::mul) && !mentions(p->operands[0], key_)) {
        m_.normal = a_.mul(m_.normal, p->operands[0]);
        p = p->operands[1];
      } else if (p->is(prim::div) && !mentions(p->operands[1], key_)) {
        m_.normal = a_.mul(m_.normal, a_.apply(prim::reciprocal, p->operands[1]));
        p = p->operands[0];
      } else {
        return false;
      }
    }
    const expr_ref shifted = p->operands[0];
    if (!shifted->is(prim::sub)) return false;
    m_.score = shifted->operands[0];
    m_.shift = shifted->operands[1];
    m_.largest = only_reduce(m_.shift, reducer::max);
    m_.total = only_reduce(m_.normal, reducer::sum);
    if (!m_.largest || !m_.total || mentions(m_.shift, key_)) return false;
    // The largest itself, or not less than a number.
    const bool bounded = m_.shift->is(prim::max) && (m_.shift->operands[0]->is(expr_kind::constant) ||
                                                     m_.shift->operands[1]->is(expr_kind::constant));
    if (m_.shift != m_.largest && !(bounded && mentions(m_.shift, m_.largest))) return false;
    return same_over(m_.largest, m_.score, key_) && same_over(m_.total, p, key_);
  }
  expr_ref only_reduce(expr_ref e, reducer how) const {
    // In no other reduction; `normal` may hold the largest too, but only inside of the total.
    std::vector<expr_ref> open{e};
    expr_ref found = nullptr;
    while (!open.empty()) {
      const expr_ref x = open.back();
      open.pop_back();
      if (!x->is(expr_kind::reduce)) {
        open.insert(open.end(), x->operands.begin(), x->operands.end());
        continue;
      }
      if ((found && found != x) || x->reducer() != how || x->loops() != 1 || x->loop_extent(0) != m_.keys())
        return nullptr;
      found = x;
    }
    return found;
  }
  bool find_dot() {
    const expr_ref roots[] = {m_.score};
    for (expr_ref e : post_order(roots)) {
      if (!e->is(expr_kind::reduce)) continue;
      if (m_.dot || !is_sum_over_one(e) || !e->body()->is(prim::mul) || e->type != m_.result->type) return false;
      m_.dot = e;
    }
    if (!m_.dot) return false;
    attention::operand x, y;
    if (!operand(m_.dot->body()->operands[0], x) || !operand(m_.dot->body()->operands[1], y)) return false;
    const bool first_is_key = mentions(x.value, key_);
    if (first_is_key == mentions(y.value, key_)) return false;
    m_.key = first_is_key ? x : y;
    m_.query = first_is_key ? y : x;
    return true;
  }

  // Queries along which neither keys nor values change; the values' depth, which nothing else knows and the result has
  // innermost, or at least dense.
  bool find_axes() {
    const auto rank = static_cast<int>(c_.axes.size());
    for (int d = 0; d < rank; ++d) {
      const expr_ref v = c_.axes[static_cast<std::size_t>(d)].variable;
      if (!v->is(expr_kind::variable)) continue;
      const bool in_score = mentions(m_.score, v), in_value = mentions(m_.value.value, v);
      if (in_value && !in_score && !mentions(m_.normal, v)) {
        if (m_.column >= 0 || !affine_in(m_.value.load, v)) return false;
        m_.column = d;
      } else if (mentions(m_.query.value, v) && !mentions(m_.key.value, v) && !in_value) {
        if (m_.row < 0 || c_.axes[static_cast<std::size_t>(m_.row)].size < c_.axes[static_cast<std::size_t>(d)].size)
          m_.row = d;
      }
    }
    if (m_.column < 0) return false;
    const expr_ref column = c_.axes[static_cast<std::size_t>(m_.column)].variable;
    m_.unit_value = stride(m_.value.load, column)->is_constant(1);
    return affine_in(m_.value.load, key_) && affine_in(m_.key.load, key_) &&
           affine_in(m_.key.load, m_.dot->loop_variable(0)) && affine_in(m_.query.load, m_.dot->loop_variable(0)) &&
           (m_.row < 0 || affine_in(m_.query.load, c_.axes[static_cast<std::size_t>(m_.row)].variable));
  }
  affine_form form(expr_ref load, expr_ref variable) const {
    const buffer& from = c_.kernel.buffers[static_cast<std::size_t>(load->payload)];
    return affine(a_, linear_index(a_, from, load->indices()), std::span(&variable, 1));
  }
  bool affine_in(expr_ref load, expr_ref variable) const { return form(load, variable).ok; }
  expr_ref stride(expr_ref load, expr_ref variable) const { return form(load, variable).coefficients[0]; }

  // score = select(key <= row + number, ..., -infinity), or without a row; the number may be read from memory.
  void find_causal() {
    const expr_ref s = m_.score;
    if (!s->is(prim::select) || !s->operands[0]->is(prim::less_equal)) return;
    const expr_ref none = a_.constant(s->type, -HUGE_VAL);
    if (s->operands[2] != none) return;
    const expr_ref slack = a_.sub(s->operands[0]->operands[1], s->operands[0]->operands[0]);
    std::vector<expr_ref> variables{key_};
    if (m_.row >= 0) variables.push_back(c_.axes[static_cast<std::size_t>(m_.row)].variable);
    const affine_form f = affine(a_, slack, variables);
    if (!f.ok || !f.coefficients[0]->is_constant(-1)) return;
    const bool with_row = m_.row >= 0 && f.coefficients[1]->is_constant(1);
    if (m_.row >= 0 && !with_row && !f.coefficients[1]->is_constant(0)) return;
    for (const computation::axis& axis : c_.axes)
      if (axis.variable->is(expr_kind::variable) && mentions(f.rest, axis.variable)) return;
    m_.causal = f.rest;
    m_.rows_see_more = with_row;
  }

  computation& c_;
  expr_arena& a_;
  attention m_;
  expr_ref key_ = nullptr;
};

}  // namespace

std::optional<attention> match_attention(computation& c) { return matcher(c).match(); }

}  // namespace tenon::scheduling
