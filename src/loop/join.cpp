// Before: kernel a(n): parallel for i0 in [0, n): y[i0] = x[i0]
// After:  kernel all(m): ...; for i7 in [0, m): v3[i7] = v1[i7]; ...
#include "loop/join.hpp"

#include <fmt/format.h>

namespace tenon::ir {

joined_kernel::joined_kernel(const kernel& from, kernel& into, std::span<const std::int64_t> symbols)
    : from_(from), into_(into), a_(into.make()), symbols_(symbols.begin(), symbols.end()) {}

expr_ref joined_kernel::operator()(expr_ref root) {
  for (expr_ref e : post_order(std::span(&root, 1))) {
    if (known_.contains(e)) continue;
    std::vector<expr_ref> x;
    for (expr_ref o : e->operands) x.push_back(known_.at(o));
    expr_ref made = nullptr;
    switch (e->kind) {
      case expr_kind::constant:
        made = a_.constant_bits(e->type, e->payload);
        break;
      case expr_kind::variable:
        made = e->payload < 0 ? a_.fresh_accumulator(e->type) : a_.fresh_variable(e->type);
        break;
      case expr_kind::symbol:
        made = a_.symbol(symbols_[static_cast<std::size_t>(e->payload)]);
        break;
      case expr_kind::load: {
        const expr_ref mask = x.back();
        x.pop_back();
        made = a_.load(e->type, buffer(e->payload), place(e->payload, std::move(x)), mask);
        break;
      }
      default:
        made = e->is(prim::cast)      ? a_.cast(e->type, x[0])
               : e->is(prim::bitcast) ? a_.bitcast(e->type, x[0])
                                      : a_.apply(e->op, x);
    }
    known_[e] = made;
  }
  return known_.at(root);
}

std::vector<expr_ref> joined_kernel::place(std::int64_t id, std::vector<expr_ref> indices) const {
  if (into_.buffers[static_cast<std::size_t>(buffer(id))].extents.empty()) indices.clear();
  return indices;
}

stmt_ref joined_kernel::statements(std::span<const std::int64_t> parameters) {
  buffers_.assign(parameters.begin(), parameters.end());
  for (const ir::buffer& b : from_.buffers) {
    if (b.where == scope::parameter) continue;
    std::vector<expr_ref> extents;
    for (expr_ref e : b.extents) extents.push_back((*this)(e));
    const auto id = static_cast<std::int64_t>(into_.buffers.size());
    buffers_.push_back(into_.add_buffer(fmt::format("own{}", id), b.type, b.where, std::move(extents)));
    into_.buffers.back().written = b.written;
  }
  return copy(from_.body);
}

stmt_ref joined_kernel::copy(const stmt_ref& from) {
  if (!from) return from;
  stmt s = *map_operands(from, [this](expr_ref e) { return (*this)(e); });
  const auto at = [this](std::int64_t& id, std::vector<expr_ref>& indices) {
    indices = place(id, std::move(indices));
    id = buffer(id);
  };
  const auto inside = [this](stmt_ref& x) { x = copy(x); };
  if (auto* b = std::get_if<block>(&s.v)) {
    for (stmt_ref& x : b->list) inside(x);
  } else if (auto* l = std::get_if<loop>(&s.v)) {
    if (l->kind == loop_kind::parallel) l->kind = loop_kind::serial;
    inside(l->body);
  } else if (auto* c = std::get_if<branch>(&s.v)) {
    inside(c->then);
    inside(c->otherwise);
  } else if (auto* w = std::get_if<while_loop>(&s.v)) {
    inside(w->test);
    inside(w->body);
  } else if (auto* d = std::get_if<declare>(&s.v)) {
    d->buffer = buffer(d->buffer);
  } else if (auto* x = std::get_if<store>(&s.v)) {
    at(x->buffer, x->indices);
  } else if (auto* x = std::get_if<update>(&s.v)) {
    at(x->buffer, x->indices);
  } else if (auto* x = std::get_if<prefetch>(&s.v)) {
    at(x->buffer, x->indices);
  } else if (auto* x = std::get_if<contraction>(&s.v)) {
    at(x->buffer, x->indices);
    for (contraction::result& r : x->also) at(r.buffer, r.indices);
  }
  return make_stmt(std::move(s.v));
}

stmt_ref copy_nest(kernel& k, std::int64_t from, std::int64_t to) {
  expr_arena& a = k.make();
  const buffer &source = k.buffers[static_cast<std::size_t>(from)], &target = k.buffers[static_cast<std::size_t>(to)];
  std::vector<expr_ref> at;
  if (source.extents.size() != target.extents.size()) {
    const std::vector<expr_ref> first(source.extents.size(), a.index(0));
    return make_stmt(store{to, std::vector<expr_ref>(target.extents.size(), a.index(0)),
                           a.load(source.type, from, first), a.boolean(true)});
  }
  for (std::size_t d = 0; d < source.extents.size(); ++d) at.push_back(a.fresh_variable());
  stmt_ref s = make_stmt(store{to, at, a.load(source.type, from, at), a.boolean(true)});
  for (std::size_t d = at.size(); d-- > 0;) {
    const bool last = d + 1 == at.size();
    s = make_stmt(loop{at[d], a.index(0), source.extents[d], last ? loop_kind::vectorized : loop_kind::serial,
                       last ? 64 / size_of(source.type) : 1, std::move(s)});
  }
  return s;
}

}  // namespace tenon::ir
