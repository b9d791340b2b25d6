#include "codegen/llvm/arithmetic.hpp"

#include <fmt/format.h>
#include <llvm/IR/Intrinsics.h>

#include "loop/evaluate.hpp"
#include "tenon/core/error.hpp"

namespace tenon::codegen {

using ir::prim;
using ir::reducer;
using llvm::Value;

int arithmetic::lanes_of(const Value* v) {
  const auto* t = llvm::dyn_cast<llvm::FixedVectorType>(v->getType());
  return t ? static_cast<int>(t->getNumElements()) : 0;
}

llvm::Type* arithmetic::type(dtype d, int lanes) const {
  llvm::Type* t = d == f64   ? b_.getDoubleTy()
                  : d == f32 ? b_.getFloatTy()
                  : d == b8  ? static_cast<llvm::Type*>(b_.getInt1Ty())
                             : b_.getIntNTy(8 * static_cast<unsigned>(size_of(d)));
  return lanes ? llvm::FixedVectorType::get(t, static_cast<unsigned>(lanes)) : t;
}
llvm::Type* arithmetic::memory_type(dtype d, int lanes) const { return type(d == b8 ? u8 : d, lanes); }

Value* arithmetic::constant(dtype d, std::int64_t bits, int lanes) const {
  llvm::Constant* c;
  llvm::Type* t = type(d);
  if (d == f64)
    c = llvm::ConstantFP::get(
        b_.getContext(), llvm::APFloat(llvm::APFloat::IEEEdouble(), llvm::APInt(64, static_cast<std::uint64_t>(bits))));
  else if (d == f32)
    c = llvm::ConstantFP::get(
        b_.getContext(), llvm::APFloat(llvm::APFloat::IEEEsingle(), llvm::APInt(32, static_cast<std::uint32_t>(bits))));
  else if (d == b8)
    c = llvm::ConstantInt::get(t, bits != 0);
  else
    c = llvm::ConstantInt::get(t, llvm::APInt(64, static_cast<std::uint64_t>(bits)).trunc(t->getIntegerBitWidth()));
  return lanes ? llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(static_cast<unsigned>(lanes)), c) : c;
}

Value* arithmetic::to_memory(dtype d, Value* v) { return d == b8 ? b_.CreateZExt(v, memory_type(b8, lanes_of(v))) : v; }
Value* arithmetic::from_memory(dtype d, Value* v) {
  return d == b8 ? b_.CreateICmpNE(v, llvm::Constant::getNullValue(v->getType())) : v;
}

Value* arithmetic::number(Value* like, std::int64_t v) const {
  return llvm::ConstantInt::get(like->getType(), static_cast<std::uint64_t>(v), true);
}
Value* arithmetic::real(Value* like, double v) const { return llvm::ConstantFP::get(like->getType(), v); }
llvm::Type* arithmetic::shaped(Value* like, llvm::Type* element) const {
  const int n = lanes_of(like);
  return n ? llvm::FixedVectorType::get(element, static_cast<unsigned>(n)) : element;
}
bool arithmetic::has(std::string_view feature) const {
  const std::string_view all = machine_.features;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find(',', at), all.size());
    if (all.substr(at + 1, end - at - 1) == feature) return true;
    at = end + 1;
  }
  return false;
}

Value* arithmetic::apply(prim p, dtype from, dtype to, std::span<Value* const> x) {
  if (p == prim::select) return b_.CreateSelect(x[0], x[1], x[2]);
  if (p == prim::cast) return cast(x[0], from, to);
  if (p == prim::bitcast) return b_.CreateBitCast(x[0], type(to, lanes_of(x[0])));
  if (from == f16 || from == bf16)
    throw compile_error(fmt::format("code generation: {} of {}: 16-bit floats are only loaded, stored and cast",
                                    ir::name(p), name(from)));
  if (is_comparison(p)) return comparison(p, from, x[0], x[1]);
  if (from == b8) return boolean(p, x);
  return is_float(from) ? floating(p, from, x) : integer(p, from, x);
}

