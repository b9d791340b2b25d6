// Statements outside of vectorized loops, and what both kinds share.
#include <fmt/format.h>

#include "codegen/llvm/emitter.hpp"

namespace tenon::codegen {

using ir::expr_kind;
using ir::expr_ref;
using ir::loop_kind;

namespace {

/// Whether the loop is over [e, e + 1).
bool runs_once(const ir::loop& x) {
  if (x.begin->is(expr_kind::constant)) return x.end->is_constant(x.begin->payload + 1);
  const auto& sum = x.end->operands;
  return x.end->is(ir::prim::add) &&
         ((sum[0] == x.begin && sum[1]->is_constant(1)) || (sum[1] == x.begin && sum[0]->is_constant(1)));
}

}  // namespace

void emitter::emit(const ir::stmt_ref& s) {
  if (!s) return;
  std::visit([&](const auto& x) { emit(x); }, s->v);
}

void emitter::emit(const ir::block& x) {
  for (const ir::stmt_ref& s : x.list) emit(s);
}

void emitter::emit(const ir::declare& x) {
  const ir::buffer& from = kernel_.buffers[static_cast<std::size_t>(x.buffer)];
  buffer_state& to = buffers_[static_cast<std::size_t>(x.buffer)];
  std::int64_t count = 1;
  for (expr_ref e : from.extents) {
    if (!e->is(expr_kind::constant)) fail("the local buffer " + from.name + " has an extent that is no constant");
    count *= e->payload;
  }
  to.lanes = lanes();
  to.pointer =
      entry_slot(a_->memory_type(from.type), std::max<std::int64_t>(count, 1) * std::max(to.lanes, 1), from.name);
}

void emitter::emit(const ir::store& x) {
  statement s(*this);
  const access to{x.buffer, x.indices};
  if (lanes_ && lanes_->aligned == &x) return stream_vector(to, vector(x.value));
  if (lanes_ && x.streamed && !mask_of(x.mask) && classify(to) == pattern::contiguous)
    return stream_where_aligned(to, vector(x.value));
  if (lanes_) return store_vector(to, vector(x.value), x.mask);
  value mask = x.mask->is_true() ? nullptr : scalar(x.mask);
  value v = scalar(x.value);
  store_scalar(to, v, mask);
}

void emitter::emit(const ir::branch& x) {
  if (varying(x.condition)) fail("a branch on a condition that varies between lanes: " + ir::to_string(x.condition));
  value condition;
  {
    statement s(*this);
    condition = scalar(x.condition);
  }
  auto* then = llvm::BasicBlock::Create(context_, "then", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  auto* otherwise = x.otherwise ? llvm::BasicBlock::Create(context_, "else", function_) : after;
  b_.CreateCondBr(condition, then, otherwise);
  const auto arm = [&](llvm::BasicBlock* at, const ir::stmt_ref& body) {
    b_.SetInsertPoint(at);
    region r(*this);
    emit(body);
    b_.CreateBr(after);
  };
  arm(then, x.then);
  if (x.otherwise) arm(otherwise, x.otherwise);
  b_.SetInsertPoint(after);
}

void emitter::emit(const ir::while_loop& x) {
  if (lanes_) fail("a while inside of a vectorized loop: " + ir::to_string(x.condition));
  auto* head = llvm::BasicBlock::Create(context_, "while", function_);
  auto* turn = llvm::BasicBlock::Create(context_, "turn", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  b_.CreateBr(head);
  b_.SetInsertPoint(head);
  region all(*this);
  emit(x.test);
  value condition;
  {
    statement s(*this);
    condition = scalar(x.condition);
  }
  b_.CreateCondBr(condition, turn, after);
  b_.SetInsertPoint(turn);
  {
    region r(*this);
    emit(x.body);
  }
  b_.CreateBr(head);
  b_.SetInsertPoint(after);
}

void emitter::emit(const ir::prefetch& x) {
  statement s(*this);
  const access to{x.buffer, x.indices};
  const pattern how = lanes_ ? classify(to) : pattern::uniform;
  if (how != pattern::uniform && how != pattern::contiguous) fail("a prefetch of more than a vector's lines");
  // Not inbounds: the address may lie behind the end.
  value p =
      b_.CreateGEP(a_->memory_type(type_of(to)), buffers_[static_cast<std::size_t>(x.buffer)].pointer, offset(to));
  const std::int64_t bytes = how == pattern::contiguous ? std::int64_t{lanes()} * size_of(type_of(to)) : 1;
  for (std::int64_t at = 0; at < bytes; at += 64) ask_ahead(p, at);
}

void emitter::emit(const ir::loop& x) {
  if (x.kind == loop_kind::parallel) return serial(x, begin_, end_);
  if (x.kind == loop_kind::vectorized) {
    if (lanes_) fail("a vectorized loop inside a vectorized loop: " + ir::to_string(x.variable));
    if (natural_width(x) > 1) return vectorized(x);
  }
  if (varying(x.begin) || varying(x.end))
    fail(
        fmt::format("the bounds {} and {} of a loop vary between lanes", ir::to_string(x.begin), ir::to_string(x.end)));
  if (x.kind == loop_kind::unrolled) {
    if (!x.begin->is(expr_kind::constant) || !x.end->is(expr_kind::constant))
      fail(fmt::format("an unrolled loop over [{}, {}), which are no constants", ir::to_string(x.begin),
                       ir::to_string(x.end)));
    if (interleaved_store(x)) return;
    const auto loads = transposed_loads(x);
    for (std::int64_t i = x.begin->payload; i < x.end->payload; ++i) {
      region r(*this);
      binding at(*this, x.variable, index_number(i));
      for (const auto& [e, of_trip] : loads) remember(e, true, of_trip[static_cast<std::size_t>(i)]);
      emit(x.body);
    }
    return;
  }
  value begin, end = nullptr;
  {
    statement s(*this);
    begin = scalar(x.begin);
    if (!runs_once(x)) end = scalar(x.end);
  }
  if (end) return serial(x, begin, end);
  // No loop, out of which LLVM would move what the body does last to where it does its work.
  region r(*this);
  binding at(*this, x.variable, begin);
  emit(x.body);
}

void emitter::serial(const ir::loop& x, value begin, value end) {
  const auto *from = llvm::dyn_cast<llvm::ConstantInt>(begin), *to = llvm::dyn_cast<llvm::ConstantInt>(end);
  const bool runs = from && to && from->getSExtValue() < to->getSExtValue();
  counted(begin, end, index_number(1), runs, [&](value i) {
    binding at(*this, x.variable, i);
    emit(x.body);
  });
}

}  // namespace tenon::codegen
