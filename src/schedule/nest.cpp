#include "schedule/nest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "loop/text.hpp"

namespace tenon::scheduling {

using namespace ir;

namespace {

// Copies of the innermost statement: code generation takes time in proportion to them.
constexpr std::int64_t most_copies = 256;
// What fits into registers or on the stack (the verifier's limit).
constexpr std::int64_t local_bytes = 4096;

// Symbols become the numbers that they are at this call.
void fix_extents(computation& c) {
  expr_arena& a = c.kernel.make();
  const auto fixed = [&](expr_ref e) {
    return a.rewrite(e, [&](expr_ref x) -> expr_ref {
      if (!x->is(expr_kind::symbol)) return nullptr;
      return a.index(c.symbol_values[static_cast<std::size_t>(x->payload)]);
    });
  };
  for (buffer& b : c.kernel.buffers) {
    for (expr_ref& e : b.extents) e = fixed(e);
    for (expr_ref& e : b.strides) e = fixed(e);
  }
  for (computation::axis& x : c.axes) x.extent = fixed(x.extent);
  c.value = fixed(c.value);
  c.kernel.symbols.clear();
  c.symbol_values.clear();
}

class maker {
 public:
  maker(computation& c, std::string label) : c_(c), a_(c.kernel.make()) {
    n_.kernel = std::move(label);
    const expr_ref roots[] = {c.value};
    for (expr_ref e : post_order(roots))
      if (e->is(expr_kind::reduce)) reduces_.push_back(e);
  }

  nest run() {
    std::unordered_map<expr_ref, int> axis;
    std::vector<expr_ref> point;
    for (const computation::axis& x : c_.axes) {
      // An axis of one element has a loop, too: loops are the same ones for all extents.
      const expr_ref v = x.variable->is(expr_kind::variable) ? x.variable : a_.fresh_variable();
      axis[v] = add(v, x.size, -1);
      point.push_back(v);
    }
    find_free_variables();
    std::vector<std::pair<expr_ref, expr_ref>> accumulators;
    for (std::size_t r = 0; r < reduces_.size(); ++r) {
      const expr_ref e = reduces_[r];
      nest::reduction d{.combine = e->reducer(), .bytes = size_of(e->body()->type), .axes = {}, .text = {}};
      if (is_arg(d.combine)) d.bytes += size_of(i64);
      for (const auto& [v, id] : axis)
        if (free_[e].contains(v)) d.axes.push_back(id);
      std::ranges::sort(d.axes);
      for (std::size_t around = 0; around < reduces_.size(); ++around)
        for (int i = 0; i < reduces_[around]->loops(); ++i)
          if (d.inside < 0 && free_[e].contains(reduces_[around]->loop_variable(i)))
            d.inside = static_cast<int>(around);
      const std::string name = fmt::format("acc{}", r);
      d.text = fmt::format("{} {}= {}", name, ir::name(d.combine), text(e->body(), accumulators));
      accumulators.emplace_back(e, a_.fresh_accumulator(e->type));
      n_.reductions.push_back(std::move(d));
    }
    for (std::size_t r = 0; r < reduces_.size(); ++r)
      if (n_.reductions[r].inside < 0) add_loops(static_cast<int>(r));
    describe(point, accumulators);
    return std::move(n_);
  }

 private:
  int add(expr_ref v, std::int64_t extent, int reduction) {
    const int id = static_cast<int>(n_.loops.size());
    n_.loops.push_back(
        {.name = variable_name(*v), .extent = extent, .reduction = reduction, .roots = {id}, .replaced = {}});
    n_.order.push_back(id);
    return id;
  }
  // Outer before inner.
  void add_loops(int r) {
    const expr_ref e = reduces_[static_cast<std::size_t>(r)];
    for (int i = 0; i < e->loops(); ++i) add(e->loop_variable(i), c_.at_call(e->loop_extent(i)), r);
    for (std::size_t inner = 0; inner < reduces_.size(); ++inner)
      if (n_.reductions[inner].inside == r) add_loops(static_cast<int>(inner));
  }
  void find_free_variables() {
    const expr_ref roots[] = {c_.value};
    for (expr_ref e : post_order(roots)) {
      auto& f = free_[e];
      if (e->is(expr_kind::variable)) f.insert(e);
      for (expr_ref o : e->operands) f.insert(free_[o].begin(), free_[o].end());
      if (!e->is(expr_kind::reduce)) continue;
      for (int i = 0; i < e->loops(); ++i) f.erase(e->loop_variable(i));
    }
  }
  std::string text(expr_ref e, std::span<const std::pair<expr_ref, expr_ref>> accumulators) {
    const names all(c_.kernel);
    return to_string(a_.substitute(e, accumulators), &all);
  }
  void describe(const std::vector<expr_ref>& point, std::span<const std::pair<expr_ref, expr_ref>> accumulators) {
    const names all(c_.kernel);
    std::vector<std::string> in;
    std::string out;
    for (const buffer& b : c_.kernel.buffers) {
      std::vector<std::string> extents;
      for (expr_ref e : b.extents) extents.push_back(to_string(e));
      std::string s = fmt::format("{} {}[{}]", all.buffer(b.id), tenon::name(b.type), fmt::join(extents, ","));
      if (b.id == c_.output)
        out = std::move(s);
      else
        in.push_back(std::move(s));
    }
    n_.header = fmt::format("{}({}) -> {}", n_.kernel, fmt::join(in, ", "), out);
    std::vector<std::string> at;
    for (expr_ref v : point) at.push_back(variable_name(*v));
    n_.result_text =
        fmt::format("{}[{}] = {}", all.buffer(c_.output), fmt::join(at, ", "), text(c_.value, accumulators));
  }

