#include "schedule/build_nest.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <unordered_set>

#include "loop/evaluate.hpp"
#include "schedule/region.hpp"
#include "schedule/tile_functions.hpp"
#include "schedule/values.hpp"

namespace tenon::scheduling {

using namespace ir;

namespace {

// What fits into registers or on the stack (the verifier's limit).
constexpr std::int64_t local_bytes = 4096;
// Times that the code inside of a loop is there twice: for whole blocks, without a tail's conditions, and for the rest.
constexpr int most_partitions = 2;

class builder {
 public:
  builder(computation& c, const nest& n, bool fused)
      : c_(c), a_(c.kernel.make()), n_(n), fused_(fused), reduces_(reductions_of(c)) {
    for (expr_ref e : reduces_) results_.push_back(a_.fresh_accumulator(e->type));
    values_ = readable_values(c, results_);
    find_indices();
    made_.resize(reduces_.size());
    kept_.resize(n.stages.size());
  }
  stmt_ref run() { return build(plan(n_)); }

 private:
  // An index is in its extent only where this holds.
  struct condition {
    expr_ref value, limit;
    std::unordered_set<expr_ref> variables;
    bool masked = false;  // what is outside runs and does nothing
    bool known = false;   // to hold, in the copy that is being built
  };
  struct accumulator {
    std::int64_t buffer = 0;
    std::vector<expr_ref> at;
  };

  // A stage's memory, while it is there.
  struct kept {
    std::int64_t buffer = -1;
    std::vector<expr_ref> begin;  // the element of each dimension that it begins with
  };

  const nest::loop& loop_of(int id) const { return n_.at(id); }
  expr_ref variable(int id) const { return index_[static_cast<std::size_t>(id)]; }

  // Every loop's index in terms of the loops that are there, and the axes' variables replaced by them.
  void find_indices() {
    index_.resize(n_.loops.size());
    std::vector<expr_ref> roots;
    for (const computation::axis& x : c_.axes) roots.push_back(x.variable);
    add_reduction_roots(-1, roots);
    for (std::size_t id = 0; id < n_.loops.size(); ++id)
      index_[id] = n_.loops[id].replaced.empty() ? a_.fresh_variable() : a_.index(0);
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
      if (x->has_tail(extent)) limit(at(x->whole), extent, x->masked);
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
  void limit(expr_ref value, std::int64_t extent, bool masked) {
    condition c{value, a_.index(extent), {}, masked};
    contains(value, [&](expr_ref e) {
      if (e->is(expr_kind::variable)) c.variables.insert(e);
      return false;
    });
    conditions_.push_back(std::move(c));
  }

  stmt_ref build(const std::vector<item>& items) {
    std::vector<stmt_ref> list;
    std::vector<std::size_t> begun;  // stages
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
        case item::kind::store: {
          const auto [buffer, at] = place_of_result();
          list.push_back(make_stmt(store{buffer, at, masked(now(c_.value)), mask()}));
          break;
        }
        case item::kind::contract:
          list.push_back(contract());
          break;
        case item::kind::keep:
          keep(r, list);
          begun.push_back(r);
          break;
        case item::kind::copy:
          list.push_back(copy(r));
          break;
      }
    }
    for (std::size_t s : begun) kept_[s].buffer = -1;
    return make_block(std::move(list));
  }

  bool is_open(expr_ref v) const { return std::ranges::find(open_, v) != open_.end(); }
  // The vectorized loops' variables differ between lanes, and so does what mentions them.
  bool differs(expr_ref e) const {
    return vector_ && contains(e, [&](expr_ref x) { return x == vector_; });
  }

