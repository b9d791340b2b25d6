// Loads and stores: addresses, masks, gathers.
#include <algorithm>
#include <bit>

#include "codegen/llvm/emitter.hpp"

namespace tenon::codegen {

using ir::expr_kind;
using ir::expr_ref;
using ir::prim;

namespace {
/// What a map whose result goes past the caches will read some vectors later: the processor's own look-ahead ends with
/// each page.
constexpr std::int64_t streamed_ahead = 2048;
}  // namespace

std::optional<std::int64_t> emitter::stride_number(const buffer_state& s, std::size_t d) const {
  std::int64_t n = 1;
  for (expr_ref f : s.factors[d]) {
    if (!f->is(expr_kind::constant)) return {};
    n *= f->payload;
  }
  return n;
}
emitter::value emitter::stride_value(const buffer_state& s, std::size_t d) {
  value v = nullptr;
  std::int64_t n = 1;
  for (expr_ref f : s.factors[d])
    if (f->is(expr_kind::constant))
      n *= f->payload;
    else
      v = v ? b_.CreateNSWMul(v, scalar(f)) : scalar(f);
  if (!v) return index_number(n);
  return n == 1 ? v : b_.CreateNSWMul(v, index_number(n));
}

emitter::value emitter::offset(const access& a) {
  const buffer_state& s = buffers_[static_cast<std::size_t>(a.buffer)];
  value sum = nullptr;
  for (std::size_t d = 0; d < a.indices.size(); ++d) {
    if (a.indices[d]->is_constant(0)) continue;
    const auto number = stride_number(s, d);
    value i = scalar(a.indices[d]);
    value term = number == 1 ? i : b_.CreateNSWMul(i, stride_value(s, d));
    sum = sum ? b_.CreateNSWAdd(sum, term) : term;
  }
  return sum ? sum : index_number(0);
}
emitter::value emitter::offset_vector(const access& a) {
  const buffer_state& s = buffers_[static_cast<std::size_t>(a.buffer)];
  value sum = a_->splat(index_number(0), lanes());
  for (std::size_t d = 0; d < a.indices.size(); ++d)
    sum = b_.CreateAdd(sum, b_.CreateMul(vector(a.indices[d]), a_->splat(stride_value(s, d), lanes())));
  return sum;
}

std::optional<std::int64_t> emitter::step(const access& a, expr_ref variable) {
  const buffer_state& s = buffers_[static_cast<std::size_t>(a.buffer)];
  std::int64_t sum = 0;
  for (std::size_t d = 0; d < a.indices.size(); ++d) {
    const auto by = step_of(a.indices[d], variable);
    if (!by) return {};
    if (*by == 0) continue;
    const auto stride = stride_number(s, d);
    if (!stride) return {};
    sum += *by * *stride;
  }
  return sum;
}
bool emitter::affine(const access& a, std::span<const expr_ref> variables) {
  for (expr_ref e : a.indices)
    if (!affine_in(e, variables)) return false;
  return true;
}
bool emitter::uniform(const access& a) {
  for (expr_ref e : a.indices)
    if (varying(e)) return false;
  return true;
}
emitter::pattern emitter::classify(const access& a) {
  if (uniform(a)) return pattern::uniform;
  for (expr_ref e : a.indices)
    if (ir::contains(e, [&](expr_ref x) { return x->is(expr_kind::load) && varying(x); })) return pattern::scattered;
  if (const auto by = step(a, lanes_->variable)) {
    if (*by == 1) return pattern::contiguous;
    return *by == -1 ? pattern::reversed : pattern::affine;
  }
  return affine(a, std::span(&lanes_->variable, 1)) ? pattern::affine : pattern::scattered;
}

/// The last index is lane / lanes * elements + at, of a dimension of whole blocks.
std::optional<emitter::blocks> emitter::blocks_of(const access& a) {
  if (a.indices.empty() || !uniform({a.buffer, a.indices.first(a.indices.size() - 1)})) return {};
  const auto split = [](expr_ref& e, prim p, std::int64_t without) {
    if (!e->is(p)) return without;
    for (std::size_t side = 0; side < 2; ++side)
      if (const expr_ref number = e->operands[side]; number->is(expr_kind::constant)) {
        e = e->operands[1 - side];
        return number->payload;
      }
    return without;
  };
  expr_ref e = a.indices.back();
  const std::int64_t at = split(e, prim::add, 0), elements = split(e, prim::mul, 1);
  if (!e->is(prim::div) || e->operands[0] != lanes_->variable || !e->operands[1]->is(expr_kind::constant)) return {};
  const std::int64_t together = e->operands[1]->payload;
  if (together <= 1 || lanes() % together != 0 || lanes_->multiple % together != 0) return {};
  const expr_ref extent = kernel_.buffers[static_cast<std::size_t>(a.buffer)].extents.back();
  const bool whole = elements > 0 && at >= 0 && at < elements && extent->is(expr_kind::constant) &&
                     extent->payload % elements == 0 &&
                     stride_number(buffers_[static_cast<std::size_t>(a.buffer)], a.indices.size() - 1) == 1;
  // No more than two vectors, which are shuffled as one, or than eight registers.
  const std::int64_t of_all = lanes() / together * elements;
  const std::int64_t most = std::min({2 * lanes(), 64, machine_.vector_bits / size_of(type_of(a))});
  if (!whole || of_all < 2 || of_all > most || !std::has_single_bit(static_cast<std::uint64_t>(of_all))) return {};
  return blocks{together, elements, at};
}

void emitter::tag(llvm::Instruction* i, std::int64_t buffer) {
  const buffer_state& s = buffers_[static_cast<std::size_t>(buffer)];
  if (!s.scope) return;
  i->setMetadata(llvm::LLVMContext::MD_alias_scope, s.scope);
  i->setMetadata(llvm::LLVMContext::MD_noalias, s.others);
  if (s.constant && llvm::isa<llvm::LoadInst>(i))
    i->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
}

emitter::value emitter::pointer(std::int64_t buffer, value offset) {
  const buffer_state& s = buffers_[static_cast<std::size_t>(buffer)];
  if (!s.pointer)
    fail("the buffer " + kernel_.buffers[static_cast<std::size_t>(buffer)].name + " is used where it does not live");
  return b_.CreateInBoundsGEP(a_->memory_type(kernel_.buffers[static_cast<std::size_t>(buffer)].type), s.pointer,
                              offset);
}
/// Of a buffer that each lane has its own of, at uniform indices: where its lanes lie side by side.
emitter::value emitter::private_pointer(const access& a) {
  return pointer(a.buffer, b_.CreateNSWMul(offset(a), index_number(lanes())));
}

std::vector<emitter::value> emitter::lane_pointers(const access& a) {
  std::vector<value> p;
  const int width = lanes();
  const bool own = buffers_[static_cast<std::size_t>(a.buffer)].lanes != 0;
  const pattern how = own ? pattern::scattered : classify(a);
  if (how == pattern::scattered) {
    value v = offset_vector(a);
    for (int i = 0; i < width; ++i) {
      value o = lane(v, i);
      if (own) o = b_.CreateNSWAdd(b_.CreateNSWMul(o, index_number(width)), index_number(i));
      p.push_back(pointer(a.buffer, o));
    }
    return p;
  }
  value first = offset(a);
  const auto number = step(a, lanes_->variable);
  value by = nullptr;
  if (number) {
    by = index_number(*number);
  } else {
    // Affine: the distance of two neighbouring lanes is that of all. Nothing that is known of this lane holds there.
    value base = bindings_.at(lanes_->variable);
    std::vector<cached> kept(1);
    kept.swap(scopes_);
    cached kept_volatile = std::exchange(volatile_, {});
    bindings_[lanes_->variable] = b_.CreateNSWAdd(base, index_number(1));
    value next = offset(a);
    bindings_[lanes_->variable] = base;
    volatile_ = std::move(kept_volatile);
    scopes_.swap(kept);
    by = b_.CreateNSWSub(next, first);
  }
  for (int i = 0; i < width; ++i)
    p.push_back(pointer(a.buffer, i ? b_.CreateNSWAdd(first, b_.CreateNSWMul(by, index_number(i))) : first));
  return p;
}

emitter::value emitter::safe_to_read() {
  if (!zeros_) {
    auto* t = llvm::ArrayType::get(b_.getInt8Ty(), 8);
    auto* g = new llvm::GlobalVariable(module_, t, true, llvm::GlobalValue::PrivateLinkage,
                                       llvm::Constant::getNullValue(t), "zeros");
    g->setAlignment(llvm::Align(8));
    zeros_ = g;
  }
  return zeros_;
}
emitter::value emitter::safe_to_write() {
  if (!sink_) sink_ = entry_slot(b_.getInt64Ty(), 1, "sink");
  return sink_;
}
bool emitter::masked_memory(dtype d) const {
  return machine_.vector_bits == 512 || (machine_.vector_bits == 256 && size_of(d) >= 4);
}

emitter::value emitter::read_scalar(std::int64_t buffer, value p, value mask) {
  const dtype d = kernel_.buffers[static_cast<std::size_t>(buffer)].type;
  if (mask) p = b_.CreateSelect(mask, p, safe_to_read());
  auto* load = b_.CreateAlignedLoad(a_->memory_type(d), p, llvm::Align(static_cast<unsigned>(size_of(d))));
  tag(load, buffer);
  return a_->from_memory(d, load);
}
void emitter::write_scalar(std::int64_t buffer, value p, value v, value mask) {
  const dtype d = kernel_.buffers[static_cast<std::size_t>(buffer)].type;
  if (mask) p = b_.CreateSelect(mask, p, safe_to_write());
  tag(b_.CreateAlignedStore(a_->to_memory(d, v), p, llvm::Align(static_cast<unsigned>(size_of(d)))), buffer);
}

/// Lanes [first, first + count) of a vector.
emitter::value emitter::lanes_from(value v, int first, int count) {
  llvm::SmallVector<int, 64> order;
  for (int i = 0; i < count; ++i) order.push_back(first + i);
  return b_.CreateShuffleVector(v, order);
}
/// Of a vector of many registers, in which masked memory is accessed a register at a time: LLVM 19 loses the mask of a
/// part that is off as a whole.
int emitter::masked_part(dtype d, int width) const {
  const int natural = machine_.vector_bits / 8 / size_of(d);
  return width > natural && width % natural == 0 ? natural : width;
}

emitter::value emitter::read_contiguous(std::int64_t buffer, value p, value mask, int width) {
  const dtype d = kernel_.buffers[static_cast<std::size_t>(buffer)].type;
  const llvm::Align align(static_cast<unsigned>(size_of(d)));
  llvm::Type* t = a_->memory_type(d, width);
  if (!mask) {
    auto* load = b_.CreateAlignedLoad(t, p, align);
    tag(load, buffer);
    return a_->from_memory(d, load);
  }
  if (masked_memory(d)) {
    const int part = masked_part(d, width);
    llvm::Type* element = a_->memory_type(d, part);
    value all = nullptr;
    for (int first = 0; first < width; first += part) {
      value q = first == 0 ? p : b_.CreateGEP(a_->memory_type(d), p, index_number(first));
      value m = part == width ? mask : lanes_from(mask, first, part);
      auto* load = b_.CreateMaskedLoad(element, q, align, m, llvm::Constant::getNullValue(element));
      tag(load, buffer);
      if (part == width) return a_->from_memory(d, load);
      // Its lanes take their places among those of all.
      llvm::SmallVector<int, 64> widened(static_cast<std::size_t>(width), -1), joined;
      for (int i = 0; i < part; ++i) widened[static_cast<std::size_t>(first + i)] = i;
      value wide = b_.CreateShuffleVector(load, widened);
      for (int i = 0; i < width; ++i) joined.push_back(i >= first && i < first + part ? width + i : i);
      all = all ? b_.CreateShuffleVector(all, wide, joined) : wide;
    }
    return a_->from_memory(d, all);
  }
  value v = llvm::PoisonValue::get(a_->type(d, width));
  for (int i = 0; i < width; ++i) {
    value q = b_.CreateInBoundsGEP(a_->memory_type(d), p, index_number(i));
    v = b_.CreateInsertElement(v, read_scalar(buffer, q, lane(mask, i)), static_cast<std::uint64_t>(i));
  }
  return v;
}
/// As many times 32 bits of smaller elements; `lanes` 0: once.
emitter::value emitter::read_group(std::int64_t buffer, value p, value mask, int lanes) {
  llvm::Type* word = b_.getInt32Ty();
  const llvm::Align align(1);
  const auto tagged = [&](llvm::Instruction* load) {
    tag(load, buffer);
    return load;
  };
  if (lanes == 0) return tagged(b_.CreateAlignedLoad(word, p, align));
  llvm::Type* t = llvm::FixedVectorType::get(word, static_cast<unsigned>(lanes));
  if (!mask) return tagged(b_.CreateAlignedLoad(t, p, align));
  if (masked_memory(i32)) return tagged(b_.CreateMaskedLoad(t, p, align, mask, llvm::Constant::getNullValue(t)));
  value v = llvm::PoisonValue::get(t);
  for (int i = 0; i < lanes; ++i) {
    value q = b_.CreateSelect(lane(mask, i), b_.CreateInBoundsGEP(word, p, index_number(i)), safe_to_read());
    v = b_.CreateInsertElement(v, tagged(b_.CreateAlignedLoad(word, q, align)), static_cast<std::uint64_t>(i));
  }
  return v;
}
void emitter::write_contiguous(std::int64_t buffer, value p, value v, value mask) {
  const dtype d = kernel_.buffers[static_cast<std::size_t>(buffer)].type;
  const llvm::Align align(static_cast<unsigned>(size_of(d)));
  if (!mask) {
    tag(b_.CreateAlignedStore(a_->to_memory(d, v), p, align), buffer);
  } else if (masked_memory(d)) {
    const int width = arithmetic::lanes_of(v), part = masked_part(d, width);
    v = a_->to_memory(d, v);
    for (int first = 0; first < width; first += part) {
      value q = first == 0 ? p : b_.CreateGEP(a_->memory_type(d), p, index_number(first));
      value x = part == width ? v : lanes_from(v, first, part),
            m = part == width ? mask : lanes_from(mask, first, part);
      tag(b_.CreateMaskedStore(x, q, align, m), buffer);
    }
  } else {
    for (int i = 0; i < arithmetic::lanes_of(v); ++i) {
      value q = b_.CreateInBoundsGEP(a_->memory_type(d), p, index_number(i));
      write_scalar(buffer, q, lane(v, i), lane(mask, i));
    }
  }
}

emitter::value emitter::reversed(value v) {
  const int n = arithmetic::lanes_of(v);
  llvm::SmallVector<int, 64> order;
  for (int i = 0; i < n; ++i) order.push_back(n - 1 - i);
  return b_.CreateShuffleVector(v, order);
}

/// Every `stride`th element, 2 to 4: the vectors that they lie in, shuffled together. Nothing behind the last lane's
/// element is read, and under a mask nothing but what its lanes need.
emitter::value emitter::read_strided(std::int64_t buffer, value p, value mask, int width, int stride) {
  llvm::Type* element = a_->memory_type(kernel_.buffers[static_cast<std::size_t>(buffer)].type);
  value result = nullptr;
  for (int part = 0; part < stride; ++part) {
    // Without a mask the last vector ends with the last lane's element.
    const bool last = part + 1 == stride;
    const int begin = part * width - (last && !mask ? stride - 1 : 0);
    value wanted = nullptr;
    if (mask) {
      llvm::SmallVector<int, 64> lane_of;
      llvm::SmallVector<llvm::Constant*, 64> used;
      for (int i = 0; i < width; ++i) {
        lane_of.push_back((begin + i) / stride);
        used.push_back(b_.getInt1((begin + i) % stride == 0));
      }
      wanted = b_.CreateAnd(b_.CreateShuffleVector(mask, lane_of), llvm::ConstantVector::get(used));
    }
    value v = read_contiguous(buffer, b_.CreateInBoundsGEP(element, p, index_number(begin)), wanted, width);
    llvm::SmallVector<int, 64> order;
    for (int i = 0; i < width; ++i) {
      const int at = i * stride - begin;
      const bool here = at >= 0 && at < width && i * stride / width == part;
      order.push_back(here ? width + at : i);
    }
    result = b_.CreateShuffleVector(result ? result : v, v, order);
  }
  return result;
}

/// From where the first block begins. Under a mask the blocks are read of which a lane wants something.
emitter::value emitter::read_blocks(std::int64_t buffer, value p, value mask, const blocks& b) {
  const std::int64_t width = lanes(), of_all = width / b.lanes * b.elements;
  const auto shuffled = [&](value v, std::int64_t count, auto from) {
    llvm::SmallVector<int, 64> order;
    for (std::int64_t i = 0; i < count; ++i) order.push_back(static_cast<int>(from(i)));
    return b_.CreateShuffleVector(v, order);
  };
  value wanted = nullptr;
  for (std::int64_t lane = 0; mask && lane < b.lanes; ++lane) {
    value v = shuffled(mask, of_all, [&](std::int64_t i) { return i / b.elements * b.lanes + lane; });
    wanted = wanted ? b_.CreateOr(wanted, v) : v;
  }
  value v = read_contiguous(buffer, p, wanted, static_cast<int>(of_all));
  return shuffled(v, width, [&](std::int64_t i) { return i / b.lanes * b.elements + b.at; });
}

/// The lanes that run and for which `mask` holds; null: all.
emitter::value emitter::mask_of(expr_ref mask) {
  value own = !mask || mask->is_true() ? nullptr : vector(mask);
  return both(lanes_->mask, own);
}

emitter::value emitter::load_scalar(const access& a, value mask) {
  return read_scalar(a.buffer, pointer(a.buffer, offset(a)), mask);
}

emitter::value emitter::load_vector(const access& a, expr_ref mask) {
  const int width = lanes();
  const dtype d = type_of(a);
  if (buffers_[static_cast<std::size_t>(a.buffer)].lanes && uniform(a)) {
    value v = read_contiguous(a.buffer, private_pointer(a), nullptr, width);
    return mask->is_true() ? v : b_.CreateSelect(vector(mask), v, llvm::Constant::getNullValue(v->getType()));
  }
  const bool own = buffers_[static_cast<std::size_t>(a.buffer)].lanes != 0;
  const pattern how = own ? pattern::scattered : classify(a);
  if (how == pattern::uniform) {
    // Only the mask varies.
    value m = mask_of(mask);
    value s = a_->splat(load_scalar(a, b_.CreateOrReduce(m)), width);
    return b_.CreateSelect(m, s, llvm::Constant::getNullValue(s->getType()));
  }
  value m = mask_of(mask);
  if (how == pattern::contiguous) {
    value p = pointer(a.buffer, offset(a));
    // What a mask may leave out may lie anywhere, also where streamed stores write: fetched lines make those slow.
    if (lanes_->aligned && !m && buffers_[static_cast<std::size_t>(a.buffer)].constant &&
        !lanes_->asked.contains(a.buffer))
      ask_ahead(p, streamed_ahead);
    return read_contiguous(a.buffer, p, m, width);
  }
  if (how == pattern::reversed) {
    value p = pointer(a.buffer, b_.CreateNSWSub(offset(a), index_number(width - 1)));
    return reversed(read_contiguous(a.buffer, p, m ? reversed(m) : nullptr, width));
  }
  if (const auto by = how == pattern::affine ? step(a, lanes_->variable) : std::nullopt;
      by && *by >= 2 && *by <= 4 && width >= 4 && (!m || masked_memory(d)))
    return read_strided(a.buffer, pointer(a.buffer, offset(a)), m, width, static_cast<int>(*by));
  if (const auto b = own ? std::nullopt : blocks_of(a)) {
    value p = pointer(a.buffer, b_.CreateNSWSub(offset(a), index_number(b->at)));
    value v = read_blocks(a.buffer, p, m, *b);
    return mask->is_true() ? v : b_.CreateSelect(m, v, llvm::Constant::getNullValue(v->getType()));
  }
  const auto pointers = lane_pointers(a);
  value v = llvm::PoisonValue::get(a_->type(d, width));
  for (int i = 0; i < width; ++i) {
    value x = read_scalar(a.buffer, pointers[static_cast<std::size_t>(i)], m ? lane(m, i) : nullptr);
    v = b_.CreateInsertElement(v, x, static_cast<std::uint64_t>(i));
  }
  return v;
}

/// The line so many bytes behind `p`. The address may lie behind the end: prefetches do not fault.
void emitter::ask_ahead(value p, std::int64_t bytes) {
  b_.CreateIntrinsic(
      llvm::Intrinsic::prefetch, {b_.getPtrTy()},
      {b_.CreateGEP(b_.getInt8Ty(), p, index_number(bytes)), b_.getInt32(0), b_.getInt32(3), b_.getInt32(1)});
}

/// Past the caches, to where a vector begins at a multiple of its size.
void emitter::stream_vector(const access& a, value v) {
  const std::int64_t bytes = std::int64_t{arithmetic::lanes_of(v)} * size_of(type_of(a));
  auto* store = b_.CreateAlignedStore(a_->to_memory(type_of(a), v), pointer(a.buffer, offset(a)),
                                      llvm::Align(static_cast<std::uint64_t>(bytes)));
  tag(store, a.buffer);
  store->setMetadata(llvm::LLVMContext::MD_nontemporal,
                     llvm::MDNode::get(context_, llvm::ConstantAsMetadata::get(b_.getInt32(1))));
  streams_ = true;
}

/// The same where it is not known at which address the vector begins.
void emitter::stream_where_aligned(const access& a, value v) {
  const std::int64_t bytes = std::int64_t{arithmetic::lanes_of(v)} * size_of(type_of(a));
  value p = pointer(a.buffer, offset(a));
  auto* aligned = llvm::BasicBlock::Create(context_, "aligned", function_);
  auto* elsewhere = llvm::BasicBlock::Create(context_, "elsewhere", function_);
  auto* after = llvm::BasicBlock::Create(context_, "after", function_);
  value low_bits = b_.CreateAnd(b_.CreatePtrToInt(p, b_.getInt64Ty()), static_cast<std::uint64_t>(bytes - 1));
  b_.CreateCondBr(b_.CreateIsNull(low_bits), aligned, elsewhere);
  b_.SetInsertPoint(aligned);
  stream_vector(a, v);
  b_.CreateBr(after);
  b_.SetInsertPoint(elsewhere);
  write_contiguous(a.buffer, p, v, nullptr);
  b_.CreateBr(after);
  b_.SetInsertPoint(after);
}

void emitter::store_scalar(const access& a, value v, value mask) {
  value p = pointer(a.buffer, offset(a));
  write_scalar(a.buffer, p, v, mask);
}

void emitter::store_vector(const access& a, value v, expr_ref mask) {
  const buffer_state& s = buffers_[static_cast<std::size_t>(a.buffer)];
  if (s.lanes && uniform(a)) {
    value p = private_pointer(a);
    // Lanes that do not run have storage of their own, so only the statement's mask counts.
    if (mask && !mask->is_true()) v = b_.CreateSelect(vector(mask), v, read_contiguous(a.buffer, p, nullptr, lanes()));
    return write_contiguous(a.buffer, p, v, nullptr);
  }
  const pattern how = s.lanes ? pattern::scattered : classify(a);
  value m = mask_of(mask);
  if (how == pattern::contiguous) return write_contiguous(a.buffer, pointer(a.buffer, offset(a)), v, m);
  if (how == pattern::reversed) {
    value p = pointer(a.buffer, b_.CreateNSWSub(offset(a), index_number(lanes() - 1)));
    return write_contiguous(a.buffer, p, reversed(v), m ? reversed(m) : nullptr);
  }
  // In the order of lanes: where several write one element, the last one stays.
  const auto pointers = lane_pointers(a);
  for (int i = 0; i < lanes(); ++i)
    write_scalar(a.buffer, pointers[static_cast<std::size_t>(i)], lane(v, i), m ? lane(m, i) : nullptr);
}

}  // namespace tenon::codegen
