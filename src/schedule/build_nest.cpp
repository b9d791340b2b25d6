#include "schedule/build_nest.hpp"

#include <algorithm>
#include <string>
#include <unordered_set>

#include "loop/evaluate.hpp"

namespace tenon::scheduling {

using namespace ir;

namespace {

// What fits into registers or on the stack (the verifier's limit).
constexpr std::int64_t local_bytes = 4096;
// Times that the code inside of a loop is there twice: for whole blocks, without a tail's conditions, and for the rest.
constexpr int most_partitions = 2;

class builder {
 public:
  builder(computation& c, const nest& n, bool fused) : c_(c), a_(c.kernel.make()), n_(n), fused_(fused) {
    const expr_ref roots[] = {c.value};
    for (expr_ref e : post_order(roots))
      if (e->is(expr_kind::reduce)) reduces_.push_back(e);
    find_indices();
    made_.resize(reduces_.size());
  }
  stmt_ref run() { return build(plan(n_)); }

 private:
  // An index is in its extent only where this holds.
  struct condition {
    expr_ref value, limit;
    std::unordered_set<expr_ref> variables;
    bool known = false;  // to hold, in the copy that is being built
  };
  struct accumulator {
    std::int64_t buffer = 0;
    std::vector<expr_ref> at;
  };

  const nest::loop& loop_of(int id) const { return n_.loops[static_cast<std::size_t>(id)]; }
  expr_ref variable(int id) const { return index_[static_cast<std::size_t>(id)]; }

  // Every loop's index in terms of the loops that are there, and the axes' variables replaced by them.
  void find_indices() {
    index_.resize(n_.loops.size());
    std::vector<expr_ref> roots;
    for (const computation::axis& x : c_.axes) roots.push_back(x.variable);
    add_reduction_roots(-1, roots);
    for (std::size_t id = 0; id < n_.loops.size(); ++id)
      if (n_.loops[id].replaced.empty()) index_[id] = a_.fresh_variable();
    for (auto x = n_.relations.rbegin(); x != n_.relations.rend(); ++x) {
      const auto at = [&](int id) -> expr_ref& { return index_[static_cast<std::size_t>(id)]; };
      const expr_ref factor = a_.index(x->factor);
      if (x->what == nest::relation::kind::fuse) {
        at(x->outer) = a_.div(at(x->whole), factor);
        at(x->inner) = a_.mod(at(x->whole), factor);
        continue;
      }
      const std::int64_t extent = loop_of(x->whole).extent;
      expr_ref block = a_.mul(at(x->outer), factor);
      if (x->what == nest::relation::kind::shift) block = a_.min(block, a_.index(extent - x->factor));
      at(x->whole) = a_.add(block, at(x->inner));
      if (x->has_tail(extent)) limit(at(x->whole), extent);
    }
    for (std::size_t id = 0; id < roots.size(); ++id)
      if (roots[id]->is(expr_kind::variable)) replace_.emplace_back(roots[id], index_[id]);
    for (std::size_t d = 0; d < c_.axes.size(); ++d) point_.push_back(index_[d]);
  }
  // In the order in which make_nest adds loops.
  void add_reduction_roots(int inside, std::vector<expr_ref>& roots) const {
    for (std::size_t r = 0; r < reduces_.size(); ++r) {
      if (n_.reductions[r].inside != inside) continue;
      for (int i = 0; i < reduces_[r]->loops(); ++i) roots.push_back(reduces_[r]->loop_variable(i));
      add_reduction_roots(static_cast<int>(r), roots);
    }
  }
  void limit(expr_ref value, std::int64_t extent) {
    condition c{value, a_.index(extent), {}};
    contains(value, [&](expr_ref e) {
      if (e->is(expr_kind::variable)) c.variables.insert(e);
      return false;
    });
    conditions_.push_back(std::move(c));
  }

  stmt_ref build(const std::vector<item>& items) {
    std::vector<stmt_ref> list;
    for (const item& i : items) {
      const auto r = static_cast<std::size_t>(i.id);
      switch (i.what) {
        case item::kind::loop:
          list.push_back(open(i));
          break;
        case item::kind::declare:
          declare_accumulator(i, list);
          break;
        case item::kind::init:
          start(r, list);
          break;
        case item::kind::update:
          list.push_back(step(r));
          break;
        case item::kind::store:
          list.push_back(make_stmt(store{c_.output, point_, masked(now(c_.value)), mask()}));
          break;
      }
    }
    return make_block(std::move(list));
  }