  // for v in [0, extent), in one part or two.
  stmt_ref open(const item& i) {
    const nest::loop& l = loop_of(i.id);
    if (!l.cut) return part(i, 0, l.extent);
    if (l.kind != loop_kind::parallel) return make_block({part(i, 0, l.cut), part(i, l.cut, l.extent)});
    // A kernel has one parallel loop.
    const expr_ref v = variable(i.id);
    const auto body_of = [&](std::int64_t begin, std::int64_t end) {
      const stmt_ref s = part(i, begin, end);
      return std::get<loop>(s->v).body;
    };
    const stmt_ref body = make_stmt(branch{a_.less(v, a_.index(l.cut)), body_of(0, l.cut), body_of(l.cut, l.extent)});
    return make_stmt(loop{v, a_.index(0), a_.index(l.extent), l.kind, l.width, body});
  }
  // for v in [first, last), cut short where a condition that v completes allows.
  stmt_ref part(const item& i, std::int64_t first, std::int64_t last) {
    const nest::loop& l = loop_of(i.id);
    const expr_ref v = variable(i.id);
    const expr_ref outer_vector = vector_;
    const bool outer_reduction = vector_reduction_;
    const std::size_t masks = masks_.size(), single = single_.size();
    std::vector<condition*> held;
    open_.push_back(v);
    if (l.kind == loop_kind::vectorized) {
      vector_ = v;
      vector_reduction_ = l.reduction >= 0;
    }
    if (last - first == 1) single_.emplace_back(v, a_.index(first));
    if (l.cut)
      for (condition& c : conditions_)
        if (!c.known && c.variables.contains(v) && always(c, v, last - 1)) {
          c.known = true;
          held.push_back(&c);
        }
    expr_ref end = a_.index(last), holds = a_.boolean(true);
    for (const condition& c : conditions_) {
      if (c.known || !c.variables.contains(v) ||
          !std::ranges::all_of(c.variables, [&](expr_ref x) { return is_open(x); }))
        continue;
      if (const expr_ref bound = c.masked ? nullptr : trips(c, v, l.kind))
        end = a_.min(end, bound);
      else if (c.masked || differs(c.value))
        masks_.push_back(a_.less(c.value, c.limit));
      else
        holds = a_.both(holds, a_.less(c.value, c.limit));
    }
    stmt_ref body = partitioned(i, l);
    if (!holds->is_true()) body = make_stmt(branch{holds, body, nullptr});
    for (condition* c : held) c->known = false;
    masks_.resize(masks);
    single_.resize(single);
    vector_ = outer_vector;
    vector_reduction_ = outer_reduction;
    open_.pop_back();
    return make_stmt(loop{v, a_.index(first), end, l.kind, l.width, body});
  }
  // Whether a condition holds for all trips of v up to this one, whatever the other loops do.
  bool always(const condition& c, expr_ref v, std::int64_t last) {
    std::vector<expr_ref> variables(c.variables.begin(), c.variables.end());
    const affine_form f = affine(a_, c.value, variables);
    if (!f.ok || !f.rest->is(expr_kind::constant)) return false;
    std::int64_t most = f.rest->payload;
    for (std::size_t i = 0; i < variables.size(); ++i) {
      if (!f.coefficients[i]->is(expr_kind::constant) || f.coefficients[i]->payload < 0) return false;
      const auto id = static_cast<std::size_t>(std::ranges::find(index_, variables[i]) - index_.begin());
      most += f.coefficients[i]->payload * (variables[i] == v ? last : n_.loops[id].extent - 1);
    }
    return most < c.limit->payload;
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
    // A loop of one trip is a number.
    const expr_ref rest = a_.substitute(f.rest, single_);
    return a_.div(a_.add(a_.sub(c.limit, rest), a_.index(k - 1)), a_.index(k));
  }