Value* arithmetic::comparison(prim p, dtype d, Value* a, Value* b) {
  using llvm::CmpInst;
  const int i = static_cast<int>(p) - static_cast<int>(prim::equal);
  static_assert(static_cast<int>(prim::greater_equal) - static_cast<int>(prim::equal) == 5);
  constexpr CmpInst::Predicate real[] = {CmpInst::FCMP_OEQ, CmpInst::FCMP_UNE, CmpInst::FCMP_OLT,
                                         CmpInst::FCMP_OLE, CmpInst::FCMP_OGT, CmpInst::FCMP_OGE};
  constexpr CmpInst::Predicate with_sign[] = {CmpInst::ICMP_EQ,  CmpInst::ICMP_NE,  CmpInst::ICMP_SLT,
                                              CmpInst::ICMP_SLE, CmpInst::ICMP_SGT, CmpInst::ICMP_SGE};
  constexpr CmpInst::Predicate without[] = {CmpInst::ICMP_EQ,  CmpInst::ICMP_NE,  CmpInst::ICMP_ULT,
                                            CmpInst::ICMP_ULE, CmpInst::ICMP_UGT, CmpInst::ICMP_UGE};
  if (is_float(d)) return b_.CreateFCmp(real[i], a, b);
  return b_.CreateICmp(is_signed_integer(d) ? with_sign[i] : without[i], a, b);
}

Value* arithmetic::boolean(prim p, std::span<Value* const> x) {
  switch (p) {
    case prim::logical_and:
    case prim::bit_and:
    case prim::min:
      return b_.CreateAnd(x[0], x[1]);
    case prim::logical_or:
    case prim::bit_or:
    case prim::max:
      return b_.CreateOr(x[0], x[1]);
    case prim::logical_xor:
    case prim::bit_xor:
      return b_.CreateXor(x[0], x[1]);
    case prim::logical_not:
    case prim::bit_not:
      return b_.CreateNot(x[0]);
    default:
      throw compile_error(fmt::format("code generation: {} of b8", ir::name(p)));
  }
}

Value* arithmetic::integer(prim p, dtype d, std::span<Value* const> x) {
  Value *a = x[0], *b = x.size() > 1 ? x[1] : nullptr;
  const bool is_signed = is_signed_integer(d);
  switch (p) {
    case prim::add:
      return b_.CreateAdd(a, b);
    case prim::sub:
      return b_.CreateSub(a, b);
    case prim::mul:
      return b_.CreateMul(a, b);
    case prim::div:
    case prim::mod:
      return integer_division(p == prim::mod, d, a, b);
    case prim::min:
    case prim::max:
      return extremum(p == prim::max, d, a, b);
    case prim::pow:
      return integer_power(d, a, b);
    case prim::neg:
      return b_.CreateNeg(a);
    case prim::abs:
      return is_signed ? b_.CreateBinaryIntrinsic(llvm::Intrinsic::abs, a, b_.getFalse()) : a;
    case prim::sign: {
      Value* positive = b_.CreateZExt(b_.CreateICmpNE(a, number(a, 0)), a->getType());
      return is_signed ? b_.CreateSelect(b_.CreateICmpSLT(a, number(a, 0)), number(a, -1), positive) : positive;
    }
    case prim::floor:
    case prim::ceil:
    case prim::round:
    case prim::trunc:
      return a;
    case prim::bit_and:
      return b_.CreateAnd(a, b);
    case prim::bit_or:
      return b_.CreateOr(a, b);
    case prim::bit_xor:
      return b_.CreateXor(a, b);
    case prim::bit_not:
      return b_.CreateNot(a);
    case prim::shift_left:
    case prim::shift_right:
    case prim::shift_right_logical:
      return shift(p, d, a, b);
    default:
      throw compile_error(fmt::format("code generation: {} of {}", ir::name(p), name(d)));
  }
}

