#include "schedule/interleave.hpp"

#include <string>
#include <unordered_map>

namespace tenon::scheduling {

using namespace ir;
namespace {

class interleaver {
 public:
  interleaver(kernel& k, expr_ref variable, const std::vector<expr_ref>& values)
      : a_(k.make()), variable_(variable), values_(values) {
    const std::size_t buffers = k.buffers.size();
    own_.resize(values.size());
    // In order: the positions of argmax lie next to its values.
    for (std::size_t j = 0; j < values.size(); ++j)
      for (std::size_t b = 0; b < buffers; ++b) {
        const buffer from = k.buffers[b];
        if (from.where == scope::parameter || (from.where == scope::scratch && j == 0)) continue;
        own_[j][static_cast<std::int64_t>(b)] =
            k.add_buffer(from.name + "_" + std::to_string(j), from.type, from.where, from.extents);
      }
  }

  stmt_ref operator()(const stmt_ref& s) {
    stmt copy = *s;
    if (auto* b = std::get_if<block>(&copy.v)) {
      for (stmt_ref& x : b->list) x = (*this)(x);
      return make_block(opened(b->list));
    }
    if (auto* l = std::get_if<loop>(&copy.v)) {
      l->body = (*this)(l->body);
      return make_stmt(std::move(copy));
    }
    if (auto* c = std::get_if<branch>(&copy.v)) {
      c->then = (*this)(c->then);
      if (c->otherwise) c->otherwise = (*this)(c->otherwise);
      return make_stmt(std::move(copy));
    }
    std::vector<stmt_ref> copies;
    for (std::size_t j = 0; j < values_.size(); ++j) copies.push_back(with(s, j));
    return make_stmt(block{std::move(copies)});
  }

 private:
  // Declarations live to the end of the block around them: that of all copies.
  static std::vector<stmt_ref> opened(const std::vector<stmt_ref>& list) {
    std::vector<stmt_ref> flat;
    for (const stmt_ref& s : list)
      if (const auto* b = std::get_if<block>(&s->v))
        flat.insert(flat.end(), b->list.begin(), b->list.end());
      else
        flat.push_back(s);
    return flat;
  }
  std::int64_t buffer_of(std::int64_t b, std::size_t j) const {
    const auto it = own_[j].find(b);
    return it == own_[j].end() ? b : it->second;
  }
  stmt_ref with(const stmt_ref& s, std::size_t j) {
    stmt copy = *map_operands(s, [&](expr_ref e) {
      return a_.rewrite(e, [&](expr_ref x) -> expr_ref {
        if (x == variable_) return values_[j];
        if (!x->is(expr_kind::load) || !own_[j].contains(x->payload)) return nullptr;
        return a_.load(x->type, buffer_of(x->payload, j), x->indices(), x->mask());
      });
    });
    if (auto* w = std::get_if<store>(&copy.v)) w->buffer = buffer_of(w->buffer, j);
    if (auto* u = std::get_if<update>(&copy.v)) u->buffer = buffer_of(u->buffer, j);
    if (auto* d = std::get_if<declare>(&copy.v)) d->buffer = buffer_of(d->buffer, j);
    return make_stmt(std::move(copy));
  }

  expr_arena& a_;
  expr_ref variable_;
  const std::vector<expr_ref>& values_;
  std::vector<std::unordered_map<std::int64_t, std::int64_t>> own_;  // per value: buffer, copy
};

}  // namespace

stmt_ref interleave(kernel& k, const stmt_ref& body, expr_ref variable, const std::vector<expr_ref>& values) {
  return interleaver(k, variable, values)(body);
}

bool can_interleave(const stmt_ref& body, expr_ref variable) {
  bool can = true;
  const auto fixed = [&](expr_ref e) { can = can && !contains(e, [&](expr_ref x) { return x == variable; }); };
  visit(body, [&](const stmt& s) {
    if (const auto* l = std::get_if<loop>(&s.v)) fixed(l->begin), fixed(l->end);
    if (const auto* b = std::get_if<branch>(&s.v)) fixed(b->condition);
    can = can && !std::holds_alternative<contraction>(s.v);
  });
  return can;
}

}  // namespace tenon::scheduling
