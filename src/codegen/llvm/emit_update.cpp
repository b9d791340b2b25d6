// Reductions into memory or registers, with partial results of lanes while a vectorized loop runs.
#include <bit>

#include "codegen/llvm/emitter.hpp"

namespace tenon::codegen {

using ir::expr_kind;
using ir::expr_ref;
using ir::reducer;

emitter::pair emitter::combine(reducer r, dtype d, pair old, pair next) {
  if (!is_arg(r)) return {a_->combine(r, d, old.best, next.best), nullptr};
  return choose(a_->better(r, d, next.best, next.position, old.best, old.position), next, old);
}
emitter::pair emitter::choose(value wins, pair next, pair old) {
  return {b_.CreateSelect(wins, next.best, old.best), b_.CreateSelect(wins, next.position, old.position)};
}
/// Which of the loop's vectors this one is: 32 bits, so a row has at most 2^32 of them (16 Gi
/// elements where vectors have 4 lanes).
emitter::value emitter::vector_number() {
  value at = b_.CreateNSWSub(scalar(lanes_->variable), lanes_->begin);
  value number = b_.CreateLShr(at, static_cast<std::uint64_t>(std::countr_zero(static_cast<unsigned>(lanes()))));
  return a_->splat(b_.CreateTrunc(number, b_.getInt32Ty()), lanes());
}

/// Halves are combined, the lower lanes first: one fixed order, and its depth is the logarithm of the lanes.
emitter::pair emitter::across_lanes(reducer r, dtype d, pair p, int width) {
  const auto half = [&](value v, int from, int n) {
    llvm::SmallVector<int, 64> order;
    for (int i = 0; i < n; ++i) order.push_back(from + i);
    return b_.CreateShuffleVector(v, order);
  };
  for (int n = width / 2; n >= 1; n /= 2) {
    pair low{half(p.best, 0, n), is_arg(r) ? half(p.position, 0, n) : nullptr};
    pair high{half(p.best, n, n), is_arg(r) ? half(p.position, n, n) : nullptr};
    p = combine(r, d, low, high);
  }
  return {lane(p.best, 0), is_arg(r) ? lane(p.position, 0) : nullptr};
}

void emitter::find_partials(const ir::loop& x, lane_context& context) {
  lane_context* outer = lanes_;
  lanes_ = &context;
  std::vector<expr_ref> inner{x.variable};
  std::unordered_map<std::int64_t, int> uses;  // 2 and more: with different reducers or elements
  std::unordered_set<std::int64_t> excluded;
  const auto reads = [&](expr_ref e) {
    ir::contains(e, [&](expr_ref l) {
      if (l->is(expr_kind::load)) excluded.insert(l->payload);
      return false;
    });
  };
  ir::visit(x.body, [&](const ir::stmt& s) {
    ir::visit_operands(s, reads);
    if (const auto* l = std::get_if<ir::loop>(&s.v)) inner.push_back(l->variable);
    if (const auto* t = std::get_if<ir::store>(&s.v)) excluded.insert(t->buffer);
  });
  ir::visit(x.body, [&](const ir::stmt& s) {
    const auto* u = std::get_if<ir::update>(&s.v);
    if (!u || context.declared.contains(u->buffer)) return;
    const access to{u->buffer, u->indices};
    bool fixed = uniform(to);
    for (expr_ref e : u->indices) fixed = fixed && !mentions(e, inner) && !reads_written(e);
    const ir::buffer& b = kernel_.buffers[static_cast<std::size_t>(u->buffer)];
    std::int64_t elements = 1;
    for (expr_ref e : b.extents) elements *= e->is(expr_kind::constant) ? e->payload : 1;
    const bool whole = !fixed && uniform(to) && b.where == ir::scope::local && elements <= 64;
    const auto known = context.partials.find(u->buffer);
    if ((!fixed && !whole) || known != context.partials.end() || excluded.contains(u->buffer) ||
        (is_arg(u->combine) && excluded.contains(u->buffer + 1))) {
      // More than one update of a buffer, or one that also reads it: in memory, lane by lane.
      excluded.insert(u->buffer);
      context.partials.erase(u->buffer);
      return;
    }
    partial p;
    p.combine = u->combine;
    p.elements = whole ? elements : 1;
    p.whole_buffer = whole;
    p.in_order = is_arg(u->combine) && !whole && u->position == x.variable;
    if (!whole) {
      value at = offset(to);
      p.target = pointer(u->buffer, at);
      if (is_arg(u->combine)) p.target_position = pointer(u->buffer + 1, offset({u->buffer + 1, u->indices}));
    } else {
      p.target = buffers_[static_cast<std::size_t>(u->buffer)].pointer;
      if (is_arg(u->combine)) p.target_position = buffers_[static_cast<std::size_t>(u->buffer + 1)].pointer;
    }
    context.partials[u->buffer] = p;
  });
  lanes_ = outer;
  context.varying.clear();
}

void emitter::start_partials(lane_context& context, int sets) {
  for (auto& [buffer, p] : context.partials) {
    const dtype d = kernel_.buffers[static_cast<std::size_t>(buffer)].type;
    if (compute_type(d) != d) fail("a reduction into 16-bit floats, which are only loaded and stored");
    const auto fill = [&](dtype t, value start) {
      llvm::Type* element = a_->memory_type(t, context.width);
      value slot = entry_slot(element, p.elements, "partial");
      for (std::int64_t i = 0; i < p.elements; ++i)
        b_.CreateStore(a_->to_memory(t, start),
                       b_.CreateConstInBoundsGEP1_64(element, slot, static_cast<std::uint64_t>(i)));
      return slot;
    };
    for (int s = 0; s < sets; ++s) {
      p.best.push_back(fill(d, a_->identity(p.combine, d, context.width)));
      // In order, what a lane sees first may be as little as what it begins with: it is the best at that place.
      value first = p.in_order          ? fill(i32, a_->constant(i32, 0, context.width))
                    : is_arg(p.combine) ? fill(i64, a_->constant(i64, INT64_MAX, context.width))
                                        : nullptr;
      p.position.push_back(first);
    }
  }
}

void emitter::finish_partials(lane_context& context, int sets) {
  std::vector<std::int64_t> order;
  for (const auto& [buffer, p] : context.partials) order.push_back(buffer);
  std::ranges::sort(order);
  for (std::int64_t buffer : order) {
    const partial& p = context.partials[buffer];
    const dtype d = kernel_.buffers[static_cast<std::size_t>(buffer)].type;
    const bool arg = is_arg(p.combine);
    for (std::int64_t i = 0; i < p.elements; ++i) {
      const auto at = [&](dtype t, value slot) {
        llvm::Type* element = a_->memory_type(t, context.width);
        value v = b_.CreateLoad(element, b_.CreateConstInBoundsGEP1_64(element, slot, static_cast<std::uint64_t>(i)));
        return a_->from_memory(t, v);
      };
      std::vector<pair> parts;
      for (std::size_t s = 0; s < static_cast<std::size_t>(sets); ++s) {
        value position = !arg ? nullptr : at(p.in_order ? i32 : i64, p.position[s]);
        if (p.in_order) position = position_of(context, position);
        parts.push_back({at(d, p.best[s]), position});
      }
      for (std::size_t n = parts.size(); n > 1; n = parts.size()) {
        std::vector<pair> next;
        for (std::size_t s = 0; s + 1 < n; s += 2) next.push_back(combine(p.combine, d, parts[s], parts[s + 1]));
        if (n % 2) next.push_back(parts.back());
        parts = std::move(next);
      }
      const pair all = across_lanes(p.combine, d, parts[0], context.width);
      value element = index_number(i);
      value to = p.elements > 1 ? b_.CreateInBoundsGEP(a_->memory_type(d), p.target, element) : p.target;
      value to_position =
          arg && p.elements > 1 ? b_.CreateInBoundsGEP(b_.getInt64Ty(), p.target_position, element) : p.target_position;
      const pair old{read_scalar(buffer, to, nullptr), arg ? read_scalar(buffer + 1, to_position, nullptr) : nullptr};
      const pair result = combine(p.combine, d, old, all);
      write_scalar(buffer, to, result.best, nullptr);
      if (arg) write_scalar(buffer + 1, to_position, result.position, nullptr);
    }
  }
}

/// Where in a loop each lane of its vectors of these numbers is; behind everything in a loop that does not run.
emitter::value emitter::position_of(const lane_context& context, value vectors) {
  llvm::SmallVector<llvm::Constant*, 64> lane_numbers;
  for (int i = 0; i < context.width; ++i) lane_numbers.push_back(b_.getInt64(static_cast<std::uint64_t>(i)));
  value wide = b_.CreateZExt(vectors, a_->type(i64, context.width));
  value at = b_.CreateAdd(b_.CreateMul(wide, a_->constant(i64, context.width, context.width)),
                          llvm::ConstantVector::get(lane_numbers));
  at = b_.CreateAdd(at, a_->splat(context.begin, context.width));
  return b_.CreateSelect(b_.CreateICmpSLT(context.begin, context.end), at, a_->constant(i64, INT64_MAX, context.width));
}

void emitter::emit(const ir::update& x) {
  statement s(*this);
  const dtype d = kernel_.buffers[static_cast<std::size_t>(x.buffer)].type;
  if (compute_type(d) != d) fail("a reduction into 16-bit floats, which are only loaded and stored");
  if (is_arg(x.combine) && !x.position) fail("argmax or argmin without a position");
  if (!lanes_) return update_scalar(x);
  if (const auto p = lanes_->partials.find(x.buffer); p != lanes_->partials.end()) return update_partial(x, p->second);
  const access to{x.buffer, x.indices};
  const bool own = buffers_[static_cast<std::size_t>(x.buffer)].lanes != 0;
  if (own ? uniform(to) : classify(to) == pattern::contiguous) return update_contiguous(x);
  update_lane_by_lane(x);
}

void emitter::update_scalar(const ir::update& x) {
  const bool arg = is_arg(x.combine);
  const dtype d = kernel_.buffers[static_cast<std::size_t>(x.buffer)].type;
  value mask = x.mask->is_true() ? nullptr : scalar(x.mask);
  const pair next{scalar(x.value), arg ? scalar(x.position) : nullptr};
  value p = pointer(x.buffer, offset({x.buffer, x.indices}));
  value q = arg ? pointer(x.buffer + 1, offset({x.buffer + 1, x.indices})) : nullptr;
  const pair old{read_scalar(x.buffer, p, mask), arg ? read_scalar(x.buffer + 1, q, mask) : nullptr};
  const pair result = combine(x.combine, d, old, next);
  write_scalar(x.buffer, p, result.best, mask);
  if (arg) write_scalar(x.buffer + 1, q, result.position, mask);
}

void emitter::update_partial(const ir::update& x, partial& p) {
  const bool arg = is_arg(x.combine);
  const dtype d = kernel_.buffers[static_cast<std::size_t>(x.buffer)].type;
  value mask = mask_of(x.mask);
  const bool product = x.combine == reducer::sum && d == f32 && machine_.fma && x.value->is(ir::prim::mul);
  const pair next{product ? nullptr : vector(x.value), !arg         ? nullptr
                                                       : p.in_order ? vector_number()
                                                                    : vector(x.position)};
  value element = p.whole_buffer ? offset({x.buffer, x.indices}) : index_number(0);
  const auto set = static_cast<std::size_t>(lanes_->set);
  const auto slot = [&](dtype t, value base) {
    return b_.CreateInBoundsGEP(a_->memory_type(t, lanes()), base, element);
  };
  const auto read = [&](dtype t, value at) {
    return a_->from_memory(t, b_.CreateLoad(a_->memory_type(t, lanes()), at));
  };
  const dtype place = p.in_order ? i32 : i64;
  value best = slot(d, p.best[set]), position = arg ? slot(place, p.position[set]) : nullptr;
  const pair old{read(d, best), arg ? read(place, position) : nullptr};
  pair result{nullptr, nullptr};
  if (product)  // rounded once
    result.best =
        a_->apply(ir::prim::fma, d, d, {{vector(x.value->operands[0]), vector(x.value->operands[1]), old.best}});
  else if (p.in_order)
    result = choose(a_->better_later(x.combine, d, next.best, old.best), next, old);
  else
    result = combine(x.combine, d, old, next);
  if (mask) result.best = b_.CreateSelect(mask, result.best, old.best);
  b_.CreateStore(a_->to_memory(d, result.best), best);
  if (!arg) return;
  if (mask) result.position = b_.CreateSelect(mask, result.position, old.position);
  b_.CreateStore(result.position, position);
}

/// Every lane has an element of its own, side by side in memory.
void emitter::update_contiguous(const ir::update& x) {
  const bool arg = is_arg(x.combine);
  const dtype d = kernel_.buffers[static_cast<std::size_t>(x.buffer)].type;
  const access to{x.buffer, x.indices}, to_position{x.buffer + 1, x.indices};
  const bool own = buffers_[static_cast<std::size_t>(x.buffer)].lanes != 0;
  if (arg && !own && classify(to_position) != pattern::contiguous) return update_lane_by_lane(x);
  const auto at = [&](const access& a) { return own ? private_pointer(a) : pointer(a.buffer, offset(a)); };
  value mask = mask_of(x.mask), memory_mask = own ? nullptr : mask;
  value p = at(to), q = arg ? at(to_position) : nullptr;
  const pair next{vector(x.value), arg ? vector(x.position) : nullptr};
  const pair old{read_contiguous(x.buffer, p, memory_mask, lanes()),
                 arg ? read_contiguous(x.buffer + 1, q, memory_mask, lanes()) : nullptr};
  pair result = combine(x.combine, d, old, next);
  const auto keep = [&](value v, value before) { return own && mask ? b_.CreateSelect(mask, v, before) : v; };
  write_contiguous(x.buffer, p, keep(result.best, old.best), memory_mask);
  if (arg) write_contiguous(x.buffer + 1, q, keep(result.position, old.position), memory_mask);
}

/// Lanes may meet in one element: one after the other.
void emitter::update_lane_by_lane(const ir::update& x) {
  const bool arg = is_arg(x.combine);
  const dtype d = kernel_.buffers[static_cast<std::size_t>(x.buffer)].type;
  const access to{x.buffer, x.indices}, to_position{x.buffer + 1, x.indices};
  value mask = mask_of(x.mask);
  const pair next{vector(x.value), arg ? vector(x.position) : nullptr};
  const auto pointers = [&](const access& a) {
    if (buffers_[static_cast<std::size_t>(a.buffer)].lanes || !uniform(a)) return lane_pointers(a);
    return std::vector<value>(static_cast<std::size_t>(lanes()), pointer(a.buffer, offset(a)));
  };
  const auto p = pointers(to), q = arg ? pointers(to_position) : p;
  for (int i = 0; i < lanes(); ++i) {
    const auto k = static_cast<std::size_t>(i);
    value m = mask ? lane(mask, i) : nullptr;
    const pair old{read_scalar(x.buffer, p[k], m), arg ? read_scalar(x.buffer + 1, q[k], m) : nullptr};
    const pair mine{lane(next.best, i), arg ? lane(next.position, i) : nullptr};
    const pair result = combine(x.combine, d, old, mine);
    write_scalar(x.buffer, p[k], result.best, m);
    if (arg) write_scalar(x.buffer + 1, q[k], result.position, m);
  }
}

}  // namespace tenon::codegen
