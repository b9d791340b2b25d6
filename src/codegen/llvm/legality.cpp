#include "codegen/llvm/legality.hpp"

#include <fmt/format.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Support/raw_ostream.h>

#include <algorithm>

#include "tenon/core/error.hpp"

namespace tenon::codegen {
namespace {

using namespace llvm;

std::string text_of(const Instruction& i) {
  std::string s;
  raw_string_ostream out(s);
  i.print(out);
  return s;
}

bool legal_element(const Type* t) {
  if (const auto* i = dyn_cast<IntegerType>(t)) return i->getBitWidth() <= 64;
  return t->isFloatTy() || t->isDoubleTy() || t->isHalfTy() || t->isBFloatTy() || t->isPointerTy();
}
bool legal_type(const Type* t, const machine& m) {
  if (t->isVoidTy() || t->isLabelTy() || t->isMetadataTy()) return true;
  if (const auto* v = dyn_cast<VectorType>(t)) {
    const auto* f = dyn_cast<FixedVectorType>(v);
    if (!f || !legal_element(f->getElementType())) return false;
    const unsigned n = f->getNumElements();
    const auto bits = static_cast<std::int64_t>(n) *
                      std::max(1u, f->getElementType()->isPointerTy() ? 64u : f->getScalarSizeInBits());
    return n >= 1 && n <= 64 && (n & (n - 1)) == 0 && bits <= 8 * m.vector_bits;
  }
  return legal_element(t);
}

/// Those that become instructions on every machine that the check lets them through for.
bool legal_intrinsic(Intrinsic::ID id, const machine& m) {
  switch (id) {
    case Intrinsic::abs:
    case Intrinsic::bitreverse:  // InstCombine makes it of shifts of masks
    case Intrinsic::bswap:
    case Intrinsic::copysign:
    case Intrinsic::ctlz:
    case Intrinsic::ctpop:
    case Intrinsic::cttz:
    case Intrinsic::fabs:
    case Intrinsic::fptosi_sat:
    case Intrinsic::fptoui_sat:
    case Intrinsic::fshl:
    case Intrinsic::fshr:
    case Intrinsic::is_fpclass:  // InstCombine makes it of two comparisons
    case Intrinsic::lifetime_end:
    case Intrinsic::lifetime_start:
    case Intrinsic::prefetch:
    case Intrinsic::smax:
    case Intrinsic::smin:
    case Intrinsic::sqrt:
    case Intrinsic::sadd_sat:
    case Intrinsic::ssub_sat:
    case Intrinsic::uadd_sat:
    case Intrinsic::umax:
    case Intrinsic::umin:
    case Intrinsic::usub_sat:
    case Intrinsic::vector_reduce_and:
    case Intrinsic::vector_reduce_or:
    case Intrinsic::x86_sse_sfence:
      return true;
    case Intrinsic::ceil:
    case Intrinsic::floor:
    case Intrinsic::roundeven:
    case Intrinsic::trunc:
      return m.has("+sse4.1");
    case Intrinsic::fma:
      return m.fma;
    case Intrinsic::masked_load:
    case Intrinsic::masked_store:
      return m.vector_bits >= 256;
    case Intrinsic::x86_sse2_pmadd_wd:
      return true;
    case Intrinsic::x86_avx2_pmadd_wd:
      return m.vector_bits >= 256;
    case Intrinsic::x86_avx512_pmaddw_d_512:
      return m.vector_bits >= 512;
    case Intrinsic::x86_avx512_vpdpbusd_128:
    case Intrinsic::x86_avx512_vpdpbusd_256:
    case Intrinsic::x86_avx512_vpdpbusd_512:
      return m.has("+avx512vnni");
    case Intrinsic::x86_avx512_mask_scalef_pd_128:
    case Intrinsic::x86_avx512_mask_scalef_pd_256:
    case Intrinsic::x86_avx512_mask_scalef_pd_512:
    case Intrinsic::x86_avx512_mask_scalef_ps_128:
    case Intrinsic::x86_avx512_mask_scalef_ps_256:
    case Intrinsic::x86_avx512_mask_scalef_ps_512:
      return m.scales();
    case Intrinsic::x86_avx512bf16_dpbf16ps_128:
    case Intrinsic::x86_avx512bf16_dpbf16ps_256:
    case Intrinsic::x86_avx512bf16_dpbf16ps_512:
      return m.has("+avx512bf16");
    default:
      return false;
  }
}

}  // namespace

void check_legal(const llvm::Module& module, const machine& m, const std::string& kernel) {
  std::string broken;
  raw_string_ostream out(broken);
  if (verifyModule(module, &out))
    throw compile_error(fmt::format("code generation of {}: the LLVM IR is broken: {}", kernel, broken));
  const auto refuse = [&](const Instruction& i, const char* why) {
    throw compile_error(fmt::format("code generation of {}: {} {}: {}", kernel, m.cpu, why, text_of(i)));
  };
  for (const Function& f : module) {
    for (const Instruction& i : instructions(f)) {
      const auto* slot = dyn_cast<AllocaInst>(&i);
      if (!slot && !legal_type(i.getType(), m)) refuse(i, "has no such type");
      for (const Use& u : i.operands())
        if (!legal_type(u->getType(), m)) refuse(i, "has no such type");
      const auto* call = dyn_cast<CallBase>(&i);
      if (isa<InvokeInst>(i) || isa<CallBrInst>(i) || (call && call->isInlineAsm())) refuse(i, "cannot call so");
      if (!call || call->isIndirectCall()) continue;
      const auto* intrinsic = dyn_cast<IntrinsicInst>(&i);
      if (!intrinsic) refuse(i, "may not call outside of the kernel");
      if (!legal_intrinsic(intrinsic->getIntrinsicID(), m)) refuse(i, "has no such operation");
    }
  }
}

}  // namespace tenon::codegen
