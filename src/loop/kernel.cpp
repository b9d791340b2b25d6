#include "loop/kernel.hpp"

#include <algorithm>
#include <type_traits>

namespace tenon::ir {
namespace {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

/// T with the constness of S.
template <class S, class T>
using same_const = std::conditional_t<std::is_const_v<S>, const T, T>;

/// Calls `f` on a reference to each expression of the statement itself: the one list of them.
template <class Stmt, class F>
void each_operand(Stmt& s, F f) {
  const auto all = [&](auto& list) {
    for (auto& e : list) f(e);
  };
  std::visit(overloaded{
                 [](auto&) {},
                 [&](same_const<Stmt, loop>& l) {
                   f(l.variable);
                   f(l.begin);
                   f(l.end);
                 },
                 [&](same_const<Stmt, store>& w) {
                   all(w.indices);
                   f(w.value);
                   f(w.mask);
                 },
                 [&](same_const<Stmt, update>& w) {
                   all(w.indices);
                   f(w.value);
                   f(w.mask);
                   f(w.position);
                 },
                 [&](same_const<Stmt, prefetch>& p) { all(p.indices); },
                 [&](same_const<Stmt, branch>& b) { f(b.condition); },
                 [&](same_const<Stmt, while_loop>& w) { f(w.condition); },
                 [&](same_const<Stmt, contraction>& c) {
                   f(c.row);
                   f(c.column);
                   f(c.columns);
                   for (auto& r : c.reduction) {
                     f(r.variable);
                     f(r.extent);
                   }
                   f(c.a);
                   f(c.b);
                   f(c.prefetch);
                   f(c.function);
                   f(c.accumulator);
                   all(c.indices);
                   f(c.value);
                   f(c.mask);
                   for (auto& r : c.also) {
                     all(r.indices);
                     f(r.value);
                     f(r.mask);
                   }
                 },
             },
             s.v);
}

}  // namespace

int kernel::parameters() const {
  return static_cast<int>(std::ranges::count(buffers, scope::parameter, &buffer::where));
}

std::vector<expr_ref> kernel::scratch_offsets() const {
  expr_arena& a = *arena;
  std::vector<expr_ref> offsets;
  expr_ref end = a.index(0);
  for (const buffer& b : buffers) {
    offsets.push_back(b.where == scope::scratch ? end : nullptr);
    if (b.where != scope::scratch) continue;
    expr_ref bytes = a.index(size_of(b.type));
    for (expr_ref e : b.extents) bytes = a.mul(bytes, e);
    end = a.add(end, a.mul(a.div(a.add(bytes, a.index(63)), a.index(64)), a.index(64)));
  }
  offsets.push_back(end);
  return offsets;
}

std::int64_t kernel::add_buffer(std::string n, dtype t, scope where, std::vector<expr_ref> extents,
                                std::vector<expr_ref> strides) {
  const auto id = static_cast<std::int64_t>(buffers.size());
  buffers.push_back({.id = id,
                     .name = std::move(n),
                     .type = t,
                     .where = where,
                     .extents = std::move(extents),
                     .strides = std::move(strides)});
  return id;
}

stmt_ref make_block(std::vector<stmt_ref> list) {
  block b;
  for (stmt_ref& s : list) {
    if (!s) continue;
    const block* inner = std::get_if<block>(&s->v);
    const bool scoped = inner && std::ranges::any_of(inner->list, [](const stmt_ref& x) {
                          return std::holds_alternative<declare>(x->v);
                        });
    if (inner && !scoped)
      b.list.insert(b.list.end(), inner->list.begin(), inner->list.end());
    else
      b.list.push_back(std::move(s));
  }
  if (b.list.size() == 1) return b.list[0];
  return make_stmt(std::move(b));
}

void visit(const stmt_ref& root, const std::function<void(const stmt&)>& f) {
  std::vector<const stmt*> stack;
  if (root) stack.push_back(root.get());
  while (!stack.empty()) {
    const stmt* s = stack.back();
    stack.pop_back();
    f(*s);
    const auto push = [&](const stmt_ref& x) {
      if (x) stack.push_back(x.get());
    };
    if (auto* b = std::get_if<block>(&s->v)) {
      for (auto it = b->list.rbegin(); it != b->list.rend(); ++it) push(*it);
    } else if (auto* l = std::get_if<loop>(&s->v)) {
      push(l->body);
    } else if (auto* c = std::get_if<branch>(&s->v)) {
      push(c->otherwise);
      push(c->then);
    } else if (auto* w = std::get_if<while_loop>(&s->v)) {
      push(w->body);
      push(w->test);
    }
  }
}

void visit_operands(const stmt& s, const std::function<void(expr_ref)>& f) {
  each_operand(s, [&](expr_ref e) {
    if (e) f(e);
  });
}

void visit_written(const stmt& s, const std::function<void(std::int64_t)>& f) {
  if (const auto* x = std::get_if<store>(&s.v)) f(x->buffer);
  if (const auto* x = std::get_if<contraction>(&s.v)) {
    f(x->buffer);
    for (const contraction::result& r : x->also) f(r.buffer);
  }
  if (const auto* x = std::get_if<update>(&s.v)) {
    f(x->buffer);
    if (is_arg(x->combine)) f(x->buffer + 1);
  }
}

stmt_ref map_operands(const stmt_ref& s, const std::function<expr_ref(expr_ref)>& f) {
  stmt copy = *s;
  bool changed = false;
  each_operand(copy, [&](expr_ref& e) {
    if (!e) return;
    expr_ref r = f(e);
    changed |= r != e;
    e = r;
  });
  return changed ? std::make_shared<const stmt>(std::move(copy)) : s;
}

stmt_ref map_all_operands(const stmt_ref& s, const std::function<expr_ref(expr_ref)>& f) {
  if (!s) return s;
  stmt_ref own = map_operands(s, f);
  stmt copy = *own;
  const auto inner = [&](stmt_ref& x) { x = map_all_operands(x, f); };
  if (auto* b = std::get_if<block>(&copy.v)) {
    for (stmt_ref& x : b->list) inner(x);
  } else if (auto* l = std::get_if<loop>(&copy.v)) {
    inner(l->body);
  } else if (auto* c = std::get_if<branch>(&copy.v)) {
    inner(c->then);
    inner(c->otherwise);
  } else if (auto* w = std::get_if<while_loop>(&copy.v)) {
    inner(w->test);
    inner(w->body);
  } else {
    return own;
  }
  return std::make_shared<const stmt>(std::move(copy));
}

expr_ref linear_index(expr_arena& m, const buffer& b, std::span<const expr_ref> indices) {
  expr_ref offset = m.index(0), stride = m.index(1);
  for (std::size_t d = indices.size(); d-- > 0;) {
    offset = m.add(m.mul(indices[d], b.strides.empty() ? stride : b.strides[d]), offset);
    stride = m.mul(stride, b.extents[d]);
  }
  return offset;
}

}  // namespace tenon::ir
