#include "loop/lower_program.hpp"

#include <algorithm>
#include <bit>
#include <string>

namespace tenon::ir {

lower_program::lower_program(kernel& k, std::vector<lower_operand> in, std::vector<lower_operand> out, int main_operand,
                             std::vector<std::int64_t> out_buffers)
    : lower_context(k.make(), std::move(in), std::move(out), main_operand, k.make().boolean(true)),
      kernel_(k),
      out_buffers_(std::move(out_buffers)) {}

// Expressions have no order, so what may be overwritten later is read now, into a local that is written once.
sym lower_program::now(dtype t, std::int64_t buffer, std::span<const expr_ref> at) {
  const expr_ref value = arena_.cast(compute_type(t), arena_.load(t, buffer, at));
  const std::int64_t b = local(wrap(value)).buffer_;
  return wrap(arena_.load(kernel_.buffers[b].type, b, {}));
}

sym lower_program::variable::get() const { return program_->now(program_->kernel_.buffers[buffer_].type, buffer_, {}); }
void lower_program::variable::set(sym v) const {
  kernel& k = program_->kernel_;
  program_->add(make_stmt(ir::store{buffer_, {}, k.make().cast(k.buffers[buffer_].type, v.e), k.make().boolean(true)}));
}

// One fused parallel loop: index d is the loop's variable divided by the extents after d, modulo extent d.
void lower_program::outer(const indices& extents, const std::function<void(const indices&)>& f) {
  expr_arena& a = arena_;
  expr_ref total = a.index(1);
  for (int d = 0; d < extents.size; ++d) total = a.mul(total, extents[d].e);
  const expr_ref p = a.fresh_variable();
  indices at;
  expr_ref rest = p, below = total;
  for (int d = 0; d < extents.size; ++d) {
    if (extents[d].e->is_constant(1)) {
      at.push_back(wrap(a.index(0)));
      continue;
    }
    if (d + 1 == extents.size) {
      at.push_back(wrap(rest));
      break;
    }
    below = a.index(1);
    for (int e = d + 1; e < extents.size; ++e) below = a.mul(below, extents[e].e);
    at.push_back(wrap(a.div(rest, below)));
    rest = a.mod(rest, below);
  }
  open_.emplace_back();
  f(at);
  stmt_ref body = make_block(std::move(open_.back()));
  open_.pop_back();
  add(make_stmt(ir::loop{p, a.index(0), total, loop_kind::parallel, 1, std::move(body)}));
}

void lower_program::loop(sym begin, sym end, const std::function<void(sym)>& f) {
  add_loop(begin, end, loop_kind::serial, 1, f);
}
// A few registers: chains of steps wait for each other less, and lines of memory are read as a whole. Code is made with
// as many lanes as the machine's registers hold, and no more than there are trips, where that is known.
void lower_program::lanes(sym begin, sym end, const std::function<void(sym)>& f) {
  constexpr std::uint64_t most = 64;
  const expr_ref count = arena_.sub(end.e, begin.e);
  const std::uint64_t trips = count->is(expr_kind::constant) && count->payload > 0 ? count->payload : most;
  add_loop(begin, end, loop_kind::vectorized, static_cast<int>(std::min(most, std::bit_ceil(trips))), f);
}
void lower_program::add_loop(sym begin, sym end, loop_kind kind, int width, const std::function<void(sym)>& f) {
  const expr_ref v = arena_.fresh_variable();
  open_.emplace_back();
  f(wrap(v));
  stmt_ref body = make_block(std::move(open_.back()));
  open_.pop_back();
  add(make_stmt(ir::loop{v, begin.e, end.e, kind, width, std::move(body)}));
}

void lower_program::branch(sym condition, const std::function<void()>& then, const std::function<void()>& otherwise) {
  // What never happens may lie outside of its buffers, as a constant index of a scatter does.
  if (condition.e->is(expr_kind::constant)) {
    if (condition.e->is_true())
      then();
    else if (otherwise)
      otherwise();
    return;
  }
  open_.emplace_back();
  then();
  stmt_ref yes = make_block(std::move(open_.back()));
  open_.pop_back();
  stmt_ref no;
  if (otherwise) {
    open_.emplace_back();
    otherwise();
    no = make_block(std::move(open_.back()));
    open_.pop_back();
  }
  add(make_stmt(ir::branch{condition.e, std::move(yes), std::move(no)}));
}

lower_program::variable lower_program::local(sym value) {
  const std::int64_t b =
      kernel_.add_buffer("t" + std::to_string(kernel_.buffers.size()), value.type(), scope::local, {});
  add(make_stmt(declare{b}));
  variable v(this, b);
  v.set(value);
  return v;
}

void lower_program::store(int result, const indices& i, sym value) {
  std::vector<expr_ref> at;
  for (int d = 0; d < i.size; ++d) at.push_back(i[d].e);
  const std::int64_t b = out_buffers_[result];
  add(make_stmt(ir::store{b, std::move(at), arena_.cast(kernel_.buffers[b].type, value.e), arena_.boolean(true)}));
}

sym lower_program::load_result(int result, const indices& i) {
  std::vector<expr_ref> at;
  for (int d = 0; d < i.size; ++d) at.push_back(i[d].e);
  const std::int64_t b = out_buffers_[result];
  return now(kernel_.buffers[b].type, b, at);
}

stmt_ref lower_program::finish() { return make_block(std::move(open_.front())); }

}  // namespace tenon::ir
