// Floating point: rounding, fused multiply-add, conversions, and calls through the runtime table.
#include <fmt/format.h>
#include <llvm/Analysis/VectorUtils.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include "codegen/llvm/arithmetic.hpp"
#include "runtime/kernel_abi.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {

using ir::prim;
using llvm::Value;

Value* arithmetic::floating(prim p, dtype d, std::span<Value* const> x) {
  Value *a = x[0], *b = x.size() > 1 ? x[1] : nullptr;
  switch (p) {
    case prim::add:
      return b_.CreateFAdd(a, b);
    case prim::sub:
      return b_.CreateFSub(a, b);
    case prim::mul:
      return b_.CreateFMul(a, b);
    case prim::div:
      return b_.CreateFDiv(a, b);
    case prim::min:
    case prim::max:
      return extremum(p == prim::max, d, a, b);
    case prim::fma:
      return fused(a, b, x[2]);
    case prim::scale:
      return scaled(a, b);
    case prim::neg:
      return b_.CreateFNeg(a);
    case prim::abs:
      return unary(llvm::Intrinsic::fabs, a);
    case prim::sign: {
      Value* zero = real(a, 0);
      Value* s = b_.CreateSelect(b_.CreateFCmpOLT(a, zero), real(a, -1), a);
      s = b_.CreateSelect(b_.CreateFCmpOGT(a, zero), real(a, 1), s);
      return b_.CreateSelect(b_.CreateFCmpOEQ(a, zero), zero, s);
    }
    case prim::floor:
    case prim::ceil:
    case prim::round:
    case prim::trunc:
      return rounding(p, a);
    case prim::sqrt:
      return unary(llvm::Intrinsic::sqrt, a);
    case prim::rsqrt:
      return b_.CreateFDiv(real(a, 1), unary(llvm::Intrinsic::sqrt, a));
    case prim::reciprocal:
      return b_.CreateFDiv(real(a, 1), a);
    case prim::isnan:
      return b_.CreateFCmpUNO(a, a);
    case prim::isinf:
      return b_.CreateFCmpOEQ(unary(llvm::Intrinsic::fabs, a), llvm::ConstantFP::getInfinity(a->getType()));
    default:
      return call(p, d, x);
  }
}

/// vscalef, in parts of at most 512 bits.
Value* arithmetic::scaled(Value* x, Value* n) {
  if (!machine_.scales()) throw compile_error("code generation: scale on a machine without AVX-512");
  using namespace llvm::Intrinsic;
  const bool wide = x->getType()->getScalarType()->isDoubleTy();
  const int lanes = lanes_of(x), in_512 = wide ? 8 : 16, most = std::min(std::max(lanes, in_512 / 4), in_512);
  const int part = std::bit_ceil(static_cast<unsigned>(most));
  const ID ids[2][3] = {{x86_avx512_mask_scalef_ps_128, x86_avx512_mask_scalef_ps_256, x86_avx512_mask_scalef_ps_512},
                        {x86_avx512_mask_scalef_pd_128, x86_avx512_mask_scalef_pd_256, x86_avx512_mask_scalef_pd_512}};
  const int size = part == in_512 ? 2 : part == in_512 / 2 ? 1 : 0;
  const auto one = [&](Value* v, Value* by) {
    llvm::SmallVector<Value*, 5> operands{v, by, llvm::Constant::getNullValue(v->getType()),
                                          llvm::Constant::getAllOnesValue(b_.getIntNTy(part == 16 ? 16 : 8))};
    if (size == 2) operands.push_back(b_.getInt32(4));  // rounded as everything is
    return b_.CreateIntrinsic(ids[wide][size], {}, operands);
  };
  if (!lanes) return b_.CreateExtractElement(one(splat(x, part), splat(n, part)), std::uint64_t{0});
  const auto lanes_from = [&](Value* v, int first, int count) {
    llvm::SmallVector<int, 64> which;
    for (int i = 0; i < count; ++i) which.push_back(first + i < lanes_of(v) ? first + i : llvm::PoisonMaskElem);
    return b_.CreateShuffleVector(v, which);
  };
  if (lanes == part) return one(x, n);
  llvm::SmallVector<Value*, 8> parts;
  for (int at = 0; at < lanes; at += part) parts.push_back(one(lanes_from(x, at, part), lanes_from(n, at, part)));
  return lanes_from(llvm::concatenateVectors(b_, parts), 0, lanes);
}