Value* arithmetic::integer_division(bool modulo, dtype d, Value* a, Value* b) {
  const bool is_signed = is_signed_integer(d);
  llvm::Constant* known = llvm::dyn_cast<llvm::Constant>(b);
  if (known && lanes_of(b)) known = known->getSplatValue();
  // A constant divisor, as nearly all of index arithmetic has, needs no guards.
  const auto* c = llvm::dyn_cast_or_null<llvm::ConstantInt>(known);
  const bool safe = c && !c->isZero() && !(is_signed && c->isMinusOne());
  Value *zero = number(a, 0), *one = number(a, 1);
  Value *by_zero = nullptr, *by_minus_one = nullptr, *divisor = b;
  if (!safe) {
    by_zero = b_.CreateICmpEQ(b, zero);
    divisor = b_.CreateSelect(by_zero, one, b);
    if (is_signed) {
      by_minus_one = b_.CreateICmpEQ(b, number(b, -1));
      divisor = b_.CreateSelect(by_minus_one, one, divisor);
    }
  }
  if (!modulo) {
    Value* q = is_signed ? b_.CreateSDiv(a, divisor) : b_.CreateUDiv(a, divisor);
    if (by_minus_one) q = b_.CreateSelect(by_minus_one, b_.CreateNeg(a), q);
    return by_zero ? b_.CreateSelect(by_zero, zero, q) : q;
  }
  if (!is_signed) {
    Value* r = b_.CreateURem(a, divisor);
    return by_zero ? b_.CreateSelect(by_zero, zero, r) : r;
  }
  // A guarded divisor is 1, so the remainder is 0 already.
  Value* r = b_.CreateSRem(a, divisor);
  Value* wrong_sign = b_.CreateAnd(b_.CreateICmpNE(r, zero), b_.CreateICmpSLT(b_.CreateXor(r, b), zero));
  return b_.CreateSelect(wrong_sign, b_.CreateAdd(r, b), r);
}

Value* arithmetic::integer_power(dtype d, Value* a, Value* b) {
  Value *zero = number(a, 0), *one = number(a, 1);
  const auto square_and_multiply = [&](Value* exponent, Value*& base, Value*& result) {
    Value* used = b_.CreateICmpNE(b_.CreateAnd(exponent, one), zero);
    result = b_.CreateSelect(used, b_.CreateMul(result, base), result);
    base = b_.CreateMul(base, base);
    return b_.CreateLShr(exponent, 1);
  };
  Value *base = a, *result = one;
  auto* known = llvm::dyn_cast<llvm::Constant>(b);
  if (known && lanes_of(b)) known = known->getSplatValue();
  if (const auto* c = llvm::dyn_cast_or_null<llvm::ConstantInt>(known)) {
    Value* exponent = b;
    for (unsigned left = c->getValue().getActiveBits(); left > 0; --left)
      exponent = square_and_multiply(exponent, base, result);
  } else {
    // As many rounds as the largest exponent of all lanes has bits.
    llvm::BasicBlock* before = b_.GetInsertBlock();
    auto* head = llvm::BasicBlock::Create(b_.getContext(), "power", before->getParent());
    auto* done = llvm::BasicBlock::Create(b_.getContext(), "powered", before->getParent());
    b_.CreateBr(head);
    b_.SetInsertPoint(head);
    const auto around = [&](Value* first) {
      auto* p = b_.CreatePHI(first->getType(), 2);
      p->addIncoming(first, before);
      return p;
    };
    auto *exponent = around(b), *base_in = around(a), *result_in = around(one);
    base = base_in;
    result = result_in;
    Value* rest = square_and_multiply(exponent, base, result);
    Value* more = b_.CreateICmpNE(rest, zero);
    if (lanes_of(more)) more = b_.CreateOrReduce(more);
    exponent->addIncoming(rest, head);
    base_in->addIncoming(base, head);
    result_in->addIncoming(result, head);
    b_.CreateCondBr(more, head, done);
    b_.SetInsertPoint(done);
  }
  if (!is_signed_integer(d)) return result;
  Value* minus_one = number(a, -1);
  Value* odd = b_.CreateICmpNE(b_.CreateAnd(b, one), zero);
  Value* other = b_.CreateSelect(b_.CreateICmpEQ(a, minus_one), b_.CreateSelect(odd, minus_one, one), zero);
  Value* inverse = b_.CreateSelect(b_.CreateICmpEQ(a, one), one, other);
  return b_.CreateSelect(b_.CreateICmpSLT(b, zero), inverse, result);
}

Value* arithmetic::shift(prim p, dtype d, Value* a, Value* b) {
  const int bits = 8 * size_of(d);
  Value* too_far = b_.CreateICmpUGE(b, number(b, bits));
  if (p == prim::shift_right && is_signed_integer(d))
    return b_.CreateAShr(a, b_.CreateSelect(too_far, number(b, bits - 1), b));
  // Masked, since a shift by the width is poison even where the select drops it.
  Value* count = b_.CreateAnd(b, number(b, bits - 1));
  Value* shifted = p == prim::shift_left ? b_.CreateShl(a, count) : b_.CreateLShr(a, count);
  return b_.CreateSelect(too_far, number(a, 0), shifted);
}

