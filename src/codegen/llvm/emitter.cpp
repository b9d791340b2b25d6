#include "codegen/llvm/emitter.hpp"

#include <fmt/format.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/MDBuilder.h>

#include "runtime/kernel_abi.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {

using ir::expr_kind;
using ir::expr_ref;
using runtime::kernel_call;

emitter::emitter(llvm::Module& m, const ir::kernel& k, const machine& target)
    : module_(m), kernel_(k), machine_(target), context_(m.getContext()), b_(context_) {}

void emitter::fail(const std::string& what) const {
  throw compile_error(fmt::format("code generation of {}: {}", kernel_.name, what));
}

void emitter::run() {
  auto* signature = llvm::FunctionType::get(b_.getInt32Ty(), {b_.getPtrTy()}, false);
  function_ = llvm::Function::Create(signature, llvm::GlobalValue::ExternalLinkage, kernel_symbol, module_);
  function_->setDoesNotThrow();
  const std::string bits = std::to_string(machine_.vector_bits);
  function_->addFnAttr("no-builtins");
  function_->addFnAttr("target-cpu", "x86-64");
  function_->addFnAttr("tune-cpu", machine_.cpu);
  // Without these, LLVM splits 512-bit vectors on machines where it prefers 256.
  function_->addFnAttr("target-features", machine_.features + (machine_.vector_bits == 512 ? ",-prefer-256-bit" : ""));
  function_->addFnAttr("prefer-vector-width", bits);
  function_->addFnAttr("min-legal-vector-width", bits);
  call_ = function_->getArg(0);
  function_->addParamAttr(0, llvm::Attribute::NoAlias);
  function_->addParamAttr(0, llvm::Attribute::ReadOnly);

  entry_ = llvm::BasicBlock::Create(context_, "entry", function_);
  auto* body = llvm::BasicBlock::Create(context_, "body", function_);
  b_.SetInsertPoint(entry_);
  const auto field = [&](std::size_t at, llvm::Type* t, const char* name) {
    auto* load =
        b_.CreateAlignedLoad(t, b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), call_, at), llvm::Align(8), name);
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
    return load;
  };
  values_ = field(offsetof(kernel_call, values), b_.getPtrTy(), "values");
  begin_ = field(offsetof(kernel_call, begin), b_.getInt64Ty(), "begin");
  end_ = field(offsetof(kernel_call, end), b_.getInt64Ty(), "end");
  table_ = field(offsetof(kernel_call, runtime), b_.getPtrTy(), "runtime");
  a_.emplace(b_, machine_, table_);
  scopes_.emplace_back();
  symbols_.resize(kernel_.symbols.size());
  value array = field(offsetof(kernel_call, buffers), b_.getPtrTy(), "buffers");
  buffers_.resize(kernel_.buffers.size());
  for (int i = 0; i < kernel_.parameters(); ++i) {
    auto* load = b_.CreateAlignedLoad(b_.getPtrTy(),
                                      b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), array, static_cast<unsigned>(i)),
                                      llvm::Align(8), kernel_.buffers[static_cast<std::size_t>(i)].name);
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
    buffers_[static_cast<std::size_t>(i)].pointer = load;
  }
  prepare_buffers();
  const std::vector<expr_ref> offsets = kernel_.scratch_offsets();
  value scratch =
      offsets.back()->is_constant(0) ? nullptr : field(offsetof(kernel_call, scratch), b_.getPtrTy(), "scratch");
  b_.SetInsertPoint(body);
  for (std::size_t i = 0; i < buffers_.size(); ++i)
    if (offsets[i])
      buffers_[i].pointer = b_.CreateInBoundsGEP(b_.getInt8Ty(), scratch, scalar(offsets[i]), kernel_.buffers[i].name);
  emit(kernel_.body);
  // Streamed stores are ordered before whatever tells others that the kernel has run.
  if (streams_) b_.CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, {}, {});
  b_.CreateRet(b_.getInt32(0));
  b_.SetInsertPoint(entry_);
  b_.CreateBr(body);
}