Value* arithmetic::rounding(prim p, Value* x) {
  if (has("sse4.1")) {
    const auto id = p == prim::floor   ? llvm::Intrinsic::floor
                    : p == prim::ceil  ? llvm::Intrinsic::ceil
                    : p == prim::trunc ? llvm::Intrinsic::trunc
                                       : llvm::Intrinsic::roundeven;
    return unary(id, x);
  }
  // Adding and taking away 2^23 (2^52) rounds half to even; what is at least that large is an integer already.
  Value* magnitude = unary(llvm::Intrinsic::fabs, x);
  Value* shift = real(x, x->getType()->getScalarType()->isFloatTy() ? 0x1p23 : 0x1p52);
  Value* even = b_.CreateFSub(b_.CreateFAdd(magnitude, shift), shift);
  Value *zero = real(x, 0), *one = real(x, 1);
  Value* r = even;
  if (p == prim::trunc) {
    r = b_.CreateFSub(even, b_.CreateSelect(b_.CreateFCmpOGT(even, magnitude), one, zero));
  } else if (p != prim::round) {
    Value* with_sign = b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, even, x);
    r = p == prim::floor ? b_.CreateFSub(with_sign, b_.CreateSelect(b_.CreateFCmpOGT(with_sign, x), one, zero))
                         : b_.CreateFAdd(with_sign, b_.CreateSelect(b_.CreateFCmpOLT(with_sign, x), one, zero));
  }
  r = b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, r, x);
  return b_.CreateSelect(b_.CreateFCmpOLT(magnitude, shift), r, x);
}

Value* arithmetic::fused(Value* a, Value* b, Value* c) {
  if (machine_.fma) return b_.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
  return a->getType()->getScalarType()->isFloatTy() ? fused_f32(a, b, c) : fused_f64(a, b, c);
}

namespace {
/// The sum s of two doubles whose error is `error`, rounded to odd: the last bit says that something was lost, so
/// that a second rounding to fewer bits is right (Boldo and Melquiond, Emulation of FMA, 2008).
Value* round_to_odd(llvm::IRBuilder<>& b, Value* s, Value* error) {
  llvm::Type* bits =
      s->getType()->isVectorTy()
          ? static_cast<llvm::Type*>(llvm::VectorType::getInteger(llvm::cast<llvm::VectorType>(s->getType())))
          : b.getInt64Ty();
  Value* i = b.CreateBitCast(s, bits);
  Value *zero = llvm::Constant::getNullValue(s->getType()), *one = llvm::ConstantInt::get(bits, 1);
  Value* even = b.CreateICmpEQ(b.CreateAnd(i, one), llvm::ConstantInt::get(bits, 0));
  Value* inexact = b.CreateFCmpONE(error, zero);
  // Towards the error: away from zero when it has the sign of s.
  Value* outwards = b.CreateICmpEQ(b.CreateFCmpOGT(error, zero), b.CreateFCmpOGT(s, zero));
  Value* moved = b.CreateSelect(outwards, b.CreateAdd(i, one), b.CreateSub(i, one));
  return b.CreateBitCast(b.CreateSelect(b.CreateAnd(even, inexact), moved, i), s->getType());
}
/// The rounding error of s = x + y (Knuth's two-sum).
Value* sum_error(llvm::IRBuilder<>& b, Value* x, Value* y, Value* s) {
  Value* v = b.CreateFSub(s, x);
  return b.CreateFAdd(b.CreateFSub(x, b.CreateFSub(s, v)), b.CreateFSub(y, v));
}
}  // namespace

Value* arithmetic::fused_f32(Value* a, Value* b, Value* c) {
  // The product of two floats is exact in a double; the sum is rounded to odd there, and once more to a float.
  llvm::Type* wide = shaped(a, b_.getDoubleTy());
  Value* product = b_.CreateFMul(b_.CreateFPExt(a, wide), b_.CreateFPExt(b, wide));
  Value* addend = b_.CreateFPExt(c, wide);
  Value* s = b_.CreateFAdd(product, addend);
  return b_.CreateFPTrunc(round_to_odd(b_, s, sum_error(b_, product, addend, s)), a->getType());
}