  computation& c_;
  expr_arena& a_;
  nest n_;
  std::vector<expr_ref> reduces_;  // inner before outer
  std::unordered_map<expr_ref, std::unordered_set<expr_ref>> free_;
};

class planner {
 public:
  explicit planner(const nest& n) : n_(n) {
    for (int id : n.order)
      if (loop(id).reduction < 0) data_.push_back(id);
  }
  std::vector<item> run() { return inside(0); }

 private:
  const nest::loop& loop(int id) const { return n_.loops[static_cast<std::size_t>(id)]; }
  // Where reduction r stands in the order; what has no loops comes last.
  std::size_t place(int r) const {
    const auto it = std::ranges::find_if(n_.order, [&](int id) { return loop(id).reduction == r; });
    return static_cast<std::size_t>(it - n_.order.begin());
  }
  std::size_t place_of_loop(int id) const {
    return static_cast<std::size_t>(std::ranges::find(n_.order, id) - n_.order.begin());
  }
  // As soon as all loops are open that it depends on and that are outside of its own.
  std::size_t level(int r) const {
    const nest::reduction& d = n_.reductions[static_cast<std::size_t>(r)];
    std::size_t needed = 0;
    for (std::size_t i = 0; i < data_.size(); ++i)
      if (n_.matters(loop(data_[i]), d) && place_of_loop(data_[i]) < place(r)) needed = i + 1;
    return needed;
  }

  std::vector<item> inside(std::size_t open) {
    std::vector<item> list;
    for (std::size_t r = 0; r < n_.reductions.size(); ++r)
      if (n_.reductions[r].inside < 0 && level(static_cast<int>(r)) == open) reduce(static_cast<int>(r), open, list);
    if (open == data_.size())
      list.push_back({.what = item::kind::store});
    else
      list.push_back({.what = item::kind::loop, .id = data_[open], .body = inside(open + 1)});
    return list;
  }
  void reduce(int r, std::size_t open, std::vector<item>& list) {
    const nest::reduction& d = n_.reductions[static_cast<std::size_t>(r)];
    std::vector<int> all, over;
    for (int id : n_.order) {
      const bool own = loop(id).reduction == r;
      const bool more =
          loop(id).reduction < 0 && d.inside < 0 && n_.matters(loop(id), d) &&
          std::ranges::find(data_.begin() + static_cast<std::ptrdiff_t>(open), data_.end(), id) != data_.end();
      if (own || more) all.push_back(id);
      if (more) over.push_back(id);
    }
    list.push_back({.what = item::kind::declare, .id = r, .over = over});
    list.push_back(nested(over, {{.what = item::kind::init, .id = r}}));
    std::vector<item> body;
    for (std::size_t inner = 0; inner < n_.reductions.size(); ++inner)
      if (n_.reductions[inner].inside == r) reduce(static_cast<int>(inner), data_.size(), body);
    body.push_back({.what = item::kind::update, .id = r});
    if (all.empty())
      std::ranges::move(body, std::back_inserter(list));
    else
      list.push_back(nested(all, std::move(body)));
  }
  static item nested(const std::vector<int>& loops, std::vector<item> body) {
    for (std::size_t i = loops.size(); i-- > 0;) {
      item l{.what = item::kind::loop, .id = loops[i], .body = std::move(body)};
      body.clear();
      body.push_back(std::move(l));
    }
    return std::move(body.front());
  }

