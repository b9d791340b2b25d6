#include "graph/fuse.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_set>

#include "core/growing.hpp"
#include "graph/attention.hpp"
#include "graph/kernel_space.hpp"
#include "graph/node_map.hpp"
#include "graph/op_def.hpp"
#include "graph/prologue.hpp"
#include "ops/control.hpp"
#include "ops/leaf.hpp"

namespace tenon::ir {
namespace {

// Values that one kernel stores beside its root.
constexpr std::size_t max_results = 4;
// Places in which one value may be computed again.
constexpr std::size_t max_instances = 16;
// Values that are followed on the way to a reduction.
constexpr std::size_t most_looked_at = 16;
// So many operations are no more than reading the result again.
constexpr double free_operations = 4;
// So many operations again take the time that a byte takes to be written and read.
constexpr double operations_per_byte = 8;

class fuser {
 public:
  fuser(const graph& g, const fusion_options& options)
      : order_of_nodes_(node_order(g)),
        nodes_(order_of_nodes_->nodes),
        enabled_(options.enabled),
        several_(options.several_results),
        contiguous_(options.contiguous) {
    arena_.variable(i64, dims::max_rank - 1);  // of the axes of roots
    std::size_t place = 0;
    for (const node* n : nodes_) {
      place_of_[n] = place++;
      for (const node_ref& o : n->operands) {
        auto& u = users_[o.get()];
        if (u.empty() || u.back() != n) u.push_back(n);
      }
    }
    for (const node_ref& o : g.outputs) outputs_.insert(o.get());
    if (enabled_) channels_last_ = channels_last_region(g);
    if (enabled_) attention_ = attention_groups(g);
    if (enabled_) prologues_ = contraction_prologues(g, channels_last_);
  }

  fusion run() {
    // Users before operands: a node can only join the group that all of its users are in.
    for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) place(**it);
    return collect();
  }

 private:
  struct state {
    kernel_space space;
    int reductions = 0, contractions = 0;
    std::size_t nodes = 1;
    std::vector<fusion_note> notes{};
    std::vector<group::output> also{};
  };
  // A value as one kernel reads it.
  struct reading {
    const node* root;
    std::vector<instance> instances;
  };
  std::vector<instance>* readings(const node& n, const node* root) {
    std::vector<reading>* const all = pending_.find(&n);
    if (!all) return nullptr;
    const auto r = std::ranges::find(*all, root, &reading::root);
    return r == all->end() ? nullptr : &r->instances;
  }
  std::vector<instance>& add_readings(const node& n, const node* root) {
    if (std::vector<instance>* const known = readings(n, root)) return *known;
    return pending_[&n].emplace_back(reading{root, {}}).instances;
  }

  bool is_output(const node* n) const { return outputs_.contains(n); }
  const node* root_of(const node* n) const {
    const node* const* const r = root_of_.find(n);
    return r ? *r : nullptr;
  }

  void place(const node& n) {
    if (n.op->kind == op_kind::leaf && !n.op->compute) return;  // a buffer already
    if (n.op->kind == op_kind::projection) return;              // a buffer of the operand's kernel
    // What bodies read, and what is updated, is row-major.
    if (has_bodies(n) || is_update(n))
      for (const node_ref& o : n.operands) row_major_.insert(o.get());
    if (const auto p = prologues_.find(&n); p != prologues_.end()) {
      join(n, root_of(p->second));
      return;
    }
    fusion_note note{.value = &n};
    const bool may_view = n.op->view && viewable(n.operand(0), n);
    const node* root = may_view && !(relabels(n) && may_join(n.operand(0))) ? nullptr : joins(n, note);
    if (!root && may_view) {
      row_major_.insert(n.operands[0].get());
      view(n);
      return;
    }
    if (!root && permutes(n)) {
      view(n);
      return;
    }
    if (!root) {
      root = &n;
      unjoin_views(n);
      state& s = states_.emplace_back(state{kernel_space(arena_, n.type.shape, order_of(n))});
      group_[&n] = &s;
      add_readings(n, &n) = {s.space.root()};
      s.notes.push_back(note);
    } else if (may_view) {
      relabelled_[n.operands[0].get()].push_back(&n);
    }
    join(n, root);
  }
  void join(const node& n, const node* root) {
    root_of_[&n] = root;
    state& s = *group_.at(root);
    s.nodes += root != &n;
    s.reductions += n.op->kind == op_kind::reduction;
    s.contractions += n.op->kind == op_kind::contraction;
    expand(n, s);
  }