void emitter::prepare_buffers() {
  // What may lie over each other has one scope, that of the first of it.
  std::vector<std::size_t> memory(buffers_.size());
  std::unordered_map<int, std::size_t> first;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const int overlap = kernel_.buffers[i].overlap;
    memory[i] = overlap ? first.try_emplace(overlap, i).first->second : i;
  }
  std::vector<bool> written(buffers_.size());
  ir::visit(kernel_.body, [&](const ir::stmt& s) {
    ir::visit_written(s, [&](std::int64_t id) { written[memory[static_cast<std::size_t>(id)]] = true; });
  });
  llvm::MDBuilder md(context_);
  llvm::MDNode* domain = md.createAnonymousAliasScopeDomain();
  std::vector<llvm::MDNode*> scopes;
  for (std::size_t i = 0; i < buffers_.size(); ++i) scopes.push_back(md.createAnonymousAliasScope(domain));
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    const ir::buffer& from = kernel_.buffers[i];
    buffer_state& to = buffers_[i];
    to.constant = !written[memory[i]];
    const std::size_t rank = from.extents.size();
    to.factors.resize(rank);
    for (std::size_t d = 0; d < rank; ++d)
      if (from.strides.empty())
        to.factors[d].assign(from.extents.begin() + static_cast<std::ptrdiff_t>(d) + 1, from.extents.end());
      else
        to.factors[d].push_back(from.strides[d]);
    if (from.where == ir::scope::local) continue;
    llvm::SmallVector<llvm::Metadata*, 8> others;
    for (std::size_t j = 0; j < buffers_.size(); ++j)
      if (memory[j] == j && j != memory[i] && kernel_.buffers[j].where != ir::scope::local) others.push_back(scopes[j]);
    to.scope = llvm::MDNode::get(context_, {scopes[memory[i]]});
    to.others = llvm::MDNode::get(context_, others);
  }
}

emitter::value emitter::symbol(std::int64_t id) {
  value& v = symbols_[static_cast<std::size_t>(id)];
  if (!v) {
    llvm::IRBuilder<>::InsertPointGuard guard(b_);
    b_.SetInsertPoint(entry_);
    auto* load = b_.CreateAlignedLoad(
        b_.getInt64Ty(), b_.CreateConstInBoundsGEP1_64(b_.getInt64Ty(), values_, static_cast<std::uint64_t>(id)),
        llvm::Align(8), kernel_.symbols[static_cast<std::size_t>(id)]);
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
    v = load;
  }
  return v;
}

emitter::value emitter::entry_slot(llvm::Type* t, std::int64_t count, const llvm::Twine& name) {
  llvm::IRBuilder<>::InsertPointGuard guard(b_);
  b_.SetInsertPoint(entry_, entry_->begin());
  auto* slot = b_.CreateAlloca(llvm::ArrayType::get(t, static_cast<std::uint64_t>(count)), nullptr, name);
  slot->setAlignment(llvm::Align(64));
  return slot;
}

bool emitter::reads_written(expr_ref e) {
  if (e->operands.empty()) return false;
  if (auto i = reads_written_.find(e); i != reads_written_.end()) return i->second;
  bool r = e->is(expr_kind::load) && !buffers_[static_cast<std::size_t>(e->payload)].constant;
  for (expr_ref o : e->operands) r = r || reads_written(o);
  return reads_written_[e] = r;
}

bool emitter::varying(expr_ref e) {
  if (!lanes_) return false;
  if (e == lanes_->variable || vector_bindings_.contains(e)) return true;
  if (e->operands.empty() && !e->is(expr_kind::load)) return false;
  if (auto i = lanes_->varying.find(e); i != lanes_->varying.end()) return i->second;
  bool r = e->is(expr_kind::load) && lanes_->declared.contains(e->payload);
  for (expr_ref o : e->operands) r = r || varying(o);
  return lanes_->varying[e] = r;
}

