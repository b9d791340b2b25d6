#include "schedule/next_row.hpp"

#include <algorithm>
#include <unordered_map>

namespace tenon::scheduling {

using namespace ir;
namespace {

// Of a row, from which on its loops are longer than what the processor begins before they end.
constexpr std::int64_t long_row_bytes = 1024;

class asker {
 public:
  asker(computation& c, const machine_model& m, expr_ref row, expr_ref rows, int ahead)
      : c_(c), a_(c.kernel.make()), row_(row), rows_(c.at_call(rows)), ahead_(ahead), cache_bytes_(m.l1_bytes) {}

  stmt_ref operator()(const stmt_ref& body) {
    find(body);
    if (vector_loops_ < 2) return body;
    for (const read& r : reads_) asked_[r.last].push_back(r.load);
    return asked_.empty() ? body : with_prefetches(body);
  }

 private:
  struct read {
    std::int64_t buffer;
    std::vector<expr_ref> indices;  // in loops of any names
    const stmt* last;               // the loop, and how it says it
    expr_ref load;
  };

  void find(const stmt_ref& s) {
    if (!s) return;
    if (const auto* b = std::get_if<block>(&s->v)) {
      for (const stmt_ref& x : b->list) find(x);
    } else if (const auto* c = std::get_if<branch>(&s->v)) {
      find(c->then);
      find(c->otherwise);
    } else if (const auto* l = std::get_if<loop>(&s->v)) {
      loops_.push_back(l);
      if (l->kind == loop_kind::vectorized) {
        ++vector_loops_;
        find_reads(s, *l);
      } else {
        find(l->body);
      }
      loops_.pop_back();
    }
  }
  void find_reads(const stmt_ref& s, const loop& l) {
    std::vector<expr_ref> roots;
    visit(l.body, [&](const stmt& x) { visit_operands(x, [&](expr_ref e) { roots.push_back(e); }); });
    std::erase(roots, nullptr);
    for (expr_ref e : post_order(roots)) {
      if (!e->is(expr_kind::load) || !e->mask()->is_true()) continue;
      const buffer& b = c_.kernel.buffers[static_cast<std::size_t>(e->payload)];
      if (b.where != scope::parameter || b.written || !is_long(l, b)) continue;
      const expr_ref v[] = {l.variable};
      const affine_form f = affine(a_, linear_index(a_, b, e->indices()), v);
      if (!f.ok || !f.coefficients[0]->is_constant(1) || !mentions_row(e)) continue;
      read r{e->payload, in_any_loops(e), s.get(), e};
      const auto same =
          std::ranges::find_if(reads_, [&](const read& o) { return o.buffer == r.buffer && o.indices == r.indices; });
      if (same == reads_.end())
        reads_.push_back(std::move(r));
      else
        *same = std::move(r);
    }
  }
  bool mentions_row(expr_ref e) const {
    return contains(e, [&](expr_ref x) { return x == row_; });
  }
  bool is_long(const loop& l, const buffer& b) {
    const std::int64_t bytes = size_of(b.type) * c_.at_call(a_.sub(l.end, l.begin));
    return bytes >= long_row_bytes && rows_ > cache_bytes_ / bytes;
  }
  // What is read, whatever the loops' variables are called.
  std::vector<expr_ref> in_any_loops(expr_ref load) {
    std::vector<std::pair<expr_ref, expr_ref>> names;
    for (std::size_t d = 0; d < loops_.size(); ++d) {
      if (names_.size() == d) names_.push_back(a_.fresh_variable());
      names.emplace_back(loops_[d]->variable, names_[d]);
    }
    std::vector<expr_ref> at;
    for (expr_ref i : load->indices()) at.push_back(a_.substitute(i, names));
    return at;
  }

  stmt_ref with_prefetches(const stmt_ref& s) {
    if (!s) return s;
    stmt copy = *s;
    if (auto* b = std::get_if<block>(&copy.v)) {
      for (stmt_ref& x : b->list) x = with_prefetches(x);
    } else if (auto* c = std::get_if<branch>(&copy.v)) {
      c->then = with_prefetches(c->then);
      c->otherwise = with_prefetches(c->otherwise);
    } else if (auto* l = std::get_if<loop>(&copy.v)) {
      if (const auto it = asked_.find(s.get()); it != asked_.end()) {
        std::vector<stmt_ref> list;
        const std::pair<expr_ref, expr_ref> next[] = {{row_, a_.add(row_, a_.index(ahead_))}};
        for (expr_ref load : it->second) {
          std::vector<expr_ref> at;
          for (expr_ref i : load->indices()) at.push_back(a_.substitute(i, next));
          list.push_back(make_stmt(prefetch{load->payload, std::move(at)}));
        }
        list.push_back(l->body);
        l->body = make_block(std::move(list));
      } else {
        l->body = with_prefetches(l->body);
      }
    } else {
      return s;
    }
    return make_stmt(std::move(copy));
  }

  computation& c_;
  expr_arena& a_;
  expr_ref row_;
  std::int64_t rows_;
  int ahead_;
  std::int64_t cache_bytes_;
  int vector_loops_ = 0;
  std::vector<const loop*> loops_;  // around what is looked at
  std::vector<expr_ref> names_;     // by depth
  std::vector<read> reads_;
  std::unordered_map<const stmt*, std::vector<expr_ref>> asked_;
};

}  // namespace

stmt_ref ask_for_next_row(computation& c, const machine_model& m, const stmt_ref& body, expr_ref row, expr_ref rows,
                          int ahead) {
  return asker(c, m, row, rows, ahead)(body);
}

}  // namespace tenon::scheduling