  // What of its operands a node in a kernel reads.
  void expand(const node& n, state& s) {
    const node* const root = root_of(&n);
    std::vector<instance>* const pending = readings(n, root);
    const std::vector<instance> own = pending ? std::move(*pending) : std::vector<instance>();
    if (std::vector<reading>* const all = pending_.find(&n)) *all = {};
    const op_kind k = n.op->kind;
    if (own.empty() || !enabled_ || detail::count_at_most(n.type.shape) == 0 || attention_.contains(&n)) return;
    if (k != op_kind::map && k != op_kind::movement && k != op_kind::reduction) return;
    for (const instance& of : own)
      for (kernel_space::read& r : s.space.reads(n, of)) {
        if (r.value->op->kind == op_kind::leaf && !r.value->op->compute) continue;
        std::vector<instance>& all = add_readings(*r.value, root);
        if (std::ranges::find(all, r.of) == all.end()) all.push_back(std::move(r.of));
      }
  }

  // A view that only takes axes of one element away, or adds some: whoever computes it has no index arithmetic.
  static bool relabels(const node& n) {
    const auto without_ones = [](const dims& d) {
      dims r;
      for (extent_t e : d)
        if (e != 1) r.push_back(e);
      return r;
    };
    return without_ones(n.type.shape) == without_ones(n.operand(0).type.shape);
  }
  // Whether a value may turn out to be no buffer.
  bool may_join(const node& n) const {
    const op_kind k = n.op->kind;
    return enabled_ && !is_given(n) && (several_ || !is_output(&n)) && !stored_.contains(&n) &&
           !attention_.contains(&n) && (k == op_kind::map || k == op_kind::reduction);
  }
  // What was to be computed together with a value that is stored now is a view of it.
  void unjoin_views(const node& n) {
    std::vector<const node*>* const all = relabelled_.find(&n);
    if (!all) return;
    for (const node* v : std::exchange(*all, {})) {
      if (!viewable(n, *v)) continue;
      row_major_.insert(&n);
      --group_.at(root_of(v))->nodes;
      root_of_[v] = nullptr;
      view(*v);
    }
  }

  void view(const node& n) {
    alias_[&n] = n.operands[0].get();
    stored_.insert(n.operands[0].get());
    if (const auto [viewer, fresh] = viewer_.insert(n.operands[0].get()); fresh) *viewer = &n;
    if (is_result(n)) claimed_.insert(n.operands[0].get());
  }
  bool is_result(const node& n) const { return is_output(&n) || claimed_.contains(&n); }
  // Neither a view's buffer nor one that is made here: it lies as it lies.
  static bool is_given(const node& n) {
    return n.op->kind == op_kind::leaf || n.op->kind == op_kind::projection || n.op->kind == op_kind::program ||
           !n.more.empty();
  }
  // A view needs no kernel when its operand lies in a buffer that it may share.
  bool may_share(const node& operand, const node& n) const {
    if (detail::count_at_most(operand.type.shape) == 0) return false;
    const bool foreign = operand.op->kind == op_kind::leaf || operand.op->kind == op_kind::projection;
    if (is_result(n)) return !foreign && !is_result(operand);
    return operand.op != &input_definition() || contiguous_(operand);
  }
  // A reshape, of what lies in row-major order.
  bool viewable(const node& operand, const node& n) const {
    return may_share(operand, n) && order_of(operand).empty() && !order_.contains(&n);
  }
  // A transpose: where its order matters to somebody, the operand is stored so that it comes out.
  bool permutes(const node& n) {
    if (!enabled_ || !n.op->source || !may_share(n.operand(0), n)) return false;
    const node& operand = n.operand(0);
    const bool fixed = is_output(&n) || row_major_.contains(&n) || order_.contains(&n);
    if (!fixed) return true;
    const axis_order wanted = order_of_viewed(n, order_of(n));
    if (is_given(operand) || is_output(&operand) || row_major_.contains(&operand) || order_.contains(&operand))
      return order_of(operand) == wanted;
    order_[&operand] = wanted;
    return true;
  }
  // In which order a value lies in memory, as far as that is decided; views of it may still ask for another.
  axis_order order_of(const node& n) const {
    if (const axis_order* const asked = order_.find(&n)) return *asked;
    if (is_given(n) || is_output(&n) || row_major_.contains(&n) || !channels_last_.contains(&n)) return {};
    return channels_last(n.type.shape);
  }