emitter::value emitter::remember(expr_ref e, bool as_vector, value v) {
  cached& c = reads_written(e) ? volatile_ : scopes_.back();
  return (as_vector ? c.vectors : c.scalars)[e] = v;
}
emitter::value emitter::recall(expr_ref e, bool as_vector) const {
  const auto in = [&](const cached& c) -> value {
    const auto& m = as_vector ? c.vectors : c.scalars;
    const auto i = m.find(e);
    return i == m.end() ? nullptr : i->second;
  };
  if (value v = in(volatile_)) return v;
  for (auto i = scopes_.rbegin(); i != scopes_.rend(); ++i)
    if (value v = in(*i)) return v;
  return nullptr;
}

emitter::value emitter::scalar(expr_ref e) {
  if (e->is(expr_kind::constant)) return a_->constant(e->type, e->payload);
  if (e->is(expr_kind::symbol)) return symbol(e->payload);
  if (e->is(expr_kind::variable)) {
    if (const auto i = bindings_.find(e); i != bindings_.end()) return i->second;
    fail("the variable " + ir::to_string(e) + " has no value here");
  }
  if (value v = recall(e, false)) return v;
  return remember(e, false, scalar_uncached(e));
}

emitter::value emitter::scalar_uncached(expr_ref e) {
  if (e->is(expr_kind::load)) {
    value mask = e->mask()->is_true() ? nullptr : scalar(e->mask());
    return load_scalar({e->payload, e->indices()}, mask);
  }
  if (!e->is(expr_kind::apply)) fail("a reduction that was not lowered: " + ir::to_string(e));
  llvm::SmallVector<value, 3> x;
  for (expr_ref o : e->operands) x.push_back(scalar(o));
  if ((e->is(ir::prim::div) || e->is(ir::prim::mod)) && e->is_index && e->operands[0]->nonnegative &&
      e->operands[1]->nonnegative)
    return a_->index_division(e->is(ir::prim::mod), x[0], x[1]);
  return a_->apply(e->op, e->operands[0]->type, e->type, x);
}

emitter::value emitter::vector(expr_ref e) {
  if (const auto i = vector_bindings_.find(e); i != vector_bindings_.end()) return i->second;
  if (value v = recall(e, true)) return v;
  return remember(e, true, vector_uncached(e));
}

emitter::value emitter::vector_uncached(expr_ref e) {
  const int width = lanes();
  if (!varying(e)) return a_->splat(scalar(e), width);
  if (e->type == i64 && !e->is(expr_kind::load)) {
    const auto by = step_of(e, lanes_->variable);
    // Neither what is read nor an accumulator goes by steps.
    const bool regular = by && !ir::contains(e, [&](expr_ref x) {
                           return (x->is(expr_kind::load) && varying(x)) || vector_bindings_.contains(x);
                         });
    if (regular) {
      llvm::SmallVector<llvm::Constant*, 64> steps;
      for (int i = 0; i < width; ++i) steps.push_back(b_.getInt64(static_cast<std::uint64_t>(*by * i)));
      return b_.CreateAdd(a_->splat(scalar(e), width), llvm::ConstantVector::get(steps));
    }
  }
  if (e->is(expr_kind::load)) return load_vector({e->payload, e->indices()}, e->mask());
  if (!e->is(expr_kind::apply)) fail("no vector form of " + ir::to_string(e));
  // A uniform condition stays a scalar: a branch-free choice of whole vectors.
  llvm::SmallVector<value, 3> x;
  for (expr_ref o : e->operands)
    x.push_back(e->is(ir::prim::select) && x.empty() && !varying(o) ? scalar(o) : vector(o));
  return a_->apply(e->op, e->operands[0]->type, e->type, x);
}

}  // namespace tenon::codegen