Value* arithmetic::extremum(bool maximum, dtype d, Value* a, Value* b) {
  if (d == b8) return maximum ? b_.CreateOr(a, b) : b_.CreateAnd(a, b);
  if (!is_float(d)) {
    using namespace llvm::Intrinsic;
    const bool s = is_signed_integer(d);
    return b_.CreateBinaryIntrinsic(maximum ? (s ? smax : umax) : (s ? smin : umin), a, b);
  }
  const auto plain_constant = [](Value* v) {
    auto* c = llvm::dyn_cast<llvm::Constant>(v);
    if (c && c->getType()->isVectorTy()) c = c->getSplatValue();
    const auto* f = llvm::dyn_cast_or_null<llvm::ConstantFP>(c);
    return f && !f->isNaN();
  };
  if (plain_constant(a)) std::swap(a, b);
  // One maxps or minps: it gives its second operand, a, when either is NaN. A NaN in b is put back.
  Value* wins = maximum ? b_.CreateFCmpOGT(b, a) : b_.CreateFCmpOLT(b, a);
  Value* m = b_.CreateSelect(wins, b, a);
  return plain_constant(b) ? m : b_.CreateSelect(b_.CreateFCmpUNO(b, b), b, m);
}

Value* arithmetic::identity(reducer r, dtype d, int lanes) const {
  if (is_arg(r)) return constant(d, ir::identity(r == reducer::argmax ? reducer::max : reducer::min, d), lanes);
  if (r == reducer::sum && is_float(d)) return llvm::ConstantFP::getNegativeZero(type(d, lanes));
  return constant(d, ir::identity(r, d), lanes);
}

Value* arithmetic::combine(reducer r, dtype d, Value* a, Value* b) {
  switch (r) {
    case reducer::sum:
      return is_float(d) ? b_.CreateFAdd(a, b) : b_.CreateAdd(a, b);
    case reducer::prod:
      return is_float(d) ? b_.CreateFMul(a, b) : b_.CreateMul(a, b);
    case reducer::max:
      return extremum(true, d, a, b);
    case reducer::min:
      return extremum(false, d, a, b);
    case reducer::all:
      return b_.CreateAnd(a, b);
    case reducer::any:
      return b_.CreateOr(a, b);
    default:
      throw compile_error("code generation: argmax and argmin combine pairs");
  }
}

Value* arithmetic::better(reducer r, dtype d, Value* a, Value* at, Value* b, Value* bt) {
  Value* wins = comparison(r == reducer::argmax ? prim::greater : prim::less, d, a, b);
  Value* ties = comparison(prim::equal, d, a, b);
  if (is_float(d)) {
    Value *a_nan = b_.CreateFCmpUNO(a, a), *b_nan = b_.CreateFCmpUNO(b, b);
    wins = b_.CreateOr(wins, b_.CreateAnd(a_nan, b_.CreateNot(b_nan)));
    ties = b_.CreateOr(ties, b_.CreateAnd(a_nan, b_nan));
  }
  return b_.CreateOr(wins, b_.CreateAnd(ties, b_.CreateICmpSLT(at, bt)));
}

Value* arithmetic::better_later(reducer r, dtype d, Value* a, Value* b) {
  if (!is_float(d)) return comparison(r == reducer::argmax ? prim::greater : prim::less, d, a, b);
  // Unordered comparisons: what is no number is better than any number.
  Value* wins = r == reducer::argmax ? b_.CreateFCmpUGT(a, b) : b_.CreateFCmpULT(a, b);
  return b_.CreateAnd(wins, b_.CreateFCmpORD(b, b));
}

Value* arithmetic::multiply_add(dtype d, Value* a, Value* b, Value* c) {
  if (!is_float(d)) return b_.CreateAdd(b_.CreateMul(a, b), c);
  if (machine_.fma) return b_.CreateIntrinsic(llvm::Intrinsic::fma, {a->getType()}, {a, b, c});
  return b_.CreateFAdd(b_.CreateFMul(a, b), c);
}

}  // namespace tenon::codegen