  const nest& n_;
  std::vector<int> data_;
};

class checker {
 public:
  explicit checker(const nest& n) : n_(n) {}

  objection run() {
    check_order();
    const std::vector<item> all = plan(n_);
    for (std::size_t id = 0; id < n_.loops.size(); ++id) {
      const nest::loop& l = n_.loops[id];
      if (l.kind != loop_kind::parallel || !l.replaced.empty()) continue;
      if (all.back().what == item::kind::loop && all.back().id == static_cast<int>(id)) {
        if (all.size() > 1)
          refuse(static_cast<int>(id),
                 fmt::format("{} is computed before the parallel loop {}, which every thread would repeat",
                             accumulator(all.front().id), l.name));
      } else {
        refuse(static_cast<int>(id), fmt::format("the parallel loop {} is not the outermost one", l.name));
      }
    }
    walk(all, -1, 1);
    return std::move(found_);
  }

 private:
  const nest::loop& loop(int id) const { return n_.loops[static_cast<std::size_t>(id)]; }
  static std::string accumulator(int r) { return fmt::format("acc{}", r); }
  void refuse(int loop, std::string why) {
    if (found_.why.empty()) found_ = {std::move(why), loop};
  }

  // Loops of reductions: where they may stand.
  void check_order() {
    int inner = -1;  // the last loop of a reduction
    std::vector<int> ranks;
    for (std::size_t r = 0; r < n_.reductions.size(); ++r)
      if (n_.reductions[r].inside < 0) add_rank(static_cast<int>(r), ranks);
    for (int id : n_.order) {
      const nest::loop& l = loop(id);
      if (l.reduction < 0 && inner >= 0 && n_.reductions.size() > 1)
        return refuse(id,
                      fmt::format("{} of the result would be inside of {} of {}; with {} reductions in the nest their "
                                  "loops stay inside",
                                  l.name, loop(inner).name, accumulator(loop(inner).reduction), n_.reductions.size()));
      if (l.reduction < 0) continue;
      if (inner >= 0 && std::ranges::find(ranks, l.reduction) < std::ranges::find(ranks, loop(inner).reduction))
        return refuse(id, fmt::format("{} of {} would be inside of {} of {}, which begins when {} is complete", l.name,
                                      accumulator(l.reduction), loop(inner).name, accumulator(loop(inner).reduction),
                                      accumulator(l.reduction)));
      inner = id;
    }
  }
  void add_rank(int r, std::vector<int>& ranks) const {
    ranks.push_back(r);
    for (std::size_t inner = 0; inner < n_.reductions.size(); ++inner)
      if (n_.reductions[inner].inside == r) add_rank(static_cast<int>(inner), ranks);
  }

  // Of a loop's body in its code: a few vectors stand one after the other, more are a loop and its end.
  static std::int64_t copies_of(const nest::loop& l) {
    if (l.kind == loop_kind::unrolled) return std::max<std::int64_t>(l.extent, 1);
    if (l.kind != loop_kind::vectorized) return 1;
    const std::int64_t vectors = (l.extent + l.width - 1) / l.width;
    return vectors <= 5 ? std::max<std::int64_t>(vectors, 1) : 2;
  }
  // `vector`: the vectorized loop around.
  void walk(const std::vector<item>& list, int vector, std::int64_t copies) {
    for (const item& i : list) {
      if (i.what == item::kind::declare && vector >= 0) check_accumulators(i, vector);
      if (i.what != item::kind::loop) continue;
      const nest::loop& l = loop(i.id);
      int inside = vector;
      std::int64_t times = copies;
      if (l.kind == loop_kind::vectorized) {
        if (vector >= 0)
          refuse(i.id, fmt::format("{} and, inside of it, {} would both be vectorized", loop(vector).name, l.name));
        inside = i.id;
      }
      times *= copies_of(l);
      if (times > most_copies && copies_of(l) > 1)
        refuse(i.id,
               fmt::format("there would be {} copies of the innermost statement; {} are allowed", times, most_copies));
      walk(i.body, inside, std::min(times, most_copies));
    }
  }
  void check_accumulators(const item& i, int vector) {
    const nest::reduction& r = n_.reductions[static_cast<std::size_t>(i.id)];
    double bytes = r.bytes;
    for (int id : i.over) bytes *= static_cast<double>(loop(id).extent);
    if (bytes > static_cast<double>(local_bytes))
      refuse(vector, fmt::format("each lane of {} would keep {:.0f} bytes of {}; {} are allowed", loop(vector).name,
                                 bytes, accumulator(i.id), local_bytes));
  }