  bool is_open(expr_ref v) const { return std::ranges::find(open_, v) != open_.end(); }
  // The vectorized loops' variables differ between lanes, and so does what mentions them.
  bool differs(expr_ref e) const {
    return vector_ && contains(e, [&](expr_ref x) { return x == vector_; });
  }

  // for v in [0, extent), cut short where a condition that v completes allows.
  stmt_ref open(const item& i) {
    const nest::loop& l = loop_of(i.id);
    const expr_ref v = variable(i.id);
    const expr_ref outer_vector = vector_;
    const bool outer_reduction = vector_reduction_;
    const std::size_t masks = masks_.size();
    open_.push_back(v);
    if (l.kind == loop_kind::vectorized) {
      vector_ = v;
      vector_reduction_ = l.reduction >= 0;
    }
    expr_ref end = a_.index(l.extent), holds = a_.boolean(true);
    for (const condition& c : conditions_) {
      if (c.known || !c.variables.contains(v) ||
          !std::ranges::all_of(c.variables, [&](expr_ref x) { return is_open(x); }))
        continue;
      if (const expr_ref bound = trips(c, v, l.kind))
        end = a_.min(end, bound);
      else if (differs(c.value))
        masks_.push_back(a_.less(c.value, c.limit));
      else
        holds = a_.both(holds, a_.less(c.value, c.limit));
    }
    stmt_ref body = partitioned(i, l);
    if (!holds->is_true()) body = make_stmt(branch{holds, body, nullptr});
    masks_.resize(masks);
    vector_ = outer_vector;
    vector_reduction_ = outer_reduction;
    open_.pop_back();
    return make_stmt(loop{v, a_.index(0), end, l.kind, l.width, body});
  }
  // The trips of v for which the condition holds, when they are the first ones and their number is the same for all
  // lanes; null else.
  expr_ref trips(const condition& c, expr_ref v, loop_kind kind) {
    if (kind != loop_kind::serial && kind != loop_kind::vectorized) return nullptr;
    const expr_ref variables[] = {v};
    const affine_form f = affine(a_, c.value, variables);
    if (!f.ok || !f.coefficients[0]->is(expr_kind::constant) || f.coefficients[0]->payload < 1) return nullptr;
    if (vector_ != v && differs(f.rest)) return nullptr;
    const std::int64_t k = f.coefficients[0]->payload;
    return a_.div(a_.add(a_.sub(c.limit, f.rest), a_.index(k - 1)), a_.index(k));
  }

  static bool opens(const std::vector<item>& items, int id) {
    return std::ranges::any_of(
        items, [&](const item& i) { return i.what == item::kind::loop && (i.id == id || opens(i.body, id)); });
  }
  // The body of a loop. Where the last open loop of a condition is unrolled or vectorized, whole blocks get code of
  // their own, without the condition.
  stmt_ref partitioned(const item& i, const nest::loop& l) {
    if (l.kind != loop_kind::unrolled && l.kind != loop_kind::vectorized && partitions_ < most_partitions)
      for (condition& c : conditions_) {
        const int last = c.known || !c.variables.contains(variable(i.id)) ? -1 : only_closed(c);
        if (last < 0 || !opens(i.body, last)) continue;
        const loop_kind k = loop_of(last).kind;
        if ((k != loop_kind::unrolled && k != loop_kind::vectorized) || differs(c.value)) continue;
        const expr_ref variables[] = {variable(last)};
        const affine_form f = affine(a_, c.value, variables);
        if (!f.ok || !f.coefficients[0]->is(expr_kind::constant) || f.coefficients[0]->payload < 1) continue;
        const expr_ref most = a_.add(f.rest, a_.mul(f.coefficients[0], a_.index(loop_of(last).extent - 1)));
        ++partitions_;
        c.known = true;
        const stmt_ref whole = partitioned(i, l);
        c.known = false;
        const stmt_ref rest = build(i.body);
        --partitions_;
        return make_stmt(branch{a_.less(most, c.limit), whole, rest});
      }
    return build(i.body);
  }
  // The one loop that a condition still waits for, or -1.
  int only_closed(const condition& c) const {
    int last = -1;
    for (int id : n_.order) {
      if (!c.variables.contains(variable(id)) || is_open(variable(id))) continue;
      if (last >= 0) return -1;
      last = id;
    }
    return last;
  }