  // The root whose group `n` can be computed in; null, and why not. A value that is needed outside of it too is stored
  // by that kernel.
  const node* joins(const node& n, fusion_note& note) {
    using why = fusion_note::reason;
    const auto refuse = [&](why w, const node* other = nullptr) {
      note.why = w;
      note.other = other;
      return nullptr;
    };
    const auto users = users_.find(&n);
    if (!users) return refuse(why::result);
    if (stored_.contains(&n)) return refuse(why::viewed, viewer_.at(&n));
    if (!n.more.empty()) return refuse(why::own_loops, &n);
    const bool output = is_output(&n);
    if (const auto a = attention_.find(&n); a != attention_.end() && !output) return root_of(a->second);
    const op_kind kind = n.op->kind;
    if (kind == op_kind::program) return refuse(why::own_loops, &n);
    if (!enabled_) return refuse(why::not_enabled);
    const node *root = nullptr, *last = nullptr;  // the first and the last kernel that reads it
    for (const node* u : *users) {
      const node* const r = root_of(u);
      if (!r) return u->op->kind == op_kind::projection ? refuse(why::own_loops, u) : refuse(why::viewed, u);
      if (!root || place_of_.at(r) < place_of_.at(root)) root = r;
      if (!last || place_of_.at(r) > place_of_.at(last)) last = r;
    }
    for (const node* u : *users) {
      if (root_of(u) != root) continue;
      if (u->op->kind == op_kind::program) return refuse(why::own_loops, u);
      // iota and the like are expressions of the indices
      if ((u->op->kind == op_kind::contraction && kind != op_kind::leaf) || attention_.contains(u) ||
          prologues_.contains(u)) {
        const node* const by = prologues_.contains(u) ? prologues_.at(u) : u;
        if (by == u) note.times = times_read(arena_, *u, n);
        return refuse(why::products, by);
      }
    }
    state& s = *group_.at(root);
    const bool outside = output || last != root;
    if (outside && (!several_ || s.contractions || s.also.size() >= max_results ||
                    (kind != op_kind::map && kind != op_kind::reduction && kind != op_kind::contraction)))
      return output ? refuse(why::result) : refuse(why::apart, last);
    // Maps after a contraction are its epilogue, in registers; in another group they would read it from memory.
    const bool takes_contraction =
        !s.contractions && !s.reductions && root->op->kind == op_kind::map && root->type.shape == n.type.shape;
    if (kind == op_kind::map && !takes_contraction && follows_contraction(n)) return refuse(why::epilogue);
    if (s.nodes >= max_group) return refuse(why::full, root);
    std::optional<group::output> stored;
    const auto placed = [&] { return !outside || (stored = place_beside(n, root)); };
    const auto unplaced = [&] { return output ? refuse(why::result) : refuse(why::apart, last); };
    if (kind == op_kind::contraction) {
      const auto whole = [&](const group::output& o) { return o.value->type.shape == n.type.shape; };
      if (!takes_contraction || !std::ranges::all_of(s.also, whole)) return refuse(why::one_kind, root);
      for (const node* u : *users)
        if (root_of(u) == root && (u->op->kind != op_kind::map || u->type.shape != n.type.shape))
          return refuse(why::one_kind, u);
      if (!placed()) return unplaced();
    } else {
      if (kind == op_kind::reduction && s.contractions) return refuse(why::one_kind, root);
      arrange(n, *root, s.space);
      if (!placed()) return unplaced();
      if (!pays(n, root, note)) return nullptr;
    }
    if (stored) {
      s.also.push_back(*std::move(stored));
      s.notes.push_back({.why = why::beside, .value = &n, .other = output ? nullptr : last});
    }
    return root;
  }