Value* arithmetic::fused_f64(Value* a, Value* b, Value* c) {
  const auto split = [&](Value* x, Value*& low) {
    Value* t = b_.CreateFMul(x, real(x, 0x1p27 + 1));
    Value* high = b_.CreateFSub(t, b_.CreateFSub(t, x));
    low = b_.CreateFSub(x, high);
    return high;
  };
  Value *al, *bl;
  Value *ah = split(a, al), *bh = split(b, bl);
  Value* product = b_.CreateFMul(a, b);
  Value* e = b_.CreateFSub(b_.CreateFMul(ah, bh), product);
  e = b_.CreateFAdd(b_.CreateFAdd(e, b_.CreateFMul(ah, bl)), b_.CreateFMul(al, bh));
  e = b_.CreateFAdd(e, b_.CreateFMul(al, bl));
  Value* t = b_.CreateFAdd(c, e);
  Value* te = sum_error(b_, c, e, t);
  Value* v = b_.CreateFAdd(product, t);
  Value* ve = sum_error(b_, product, t, v);
  Value* z = b_.CreateFAdd(te, ve);
  Value* result = b_.CreateFAdd(v, round_to_odd(b_, z, sum_error(b_, te, ve, z)));
  // Where splitting or the errors leave the range of a double, the plain result (infinite, NaN, or tiny) stands.
  Value* plain = b_.CreateFAdd(product, c);
  Value* magnitude = unary(llvm::Intrinsic::fabs, product);
  Value* largest = b_.CreateSelect(b_.CreateFCmpOGT(unary(llvm::Intrinsic::fabs, a), unary(llvm::Intrinsic::fabs, b)),
                                   unary(llvm::Intrinsic::fabs, a), unary(llvm::Intrinsic::fabs, b));
  Value* inside = b_.CreateAnd(
      b_.CreateFCmpOGT(magnitude, real(a, 0x1p-900)),
      b_.CreateAnd(b_.CreateFCmpOLT(magnitude, real(a, 0x1p1020)), b_.CreateFCmpOLT(largest, real(a, 0x1p990))));
  inside = b_.CreateAnd(inside, b_.CreateFCmpOLT(unary(llvm::Intrinsic::fabs, c), real(a, 0x1p1020)));
  return b_.CreateSelect(inside, result, plain);
}

Value* arithmetic::call(prim p, dtype d, std::span<Value* const> x) {
  int index = -1;
  const std::string_view wanted = p == prim::mod ? "fmod" : ir::name(p);
  int at = 0;
#define X(n, arity)             \
  if (wanted == #n) index = at; \
  ++at;
  TENON_RUNTIME_MATH(X)
#undef X
  if (index < 0) throw compile_error(fmt::format("code generation: {} of {}", ir::name(p), name(d)));
  static_assert(offsetof(runtime::runtime_table, exp) == 8, "entries follow the version, each one pointer");
  auto& context = b_.getContext();
  auto* load = b_.CreateAlignedLoad(b_.getPtrTy(), b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), table_, 8 + 8 * index),
                                    llvm::Align(8), std::string(wanted));
  load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context, {}));
  llvm::SmallVector<llvm::Type*, 2> parameters(x.size(), b_.getDoubleTy());
  auto* signature = llvm::FunctionType::get(b_.getDoubleTy(), parameters, false);
  const auto one = [&](std::span<Value* const> operands) {
    llvm::SmallVector<Value*, 2> arguments;
    for (Value* v : operands) arguments.push_back(d == f64 ? v : b_.CreateFPExt(v, b_.getDoubleTy()));
    auto* c = b_.CreateCall(signature, load, arguments);
    c->setDoesNotThrow();
    c->setDoesNotAccessMemory();
    c->addFnAttr(llvm::Attribute::WillReturn);
    return d == f64 ? static_cast<Value*>(c) : b_.CreateFPTrunc(c, type(d));
  };
  const int lanes = lanes_of(x[0]);
  if (!lanes) return one(x);
  Value* result = llvm::PoisonValue::get(x[0]->getType());
  for (int i = 0; i < lanes; ++i) {
    llvm::SmallVector<Value*, 2> lane;
    for (Value* v : x) lane.push_back(b_.CreateExtractElement(v, static_cast<std::uint64_t>(i)));
    result = b_.CreateInsertElement(result, one(lane), static_cast<std::uint64_t>(i));
  }
  return result;
}