  // Lanes and copies side by side: the vectorized loop's index comes last.
  void declare_accumulator(const item& i, std::vector<stmt_ref>& list) {
    const auto r = static_cast<std::size_t>(i.id);
    const expr_ref e = reduces_[r];
    std::vector<int> over = i.over;
    const auto lanes = std::ranges::find(over, loop_kind::vectorized, [&](int id) { return loop_of(id).kind; });
    if (lanes != over.end()) std::rotate(lanes, lanes + 1, over.end());
    std::vector<expr_ref> extents;
    accumulator acc;
    double bytes = size_of(i64);
    for (int id : over) {
      extents.push_back(a_.index(loop_of(id).extent));
      acc.at.push_back(variable(id));
      bytes *= static_cast<double>(loop_of(id).extent);
    }
    const bool arg = is_arg(e->reducer());
    const scope where = bytes * size_of(e->body()->type) / size_of(i64) <= static_cast<double>(local_bytes) &&
                                (!arg || bytes <= static_cast<double>(local_bytes))
                            ? scope::local
                            : scope::scratch;
    const std::string number = std::to_string(++accumulators_);
    acc.buffer = c_.kernel.add_buffer("acc" + number, e->body()->type, where, extents);
    if (arg) c_.kernel.add_buffer("at" + number, i64, where, extents);
    for (int b = 0; where == scope::local && b <= arg; ++b) list.push_back(make_stmt(declare{acc.buffer + b}));
    made_[r] = std::move(acc);
  }
  void start(std::size_t r, std::vector<stmt_ref>& list) {
    const expr_ref e = reduces_[r];
    const reducer first = e->reducer() == reducer::argmax   ? reducer::max
                          : e->reducer() == reducer::argmin ? reducer::min
                                                            : e->reducer();
    const dtype t = e->body()->type;
    list.push_back(make_stmt(store{made_[r].buffer, made_[r].at, a_.constant_bits(t, identity(first, t)), mask()}));
    if (is_arg(e->reducer())) list.push_back(make_stmt(store{made_[r].buffer + 1, made_[r].at, a_.index(0), mask()}));
  }
  stmt_ref step(std::size_t r) {
    const expr_ref e = reduces_[r];
    const expr_ref value = masked(now(e->body()));
    const expr_ref position = is_arg(e->reducer()) ? now(e->loop_variable(0)) : nullptr;
    const accumulator& acc = made_[r];
    // Not where lanes keep partial results, which only an update does.
    if (fused_ && e->reducer() == reducer::sum && is_float(value->type) && value->is(prim::mul) && !vector_reduction_) {
      const expr_ref x[] = {value->operands[0], value->operands[1], a_.load(value->type, acc.buffer, acc.at)};
      return make_stmt(store{acc.buffer, acc.at, a_.apply(prim::fma, x), mask()});
    }
    return make_stmt(update{e->reducer(), acc.buffer, acc.at, value, mask(), position});
  }

  // In terms of the loops that are there, finished reductions replaced by their results.
  expr_ref now(expr_ref e) {
    std::vector<std::pair<expr_ref, expr_ref>> all = replace_;
    for (std::size_t r = 0; r < reduces_.size(); ++r)
      if (const accumulator& acc = made_[r]; acc.buffer) {
        const bool arg = is_arg(reduces_[r]->reducer());
        all.emplace_back(reduces_[r],
                         a_.load(arg ? i64 : reduces_[r]->type, arg ? acc.buffer + 1 : acc.buffer, acc.at));
      }
    return a_.substitute(e, all);
  }
  expr_ref mask() {
    expr_ref m = a_.boolean(true);
    for (expr_ref x : masks_) m = a_.both(m, x);
    return m;
  }
  // Lanes without an element read nothing.
  expr_ref masked(expr_ref e) {
    const expr_ref m = mask();
    if (m->is_true()) return e;
    std::unordered_set<expr_ref> done;
    return a_.rewrite(e, [&](expr_ref x) -> expr_ref {
      if (!x->is(expr_kind::load) || done.contains(x)) return nullptr;
      const expr_ref r = a_.load(x->type, x->payload, x->indices(), a_.both(x->mask(), m));
      done.insert(r);
      return r;
    });
  }

  computation& c_;
  expr_arena& a_;
  const nest& n_;
  bool fused_;
  std::vector<expr_ref> reduces_;  // inner before outer
  std::vector<expr_ref> index_;    // of each loop
  std::vector<std::pair<expr_ref, expr_ref>> replace_;
  std::vector<expr_ref> point_;
  std::vector<condition> conditions_;
  std::vector<accumulator> made_;  // of each reduction, as of now
  std::vector<expr_ref> open_;
  std::vector<expr_ref> masks_;
  expr_ref vector_ = nullptr;  // the open vectorized loop's variable
  bool vector_reduction_ = false;
  int partitions_ = 0, accumulators_ = 0;
};

}  // namespace

void build_nest(computation& c, const nest& n, bool fused) {
  if (!n.fixed) c.kernel.body = builder(c, n, fused).run();
}

}  // namespace tenon::scheduling