  // How the kernel of `root` can store n, each element once and in the order in which it lies in memory; nothing when
  // it computes them in other places.
  std::optional<group::output> place_beside(const node& n, const node* root) {
    const std::vector<instance>* const read = readings(n, root);
    const dims& shape = n.type.shape;
    if (!read || read->empty() || detail::count_at_most(shape) == 0 || detail::count_at_most(root->type.shape) == 0)
      return {};
    state& s = *group_.at(root);
    const axis_order order = order_of(n);
    const auto in_order = [&](auto place) {
      int before = -1;
      for (int k = 0; k < shape.rank; ++k) {
        const int d = order.empty() ? k : order[static_cast<std::size_t>(k)];
        if (shape[d] == 1) continue;
        if (place(d) <= before) return false;
        before = place(d);
      }
      return true;
    };
    group::output made{.value = &n, .axes = {}};
    for (const instance& i : *read)
      if (s.space.is_placed(i, shape, made.axes) &&
          in_order([&](int d) { return s.space.place_of_axis(made.axes[static_cast<std::size_t>(d)]); })) {
        s.space.put_outside(i);  // and stays there
        return made;
      }
    return {};
  }

  // Whether computing `n` wherever it is read costs less than a buffer of its own.
  bool pays(const node& n, const node* root, fusion_note& note) {
    using why = fusion_note::reason;
    state& s = *group_.at(root);
    const std::vector<instance>* const read = readings(n, root);
    const auto count = static_cast<double>(detail::count_at_most(n.type.shape));
    if (!read || read->empty() || count == 0) return n.op->kind == op_kind::leaf;
    const std::size_t places = read->size();
    const bool masked = std::ranges::any_of(*read, [](const instance& i) { return !i.mask->is_true(); });
    const double evaluations = evaluated(*read, s.space);
    note.other = root;
    note.times = static_cast<double>(places);
    if (places > max_instances) {
      note.why = why::copies;
      return false;
    }
    const bool reduces = n.op->kind == op_kind::reduction;
    if (reduces && masked) {
      note.why = why::masked;
      return false;
    }
    if (evaluations <= count) return true;
    const double each = operations_of(arena_, n);
    note.times = evaluations / count;
    note.operations = (evaluations - count) * each;
    note.bytes = 2 * count * size_of(n.type.element);
    if (reduces || (each > free_operations && note.operations > operations_per_byte * note.bytes)) {
      note.why = why::too_often;
      return false;
    }
    note.why = why::again;
    if (each > free_operations) s.notes.push_back(note);
    return true;
  }

  // What reductions over the root's own elements make is computed outside of the loops that they go over, where those
  // may be inside of all others:
  //   softmax over axis 1 of [n, c, w]: for n, w: { max over c; sum over c; for c: the result }
  void arrange(const node& n, const node& root, kernel_space& space) {
    const std::vector<instance>* const read = readings(n, &root);
    if (!read || read->empty() || !reduces_elements_of(root, n)) return;
    kernel_space other = space;
    for (const instance& i : *read)
      if (!i.mask->is_true() || !other.put_outside(i)) return;
    if (evaluated(*read, other) <= static_cast<double>(detail::count_at_most(n.type.shape))) space = std::move(other);
  }
  static double evaluated(const std::vector<instance>& read, const kernel_space& space) {
    double all = 0;
    for (const instance& i : read) all += space.evaluations(i);
    return all;
  }
  // Whether n is a reduction, or maps of one, of as many elements as the root has.
  static bool reduces_elements_of(const node& root, const node& n) {
    std::vector<const node*> open{&n};
    for (std::size_t i = 0; i < open.size() && i < most_looked_at; ++i) {
      const node& m = *open[i];
      if (m.op->kind == op_kind::reduction) {
        if (m.operand(0).type.shape.count() == root.type.shape.count()) return true;
      } else if (m.op->kind == op_kind::map || m.op->view) {
        for (const node_ref& o : m.operands)
          if (o->type.shape.count() == n.type.shape.count()) open.push_back(o.get());
      }
    }
    return false;
  }