Value* arithmetic::cast(Value* x, dtype from, dtype to) {
  if (from == to) return x;
  const int lanes = lanes_of(x);
  if (from == f16) return cast(half_to_float(x), f32, to);
  if (from == bf16) {
    llvm::Type* wide = shaped(x, b_.getInt32Ty());
    return cast(b_.CreateBitCast(b_.CreateShl(b_.CreateZExt(x, wide), 16), type(f32, lanes)), f32, to);
  }
  if (to == f16) return float_to_half(before_16_bits(x, from));
  if (to == bf16) return float_to_bfloat(before_16_bits(x, from));
  if (to == b8) return is_float(from) ? b_.CreateFCmpUNE(x, real(x, 0)) : b_.CreateICmpNE(x, number(x, 0));
  llvm::Type* t = type(to, lanes);
  if (is_float(from) && is_float(to)) return b_.CreateFPCast(x, t);
  if (is_float(to)) return is_signed_integer(from) ? b_.CreateSIToFP(x, t) : b_.CreateUIToFP(x, t);
  if (is_float(from) && size_of(to) <= 2) return saturated(x, to);
  if (is_float(from))
    return b_.CreateIntrinsic(is_signed_integer(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat,
                              {t, x->getType()}, {x});
  return b_.CreateIntCast(x, t, is_signed_integer(from));
}

/// A float as a narrow integer. The intrinsic goes lane by lane; the bounds are floats.
Value* arithmetic::saturated(Value* x, dtype to) {
  const bool has_sign = is_signed_integer(to);
  const double high = std::ldexp(1.0, 8 * size_of(to) - (has_sign ? 1 : 0)) - 1, low = has_sign ? -high - 1 : 0;
  Value* above = b_.CreateSelect(b_.CreateFCmpOGT(x, real(x, low)), x, real(x, low));  // what is no number is low
  Value* inside = b_.CreateSelect(b_.CreateFCmpOLT(above, real(x, high)), above, real(x, high));
  Value* wide = b_.CreateFPToSI(inside, shaped(x, b_.getInt32Ty()));
  if (has_sign) wide = b_.CreateSelect(b_.CreateFCmpORD(x, x), wide, number(wide, 0));
  return b_.CreateTrunc(wide, type(to, lanes_of(x)));
}

/// The float to be rounded to 16 bits: rounded to odd where it is not exact, so that there is one rounding
/// (src/core/round_to_odd.hpp).
Value* arithmetic::before_16_bits(Value* x, dtype from) {
  if (from == b8 || size_of(from) < 4 || from == f32) return cast(x, from, f32);
  if (is_integer(from) && size_of(from) == 8) {
    Value *limit = number(x, std::int64_t{1} << 53), *low = number(x, 0xfff);
    Value* large = is_signed_integer(from)
                       ? b_.CreateOr(b_.CreateICmpSGT(x, limit), b_.CreateICmpSLT(x, b_.CreateNeg(limit)))
                       : b_.CreateICmpUGT(x, limit);
    Value* sticky =
        b_.CreateSelect(b_.CreateICmpNE(b_.CreateAnd(x, low), number(x, 0)), number(x, 0x800), number(x, 0));
    x = b_.CreateSelect(large, b_.CreateOr(b_.CreateAnd(x, b_.CreateNot(low)), sticky), x);
  }
  x = cast(x, from, f64);
  Value* near = cast(x, f64, f32);
  Value* back = cast(near, f32, f64);
  Value* bits = b_.CreateBitCast(near, shaped(x, b_.getInt32Ty()));
  Value* even = b_.CreateICmpEQ(b_.CreateAnd(bits, number(bits, 1)), number(bits, 0));
  Value* outside = b_.CreateFCmpOGT(unary(llvm::Intrinsic::fabs, back), unary(llvm::Intrinsic::fabs, x));
  Value* other = b_.CreateSelect(outside, b_.CreateSub(bits, number(bits, 1)), b_.CreateAdd(bits, number(bits, 1)));
  Value* moved = b_.CreateSelect(b_.CreateAnd(even, b_.CreateFCmpONE(back, x)), other, bits);
  return b_.CreateBitCast(moved, near->getType());
}

Value* arithmetic::half_to_float(Value* x) {
  if (has("f16c")) return b_.CreateFPExt(b_.CreateBitCast(x, shaped(x, b_.getHalfTy())), shaped(x, b_.getFloatTy()));
  // The exponent is moved by a multiplication, which also makes subnormals right; infinity and NaN get theirs back.
  llvm::Type *word = shaped(x, b_.getInt32Ty()), *single = shaped(x, b_.getFloatTy());
  Value* h = b_.CreateZExt(x, word);
  Value* sign = b_.CreateShl(b_.CreateAnd(h, number(h, 0x8000)), 16);
  Value* rest = b_.CreateShl(b_.CreateAnd(h, number(h, 0x7fff)), 13);
  Value* scaled = b_.CreateFMul(b_.CreateBitCast(rest, single), llvm::ConstantFP::get(single, 0x1p112));
  Value* finite = b_.CreateBitCast(scaled, word);
  Value* special = b_.CreateOr(rest, number(h, 0x7f800000));
  // A signalling NaN becomes quiet, as the instruction does it.
  Value* is_nan = b_.CreateICmpUGT(rest, number(h, 0x7c00 << 13));
  special = b_.CreateSelect(is_nan, b_.CreateOr(special, number(h, 0x00400000)), special);
  Value* out = b_.CreateSelect(b_.CreateICmpUGE(rest, number(h, 0x7c00 << 13)), special, finite);
  return b_.CreateBitCast(b_.CreateOr(out, sign), single);
}

Value* arithmetic::float_to_half(Value* x) {
  llvm::Type* half = shaped(x, b_.getInt16Ty());
  if (has("f16c")) return b_.CreateBitCast(b_.CreateFPTrunc(x, shaped(x, b_.getHalfTy())), half);
  llvm::Type *word = shaped(x, b_.getInt32Ty()), *single = shaped(x, b_.getFloatTy());
  Value* bits = b_.CreateBitCast(x, word);
  Value* sign = b_.CreateAnd(b_.CreateLShr(bits, 16), number(bits, 0x8000));
  Value* magnitude = b_.CreateAnd(bits, number(bits, 0x7fffffff));
  // Normal: half to even on the 13 bits that go, and the exponent's bias changes by 112.
  Value* odd = b_.CreateAnd(b_.CreateLShr(magnitude, 13), number(bits, 1));
  Value* normal = b_.CreateLShr(b_.CreateAdd(b_.CreateAdd(magnitude, number(bits, 0xfff - (112 << 23))), odd), 13);
  // Subnormal: adding 0.5 leaves the rounded bits at the end of the sum.
  Value* aligned = b_.CreateFAdd(b_.CreateBitCast(magnitude, single), llvm::ConstantFP::get(single, 0.5));
  Value* subnormal = b_.CreateSub(b_.CreateBitCast(aligned, word), number(bits, 0x3f000000));
  Value* nan = b_.CreateOr(b_.CreateAnd(b_.CreateLShr(magnitude, 13), number(bits, 0x3ff)), number(bits, 0x7e00));
  Value* r = b_.CreateSelect(b_.CreateICmpULT(magnitude, number(bits, 113 << 23)), subnormal, normal);
  r = b_.CreateSelect(b_.CreateICmpUGE(magnitude, number(bits, 0x477ff000)), number(bits, 0x7c00), r);
  r = b_.CreateSelect(b_.CreateICmpUGT(magnitude, number(bits, 0x7f800000)), nan, r);
  return b_.CreateTrunc(b_.CreateOr(r, sign), half);
}

Value* arithmetic::float_to_bfloat(Value* x) {
  // vcvtneps2bf16 is not used: it flushes subnormals.
  Value* bits = b_.CreateBitCast(x, shaped(x, b_.getInt32Ty()));
  Value* odd = b_.CreateAnd(b_.CreateLShr(bits, 16), number(bits, 1));
  Value* rounded = b_.CreateLShr(b_.CreateAdd(b_.CreateAdd(bits, number(bits, 0x7fff)), odd), 16);
  Value* nan = b_.CreateOr(b_.CreateLShr(bits, 16), number(bits, 0x40));
  return b_.CreateTrunc(b_.CreateSelect(b_.CreateFCmpUNO(x, x), nan, rounded), shaped(x, b_.getInt16Ty()));
}

}  // namespace tenon::codegen