  const nest& n_;
  objection found_;
};

class printer {
 public:
  printer(const nest& n, int marked) : n_(n), marked_(marked) {}
  std::string run() {
    line(0, n_.header);
    if (n_.fixed)
      out_ += n_.result_text;
    else
      print(plan(n_), 1);
    return std::move(out_);
  }

 private:
  void line(int indent, std::string_view s) { out_ += fmt::format("{:{}}{}\n", "", 2 * indent, s); }
  void print(const std::vector<item>& list, int indent) {
    for (const item& i : list) print(i, indent);
  }
  void print(const item& i, int indent) {
    const auto r = static_cast<std::size_t>(i.id);
    switch (i.what) {
      case item::kind::loop:
        line(indent, loop_text(i.id));
        return print(i.body, indent + 1);
      case item::kind::declare: {
        std::vector<std::string> over;
        for (int id : i.over) {
          const nest::loop& l = n_.loops[static_cast<std::size_t>(id)];
          over.push_back(fmt::format("{} < {}", l.name, l.extent));
        }
        if (!over.empty()) line(indent, fmt::format("acc{}[{}]", i.id, fmt::join(over, ", ")));
        return;
      }
      case item::kind::init:
        return line(indent, fmt::format("acc{} = start of {}", i.id, ir::name(n_.reductions[r].combine)));
      case item::kind::update:
        return line(indent, n_.reductions[r].text);
      case item::kind::store:
        return line(indent, n_.result_text);
    }
  }
  std::string loop_text(int id) {
    const nest::loop& l = n_.loops[static_cast<std::size_t>(id)];
    std::string kind;
    if (l.kind == loop_kind::parallel) kind = "parallel ";
    if (l.kind == loop_kind::vectorized) kind = fmt::format("vectorized({}) ", l.width);
    if (l.kind == loop_kind::unrolled) kind = "unrolled ";
    std::string s = fmt::format("{}for {} in [0, {})", kind, l.name, l.extent);
    const std::string from = origin(id);
    if (!from.empty()) s += "  // " + from;
    if (id == marked_) s += "  <-- here";
    return s;
  }
  // What the last loop of a relation says of the one that it replaced.
  std::string origin(int id) const {
    for (const nest::relation& x : n_.relations) {
      const auto name = [&](int l) -> const std::string& { return n_.loops[static_cast<std::size_t>(l)].name; };
      const nest::loop& whole = n_.loops[static_cast<std::size_t>(x.whole)];
      if (x.what == nest::relation::kind::fuse) {
        if (x.whole == id)
          return fmt::format("{} = {} / {}, {} = {} % {}", name(x.outer), whole.name, x.factor, name(x.inner),
                             whole.name, x.factor);
      } else if (x.inner == id) {
        const std::string outer = fmt::format("{} * {}", name(x.outer), x.factor);
        if (x.what == nest::relation::kind::shift)
          return fmt::format("{} = min({}, {}) + {}", whole.name, outer, whole.extent - x.factor, name(id));
        return fmt::format("{} = {} + {}{}", whole.name, outer, name(id),
                           x.has_tail(whole.extent) ? fmt::format(" where < {}", whole.extent) : "");
      }
    }
    return {};
  }

  const nest& n_;
  int marked_;
  std::string out_;
};

}  // namespace

bool nest::matters(const loop& l, const reduction& r) const {
  return std::ranges::any_of(l.roots, [&](int a) { return std::ranges::find(r.axes, a) != r.axes.end(); });
}

nest make_nest(computation& c, std::string label) {
  if (c.value) {
    fix_extents(c);
    return maker(c, std::move(label)).run();
  }
  nest n;
  n.kernel = std::move(label);
  n.header = n.kernel + ": the operator's own loops";
  n.fixed = true;
  n.result_text = ir::to_string(c.kernel);
  return n;
}

std::vector<item> plan(const nest& n) { return planner(n).run(); }
objection object_to(const nest& n) { return checker(n).run(); }
std::string to_string(const nest& n, int marked) { return printer(n, marked).run(); }

std::string label_of(std::string_view readable, const std::vector<std::string>& before) {
  int same = 1;
  for (const std::string& b : before) same += b == readable || b.starts_with(std::string(readable) + "#");
  return same == 1 ? std::string(readable) : fmt::format("{}#{}", readable, same);
}

}  // namespace tenon::scheduling