  // Whether a contraction's value reaches `n` through maps of its shape that nobody else uses.
  bool follows_contraction(const node& n) const {
    std::vector<const node*> open{&n};
    for (std::size_t i = 0; i < open.size() && i < max_group; ++i)
      for (const node_ref& o : open[i]->operands) {
        const auto u = users_.find(o.get());
        if (o->type.shape != n.type.shape || u->size() != 1 || is_output(o.get())) continue;
        if (o->op->kind == op_kind::contraction) return true;
        if (o->op->kind == op_kind::map) open.push_back(o.get());
      }
    return false;
  }

  fusion collect() {
    fusion f;
    f.alias = alias_;
    for (const node* n : nodes_) {
      const auto a = alias_.find(n);
      axis_order order;
      if (a != alias_.end()) {
        const auto from = f.order.find(a->second);
        if (n->op->source) order = order_of_view(*n, from == f.order.end() ? axis_order() : from->second);
      } else if (root_of(n) == n) {
        order = order_of(*n);
      }
      if (!order.empty()) f.order[n] = std::move(order);
    }
    node_map<std::size_t> index;
    for (const node* n : nodes_) {
      if (root_of(n) == n) {
        index[n] = f.groups.size();
        state& s = *group_.at(n);
        for (const group::output& o : s.also)
          if (axis_order order = order_of(*o.value); !order.empty()) f.order[o.value] = std::move(order);
        f.groups.push_back({n, {}, {}, std::move(s.also), std::move(s.notes)});
      }
    }
    for (const node* n : nodes_)
      if (const node* const r = root_of(n); r && r != n) f.groups[index.at(r)].inlined.push_back(n);
    for (group& g : f.groups) {
      const std::unordered_set<const node*> inside(g.inlined.begin(), g.inlined.end());
      std::unordered_set<const node*> seen;
      auto read = [&](const node* n) {
        for (const node_ref& o : n->operands) {
          if (inside.contains(o.get()) || is_splat(*o)) continue;
          if (seen.insert(f.storage(o.get())).second) g.operands.push_back(f.storage(o.get()));
        }
      };
      for (const node* n : g.inlined) read(n);
      read(g.root);
    }
    return f;
  }

  std::shared_ptr<const graph_order> order_of_nodes_;
  const std::vector<const node*>& nodes_;
  bool enabled_, several_;
  node_map<std::size_t> place_of_;  // in nodes_
  const std::function<bool(const node&)>& contiguous_;
  node_map<std::vector<const node*>> users_;
  node_set outputs_, stored_, claimed_;  // claimed: a view of it is a result
  node_set row_major_, channels_last_;
  node_map<axis_order> order_;  // asked for by a view
  std::unordered_map<const node*, const node*> alias_;
  node_map<const node*> root_of_;                           // null where there is none
  std::unordered_map<const node*, const node*> attention_;  // what is computed inside of a product
  std::unordered_map<const node*, const node*> prologues_;  // movement, by the contraction that does it
  node_map<const node*> viewer_;                            // of what is stored for a view: one
  // Views in the groups of their readers, by what they show.
  node_map<std::vector<const node*>> relabelled_;
  expr_arena arena_;
  node_map<std::vector<reading>> pending_;  // of what is not placed yet
  std::deque<state> states_;
  node_map<state*> group_;  // by the root
};

}  // namespace

bool is_splat(const node& n) { return n.op == &constant_definition() && detail::count_at_most(n.type.shape) == 1; }

fusion fuse(const graph& g, const fusion_options& options) {
  fusion f = fuser(g, options).run();
  if (options.enabled && options.several_results) fuse_siblings(f);
  if (options.enabled && options.as_strips) fuse_depthwise(g, f, options);
  return f;
}

}  // namespace tenon::ir