  static bool opens(const std::vector<item>& items, int id) {
    return std::ranges::any_of(
        items, [&](const item& i) { return i.what == item::kind::loop && (i.id == id || opens(i.body, id)); });
  }
  // The body of a loop. Where the last open loop of a condition is unrolled or vectorized, whole blocks get code of
  // their own, without the condition.
  stmt_ref partitioned(const item& i, const nest::loop& l) {
    if (l.kind != loop_kind::unrolled && l.kind != loop_kind::vectorized && !l.cut && partitions_ < most_partitions)
      for (condition& c : conditions_) {
        const int last = c.known || c.masked || !c.variables.contains(variable(i.id)) ? -1 : only_closed(c);
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
    for (int id = 0; id < static_cast<int>(n_.loops.size()); ++id) {
      if (!loop_of(id).replaced.empty()) continue;
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
    const std::vector<std::pair<expr_ref, expr_ref>> results = accumulators();
    all.insert(all.end(), results.begin(), results.end());
    for (std::size_t s = 0; s < kept_.size(); ++s)
      if (kept_[s].buffer >= 0 && n_.stages[s].what == nest::stage::kind::read) add_reads(s, all);
    return a_.substitute(e, all);
  }
  std::vector<std::pair<expr_ref, expr_ref>> accumulators() {
    std::vector<std::pair<expr_ref, expr_ref>> all;
    for (std::size_t r = 0; r < reduces_.size(); ++r)
      if (const accumulator& acc = made_[r]; acc.buffer) {
        const bool arg = is_arg(reduces_[r]->reducer());
        all.emplace_back(reduces_[r],
                         a_.load(arg ? i64 : reduces_[r]->type, arg ? acc.buffer + 1 : acc.buffer, acc.at));
      }
    return all;
  }

  // ---- stages
  // The least index that the loops inside leave to a loop that is there, or that others replaced.
  expr_ref least(const regions& at, int id) {
    const nest::loop& l = loop_of(id);
    if (l.replaced.empty()) return at.inside(id) ? a_.index(0) : variable(id);
    for (const nest::relation& x : n_.relations) {
      const expr_ref factor = a_.index(x.factor);
      if (x.what == nest::relation::kind::fuse) {
        if (x.outer == id) return a_.div(least(at, x.whole), factor);
        if (x.inner == id) return at.width(x.whole) ? a_.index(0) : a_.mod(least(at, x.whole), factor);
      } else if (x.whole == id) {
        expr_ref block = a_.mul(least(at, x.outer), factor);
        if (x.what == nest::relation::kind::shift) block = a_.min(block, a_.index(l.extent - x.factor));
        return a_.add(block, least(at, x.inner));
      }
    }
    return a_.index(0);
  }
  const nest::value& source(const nest::stage& s) const {
    return s.value < 0 ? n_.result : n_.values[static_cast<std::size_t>(s.value)];
  }
  std::vector<expr_ref> begin_of(const nest::stage& s) {
    const regions at(n_, s.at);
    std::vector<expr_ref> r;
    for (const span_of& x : stage_spans(n_, s)) {
      expr_ref b = a_.index(x.offset);
      for (const auto& [root, factor] : x.begin) b = a_.add(b, a_.mul(least(at, root), a_.index(factor)));
      r.push_back(b);
    }
    return r;
  }
  void keep(std::size_t which, std::vector<stmt_ref>& list) {
    const nest::stage& s = n_.stages[which];
    std::vector<expr_ref> extents;
    std::int64_t bytes = source(s).bytes;
    for (std::size_t d = 0; d < s.extents.size(); ++d) {
      extents.push_back(a_.index(s.extents[d]));
      bytes *= s.extents[d];
    }
    if (s.packed >= 0) {
      extents.erase(extents.begin() + s.packed);
      extents.insert(extents.begin(), a_.index(s.extents[static_cast<std::size_t>(s.packed)] / s.width));
      extents.push_back(a_.index(s.width));
    }
    const dtype t = s.value < 0 ? c_.kernel.buffers[static_cast<std::size_t>(c_.output)].type
                                : values_[static_cast<std::size_t>(s.value)].function->type;
    const scope where = bytes <= local_bytes ? scope::local : scope::scratch;
    kept_[which].buffer = c_.kernel.add_buffer(s.name + std::to_string(++copies_), t, where, extents);
    kept_[which].begin = begin_of(s);
    if (where == scope::local) list.push_back(make_stmt(declare{kept_[which].buffer}));
  }
  // Where in a stage's memory an element of the value is, given by how far each index is from its begin.
  std::vector<expr_ref> inside_of(const nest::stage& s, const std::vector<expr_ref>& from_begin) {
    std::vector<expr_ref> at = from_begin;
    if (s.packed < 0) return at;
    const expr_ref i = at[static_cast<std::size_t>(s.packed)], width = a_.index(s.width);
    at.erase(at.begin() + s.packed);
    at.insert(at.begin(), a_.div(i, width));
    at.push_back(a_.mod(i, width));
    return at;
  }
  expr_ref sum_of(const nest::index& i) {
    expr_ref r = a_.index(i.offset);
    for (const auto& [id, factor] : i.terms) r = a_.add(r, a_.mul(variable(id), a_.index(factor)));
    return r;
  }
  // The same for an index of a read, as a sum over loops where it is one: so that its strides are seen.
  std::vector<expr_ref> place_in(std::size_t which, const nest::value::read& r, const std::vector<expr_ref>& index) {
    const nest::stage& s = n_.stages[which];
    const regions at(n_, s.at);
    const std::vector<span_of> spans = stage_spans(n_, s);
    std::vector<expr_ref> place;
    expr_ref panel = nullptr, column = nullptr;
    for (std::size_t d = 0; d < index.size(); ++d) {
      const auto sum = at.relative(r.at[d], spans[d]);
      place.push_back(sum ? sum_of(*sum) : a_.sub(index[d], kept_[which].begin[d]));
      if (static_cast<int>(d) != s.packed || !sum) continue;
      if (const auto parts = in_panels(n_, *sum, s.width)) {
        panel = sum_of(parts->first);
        column = sum_of(parts->second);
      }
    }
    place = inside_of(s, place);
    if (panel) {
      place.front() = panel;
      place.back() = column;
    }
    return place;
  }
  void add_reads(std::size_t which, std::vector<std::pair<expr_ref, expr_ref>>& all) {
    const nest::stage& s = n_.stages[which];
    const readable& v = values_[static_cast<std::size_t>(s.value)];
    const nest::value& described = source(s);
    const std::vector<std::pair<expr_ref, expr_ref>> axes = replace_;
    for (std::size_t k = 0; k < v.reads.size(); ++k) {
      const readable::read& r = v.reads[k];
      const auto served_here = served(n_, s);
      if (std::ranges::find(served_here, &described.reads[k]) == served_here.end()) continue;
      std::vector<expr_ref> index;
      for (expr_ref e : r.index) index.push_back(a_.substitute(e, axes));
      const expr_ref m = r.e->is(expr_kind::load) ? a_.substitute(r.e->mask(), axes) : nullptr;
      all.emplace_back(r.e, a_.load(r.e->type, kept_[which].buffer, place_in(which, described.reads[k], index), m));
    }
  }
  std::pair<std::int64_t, std::vector<expr_ref>> place_of_result() {
    for (std::size_t s = 0; s < kept_.size(); ++s)
      if (kept_[s].buffer >= 0 && n_.stages[s].what == nest::stage::kind::write)
        return {kept_[s].buffer, place_in(s, n_.result.reads[0], point_)};
    return {c_.output, point_};
  }
  // One element, where the value has one: a box may reach over its edges.
  stmt_ref copy(std::size_t which) {
    const nest::stage& s = n_.stages[which];
    const nest::value& v = source(s);
    if (s.what == nest::stage::kind::prefetch) return ask(s);
    std::vector<expr_ref> local, at;
    expr_ref there = mask();
    for (std::size_t d = 0; d < s.extents.size(); ++d) {
      expr_ref i = variable_of_root(s.roots[d]);
      if (static_cast<int>(d) == s.packed) i = a_.add(a_.mul(i, a_.index(s.width)), variable_of_root(s.column));
      local.push_back(i);
      at.push_back(a_.add(kept_[which].begin[d], i));
      const bool all = kept_[which].begin[d]->is_constant(0) && s.extents[d] <= v.extents[d];
      if (all) continue;
      there = a_.both(there, a_.less(at[d], a_.index(v.extents[d])));
      if (!at[d]->nonnegative) there = a_.both(there, a_.apply(prim::greater_equal, at[d], a_.index(0)));
    }
    std::vector<expr_ref> place = inside_of(s, local);
    if (s.packed >= 0) {
      place.front() = variable_of_root(s.roots[static_cast<std::size_t>(s.packed)]);
      place.back() = variable_of_root(s.column);
    }
    if (s.what == nest::stage::kind::write)
      return make_stmt(
          store{c_.output, at,
                a_.load(c_.kernel.buffers[static_cast<std::size_t>(c_.output)].type, kept_[which].buffer, place, there),
                there});
    const readable& from = values_[static_cast<std::size_t>(s.value)];
    std::vector<std::pair<expr_ref, expr_ref>> parameters, first;
    // Of the accumulator's loops only those of one trip may be inside.
    for (int id : n_.order)
      if (loop_of(id).extent == 1 && !is_open(variable(id))) first.emplace_back(variable(id), a_.index(0));
    for (int r : from.needs) {
      const auto at_r = static_cast<std::size_t>(r);
      parameters.emplace_back(results_[at_r], a_.substitute(a_.substitute(reduces_[at_r], accumulators()), first));
    }
    for (std::size_t d = 0; d < at.size(); ++d) parameters.emplace_back(from.parameters[d], at[d]);
    return make_stmt(store{kept_[which].buffer, place, under(a_.substitute(from.function, parameters), there), mask()});
  }
  // The lines that the loops inside read some trips later.
  stmt_ref ask(const nest::stage& s) {
    const std::pair<expr_ref, expr_ref> later[] = {{variable(s.at), a_.add(variable(s.at), a_.index(s.ahead))}};
    std::vector<expr_ref> at = begin_of(s);
    for (std::size_t d = 0; d < at.size(); ++d) {
      expr_ref i = variable_of_root(s.roots[d]);
      if (d + 1 == at.size()) i = a_.mul(i, a_.index(elements_of_line(n_, s)));
      at[d] = a_.add(a_.substitute(at[d], later), i);
    }
    return make_stmt(prefetch{values_[static_cast<std::size_t>(s.value)].buffer, at});
  }
  expr_ref variable_of_root(int id) const { return index_[static_cast<std::size_t>(id)]; }

  // ---- the tile contraction
  stmt_ref contract() {
    const nest::loop &row = loop_of(n_.tile_row), &column = loop_of(n_.tile_column);
    const std::size_t opened = open_.size();
    const auto extent_of = [&](int id) {
      const expr_ref v = variable(id);
      open_.push_back(v);
      expr_ref end = a_.index(loop_of(id).extent);
      for (const condition& c : conditions_)
        if (!c.known && c.variables.contains(v) &&
            std::ranges::all_of(c.variables, [&](expr_ref x) { return is_open(x); }))
          end = a_.min(end, trips(c, v, loop_kind::serial));
      return end;
    };
    contraction t;
    t.row = variable(n_.tile_row);
    t.column = variable(n_.tile_column);
    const expr_ref rows = extent_of(n_.tile_row);
    t.tile_rows = static_cast<int>(rows->is(expr_kind::constant) ? rows->payload : row.extent);
    t.tile_columns = static_cast<int>(column.extent);
    t.columns = extent_of(n_.tile_column);
    for (int id : n_.order)
      if (loop_of(id).reduction >= 0) t.reduction.push_back({variable(id), extent_of(id)});
    const expr_ref sum = reduces_[0];
    const auto a = static_cast<std::size_t>(n_.row_factor());
    const auto factor = [&](std::size_t which) { return now(sum->body()->operands[which]); };
    t.a = factor(a);
    t.b = factor(1 - a);
    t.accumulator = a_.fresh_accumulator(sum->type);
    std::tie(t.buffer, t.indices) = place_of_result();
    const std::pair<expr_ref, expr_ref> whole[] = {{sum, t.accumulator}};
    t.value = now(a_.substitute(c_.value, whole));
    if (!n_.tile_function.empty()) {
      // The address comes with each call: the code is the same for all functions.
      t.function = a_.symbol(static_cast<std::int64_t>(c_.kernel.symbols.size()));
      c_.kernel.symbols.push_back("tile_function");
      c_.symbol_values.push_back(reinterpret_cast<std::intptr_t>(find_tile_function(n_.tile_function).value().f));
    }
    open_.resize(opened);
    return make_stmt(std::move(t));
  }

  expr_ref mask() {
    expr_ref m = a_.boolean(true);
    for (expr_ref x : masks_) m = a_.both(m, x);
    return m;
  }
  // Lanes without an element read nothing.
  expr_ref masked(expr_ref e) { return under(e, mask()); }
  expr_ref under(expr_ref e, expr_ref m) {
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
  std::vector<readable> values_;
  std::vector<expr_ref> results_;  // variables that stand for the reductions' results in values_
  std::vector<expr_ref> reduces_;  // inner before outer
  std::vector<expr_ref> index_;    // of each loop
  std::vector<std::pair<expr_ref, expr_ref>> replace_;
  std::vector<expr_ref> point_;
  std::vector<condition> conditions_;
  std::vector<accumulator> made_;  // of each reduction, as of now
  std::vector<expr_ref> open_;
  std::vector<expr_ref> masks_;
  std::vector<kept> kept_;                             // of each stage, as of now
  std::vector<std::pair<expr_ref, expr_ref>> single_;  // loops of one trip, and which it is
  expr_ref vector_ = nullptr;                          // the open vectorized loop's variable
  bool vector_reduction_ = false;
  int partitions_ = 0, accumulators_ = 0, copies_ = 0;
};

}  // namespace

void build_nest(computation& c, const nest& n, bool fused) {
  if (!n.fixed) c.kernel.body = builder(c, n, fused).run();
}

}  // namespace tenon::scheduling
