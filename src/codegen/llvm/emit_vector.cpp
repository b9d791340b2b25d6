// Vectorized loops: full vectors, then the last lanes under a mask.
#include <bit>
#include <numeric>

#include "codegen/llvm/emitter.hpp"

namespace tenon::codegen {

using ir::expr_ref;

namespace {
/// The types that a loop computes in or moves, by their size in registers.
int widest(const ir::kernel& k, const ir::loop& x) {
  int bytes = 1;
  std::vector<expr_ref> roots;
  ir::visit(x.body, [&](const ir::stmt& s) {
    if (const auto* t = std::get_if<ir::store>(&s.v)) roots.insert(roots.end(), {t->value, t->mask});
    if (const auto* t = std::get_if<ir::update>(&s.v)) roots.insert(roots.end(), {t->value, t->mask, t->position});
    if (const auto* t = std::get_if<ir::declare>(&s.v))
      bytes = std::max(bytes, size_of(k.buffers[static_cast<std::size_t>(t->buffer)].type));
  });
  for (expr_ref e : ir::post_order(roots)) bytes = std::max(bytes, size_of(e->type));
  return bytes;
}
}  // namespace

/// Powers of two that the machine's registers hold in at most eight parts: LLVM splits such vectors well.
int emitter::natural_width(const ir::loop& x) const {
  const int most = 8 * machine_.vector_bits / (8 * widest(kernel_, x));
  return static_cast<int>(std::bit_floor(static_cast<unsigned>(std::clamp(x.width, 1, std::min(64, most)))));
}

emitter::value emitter::tail_mask(value remaining, int width) {
  // Narrow lanes where they compare in one instruction.
  const int vector_bytes = machine_.vector_bits / 8;
  const int size = width * 4 <= vector_bytes ? 4 : width * 2 <= vector_bytes ? 2 : 1;
  llvm::Type* t = b_.getIntNTy(8 * static_cast<unsigned>(size));
  llvm::SmallVector<llvm::Constant*, 64> numbers;
  for (int i = 0; i < width; ++i) numbers.push_back(llvm::ConstantInt::get(t, static_cast<std::uint64_t>(i)));
  // At most `width` <= 64 remain here, so nothing is cut.
  return b_.CreateICmpULT(llvm::ConstantVector::get(numbers), a_->splat(b_.CreateTrunc(remaining, t), width));
}

/// Loops that hold nothing but reductions into single elements run several vectors at once: one chain of additions
/// waits for its own latency.
int emitter::unrolled_sets(const ir::loop& x, const std::unordered_map<std::int64_t, partial>& partials) const {
  int updates = 0;
  bool pure = !partials.empty();
  ir::visit(x.body, [&](const ir::stmt& s) {
    if (const auto* u = std::get_if<ir::update>(&s.v)) {
      const auto p = partials.find(u->buffer);
      pure = pure && p != partials.end() && p->second.elements == 1;
      ++updates;
    } else {
      pure = pure && (std::holds_alternative<ir::block>(s.v) || std::holds_alternative<ir::prefetch>(s.v));
    }
  });
  return !pure ? 1 : updates <= 2 ? 4 : updates <= 4 ? 2 : 1;
}

/// The streamed store of a loop: what can go past the caches is a map whose vectors are whole registers of the machine.
const ir::store* emitter::streamed_store(const ir::loop& x) {
  const ir::stmt* only = x.body.get();
  if (const auto* b = std::get_if<ir::block>(&only->v)) {
    const auto asks = [](const ir::stmt_ref& e) { return std::holds_alternative<ir::prefetch>(e->v); };
    if (b->list.empty() || !std::all_of(b->list.begin(), b->list.end() - 1, asks)) return nullptr;
    only = b->list.back().get();
  }
  const auto* s = std::get_if<ir::store>(&only->v);
  if (!s || !s->streamed || !s->mask->is_true()) return nullptr;
  const access to{s->buffer, s->indices};
  const int bytes = lanes() * size_of(type_of(to));
  const bool whole = bytes >= 16 && bytes % 16 == 0 && bytes <= machine_.vector_bits / 8;
  return whole && classify(to) == pattern::contiguous ? s : nullptr;
}

/// How many lanes lie before the first that a whole vector can begin with.
emitter::value emitter::lanes_to_alignment(const ir::store& s, value begin) {
  const int size = size_of(kernel_.buffers[static_cast<std::size_t>(s.buffer)].type);
  const std::int64_t bytes = std::int64_t{lanes()} * size;
  region r(*this);
  binding at(*this, lanes_->variable, begin);
  value address = b_.CreatePtrToInt(pointer(s.buffer, offset({s.buffer, s.indices})), b_.getInt64Ty());
  return b_.CreateUDiv(b_.CreateAnd(b_.CreateNeg(address), index_number(bytes - 1)), index_number(size));
}

void emitter::lane_body(const ir::loop& x, value base, value mask, int set) {
  region r(*this);
  binding at(*this, x.variable, base);
  lanes_->mask = mask;
  lanes_->set = set;
  emit(x.body);
  lanes_->mask = nullptr;
}

void emitter::vectorized(const ir::loop& x) {
  const int width = natural_width(x);
  value begin, end;
  {
    statement s(*this);
    begin = scalar(x.begin);
    end = scalar(x.end);
  }
  lane_context context;
  context.variable = x.variable;
  context.width = width;
  ir::visit(x.body, [&](const ir::stmt& s) {
    if (const auto* d = std::get_if<ir::declare>(&s.v)) context.declared.insert(d->buffer);
    if (const auto* p = std::get_if<ir::prefetch>(&s.v)) context.asked.insert(p->buffer);
    if (std::holds_alternative<ir::contraction>(s.v)) fail("a contraction inside a vectorized loop");
  });
  context.begin = begin;
  context.end = end;
  find_partials(x, context);
  const int sets = unrolled_sets(x, context.partials);
  start_partials(context, sets);
  lanes_ = &context;

  const ir::store* streamed = streamed_store(x);
  if (!streamed && x.begin->is(ir::expr_kind::constant) && x.begin->payload >= 0)
    context.multiple = std::gcd(x.begin->payload, width);
  if (streamed) {
    value head = b_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, lanes_to_alignment(*streamed, begin),
                                          b_.CreateNSWSub(end, begin));
    guarded(b_.CreateICmpSGT(head, index_number(0)), [&] { lane_body(x, begin, tail_mask(head, width), 0); });
    begin = b_.CreateNSWAdd(begin, head);
  }
  value count = b_.CreateNSWSub(end, begin);
  const auto* number = llvm::dyn_cast<llvm::ConstantInt>(count);
  const std::int64_t n = number ? number->getSExtValue() : -1;
  std::int64_t left = std::max<std::int64_t>(n, 0);  // where the number is known
  const auto full = [&](value from, int at_once) {
    const std::int64_t stride = static_cast<std::int64_t>(at_once) * width, times = left / stride;
    if (number && times == 0) return from;
    left -= times * stride;
    constexpr std::int64_t unrolled = 4;
    if (number && at_once == 1 && times <= unrolled) {  // a few times: no loop
      for (std::int64_t s = 0; s < times; ++s)
        lane_body(x, b_.CreateNSWAdd(from, index_number(s * stride)), nullptr, 0);
      return static_cast<value>(b_.CreateNSWAdd(from, index_number(times * stride)));
    }
    // Whole vectors end where `count` rounded down does; a negative count rounds to a negative one.
    value length = b_.CreateNSWSub(end, from);
    value to = b_.CreateNSWAdd(from, b_.CreateAnd(length, index_number(-stride)));
    counted(from, to, index_number(stride), number && from == begin, [&](value i) {
      context.aligned = streamed;
      for (int s = 0; s < at_once; ++s)
        lane_body(x, s ? b_.CreateNSWAdd(i, index_number(static_cast<std::int64_t>(s) * width)) : i, nullptr, s);
      context.aligned = nullptr;
    });
    // A loop over nothing must leave the rest at its beginning.
    return number ? to : b_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, from, to);
  };
  value at = begin;
  if (sets > 1) at = full(at, sets);
  at = full(at, 1);
  if (!number) {
    value remaining = b_.CreateNSWSub(end, at);
    guarded(b_.CreateICmpSGT(remaining, index_number(0)), [&] { lane_body(x, at, tail_mask(remaining, width), 0); });
  } else if (n > 0 && n % width != 0) {
    region r(*this);
    lane_body(x, at, tail_mask(index_number(n % width), width), 0);
  }
  lanes_ = nullptr;
  finish_partials(context, sets);
}

}  // namespace tenon::codegen
